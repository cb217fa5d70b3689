"""HybridPPO: its distribution against that of ``ppo-gate``, its ratios, its gradient, and what it learns."""

import numpy as np
import pytest
import scipy.stats
import torch
import two_items
from test_estimators import agent_of
from test_hpo import doubled

from jumpgym.agents import HybridPPO
from jumpgym.baselines import evaluate, solve
from jumpgym.baselines.sb3.hybrid_distribution import Hybrid
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

PROBLEM = setup_cost(horizon=6, fixed_cost=8, demand=scipy.stats.poisson(5))
PROBLEMS = [PROBLEM, truck_capacity(horizon=4, max_trucks=2), two_items.TwoItems()]
EACH_PROBLEM = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: type(problem).__name__)


def agent_and_episodes(problem, **settings):
    agent = agent_of(HybridPPO, problem, batch_size=16, **settings)
    return agent, agent.simulate(*doubled(agent.start()))


@EACH_PROBLEM
def test_its_distribution_is_that_of_ppo_gate(problem):
    agent, episodes = agent_and_episodes(problem)
    layout = problem.layout
    logits, means = agent.policy(episodes.observations)
    active = torch.tensor(layout.low < layout.high)
    deviation = torch.full((len(layout.low),), 0.37, dtype=torch.float64)
    hybrid = Hybrid(layout, logits, means, deviation, active, validate_args=False)
    regimes, _ = layout.chosen(episodes.gates.numpy(), episodes.quantities.numpy())
    actions = torch.cat([torch.tensor(regimes, dtype=torch.float64), episodes.proposals], -1)
    log_p, entropies = agent.log_prob(episodes.observations, episodes.gates, episodes.proposals)
    torch.testing.assert_close(log_p[..., 0], hybrid.log_prob(actions))
    torch.testing.assert_close(entropies[..., 0], hybrid.entropy())


@EACH_PROBLEM
def test_samples_spread_around_the_means_by_the_deviation(problem):
    agent, episodes = agent_and_episodes(problem, deviation=0.2)
    _, means = agent.policy(episodes.observations)
    columns = agent.policy.columns(episodes.gates)
    free = agent.policy.reach[columns] > 0
    deviations = (episodes.proposals - means.gather(-1, columns))[free].detach() / 0.2
    assert scipy.stats.kstest(deviations.numpy(), "norm").pvalue > 1e-3


def test_the_first_ratio_is_one_and_the_gradient_that_of_the_score_function():
    agent, episodes = agent_and_episodes(PROBLEM, gae_lambda=1.0)
    decisions = agent.decisions(episodes)
    batch = decisions.at(torch.arange(len(decisions.gates)).flip(0)[:20])
    log_p, _ = agent.log_prob(batch.observations, batch.gates, batch.proposals)
    assert torch.allclose(log_p, batch.log_prob, rtol=0, atol=1e-12)

    # Lambda 1: cost to go, since the value knows nothing yet.
    to_go = episodes.costs.flip(0).cumsum(0).flip(0).flatten(0, 1)
    torch.testing.assert_close(decisions.advantages, to_go)
    advantages = (batch.advantages - batch.advantages.mean()) / batch.advantages.std()
    weights = list(agent.policy.parameters())
    expected = torch.autograd.grad((log_p * advantages).mean(), weights)
    got = torch.autograd.grad(agent.decision_loss(batch) / agent.cost_scale, weights)
    for mine, right in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, right)


def test_no_gradient_passes_through_the_simulator():
    _, episodes = agent_and_episodes(PROBLEM)
    tensors = (episodes.costs, episodes.quantities, episodes.proposals, episodes.logits)
    assert not any(tensor.requires_grad for tensor in tensors)


def test_an_iteration_takes_a_step_on_each_minibatch_of_each_epoch(monkeypatch):
    agent = HybridPPO(PROBLEM, batch_size=16, minibatch_size=30, epochs=2, seed=0)
    seen, step = [], agent._step
    monkeypatch.setattr(agent, "_step", lambda batch: seen.append(batch) or step(batch))
    agent.iterate()
    assert [len(batch.gates) for batch in seen] == [32] * 6  # 96 decisions in 3 parts, twice
    first, second = (
        np.sort(torch.cat([batch.proposals for batch in epoch]), axis=0) for epoch in (seen[:3], seen[3:])
    )
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip": 0}, "clip=0.0 must be a finite number"),
        ({"minibatch_size": 1}, "minibatch_size=1 must be an integer of at least 2"),
        ({"deviation": 0}, "deviation=0.0 must be a finite number"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        HybridPPO(PROBLEM, **settings)


def test_it_learns_a_small_problem():
    least = evaluate(solve(PROBLEM), PROBLEM, episodes=2000)
    agent = HybridPPO(PROBLEM, seed=0, minibatch_size=128)
    untrained = evaluate(agent, PROBLEM, episodes=2000)
    agent.learn(total_timesteps=40 * 64 * PROBLEM.horizon)
    learnt = evaluate(agent, PROBLEM, episodes=2000)
    assert learnt.mean < 1.03 * least.mean < untrained.mean
