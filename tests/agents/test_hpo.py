"""HPO: its losses on hand-computed numbers, its epochs, and the mixed gradient in its first step."""

import pytest
import scipy.stats
import torch
from test_estimators import agent_of, flat_gradient

from jumpgym.agents import HPO
from jumpgym.agents.gradients.clipping import clipped_loss
from jumpgym.agents.gradients.rollout import rollout
from jumpgym.baselines import evaluate, solve
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

PROBLEM = setup_cost(horizon=6, fixed_cost=8, demand=scipy.stats.poisson(5))
QUIET = {"entropy_bonus": 0, "final_entropy_bonus": 0}


def test_a_gate_gains_nothing_from_a_change_beyond_the_clip():
    log_ratio = torch.log(torch.tensor([[0.5], [1.5], [0.5], [1.5]])).requires_grad_()
    advantages = torch.tensor([[2.0], [2.0], [-2.0], [-2.0]])  # costs: below 0 is better
    loss = clipped_loss(log_ratio, advantages, 0.16)
    # Costly and less likely, good and more likely: the gain ends at the clip; the others pay in full.
    assert float(loss.detach()) == pytest.approx((2 * 0.84 + 2 * 1.5 - 2 * 0.5 - 2 * 1.16) / 4)
    loss.backward()
    assert log_ratio.grad[:, 0].tolist() == pytest.approx([0, 3 / 4, -1 / 4, 0])


def test_the_first_step_is_down_the_mixed_gradient():
    """In its own units: costs by their deviation, advantages by theirs, both as means over the periods."""
    agent = agent_of(HPO, PROBLEM, **QUIET, gamma=1.0, gae_lambda=1.0, batch_size=64)
    episodes = agent.simulate(*doubled(agent.start()))
    costs = episodes.costs.detach()
    decisions = agent.decisions(episodes)
    # gamma = lambda = 1: cost to go less the value, which knows nothing yet.
    to_go = costs.flip(0).cumsum(0).flip(0)
    assert torch.allclose(decisions.advantages, to_go.flatten(0, 1))
    assert torch.allclose(decisions.returns, to_go.flatten(0, 1))

    advantages = ((to_go - to_go.mean()) / to_go.std())[..., 0]
    chosen = (torch.log_softmax(episodes.logits, -1) * episodes.gates).sum(-1)
    by_hand = episodes.costs.mean() / costs.std() + (chosen * advantages).mean()
    expected = flat_gradient(by_hand, agent)
    loss = agent.loss(again(agent, episodes)) / agent.cost_scale
    got = flat_gradient(loss, agent)
    assert float((got - expected).abs().max()) < 1e-9 * float(expected.abs().max())
    mixed = flat_gradient(episodes_cost(agent, episodes), agent)  # without the gates
    assert float((got - mixed).abs().max()) > 0.01 * float(expected.abs().max())


def doubled(start):
    state, noise = start
    return type(state)(*(entry.double() for entry in state)), noise.double()


def again(agent, episodes):
    """The same episodes on a graph of their own."""
    return rollout(
        agent.problem,
        agent.policy,
        lambda logits, period: episodes.gates[period],
        episodes.states[0],
        episodes.noise,
    )


def episodes_cost(agent, episodes):
    costs = again(agent, episodes).costs
    return costs.mean() / costs.detach().std()


def test_later_epochs_leave_the_quantities_alone():
    agent = HPO(PROBLEM, batch_size=32, hidden=(8,), epochs=2, seed=0)
    episodes = agent.simulate(*agent.start())
    decisions = agent.decisions(episodes)
    before = {name: weight.clone() for name, weight in agent.policy.named_parameters()}
    agent.later_epochs(decisions)
    changed = {
        name.split(".")[0]
        for name, weight in agent.policy.named_parameters()
        if (weight != before[name]).any()
    }
    assert changed == {"net"}
    agent.descend(lambda: (agent.loss(again(agent, episodes), decisions), None))
    assert (agent.policy.heads[0].weight != before["heads.0.weight"]).any()


def test_epochs_end_when_the_gates_have_moved_far_enough(monkeypatch):
    agent = HPO(PROBLEM, batch_size=32, hidden=(8,), learning_rate=0.3, epochs=2, seed=0)
    decisions = agent.decisions(agent.simulate(*agent.start()))
    steps = []
    monkeypatch.setattr(agent, "descend", lambda *args, step=agent.descend: (steps.append(1), step(*args))[1])
    agent.later_epochs(decisions)
    assert 1 < len(steps) < agent.MINIBATCHES
    monkeypatch.setattr(HPO, "TARGET_KL", float("inf"))
    steps.clear()
    agent.later_epochs(decisions)
    assert len(steps) == agent.MINIBATCHES


def test_advantages_discount_by_gamma_and_are_normalised_for_each_gate():
    problem = truck_capacity(horizon=4, max_trucks=2, demand=scipy.stats.poisson(5))
    agent = HPO(problem, batch_size=16, hidden=(4,), gamma=0.5, gae_lambda=1.0, seed=0)
    episodes = agent.simulate(*agent.start())
    costs = episodes.costs.detach()
    advantages, _ = agent.advantages_and_returns(episodes)
    expected = costs[0] + 0.5 * costs[1] + 0.25 * costs[2] + 0.125 * costs[3]
    assert torch.allclose(advantages[0], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": 1.1}, "gamma=1.1 must be a finite number"),
        ({"clip": 0}, "clip=0.0 must be a finite number"),
        ({"epochs": 0}, "epochs=0 must be an integer of at least 1"),
        ({"credit": "gate"}, "credit='gate'"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        HPO(PROBLEM, **settings)


def test_published_settings_are_the_defaults():
    used = HPO(PROBLEM).settings
    assert (used.learning_rate, used.gamma, used.gae_lambda, used.clip) == (1e-3, 0.93, 0.96, 0.16)
    assert (used.epochs, used.entropy_bonus, used.final_entropy_bonus) == (5, 0.01, 0.001)
    assert (used.hidden, used.credit) == ((64, 64), "total")


def test_it_learns_a_small_problem():
    optimum = solve(PROBLEM)
    agent = HPO(PROBLEM, seed=0, learning_rate=5e-3, batch_size=64, hidden=(16,))
    agent.learn(total_timesteps=60 * 64 * PROBLEM.horizon)
    learnt = evaluate(agent, PROBLEM, episodes=2000)
    least = evaluate(optimum, PROBLEM, episodes=2000)
    untrained = evaluate(HPO(PROBLEM, seed=0), PROBLEM, episodes=2000)
    assert learnt.mean < 1.05 * least.mean < untrained.mean
