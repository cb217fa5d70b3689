"""Without an end: windows go on from where they ended, closed by a value of the differential kind."""

from itertools import pairwise

import pytest
import scipy.stats
import torch

from jumpgym.agents import HPO, MixedGradient, StochasticValueGradient
from jumpgym.agents.training.training_state import training_tensors
from jumpgym.baselines import evaluate, solve
from jumpgym.problems.setup_cost import setup_cost

AVERAGE = setup_cost(horizon=None, fixed_cost=8, demand=scipy.stats.poisson(5))
DISCOUNTED = setup_cost(horizon=None, fixed_cost=8, demand=scipy.stats.poisson(5), discount=0.9)
AGENTS = pytest.mark.parametrize("cls", [MixedGradient, HPO, StochasticValueGradient])


def new(cls, problem=AVERAGE, **settings):
    settings = {"window": 5, "batch_size": 8, "hidden": (8,), "seed": 3, **settings}
    return cls(problem, **settings)


@AGENTS
def test_a_window_begins_where_the_last_one_ended(cls):
    agent = new(cls)
    windows = []
    simulate = agent.simulate

    def noted(state, noise):
        windows.append(simulate(state, noise))
        return windows[-1]

    agent.simulate = noted
    agent.learn(total_timesteps=3 * 8 * 5)
    assert [len(window.costs) for window in windows] == [5, 5, 5]
    for before, after in pairwise(windows):
        ended, begun = before.states[-1], after.states[0]
        assert all(torch.equal(a, b) for a, b in zip(ended, begun, strict=True))
        assert not any(entry.requires_grad for entry in begun)  # no gradient across windows
    assert windows[1].states[0].inventory.std() > 0


@AGENTS
@pytest.mark.parametrize("problem", [AVERAGE, DISCOUNTED], ids=["average", "discounted"])
def test_training_goes_on_from_a_checkpoint_bit_by_bit(cls, problem, tmp_path):
    def at_half(agent):
        if agent.iterations == 3:
            agent.save(tmp_path / "half.zip")

    whole = new(cls, problem).learn(6 * 40, callback=at_half)
    resumed = cls.load(tmp_path / "half.zip", problem).learn(3 * 40, reset_num_timesteps=False)
    for a, b in zip(*(state(agent).items() for agent in (whole, resumed)), strict=True):
        assert a == b


def state(agent):
    tensors = training_tensors(agent.networks, agent.optimizer, agent.generator)
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def test_the_average_cost_is_followed_and_costs_are_relative_to_it():
    agent = new(MixedGradient, batch_size=64)
    first = agent.simulate(*agent.start())
    mean = float(first.costs.detach().mean())
    # Before the first window has been accounted for, its own mean stands for the average.
    assert float(agent.relative(first.costs.detach()).mean()) == pytest.approx(0, abs=1e-4 * mean)
    agent.finish(first)
    assert float(agent.windows.average) == pytest.approx(mean, rel=1e-5)
    second = agent.simulate(*agent.start())
    agent.finish(second)
    moved = mean + agent.windows.AVERAGE_UPDATE * (float(second.costs.detach().mean()) - mean)
    assert float(agent.windows.average) == pytest.approx(moved, rel=1e-5)
    costs = second.costs.detach()
    assert torch.allclose(agent.relative(costs), costs - moved)
    discounted = new(MixedGradient, DISCOUNTED)
    assert torch.equal(discounted.relative(costs), costs)


def test_the_differential_value_has_mean_zero_and_the_discounted_one_its_level():
    agent = new(MixedGradient, batch_size=64, estimator="gae").learn(total_timesteps=60 * 64 * 5)
    episodes = agent.simulate(*agent.start())
    values = agent.value(episodes.observations.detach())
    assert abs(float(values.mean())) < 0.3 * float(values.std())
    agent = new(MixedGradient, DISCOUNTED, batch_size=64).learn(total_timesteps=60 * 64 * 5)
    episodes = agent.simulate(*agent.start())
    average = float(episodes.costs.detach()[0].mean())
    level = float(agent.value(episodes.observations.detach()).mean())
    assert level == pytest.approx(average / (1 - 0.9), rel=0.4)


def test_the_gradient_of_a_window_passes_through_the_value_that_closes_it():
    agent = new(MixedGradient)
    episodes = agent.simulate(*agent.start())
    agent.value.spread.fill_(1.0)
    closing = agent.closing(episodes)
    assert closing.shape == (8, 1)
    (gradient,) = torch.autograd.grad(closing.sum(), episodes.states[-2].inventory, retain_graph=True)
    assert gradient.any()
    assert all(p.grad is None for p in agent.value.parameters())
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(closing.sum(), next(agent.value.net.parameters()))


def test_a_window_is_only_for_problems_without_an_end():
    with pytest.raises(
        ValueError, match=r"window=5 is for problems with an infinite horizon; this one has horizon=50"
    ):
        MixedGradient(setup_cost(), window=5)
    with pytest.raises(ValueError, match="window=0 must be an integer of at least 1"):
        MixedGradient(AVERAGE, window=0)
    assert MixedGradient(AVERAGE).periods == MixedGradient.WINDOW


@AGENTS
def test_it_learns(cls):
    best = solve(AVERAGE)
    agent = cls(AVERAGE, seed=0, batch_size=64, window=20, hidden=(16,))
    before = evaluate(agent, AVERAGE, episodes=64, periods=500).mean
    agent.learn(total_timesteps=25 * 64 * 20)
    after = evaluate(agent, AVERAGE, episodes=64, periods=500).mean
    assert after < best.average_cost + 0.5 * (before - best.average_cost)
