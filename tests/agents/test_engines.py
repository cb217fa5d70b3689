"""Both engines run the same code: equal noise gives equal losses, gradients and weights."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import jumpgym
from jumpgym.agents import (
    HPO,
    GumbelSoftmax,
    MixedGradient,
    Reinforce,
    SmoothedCost,
    StochasticValueGradient,
    arrays,
)

jax = pytest.importorskip("jax", reason="JAX is not installed")
from jumpgym.agents.compiled.engine import Engine  # noqa: E402

OPTIONS = {"xla_backend_optimization_level": 0}


@pytest.fixture
def fixed_noise(monkeypatch):
    """A function from which on both libraries draw the same numbers, in float64."""
    calls = 0

    def numbers():
        nonlocal calls
        calls += 1
        return np.random.default_rng(calls)

    def in_library(array, generator):
        return torch.tensor(array) if isinstance(generator, torch.Generator) else jax.numpy.array(array)

    def draw(kind):
        return lambda shape, generator, like=None: in_library(getattr(numbers(), kind)(size=shape), generator)

    def start():
        nonlocal calls
        calls = 0
        monkeypatch.setattr(arrays, "uniform", draw("uniform"))
        monkeypatch.setattr(arrays, "normal", draw("normal"))
        monkeypatch.setattr(arrays, "permutation", lambda n, g: in_library(numbers().permutation(n), g))

    return start


def problem_of(name, horizon):
    return gym.make(f"jumpgym/{name}-v0", horizon=horizon).unwrapped.problem


def differences(cls, problem, start_noise, iterations=1, **settings):
    """Largest relative differences in loss, gradient norm and weights after some iterations in float64."""
    settings = {"batch_size": 6, "hidden": (5, 4), "seed": 3, **settings}
    agent = cls(problem, engine="torch", **settings)
    agent.networks.double()
    with jax.enable_x64(True):
        start_noise()
        engine = Engine(agent)
        state = engine.state
        step = jax.jit(engine._iteration, compiler_options=OPTIONS)
        for iteration in range(iterations):
            state = step(state._replace(values={}), jax.numpy.array(0.1 * iteration))
            assert state.finite
        for iteration in range(iterations):
            start_noise()  # a compiled iteration keeps the numbers that it was traced with
            agent.progress = 0.1 * iteration
            agent.iterate()
    reported = {
        name: abs(float(state.values[name]) / agent.logger.values[name] - 1)
        for name in ("train/loss", "train/gradient_norm", "rollout/cost")
    }
    weights = max(
        float(np.abs(np.asarray(state.networks[name]) - tensor.detach().numpy()).max())
        for name, tensor in agent.networks.named_parameters()
    )
    scale = abs(float(state.cost_scale) / agent.cost_scale - 1)
    return {**reported, "weights": weights, "cost_scale": scale}


def check(*args, **settings):
    found = differences(*args, **settings)
    assert found.pop("weights") < 1e-6, found  # Adam divides by the gradient, which magnifies rounding
    assert max(found.values()) < 1e-9, found


NAMES = [id.split("/")[1].removesuffix("-v0") for id in jumpgym.ENVIRONMENTS]


@pytest.mark.parametrize("name", NAMES)
def test_both_engines_take_the_same_step_on_every_environment(name, fixed_noise):
    check(MixedGradient, problem_of(name, 4), fixed_noise)


ENDLESS = {"horizon": None, "max_episode_steps": 10}


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (MixedGradient, {"estimator": "gae", "cross_term": "off"}),
        (MixedGradient, {"estimator": "value", "policy": "shared", "heads": 2}),
        (MixedGradient, {"estimator": "normalised", "credit": "total", "quantity_head": "bounded"}),
        (MixedGradient, {"estimator": "straight_through", "cross_term": "full", "quantity_head": "raw"}),
        (HPO, {"batch_size": 8}),
        (Reinforce, {}),
        (GumbelSoftmax, {"form": "plain"}),
        (SmoothedCost, {}),
        (StochasticValueGradient, {"steps": 1}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "-".join(map(str, value.values())),
)
def test_both_engines_take_the_same_step_with_several_items(cls, settings, fixed_noise):
    check(cls, problem_of("JointReplenishment", 4), fixed_noise, **settings)


@pytest.mark.parametrize("cls", [MixedGradient, HPO, StochasticValueGradient])
def test_both_engines_take_the_same_steps_on_windows(cls, fixed_noise):
    problem = gym.make("jumpgym/SetupCost-v0", **ENDLESS).unwrapped.problem
    check(cls, problem, fixed_noise, iterations=2, window=4)
