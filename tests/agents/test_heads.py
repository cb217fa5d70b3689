"""Several heads in a regime: the same problem, with alternatives between which the gate chooses."""

import numpy as np
import pytest
import torch

from jumpgym import as_problem
from jumpgym.agents import MixedGradient
from jumpgym.agents.gradients.estimators import expected_loss
from jumpgym.agents.gradients.rollout import draw, rollout
from jumpgym.agents.networks.gates import entropy, gumbel_noise, sampled_gate
from jumpgym.agents.networks.heads import SeveralHeads
from jumpgym.baselines import evaluate, solve
from jumpgym.problems.min_order import min_order

IDS = ("jumpgym/TruckCapacity-v0", "jumpgym/JointReplenishment-v0", "jumpgym/SwitchedLQR-v0")


def decided(problem, seed=0):
    """States, hard gates and quantities of every head, drawn at random, and noise of one period."""
    generator = torch.Generator().manual_seed(seed)
    state, noise = draw(problem, 40, problem.horizon, generator)
    layout = problem.layout
    zeros = torch.zeros(1, 40, layout.options)
    gate = sampled_gate(gumbel_noise(zeros.shape, generator, zeros), layout.gate_groups)(zeros[0], 0)
    low, high = torch.tensor(layout.low).float(), torch.tensor(layout.high).float()
    return state, gate, low + (high - low) * torch.rand(40, len(low), generator=generator), noise[:, 0]


@pytest.mark.parametrize("env_id", IDS)
def test_heads_cost_what_their_regime_costs(env_id):
    problem = as_problem(env_id)
    several = SeveralHeads(problem, 3)
    state, gate, quantity, noise = decided(several)
    following, costs = several.step(state, gate, quantity, noise)
    options, chosen = several.layout.chosen(gate.numpy(), quantity.numpy())
    regimes = several.regimes(torch.as_tensor(options)).numpy()
    flat = [torch.as_tensor(part).float() for part in problem.layout.flat(regimes, chosen)]
    expected_state, expected = problem.step(state, *flat, noise)
    assert torch.allclose(costs, expected, rtol=1e-4, atol=1e-3)
    for got, wanted in zip(following, expected_state, strict=True):
        assert torch.allclose(got, wanted, rtol=1e-4, atol=1e-3)
    assert (options != regimes).any()


def test_only_regimes_with_a_choice_of_quantity_are_repeated():
    several = SeveralHeads(as_problem("jumpgym/JointReplenishment-v0"), 2)
    assert several.layout.gates == (4, 3, 3)  # trucks; nothing, and two heads of "order" for each item
    assert several.regimes(torch.tensor([[3, 0, 0], [0, 1, 2]])).tolist() == [[3, 0, 0], [0, 1, 1]]


def test_heads_start_apart_and_one_head_is_the_problem_itself():
    problem = min_order()
    seen = np.zeros(2)
    one, two = (SeveralHeads(problem, heads) for heads in (1, 2))
    assert one.quantity_from(seen, np.zeros(2)) == pytest.approx(problem.quantity_from(seen, np.zeros(2)))
    nothing, first, second = two.quantity_from(seen, np.zeros(3))
    below, above = (problem.quantity_from(seen, np.full(2, out))[1] for out in (-0.5, 0.5))
    assert (first, second) == pytest.approx((below, above))
    assert nothing == pytest.approx(problem.quantity_from(seen, np.zeros(2))[0])


def test_the_quantities_of_heads_not_chosen_change_nothing():
    several = SeveralHeads(as_problem("jumpgym/TruckCapacity-v0"), 2)
    state, gate, quantity, noise = decided(several)
    _, costs = several.step(state, gate, quantity, noise)
    chosen = gate[:, several.layout.option_of_column]
    _, same = several.step(state, gate, torch.where(chosen > 0, quantity, 7.0), noise)
    _, other = several.step(state, gate, torch.where(chosen > 0, 7.0, quantity), noise)
    assert torch.equal(costs, same)
    assert not torch.allclose(costs, other)


def test_the_entropy_does_not_favour_a_regime_that_has_several_heads():
    """It is largest where each regime is as likely as the others, however many heads it has."""
    several = SeveralHeads(as_problem("jumpgym/JointReplenishment-v0"), 3)
    groups, log_weight = several.layout.gate_groups, torch.tensor(several.log_weight)
    logits = log_weight.clone().requires_grad_()
    entropies = entropy(logits, groups, log_weight)
    assert entropies.detach().exp().numpy() == pytest.approx([4, 2, 2])  # trucks; nothing or an order, twice
    (slope,) = torch.autograd.grad(entropies.sum(), logits)
    assert slope.numpy() == pytest.approx(0, abs=1e-12)
    equal = torch.zeros_like(log_weight)
    assert (entropy(equal, groups, log_weight)[1:] < entropies[1:]).all()


def test_three_heads_leave_the_local_minimum_in_which_one_stays():
    """With three periods left it is best to order for all of them; ordering for two is a local minimum."""
    problem = min_order(horizon=3)
    optimum = solve(problem)
    least = evaluate(optimum, problem, 4096, 0).costs.mean()
    for heads, low, high in ((1, 4, 8), (3, -1, 2)):
        agent = MixedGradient(problem, heads=heads, reheat=0, seed=1).learn(64 * 3 * 500)
        gap = 100 * (evaluate(agent, problem, 4096, 0).costs.mean() / least - 1)
        assert low < gap < high, heads


def test_branching_reaches_every_head():
    problem = min_order(horizon=4)
    agent = MixedGradient(problem, estimator="branching", heads=2, batch_size=8)
    episodes = agent.simulate(*agent.start())
    assert episodes.logits.shape[-1] == agent.model.layout.options == 3
    loss = agent.score(episodes, episodes.logits, agent.closing(episodes))
    (gradient,) = torch.autograd.grad(loss, episodes.logits)
    assert (gradient.abs().sum((0, 1)) > 0).all()
    assert float(expected_loss(torch.zeros(1, 1, 3), torch.ones(1, 1, 3))) == 0


def test_a_rollout_of_several_heads_is_one_of_the_problem():
    problem = min_order(horizon=5)
    agent = MixedGradient(problem, heads=2, batch_size=16)
    episodes = agent.simulate(*agent.start())
    gates, quantities = episodes.gates, episodes.quantities
    options, chosen = agent.model.layout.chosen(gates.numpy(), quantities.detach().numpy())
    regimes = agent.model.regimes(torch.as_tensor(options)).numpy()
    weights, columns = (torch.as_tensor(part).float() for part in problem.layout.flat(regimes, chosen))
    played = iter(zip(weights, columns, strict=True))

    def replay(observation, choice):
        gate, quantity = next(played)
        return gate, gate, quantity

    again = rollout(problem, replay, lambda logits, period: logits, episodes.states[0], episodes.noise)
    assert torch.allclose(again.costs, episodes.costs.detach(), rtol=1e-4, atol=1e-3)
