"""Estimators against the exact gradient, by enumeration of all gate and noise paths of a tiny problem.

An unbiased estimator must agree within 4 standard errors in every parameter, and the biased ones must fail
the same test, or it could not see a bias.
"""

from itertools import product

import numpy as np
import pytest
import scipy.stats
import torch
import two_items

from jumpgym.agents import GumbelSoftmax, MixedGradient
from jumpgym.agents.gradients.enumeration import expected_cost
from jumpgym.agents.gradients.estimators import cost_to_go, gae, leave_one_out, surrogate_loss
from jumpgym.agents.gradients.rollout import rollout
from jumpgym.agents.networks.gates import log_prob
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

HORIZON = 4
DEMAND = scipy.stats.rv_discrete(values=([3, 9], [0.6, 0.4]))
SAMPLES, BATCH = 100_000, 2_000
EXACT = {"entropy_bonus": 0, "revival": 0, "heads": 1, "cross_term": "full"}
"""Without what is added to the cost for exploration, and with the regimes as they are."""


def tiny_setup_cost():
    return setup_cost(
        fixed_cost=8,
        holding_cost=1,
        shortage_cost=4,
        demand=DEMAND,
        horizon=HORIZON,
        max_order=40,
        discount=0.9,
    )


def tiny_trucks():
    return truck_capacity(
        truck_capacity=7, truck_cost=6, max_trucks=2, shortage_cost=4, demand=DEMAND, horizon=HORIZON
    )


def agent_of(cls, problem, hidden=(3,), **settings):
    """An agent in float64 whose gates are far from certain and depend on the state."""
    agent = cls(problem, hidden=hidden, state_gradient_limit=None, seed=1, **settings)
    agent.networks.double()
    agent.generator.manual_seed(2)
    with torch.no_grad():
        agent.networks["policy"].net[-1].weight.mul_(4)
    return agent


def parameters(agent):
    return list(agent.networks["policy"].parameters())


def flat_gradient(loss, agent):
    gradients = torch.autograd.grad(loss, parameters(agent), allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(p) if g is None else g).flatten()
            for g, p in zip(gradients, parameters(agent), strict=True)
        ]
    )


def noise_values(problem):
    """What the noise of one period can be, (V, *noise_shape), and how probable it is, (V,)."""
    if isinstance(problem, two_items.TwoItems):
        high, low = 1 - two_items.CHANCE, two_items.CHANCE
        return list(product(*two_items.DEMANDS.tolist())), [low * low, low * high, high * low, high * high]
    return [3.0, 9.0], [0.6, 0.4]


def exact_gradient(agent):
    """Gradient of the expected discounted cost, summed over all paths."""
    problem, periods = agent.problem, range(agent.problem.horizon)
    regimes = np.array(list(product(*(range(count) for count in problem.layout.gates))))
    one_hot = torch.tensor(problem.layout.flat(regimes, np.zeros(len(problem.layout.quantity_gate)))[0])
    values, chances = (torch.tensor(numbers, dtype=torch.float64) for numbers in noise_values(problem))
    paths = product(
        product(range(len(regimes)), repeat=len(periods)), product(range(len(values)), repeat=len(periods))
    )
    gates, noises = (torch.tensor(indices) for indices in zip(*paths, strict=True))
    start = problem.initial_state(torch.zeros(len(gates), dtype=torch.float64))
    path = rollout(
        problem,
        agent.networks["policy"],
        lambda logits, t: one_hot[gates[:, t]],
        start,
        values[noises],
    )
    chance = chances[noises].prod(-1)
    probability = log_prob(path.logits, path.gates, problem.layout.gate_groups).sum((0, -1)).exp()
    assert float((chance * probability).sum().detach()) == pytest.approx(1)
    return flat_gradient((chance * probability * path.costs.sum((0, -1))).sum(), agent)


def largest_z(agent):
    """Largest |z| over the parameters of the mean of SAMPLES sampled gradients."""
    problem, gradients = agent.problem, []
    for _ in range(SAMPLES // BATCH):
        shape = (BATCH, problem.horizon, *problem.noise_shape)
        uniforms = torch.rand(shape, generator=agent.generator, dtype=torch.float64)
        start = problem.initial_state(torch.zeros(BATCH, dtype=torch.float64))
        episodes = agent.simulate(start, problem.noise(uniforms))
        gradients.append(flat_gradient(agent.loss(episodes), agent))
    samples = torch.stack(gradients)
    error = samples.std(0) / len(samples) ** 0.5
    difference = (samples.mean(0) - exact_gradient(agent)).abs()
    return float((difference / error.clamp(min=1e-12)).max())


@pytest.mark.parametrize("problem", [tiny_setup_cost, tiny_trucks, two_items.TwoItems])
def test_enumeration_of_gates_is_exact(problem):
    """No sampling is left when the noise is enumerated as well."""
    agent = agent_of(MixedGradient, problem(), **EXACT, estimator="enumeration", credit="total")
    values, chances = (torch.tensor(numbers, dtype=torch.float64) for numbers in noise_values(agent.problem))
    paths = torch.tensor(list(product(range(len(values)), repeat=agent.problem.horizon)))
    start = agent.problem.initial_state(torch.zeros(len(paths), dtype=torch.float64))
    costs = expected_cost(agent.problem, agent.policy, start, values[paths])
    found = flat_gradient((chances[paths].prod(-1) * costs).sum(), agent)
    torch.testing.assert_close(found, exact_gradient(agent), rtol=1e-9, atol=1e-9)
    loss = agent.loss(agent.simulate(start, values[paths]))
    assert float(loss.detach()) == pytest.approx(float(costs.mean().detach()), rel=1e-12)


PROBLEMS = pytest.mark.parametrize("problem", [tiny_setup_cost, tiny_trucks])


@PROBLEMS
@pytest.mark.parametrize("estimator", ["total_cost", "reward_to_go", "leave_one_out", "value", "branching"])
def test_unbiased_estimators_agree_with_enumeration(problem, estimator):
    agent = agent_of(MixedGradient, problem(), **EXACT, estimator=estimator)
    assert largest_z(agent) < 4


@pytest.mark.parametrize(
    ("problem", "cls", "settings"),
    [
        (tiny_setup_cost, MixedGradient, {**EXACT, "cross_term": "off"}),
        (tiny_trucks, MixedGradient, {**EXACT, "estimator": "gae", "gae_lambda": 0.5}),
        (tiny_setup_cost, MixedGradient, {**EXACT, "estimator": "td"}),
        (tiny_trucks, MixedGradient, {**EXACT, "estimator": "normalised"}),
        (tiny_setup_cost, MixedGradient, {**EXACT, "estimator": "branching", "branch_window": 2}),
        (tiny_trucks, MixedGradient, {**EXACT, "estimator": "gumbel_softmax"}),
        (tiny_setup_cost, MixedGradient, {**EXACT, "estimator": "straight_through"}),
        (tiny_trucks, GumbelSoftmax, {"form": "plain"}),
        (tiny_setup_cost, GumbelSoftmax, {"form": "plain", "straight_through": True}),
        (tiny_trucks, GumbelSoftmax, {"form": "guarded"}),
    ],
)
def test_biased_estimators_are_seen_to_be_biased(problem, cls, settings):
    assert largest_z(agent_of(cls, problem(), **settings)) > 6


def decouple(agent):
    """Make each item's decisions follow from its own stock: half of the hidden units for each."""
    policy = agent.policy
    with torch.no_grad():
        for net in (policy.net, policy.heads):  # two and three regimes, and columns
            first, last = net[0].weight, net[-1].weight
            first[:2, 1] = first[2:, 0] = 0
            last[:2, 2:] = last[2:, :2] = 0
        seen = policy.heads[0].weight[:, -5:]  # what the gates chose
        seen[:2, 2:] = seen[2:, :2] = 0
    return agent


@pytest.mark.parametrize("advantage", ["leave_one_out", "value", "branching"])
def test_total_credit_is_unbiased_whatever_the_policy_sees(advantage):
    problem = two_items.TwoItems()
    assert largest_z(agent_of(MixedGradient, problem, **EXACT, credit="total", estimator=advantage)) < 4


@pytest.mark.parametrize("advantage", ["leave_one_out", "value"])
def test_credit_by_components_is_unbiased_where_items_are_decided_apart(advantage):
    agent = agent_of(MixedGradient, two_items.TwoItems(), (4,), **EXACT, estimator=advantage)
    assert largest_z(decouple(agent)) < 4


def test_credit_by_components_is_an_approximation_where_one_network_sees_all():
    assert largest_z(agent_of(MixedGradient, two_items.TwoItems(), (4,), **EXACT)) > 6


def test_credit_without_the_shared_cost_would_be_seen():
    problem = two_items.TwoItems()
    problem.layout.credit[:, 2] = False
    assert largest_z(decouple(agent_of(MixedGradient, problem, (4,), **EXACT))) > 6


def test_gradient_of_an_undetached_advantage_is_wrong():
    """Seed of the general surrogate loss: without the detach, the product rule adds a term."""
    torch.manual_seed(0)
    theta = torch.tensor(0.3, requires_grad=True)
    costs = theta * torch.rand(4, 50, 1)
    gate_log_prob = theta * torch.rand(4, 50, 1)
    advantages = leave_one_out(cost_to_go(costs))
    right = torch.autograd.grad(surrogate_loss(costs, gate_log_prob, advantages), theta, retain_graph=True)[0]
    expected = (costs.detach() / theta).sum(0).mean() + (
        gate_log_prob.detach() / theta * advantages.detach()
    ).sum(0).mean()
    assert float(right) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_advantages_on_hand_computed_numbers():
    costs = torch.tensor([[1.0, 2.0, 6.0], [3.0, 5.0, 1.0]])
    values = torch.tensor([[4.0, 4.0, 4.0], [2.0, 2.0, 2.0]])
    assert cost_to_go(costs).tolist() == [[4, 7, 7], [3, 5, 1]]
    assert leave_one_out(cost_to_go(costs))[0].tolist() == pytest.approx([4 - 7, 7 - 5.5, 7 - 5.5])
    # lambda = 1 is the cost to go less the value, lambda = 0 the one-step difference.
    assert torch.allclose(gae(costs, values, 1.0), cost_to_go(costs) - values)
    assert gae(costs, values, 0.0).tolist() == [[-1, 0, 4], [1, 3, -1]]


def test_revival_draws_a_dead_head_back_and_leaves_living_ones_alone():
    agent = MixedGradient("jumpgym/MinOrder-v0", hidden=(3,), heads=1)
    policy, low = agent.policy, agent.problem.regimes.low[1]
    observations = torch.tensor([[[10.0, 5.0], [30.0, 5.0]]])
    order = torch.tensor([0.0, 1.0]).expand(1, 2, 2)
    *_, quantities = policy(observations, lambda logits: logits)
    assert ((quantities[..., 1] > low).sum(), (quantities[..., 1] == low).sum()) == (1, 1)
    assert float(policy.revival(observations, order, quantities)) == 0  # half of the orders are inside

    with torch.no_grad():
        policy.net[-1].bias[3] -= 0.8  # now every order is the minimum order
    *_, quantities = policy(observations, lambda logits: logits)
    assert torch.all(quantities[..., 1] == low)
    loss = policy.revival(observations, order, quantities)
    loss.backward()
    assert float(loss.detach()) > 0
    assert float(policy.net[-1].bias.grad[3]) < 0  # a step against it raises the level
    assert float(policy.revival(observations, 1 - order, quantities).detach()) == 0  # never chosen
