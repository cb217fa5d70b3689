"""Gates and gradients of the agents, one piece at a time; test_estimators.py tests their sum."""

import numpy as np
import pytest
import scipy.stats
import torch

from jumpgym.agents import MixedGradient, SmoothedCost
from jumpgym.agents.gradients.rollout import rollout
from jumpgym.agents.networks.gates import gumbel_noise, relaxed_gate, sampled_gate
from jumpgym.agents.networks.perceptrons import Tanh
from jumpgym.layout import Group
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

ONE_GATE = [Group(slice(0, 4), 1, 4)]
PROBABILITIES = torch.tensor([0.05, 0.15, 0.5, 0.3])


def gumbel(shape, seed=0, dtype=torch.float32):
    return gumbel_noise(shape, torch.Generator().manual_seed(seed), torch.zeros((), dtype=dtype))


def test_sampled_gates_follow_the_softmax():
    draws = 50_000
    expected = draws * np.array([0.05, 0.15, 0.5, 0.3])
    gate = sampled_gate(gumbel((1, draws, 4)), ONE_GATE)(PROBABILITIES.log().expand(draws, 4) + 3, 0)
    assert ((gate == 0) | (gate == 1)).all()
    assert (gate.sum(-1) == 1).all()
    assert scipy.stats.chisquare(gate.sum(0).numpy(), expected).pvalue > 1e-3
    # The test sees another temperature.
    other = sampled_gate(gumbel((1, draws, 4)), ONE_GATE)(1.1 * PROBABILITIES.log().expand(draws, 4), 0)
    assert scipy.stats.chisquare(other.sum(0).numpy(), expected).pvalue < 1e-6


def test_relaxed_gates_are_weights_that_harden_as_the_temperature_falls():
    noise, logits = gumbel((1, 1000, 4)), PROBABILITIES.log().expand(1000, 4)
    hard = sampled_gate(noise, ONE_GATE)(logits, 0)
    distances = []
    for temperature in (2.0, 0.5, 0.05, 0.001):
        soft = relaxed_gate(noise, ONE_GATE, temperature, straight_through=False)(logits, 0)
        assert torch.allclose(soft.sum(-1), torch.ones(1000), atol=1e-5)
        assert (soft >= 0).all()
        distances.append(float((soft - hard).abs().sum(-1).mean()))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-2 < distances[0]


def test_straight_through_gates_are_hard_forward_and_soft_backward():
    noise, logits = gumbel((1, 50, 4)), PROBABILITIES.log().expand(50, 4).clone().requires_grad_()
    value = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    soft = relaxed_gate(noise, ONE_GATE, 0.7, straight_through=False)(logits, 0)
    hard = relaxed_gate(noise, ONE_GATE, 0.7, straight_through=True)(logits, 0)
    assert torch.allclose(hard, sampled_gate(noise, ONE_GATE)(logits, 0), atol=1e-6)
    expected, got = (torch.autograd.grad((gate * value).sum(), logits)[0] for gate in (soft, hard))
    assert expected.abs().max() > 0.01
    assert torch.allclose(got, expected, atol=1e-6)


def test_the_smoothed_membership_sums_to_one_and_tends_to_the_hard_one():
    problem = truck_capacity(truck_capacity=20, truck_cost=30, max_trucks=3)
    quantity = torch.linspace(-30, 90, 400)
    hard = np.eye(len(problem.regimes))[problem.regimes.membership(quantity.numpy())]
    distances = []
    for steepness in (5.0, 50.0, 500.0, 50_000.0):
        agent = SmoothedCost(problem, steepness=steepness, batch_size=2, hidden=(2,))
        smooth = agent.membership(quantity[:, None])
        assert torch.allclose(smooth.sum(-1), torch.ones(400), atol=1e-6)
        assert (smooth >= 0).all()
        distances.append(float(np.abs(smooth.numpy() - hard).sum(-1).mean()))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-3


@pytest.mark.parametrize("variant", [{}, {"lead_time": 2}, {"unmet_demand": "lost"}], ids=str)
@pytest.mark.parametrize("quantity_head", ["order_up_to", "bounded_order_up_to", "raw"])
def test_the_rollouts_gradient_is_that_of_finite_differences(variant, quantity_head):
    problem = setup_cost(
        horizon=6, discount=0.95, demand=scipy.stats.gamma(4, scale=5), initial_inventory=30, **variant
    )
    agent = MixedGradient(
        problem, batch_size=2, hidden=(4,), heads=1, quantity_head=quantity_head, state_gradient_limit=None
    )
    agent.networks.double()
    policy = agent.policy
    generator = torch.Generator().manual_seed(3)
    uniforms = torch.rand((5, 6), generator=generator, dtype=torch.float64)
    gates = torch.eye(2, dtype=torch.float64)[torch.randint(2, (6, 5), generator=generator)]

    def mean_cost():
        start = problem.initial_state(uniforms[:, 0])
        path = rollout(problem, policy, lambda _, t: gates[t], start, problem.noise(uniforms))
        return path.costs.sum(0).mean()

    gradients = torch.autograd.grad(mean_cost(), list(policy.parameters()))
    assert max(float(g.abs().max()) for g in gradients) > 1
    step = 1e-6
    with torch.no_grad():
        for parameter, gradient in zip(policy.parameters(), gradients, strict=True):
            entries = parameter.view(-1)
            for index in range(0, len(entries), 3):
                kept = entries[index].clone()
                entries[index] = kept + step
                above = mean_cost()
                entries[index] = kept - step
                below = mean_cost()
                entries[index] = kept
                numeric = float(above - below) / (2 * step)
                assert float(gradient.view(-1)[index]) == pytest.approx(numeric, rel=1e-4, abs=1e-4)


def test_a_limit_keeps_the_gradient_of_a_steep_policy_bounded():
    problem = setup_cost(horizon=30)

    class Steep(torch.nn.Module):
        """Orders three times what the stock is short of a level: stock, and its gradient, double."""

        def __init__(self):
            super().__init__()
            self.level = torch.nn.Parameter(torch.tensor(20.0))

        def forward(self, observation, choice):
            quantity = (3 * (self.level - observation[..., :1])).repeat(1, 2)
            return quantity, choice(quantity), quantity

    def largest_gradient(limit):
        policy = Steep()
        start = problem.initial_state(torch.rand(8, generator=torch.Generator().manual_seed(0)))
        noise = torch.full((8, 30), 20.0)
        limits = None if limit is None else [limit] * 3
        ordering = torch.tensor([0.0, 1.0]).expand(8, 2)
        path = rollout(problem, policy, lambda logits, t: ordering, start, noise, limits)
        return float(torch.autograd.grad(path.costs.sum(0).mean(), policy.level)[0].abs())

    assert largest_gradient(None) > 1e8
    # 30 periods, each of slope 3, the limit on what comes from later periods and 10 from the own cost
    assert largest_gradient(5.0) <= 30 * 3 * (5.0 + 10.0)
    assert largest_gradient(1e12) == pytest.approx(largest_gradient(None), rel=1e-5)


def test_tanh_and_its_gradient_are_those_of_torch():
    x = torch.linspace(-30, 30, 1001, dtype=torch.float64, requires_grad=True)
    mine, theirs = Tanh()(x), torch.tanh(x)
    assert torch.allclose(mine, theirs, atol=1e-14)
    weights = torch.arange(1001.0, dtype=torch.float64)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (mine, theirs)]
    assert torch.allclose(*gradients, atol=1e-10)
