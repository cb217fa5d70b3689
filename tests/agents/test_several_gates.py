"""Agents on a problem of two gates, two quantities and three components of cost."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Categorical
from two_items import TwoItems, TwoItemsState

from jumpgym import HindsightProblem, NotApplicable
from jumpgym.agents import GumbelSoftmax, MixedGradient, SmoothedCost
from jumpgym.agents.gradients.estimators import cost_unit, credited
from jumpgym.agents.gradients.rollout import draw, rollout
from jumpgym.agents.networks.gates import (
    entropy,
    gumbel_noise,
    log_prob,
    most_probable,
    relaxed_gate,
    sampled_gate,
)
from jumpgym.agents.networks.policies import Quantities
from jumpgym.layout import ActionLayout
from jumpgym.problems.setup_cost import setup_cost

EACH_CLASS = pytest.mark.parametrize("cls", [MixedGradient, GumbelSoftmax, SmoothedCost])
LAYOUT = ActionLayout((2, 3, 3), (1,), np.zeros(3), np.ones(3))
LOGITS = torch.tensor([[0.3, -0.5, 1.0, 0.0, -1.0, 0.2, 0.1, 2.0]])
SLICES = (slice(0, 2), slice(2, 5), slice(5, 8))


def new(cls=MixedGradient, problem=None, **settings):
    plain = {"heads": 1} if cls is MixedGradient else {}
    small = {"batch_size": 16, "hidden": (8,)}
    return cls(TwoItems(6) if problem is None else problem, **{**plain, **small, **settings})


def observations(problem, count=50):
    stock = np.random.default_rng(0).uniform(-30, 40, (count, 2))
    return stock if problem.horizon is None else np.column_stack([stock, np.arange(count) % problem.horizon])


def gradient(loss, agent):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(agent.policy.parameters()))])


def test_probabilities_and_entropies_of_each_gate_are_those_of_torch():
    regimes = torch.tensor([[1, 0, 2]])
    gates = torch.tensor(LAYOUT.flat(regimes.numpy(), np.zeros((1, 1)))[0]).float()
    each = [Categorical(logits=LOGITS[:, columns]) for columns in SLICES]
    expected = torch.stack([gate.log_prob(regimes[:, g]) for g, gate in enumerate(each)], -1)
    assert torch.allclose(log_prob(LOGITS, gates, LAYOUT.gate_groups), expected)
    expected = torch.stack([gate.entropy() for gate in each], -1)
    assert torch.allclose(entropy(LOGITS, LAYOUT.gate_groups), expected)
    assert most_probable(LOGITS, LAYOUT.gate_groups).tolist() == [[0, 0, 2]]


def test_gates_are_sampled_independently_from_their_own_softmax():
    draws = 40_000
    gumbel = gumbel_noise((1, draws, 8), torch.Generator().manual_seed(0), LOGITS)
    gates = sampled_gate(gumbel, LAYOUT.gate_groups)(LOGITS.expand(draws, 8), 0)
    probability = torch.cat([torch.softmax(LOGITS[0, columns], -1) for columns in SLICES])
    assert torch.allclose(gates.mean(0), probability, atol=0.015)
    both = (gates[:, :, None] * gates[:, None, :]).mean(0)[:2, 2:]
    assert torch.allclose(both, probability[:2, None] * probability[None, 2:], atol=0.015)
    soft = relaxed_gate(gumbel, LAYOUT.gate_groups, 0.01, straight_through=False)(LOGITS, 0)
    assert torch.stack([soft[:, columns].sum(-1) for columns in SLICES]).sub(1).abs().max() < 1e-5
    assert (soft - gates).abs().mean() < 0.01


def test_a_gate_is_credited_with_the_components_it_enters():
    advantages = torch.tensor([[[1.0, 20.0, 300.0]]])
    credit = [[1, 0, 1], [0, 1, 1], [1, 1, 1]]
    layout = ActionLayout((2, 2, 2), (0, 1, 2), np.zeros(6), np.ones(6), credit)
    assert credited(advantages, layout).tolist() == [[[301, 320, 321]]]
    assert credited(advantages, layout, "total").tolist() == [[[321, 321, 321]]]


@pytest.mark.parametrize(("problem", "same"), [(setup_cost(horizon=6), True), (TwoItems(6), False)])
def test_the_two_credits_are_the_same_for_one_component_alone(problem, same):
    trained = [
        new(problem=problem, credit=credit).learn(3 * 16 * 6).policy.net[0].weight
        for credit in ("components", "total")
    ]
    assert trained[0].equal(trained[1]) == same


@pytest.mark.parametrize("advantage", ["leave_one_out", "gae"])
def test_the_surrogate_of_a_single_item_is_that_of_a_plain_implementation(advantage):
    """One gate, one quantity, lists instead of groups, by the formulas of the method note."""
    problem = setup_cost(horizon=7, discount=0.95)
    agent = new(problem=problem, estimator=advantage, entropy_bonus=3.0, revival=0)
    agent.networks.double()
    state, noise = draw(problem, 16, 7, agent.generator)
    state, noise = type(state)(*(entry.double() for entry in state)), noise.double()
    kept = agent.generator.get_state()
    agent.settings = replace(agent.settings, state_gradient_limit=None)
    got = gradient(agent.loss(agent.simulate(state, noise)), agent)

    agent.generator.set_state(kept)
    uniforms = torch.rand((7, 16, 2), generator=agent.generator, dtype=torch.float64)
    costs, log_probs, entropies, seen = [], [], [], []
    for t in range(7):
        observation = torch.stack([state.inventory, state.period], -1)
        logits, _, quantity = agent.policy(observation, lambda logits: logits)
        gate = Categorical(logits=logits)
        regime = (logits - torch.log(-torch.log(uniforms[t]))).argmax(-1)
        one_hot = torch.nn.functional.one_hot(regime, 2).double()
        state, cost = problem.step(state, one_hot, quantity, noise[:, t])
        costs.append(0.95**t * cost[:, 0])
        log_probs.append(gate.log_prob(regime))
        entropies.append(gate.entropy())
        seen.append(observation.detach())
    to_go = [sum(costs[t:]).detach() for t in range(7)]
    if advantage == "gae":
        present = torch.cat([q / 0.95**t for t, q in enumerate(to_go)])
        nets = [agent.value.net(agent.value.features(s))[:, 0] for s in seen]
        values = [(0.95**t * (net * present.std() + present.mean())).detach() for t, net in enumerate(nets)]
        values.append(torch.zeros(16))
        deltas = [costs[t].detach() + values[t + 1] - values[t] for t in range(7)]
        advantages = [sum(0.95 ** (u - t) * deltas[u] for u in range(t, 7)) for t in range(7)]
    else:
        advantages = [q - (q.sum() - q) / 15 for q in to_go]
    loss = sum((costs[t] + log_probs[t] * advantages[t] - 3.0 * entropies[t]).mean() for t in range(7))
    assert torch.allclose(got, gradient(loss, agent), rtol=1e-9, atol=1e-9)
    assert got.abs().max() > 1


def test_the_pathwise_gradient_is_that_of_finite_differences():
    problem = TwoItems(4)
    agent = new(problem=problem, hidden=(3,), state_gradient_limit=None)
    agent.networks.double()
    state, noise = draw(problem, 5, 4, agent.generator)
    state, noise = TwoItemsState(*(entry.double() for entry in state)), noise.double()
    regimes = np.random.default_rng(1).integers((2, 3), size=(4, 5, 2))
    gates = torch.tensor(problem.layout.flat(regimes, np.zeros((4, 5, 2)))[0])

    def mean_cost():
        return rollout(problem, agent.policy, lambda _, t: gates[t], state, noise).costs.sum((0, -1)).mean()

    weights = agent.policy.heads[0].weight
    (exact,) = torch.autograd.grad(mean_cost(), weights)
    assert exact.abs().max() > 0.5
    step = 1e-6
    with torch.no_grad():
        for index in range(0, weights.numel(), 4):
            entry = weights.view(-1)[index]
            entry += step
            above = mean_cost()
            entry -= 2 * step
            below = mean_cost()
            entry += step
            numeric = float(above - below) / (2 * step)
            assert float(exact.view(-1)[index]) == pytest.approx(numeric, rel=1e-4, abs=1e-4)


def test_limits_differ_by_entry_of_the_state():
    problem = TwoItems(5)
    agent = new(problem=problem, state_gradient_limit=400.0)
    state, noise = draw(problem, 4, 5, agent.generator)
    stock_limit, period_limit = agent.limits
    assert np.allclose(stock_limit, 400.0 / problem.state_scale[0])
    assert period_limit is None
    start = TwoItemsState(state.inventory.requires_grad_(), state.period)
    tight = [np.array([1e-3, 2e-3]), None]
    path = rollout(problem, agent.policy, lambda logits, t: torch.ones_like(logits), start, noise, tight)
    (got,) = torch.autograd.grad(path.costs.sum((0, -1)).mean(), start.inventory)
    assert torch.allclose(got.abs(), torch.tensor([1e-3, 2e-3]).expand(4, 2) / 4)


@pytest.mark.parametrize(
    ("cls", "horizon"), [(MixedGradient, 6), (MixedGradient, None), (GumbelSoftmax, 6), (SmoothedCost, 6)]
)
def test_predictions_have_a_regime_for_each_gate_and_an_admissible_quantity(cls, horizon):
    agent = new(cls, TwoItems(horizon))
    layout, seen = agent.problem.layout, observations(agent.problem)
    for deterministic in (True, False):
        (regime, quantity), _ = agent.predict(seen, deterministic=deterministic)
        assert (regime.shape, regime.dtype) == ((50, 2), np.int64)
        assert (quantity.shape, quantity.dtype) == ((50, 2), np.float32)
        assert (regime >= 0).all()
        assert (regime < layout.gates).all()
        assert quantity == pytest.approx(layout.project(regime, quantity))
        assert len(np.unique(regime[:, 1])) > 1
    single, _ = agent.predict(seen[0], deterministic=True)
    (regime, quantity), _ = agent.predict(seen, deterministic=True)
    assert single[0].tolist() == regime[0].tolist()
    assert single[1] == pytest.approx(quantity[0], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("cls", [GumbelSoftmax, SmoothedCost])
def test_without_an_end_agents_that_need_one_refuse_and_say_what_to_do(cls):
    with pytest.raises(
        ValueError,
        match=f"{cls.__name__} learns whole episodes, .* make the problem with a horizon, ",
    ):
        new(cls, TwoItems(None))


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (MixedGradient, {}),
        (MixedGradient, {"estimator": "gae", "quantity_head": "raw"}),
        (MixedGradient, {"estimator": "value", "cross_term": "off", "quantity_head": "bounded"}),
        (GumbelSoftmax, {"straight_through": True}),
        (GumbelSoftmax, {"form": "plain"}),
        (SmoothedCost, {}),
    ],
)
def test_training_lowers_the_cost_and_goes_on_from_a_checkpoint(cls, settings, tmp_path):
    costs = []
    agent = new(cls, seed=1, learning_rate=0.02, **settings)
    agent.learn(60 * 16 * 6, callback=lambda agent: costs.append(agent.logger.values["rollout/cost"]))
    assert np.isfinite(costs).all()
    assert np.mean(costs[-10:]) < 0.9 * np.mean(costs[:3])
    agent.save(tmp_path / "agent.zip")
    loaded = cls.load(tmp_path / "agent.zip", TwoItems(6))
    for trained in (agent, loaded):
        trained.learn(2 * 16 * 6, reset_num_timesteps=False)
    seen = observations(agent.problem)
    expected, got = (trained.predict(seen)[0] for trained in (agent, loaded))
    assert np.array_equal(got[0], expected[0])
    assert np.array_equal(got[1], expected[1])


def test_a_checkpoint_of_other_gates_is_refused(tmp_path):
    new().save(tmp_path / "agent.zip")
    with pytest.raises(ValueError, match=r"trained on .*'gates': \[2, 3\].* but env has .*'gates': \[2\]"):
        MixedGradient.load(tmp_path / "agent.zip", setup_cost(horizon=6))


def test_quantities_keep_the_scale_they_were_learnt_in():
    learnt, other = TwoItems(6), TwoItems(6)
    for item, factor in zip(other.items, (3.0, 0.5), strict=True):
        item.level_scale *= factor
    here, there = Quantities(learnt), Quantities(other)
    seen, output = torch.tensor(observations(learnt)).float(), torch.randn(50, 5)
    assert not torch.allclose(here(seen, output), there(seen, output))
    there.load_state_dict(here.state_dict())
    assert torch.allclose(here(seen, output), there(seen, output), rtol=1e-5, atol=1e-4)
    again = Quantities(other)
    again.load_state_dict(there.state_dict())
    assert torch.allclose(here(seen, output), again(seen, output), rtol=1e-5, atol=1e-4)


def test_the_smoothed_membership_of_every_gate_tends_to_the_hard_one():
    problem = TwoItems(6)
    quantity = torch.rand((200, 2), generator=torch.Generator().manual_seed(0)) * 40 - 10
    agent = new(SmoothedCost, problem, steepness=1e5)
    hard, _ = problem.layout.flat(problem.membership(quantity.numpy()), np.zeros((200, 2)))
    assert (agent.membership(quantity) - torch.tensor(hard)).abs().mean() < 1e-3
    assert agent.membership.hard(quantity).tolist() == problem.membership(quantity.numpy()).tolist()


def test_regimes_that_do_not_follow_from_quantities_cannot_be_smoothed():
    problem = TwoItems(6)
    problem.boundaries = None
    with pytest.raises(NotApplicable, match="SmoothedCost: the regimes of TwoItems do not follow"):
        SmoothedCost(problem)
    assert isinstance(new(MixedGradient, problem).problem, HindsightProblem)


def test_revival_acts_on_the_dead_column_alone():
    agent = new()
    with torch.no_grad():
        agent.policy.heads[-1].bias[4] -= 50  # item 2 in its largest regime: always the least order
    path = agent.simulate(*draw(agent.problem, 200, 6, agent.generator))
    taken = path.observations.detach(), path.gates, path.quantities.detach()
    (slope,) = torch.autograd.grad(agent.policy.revival(*taken), agent.policy.heads[-1].bias)
    assert slope[4] < 0
    assert slope[:4].abs().max() == 0


def test_the_unit_of_cost_is_the_mean_unless_costs_may_be_negative():
    costs = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [2.0, 0.0]]])
    assert cost_unit(costs) == pytest.approx((3 + 7 + 0 + 2) / 4)
    utility = torch.tensor([[0.0, 0.0], [-13.0, -15.0]])[..., None]
    assert cost_unit(utility) == pytest.approx(2**0.5 / 2)
    assert cost_unit(utility + 100 * torch.tensor([0.0, -1.0])[:, None, None]) == cost_unit(utility)
    assert cost_unit(torch.zeros(2, 3, 1)) == 1e-8
