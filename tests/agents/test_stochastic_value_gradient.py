"""SVG(n): full back-propagation at its end, unbiased with the true critic, biased with a wrong one."""

import numpy as np
import pytest
import scipy.stats
import test_estimators
import torch
from test_estimators import agent_of, flat_gradient, largest_z, noise_values

from jumpgym import InventoryState
from jumpgym.agents import MixedGradient, StochasticValueGradient
from jumpgym.agents.networks.critic import ActionFeatures, Critic
from jumpgym.agents.networks.policies import HybridPolicy
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

EXACT = {"entropy_bonus": 0, "revival": 0}
"""Without what is added to the cost for exploration."""
TINY = setup_cost(
    fixed_cost=8, shortage_cost=4, demand=test_estimators.DEMAND, horizon=3, max_order=40, discount=0.9
)
PROBLEM = setup_cost(horizon=6, fixed_cost=8, demand=scipy.stats.poisson(5), discount=0.9)


def gradient(cls, problem, **settings):
    """Of the loss of an iteration, with respect to the policy, in float64, on equal random numbers."""
    agent = agent_of(cls, problem, **EXACT, **settings)
    uniforms = torch.rand((64, problem.horizon), generator=agent.generator, dtype=torch.float64)
    start = problem.initial_state(torch.zeros(64, dtype=torch.float64))
    return flat_gradient(agent.loss(agent.simulate(start, problem.noise(uniforms))), agent)


@pytest.mark.parametrize(
    "problem",
    [PROBLEM, truck_capacity(horizon=5, lead_time=1, max_trucks=2, demand=scipy.stats.poisson(5))],
    ids=["setup", "trucks"],
)
def test_with_n_as_long_as_the_horizon_it_is_full_back_propagation(problem):
    full = gradient(MixedGradient, problem, heads=1)
    scale = float(full.abs().max())
    for steps in (problem.horizon, None):
        svg = gradient(StochasticValueGradient, problem, steps=steps, noise=0)
        assert float((svg - full).abs().max()) < 1e-5 * scale
    cut = gradient(StochasticValueGradient, problem, steps=2, noise=0)  # the critic knows nothing yet
    assert float((cut - full).abs().max()) > 0.1 * scale


class TrueCritic(torch.nn.Module):
    """The exact cost to go of an action on ``TINY``, by enumeration, under a policy held fixed."""

    def __init__(self, problem, policy):
        super().__init__()
        self.problem = problem
        self.policy = HybridPolicy(problem, (3,), "problem").double()
        self.policy.load_state_dict(policy.state_dict())
        self.policy.requires_grad_(False)

    def value(self, state, period):
        if period == self.problem.horizon:
            return torch.zeros_like(state.inventory)
        seen = self.problem.observe(state)
        total = 0.0
        for gate in torch.eye(2, dtype=torch.float64):
            logits, gates, quantities = self.policy(seen, lambda logits, gate=gate: gate.expand_as(logits))
            chance = (torch.softmax(logits, -1) * gate).sum(-1)
            total = total + chance * self.action_value(state, gates, quantities, period)
        return total

    def action_value(self, state, gates, quantities, period):
        total = 0.0
        for demand, chance in zip(*noise_values(self.problem), strict=True):
            noise = torch.full_like(state.inventory, demand)
            after, cost = self.problem.step(state, gates, quantities, noise)
            following = self.value(after, period + 1)
            total = total + chance * (cost.sum(-1) + self.problem.discount * following)
        return total

    def forward(self, inputs):
        rows = []
        for row in inputs if inputs.ndim == 3 else [inputs]:
            observation, gates, quantities = row.split([2, 2, 2], -1)
            state = InventoryState(observation[:, 0], observation[:, :0], observation[:, 1])
            rows.append(self.action_value(state, gates, quantities, int(observation[0, 1])))
        return torch.stack(rows)[..., None]

    def error(self, inputs, targets):
        return targets.new_zeros(())


def svg_with_true_critic(steps, error=0.0):
    agent = agent_of(StochasticValueGradient, TINY, **EXACT, steps=steps, noise=0)
    agent.critic_targets = lambda episodes: torch.zeros(1)
    critic = TrueCritic(agent.problem, agent.policy)
    agent.critic = agent.networks["critic"] = critic
    # A wrong slope in the quantity, which the leave-one-out baseline does not cancel.
    agent.critic.register_forward_hook(lambda module, args, q: q + error * args[0][..., -1:])
    return agent


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_with_the_true_critic_it_is_unbiased_whatever_n_is(steps, monkeypatch):
    monkeypatch.setattr(test_estimators, "SAMPLES", 20_000)
    assert largest_z(svg_with_true_critic(steps)) < 4


def test_a_wrong_critic_is_seen(monkeypatch):
    monkeypatch.setattr(test_estimators, "SAMPLES", 20_000)
    assert largest_z(svg_with_true_critic(1, error=1.0)) > 6


def segments(agent):
    """First period, period after the last, and whether the critic judges the end, of each segment."""
    begins, judged = (flags.tolist() for flags in agent.cut())
    starts = [0, *(period for period, begin in enumerate(begins) if begin)]
    stops = [*starts[1:], len(begins)]
    assert sum(judged) == sum(judged[stop - 1] for stop in stops)
    return tuple((start, stop, judged[stop - 1]) for start, stop in zip(starts, stops, strict=True))


def test_segments_have_n_simulated_decisions_and_one_that_the_critic_judges():
    agent = StochasticValueGradient(PROBLEM, steps=2, batch_size=4, hidden=(4,))
    assert {segments(agent) for _ in range(50)} == {
        ((0, 3, True), (3, 6, True)),
        ((0, 2, True), (2, 5, True), (5, 6, False)),  # nothing follows the end of the episode
        ((0, 1, True), (1, 4, True), (4, 6, False)),
    }
    assert segments(agent_of(StochasticValueGradient, PROBLEM, steps=6)) == ((0, 6, False),)
    endless = setup_cost(horizon=None)
    assert segments(StochasticValueGradient(endless, window=8)) == ((0, 8, True),)
    cuts = {segments(StochasticValueGradient(endless, steps=4, window=8, seed=i)) for i in range(20)}
    assert ((0, 2, True), (2, 7, True), (7, 8, True)) in cuts


def test_no_gradient_passes_from_a_segment_to_the_one_before():
    agent = StochasticValueGradient(PROBLEM, steps=3, batch_size=4, hidden=(4,))
    begins, judged = torch.arange(6) == 4, torch.arange(6) == 3
    agent.cut = lambda: (begins, judged)
    episodes = agent.simulate(*agent.start())
    assert episodes.costs.shape == (6, 4, 1)
    assert len(episodes.states) == 7
    earlier = episodes.states[2].inventory
    assert torch.autograd.grad(episodes.costs[3].sum(), earlier, retain_graph=True)[0].any()
    later = torch.autograd.grad(episodes.costs[4:].sum(), earlier, allow_unused=True)[0]
    assert later is None or not later.any()


def test_steps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"steps=7 is longer than the horizon, 6: use None"):
        StochasticValueGradient(PROBLEM, steps=7)
    with pytest.raises(ValueError, match=r"steps=8 does not fit in a window of 8 periods"):
        StochasticValueGradient(setup_cost(horizon=None), steps=8, window=8)
    with pytest.raises(ValueError, match="steps=-1 must be an integer of at least 0"):
        StochasticValueGradient(PROBLEM, steps=-1)


def test_the_critic_sees_the_level_and_only_of_the_chosen_regime():
    features = ActionFeatures(PROBLEM)
    scale = PROBLEM.quantity_scale[1]
    level = float(PROBLEM.quantity_from(np.zeros(2), np.zeros(2))[1])
    observation = torch.tensor([[10.0, 2.0], [10.0, 2.0]])
    gates = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    quantities = torch.tensor([[0.0, 25.0], [0.0, 25.0]])
    levels = features(torch.cat([observation, gates, quantities], -1))[:, -1]
    assert levels.tolist() == pytest.approx([(35 - level) / scale, (10 - level) / scale], rel=1e-5)


def test_noise_is_on_levels_within_their_intervals_and_in_training_alone():
    agent = StochasticValueGradient(PROBLEM, noise=0.5, hidden=(4,), batch_size=2)
    assert agent.deviation == 0.5
    assert StochasticValueGradient(PROBLEM, steps=0).deviation > 0
    assert StochasticValueGradient(PROBLEM).deviation == 0
    observation = torch.tensor([[0.0, 2.0]]).expand(2000, 2)

    def order(logits):
        return torch.tensor([0.0, 1.0]).expand_as(logits)

    quiet = agent.policy(observation, order)[2][0, 1].detach()
    noise = torch.randn((2000, 2), generator=agent.generator)
    loud = agent.policy.disturbed(0.1 * noise)(observation, order)[2][:, 1].detach()
    assert float(loud.std()) == pytest.approx(0.1 * PROBLEM.quantity_scale[1], rel=0.1)
    assert float(loud.mean()) == pytest.approx(float(quiet), rel=0.02)
    wild = agent.policy.disturbed(100.0 * noise)(observation, order)[2][:, 1].detach()
    assert (float(wild.min()), float(wild.max())) == (0.0, PROBLEM.layout.high[1])
    decisions = [agent.predict([-5.0, 3.0], deterministic=True)[0][1] for _ in range(2)]
    assert decisions[0] == decisions[1]


def test_values_stay_what_they_are_while_their_unit_follows_the_spread():
    critic = Critic(PROBLEM, (4,))
    inputs = torch.rand(5, 20, 6)
    with torch.no_grad():
        critic.error(inputs, 1000 * torch.randn(5, 20, 1))
        values, unit = critic(inputs), float(critic.spread)
        for _ in range(25):
            critic.adapt(torch.randn(5, 20, 1))
        rounding = 1e-7 * unit  # of the weights, which are in that unit
        assert torch.allclose(critic(inputs), values, rtol=1e-4, atol=rounding)
    assert unit > 700
    assert float(critic.spread) < 20


def test_the_critic_learns_what_a_quantity_costs():
    problem = setup_cost(
        fixed_cost=0, holding_cost=1, shortage_cost=9, demand=scipy.stats.poisson(5), horizon=1
    )
    agent = StochasticValueGradient(problem, steps=0, noise=0.5, batch_size=128)
    for _ in range(200):  # the policy stays as it is
        episodes = agent.simulate(*agent.start())
        targets = agent.critic_targets(episodes)
        agent.descend(lambda episodes=episodes, targets=targets: (agent.critic_loss(episodes, targets), None))
        agent.critic.adapt(targets)
    observation = torch.zeros(1, 2)

    def slope(quantity):
        quantities = torch.tensor([[0.0, quantity]], requires_grad=True)
        inputs = torch.cat([observation, torch.tensor([[0.0, 1.0]]), quantities], -1)
        (slopes,) = torch.autograd.grad(agent.critic(inputs).sum(), quantities)
        return float(slopes[0, 1])

    assert slope(1.0) < 0 < slope(15.0)
