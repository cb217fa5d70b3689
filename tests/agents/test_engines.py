"""Both engines run the same code: equal noise gives equal losses, gradients and weights."""

import os
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from jumpgym import NotApplicable
from jumpgym.agents import (
    HPO,
    FittedQ,
    GumbelSoftmax,
    HybridPPO,
    MixedGradient,
    Reinforce,
    SmoothedCost,
    StochasticValueGradient,
    arrays,
)
from jumpgym.agents.training import engines

jax = pytest.importorskip("jax", reason="JAX is not installed")
from jumpgym.agents.compiled import engine as compiling  # noqa: E402
from jumpgym.agents.compiled.cache import cache_folder  # noqa: E402

OPTIONS = compiling.OPTIONS
"""As for training; the tests' own, in conftest.py, are those by which XLA compiles fastest."""


@pytest.fixture
def fixed_noise(monkeypatch):
    """A function from which on both libraries draw the same numbers, in float64 or in another dtype."""
    calls, dtype = 0, np.float64

    def numbers():
        nonlocal calls
        calls += 1
        return np.random.default_rng(calls)

    def in_library(array, generator):
        array = array.astype(dtype) if array.dtype.kind == "f" else array
        return torch.tensor(array) if isinstance(generator, torch.Generator) else jax.numpy.array(array)

    def draw(kind):
        return lambda shape, generator, like=None: in_library(getattr(numbers(), kind)(size=shape), generator)

    def start(precision=np.float64):
        nonlocal calls, dtype
        calls, dtype = 0, precision
        monkeypatch.setattr(arrays, "uniform", draw("uniform"))
        monkeypatch.setattr(arrays, "normal", draw("normal"))
        monkeypatch.setattr(arrays, "permutation", lambda n, g: in_library(numbers().permutation(n), g))

    return start


def problem_of(name, horizon, **parameters):
    return gym.make(f"jumpgym/{name}-v0", horizon=horizon, **parameters).unwrapped.problem


def differences(cls, problem, start_noise, iterations=1, dtype=np.float64, options=None, **settings):
    """Largest relative differences in loss, gradient and weights after some iterations."""
    settings = {"batch_size": 6, "hidden": (5, 4), "seed": 3, **settings}
    agent = cls(problem, engine="torch", **settings)
    agent.networks.to(torch.from_numpy(np.empty(0, dtype)).dtype)
    with jax.enable_x64(dtype == np.float64):
        start_noise(dtype)
        engine = compiling.Engine(agent)
        state = engine.state
        step = jax.jit(engine._iteration, compiler_options=options or compiling.OPTIONS)
        for iteration in range(iterations):
            state = step(state._replace(values={}), jax.numpy.array(0.1 * iteration), engine.numbers)
            assert state.finite
        for iteration in range(iterations):
            start_noise(dtype)  # a compiled iteration keeps the numbers that it was traced with
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
    # The first moments of Adam are means of gradients, after clipping.
    slots = agent.optimizer.state_dict()["state"]
    moments = [
        (slots[i]["exp_avg"].numpy(), np.asarray(state.adam.first[name]))
        for i, (name, _) in enumerate(agent.networks.named_parameters())
    ]
    gradient = max(np.abs(x - y).max() for x, y in moments) / max(np.abs(x).max() for x, _ in moments)
    scale = abs(float(state.cost_scale) / agent.cost_scale - 1)
    return {**reported, "gradient": float(gradient), "weights": weights, "cost_scale": scale}


def check(*args, **settings):
    found = differences(*args, **settings)
    assert found.pop("weights") < 1e-6, found  # Adam divides by the gradient, which magnifies rounding
    assert max(found.values()) < 1e-9, found


@pytest.mark.parametrize("name", ["SetupCost", "LoanBrackets", "MinInvestment", "SwitchedLQR"])
def test_both_engines_take_the_same_step(name, fixed_noise):
    """On a problem of each kind; the tests of portability compute all of them in both libraries."""
    check(MixedGradient, problem_of(name, 4), fixed_noise)


def test_gradients_of_several_gates_are_right_as_they_are_compiled_for_training(fixed_noise):
    """A prototype of this loss, with a matrix product in ``credited``, was compiled 7 % off in float32."""
    problem = problem_of("JointReplenishment", 10)
    sizes = {"batch_size": 64, "hidden": (32, 32)}
    found = differences(MixedGradient, problem, fixed_noise, dtype=np.float32, options=OPTIONS, **sizes)
    assert found.pop("weights") < 1e-2, found
    assert max(found.values()) < 1e-5, found


def test_an_agent_decides_on_multiples():
    agent = MixedGradient(problem_of("CapacitatedLotSizing", 4, order_multiple=3), seed=0, **TINY)
    agent.learn(2 * TRANSITIONS)
    observation = np.random.default_rng(0).uniform(-9, 9, (50, 3)) * [1, 1, 0]
    quantity = agent.predict(observation)[0][1]
    assert np.any(quantity > 0)
    np.testing.assert_array_equal(quantity % 3, 0)


ENDLESS = {"horizon": None, "max_episode_steps": 10}


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (MixedGradient, {"estimator": "gae", "cross_term": "off"}),
        (MixedGradient, {"estimator": "value", "policy": "shared", "heads": 2}),
        (MixedGradient, {"estimator": "normalised", "credit": "total", "quantity_head": "bounded"}),
        (MixedGradient, {"estimator": "straight_through", "cross_term": "full", "quantity_head": "raw"}),
        (HPO, {"batch_size": 8}),
        (HybridPPO, {"minibatch_size": 5, "epochs": 2, "entropy_bonus": 0.1}),
        (Reinforce, {}),
        (GumbelSoftmax, {"form": "plain"}),
        (SmoothedCost, {}),
        (StochasticValueGradient, {"steps": 1}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "-".join(map(str, value.values())),
)
def test_both_engines_take_the_same_step_with_several_items(cls, settings, fixed_noise):
    check(cls, problem_of("JointReplenishment", 4), fixed_noise, **{"hidden": (4,), **settings})


@pytest.mark.parametrize("cls", [MixedGradient, HPO, HybridPPO, StochasticValueGradient])
def test_both_engines_take_the_same_steps_on_windows(cls, fixed_noise):
    problem = gym.make("jumpgym/SetupCost-v0", **ENDLESS).unwrapped.problem
    check(cls, problem, fixed_noise, iterations=2, window=4, hidden=(4,))


TINY = {"batch_size": 4, "hidden": (3,)}
TRANSITIONS = 4 * 4
"""Time steps of an iteration of ``compiled``."""


@pytest.fixture
def compiled(tmp_path_factory, monkeypatch):
    """Make small agents that JAX compiles, with one cache for all tests."""
    folder = tmp_path_factory.getbasetemp() / "compiled"
    monkeypatch.setenv("JUMPGYM_COMPILATION_CACHE", str(folder))
    problem = problem_of("SetupCost", 4)
    return lambda **settings: MixedGradient(problem, engine="jax", **{**TINY, **settings})


def weights(agent):
    return torch.cat([parameter.detach().flatten() for parameter in agent.networks.parameters()])


def test_training_goes_on_from_a_checkpoint_bit_by_bit(compiled, tmp_path):
    path = tmp_path / "half.zip"

    def save_at_half(agent):
        if agent.iterations == 5:
            agent.save(path)

    whole = compiled().learn(10 * TRANSITIONS, callback=save_at_half)
    assert whole.compile_seconds > 0
    assert whole.iterations == 10
    half = MixedGradient.load(path, whole.problem)
    assert half.engine == "jax"
    half.learn(5 * TRANSITIONS, reset_num_timesteps=False)
    assert torch.equal(weights(half), weights(whole))
    assert half.cost_scale == whole.cost_scale
    other = MixedGradient.load(path, whole.problem)
    other.key = other.key + 1  # negative control: other noise
    assert not torch.equal(weights(other.learn(5 * TRANSITIONS, reset_num_timesteps=False)), weights(whole))


def test_iterations_that_run_as_one_program_are_those_that_run_one_by_one(compiled):
    calls = []
    together = compiled().learn(
        12 * TRANSITIONS, callback=lambda a: calls.append(a.iterations), callback_interval=5
    )
    one_by_one = compiled().learn(12 * TRANSITIONS, callback=lambda agent: True)
    assert calls == [5, 10, 12]
    assert torch.equal(weights(together), weights(one_by_one))


def test_what_one_engine_saves_the_other_trains_on(compiled, tmp_path):
    path = tmp_path / "agent.zip"
    agent = compiled().learn(3 * TRANSITIONS)
    agent.save(path)
    eager = MixedGradient.load(path, agent.problem, engine="torch")
    assert eager.engine == "torch"
    assert torch.equal(weights(eager), weights(agent))
    observation = [[1.0, 0.0], [30.0, 2.0]]
    for got, expected in zip(
        eager.predict(observation, deterministic=True)[0],
        agent.predict(observation, deterministic=True)[0],
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)
    eager.learn(2 * TRANSITIONS, reset_num_timesteps=False).save(path)
    back = MixedGradient.load(path, agent.problem, engine="jax")
    back.learn(TRANSITIONS, reset_num_timesteps=False)
    assert (back.iterations, back.optimizer.state_dict()["state"][0]["step"]) == (6, 6)


def test_a_loss_that_is_not_finite_leaves_the_weights(compiled):
    agent = compiled()
    with torch.no_grad():
        agent.policy.net[0].bias[0] = torch.nan
    before = weights(agent)
    with pytest.raises(FloatingPointError, match="MixedGradient: after 0 time steps the loss is nan"):
        agent.learn(5 * TRANSITIONS)
    assert torch.equal(torch.nan_to_num(weights(agent)), torch.nan_to_num(before))
    assert agent.iterations == agent.num_timesteps == 0


def test_compilation_is_not_training_and_is_cached(compiled):
    first = compiled(seed=1).learn(2 * TRANSITIONS)
    assert first.clock.elapsed < first.compile_seconds
    second = compiled(seed=1).learn(2 * TRANSITIONS)
    assert torch.equal(weights(first), weights(second))
    assert cache_folder().is_relative_to(os.environ["JUMPGYM_COMPILATION_CACHE"])
    assert any(cache_folder().iterdir())


def test_other_rates_run_in_the_same_program(compiled):
    compiled(seed=1).learn(2 * TRANSITIONS)
    programs = set(cache_folder().iterdir())
    settings = {"learning_rate": 0.02, "max_grad_norm": 0.3, "entropy_until": 0.6, "entropy_bonus": None}
    compiled(seed=2, **settings).learn(2 * TRANSITIONS)
    assert set(cache_folder().iterdir()) == programs
    compiled(seed=2, gae_lambda=0.5, estimator="gae").learn(2 * TRANSITIONS)  # negative control
    assert set(cache_folder().iterdir()) > programs


def test_the_cache_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("JUMPGYM_COMPILATION_CACHE", "off")
    assert cache_folder() is None
    monkeypatch.delenv("JUMPGYM_COMPILATION_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder().parent == Path("/somewhere/jumpgym")


class Untraceable(type(problem_of("SetupCost", 4))):
    """An inventory with a step that depends on the values of its arrays."""

    def step(self, state, gate, quantity, noise):
        if (quantity > 0).any():
            quantity = quantity + 0
        return super().step(state, gate, quantity, noise)


def test_a_problem_that_cannot_be_traced_is_trained_by_pytorch_with_a_warning():
    problem = problem_of("SetupCost", 4)
    problem.__class__ = Untraceable
    with pytest.raises(TypeError, match=r"line \d+ of test_engines.py, 'if \(quantity > 0\).any\(\):'"):
        MixedGradient(problem, engine="jax", **TINY).learn(TRANSITIONS)
    agent = MixedGradient(problem, engine="torch", **TINY)
    agent.engine, agent.requested_engine = "jax", "auto"
    with pytest.warns(UserWarning, match=r"JAX cannot trace line \d+ of test_engines.py"):
        agent.learn(2 * TRANSITIONS)
    assert (agent.engine, agent.iterations) == ("torch", 2)


def test_what_cannot_be_compiled_is_refused_with_a_reason(monkeypatch):
    problem = problem_of("SetupCost", 4)
    with pytest.raises(NotApplicable, match="engine='jax': the estimator 'branching' is not compiled; use"):
        MixedGradient(problem, engine="jax", estimator="branching")
    with pytest.raises(NotApplicable, match="quantity='kumaraswamy' is not compiled"):
        Reinforce(problem, engine="jax", quantity="kumaraswamy")
    with pytest.raises(NotApplicable, match="FittedQ searches actions by PyTorch"):
        FittedQ(problem, engine="jax")
    with pytest.raises(ValueError, match=r"engine='numpy' must be one of"):
        MixedGradient(problem, engine="numpy")
    monkeypatch.setattr(engines, "jax_is_installed", lambda: False)
    assert MixedGradient(problem).engine == "torch"
    with pytest.raises(ImportError, match=r"engine='jax' needs JAX: pip install"):
        MixedGradient(problem, engine="jax")


def test_auto_takes_what_is_there(monkeypatch):
    problem = problem_of("SetupCost", 4)
    assert MixedGradient(problem).engine == "torch"  # the tests' default, see conftest.py
    monkeypatch.delenv("JUMPGYM_ENGINE")
    assert MixedGradient(problem).engine == "jax"
    assert MixedGradient(problem, estimator="branching").engine == "torch"
