import numpy as np
import pytest
import scipy.stats
import torch

from jumpgym import as_problem
from jumpgym.agents import MixedGradient
from jumpgym.agents.networks.item_policy import ItemNetwork, ItemPolicy, ItemValue
from jumpgym.agents.networks.perceptrons import Value
from jumpgym.agents.networks.policies import HybridPolicy
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment

HIDDEN = (16, 12)


def separate(items):
    """n items that share nothing."""
    return JointReplenishment(
        item_costs=10.0 + 7 * np.arange(items),
        truck_cost=0.0,
        truck_capacity=np.inf,
        demand=[scipy.stats.gamma(5.0 + item) for item in range(items)],
    )


def trucks(items, order=None, lead_time=1):
    """n items that share trucks, in an order."""
    order = np.arange(items) if order is None else order
    return JointReplenishment(
        item_costs=(10.0 + 7 * np.arange(items))[order],
        holding_cost=(1.0 + 0.1 * np.arange(items))[order],
        truck_capacity=20.0,
        demand=[scipy.stats.poisson(3.0 + item) for item in order],
        lead_time=lead_time,
    )


def machine(items, order=None):
    """n items made on one machine, in an order."""
    order = np.arange(items) if order is None else order
    return CapacitatedLotSizing(
        setup_costs=(10.0 + 7 * np.arange(items))[order],
        setup_times=(1.0 + 0.2 * np.arange(items))[order],
        capacity=40.0,
        demand=[scipy.stats.poisson(3.0 + item) for item in order],
    )


def observations(problem, seed=0):
    rng = np.random.default_rng(seed)
    low, high = problem.observation_low, np.minimum(problem.observation_high, 40.0)
    drawn = low.clip(-20) + (high - low.clip(-20)) * rng.random((7, len(low)))
    if problem.horizon is not None:
        drawn[:, -1] = rng.integers(0, problem.horizon, 7)
    return torch.tensor(drawn, dtype=torch.float32)


def grown(policy, seed=0):
    """The same policy with weights large enough for its outputs to differ."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return policy


def most_likely(problem):
    def choice(logits):
        parts = [
            torch.nn.functional.one_hot(part.argmax(-1), part.shape[-1])
            for part in logits.split(list(problem.layout.gates), -1)
        ]
        return torch.cat(parts, -1).float()

    return choice


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("make", [separate, trucks, machine])
def test_the_number_of_weights_does_not_depend_on_the_number_of_items(make):
    few, many = make(3), make(9)
    assert count(ItemPolicy(few, HIDDEN, "problem")) == count(ItemPolicy(many, HIDDEN, "problem"))
    assert count(ItemValue(few, HIDDEN)) == count(ItemValue(many, HIDDEN))
    assert count(HybridPolicy(few, HIDDEN, "problem")) < count(HybridPolicy(many, HIDDEN, "problem"))
    assert count(Value(few, HIDDEN)) < count(Value(many, HIDDEN))


def permuted(make, policy_class, items=4):
    """Outputs of a policy on items, and on the same items in another order put back in the first one."""
    order = np.array([2, 0, 3, 1])
    problems = make(items), make(items, order)
    policies = [grown(policy_class(problem, HIDDEN, "problem")) for problem in problems]
    observation = observations(problems[0])
    width = problems[0].item_entries.size
    moved = observation.clone()
    moved[:, :width] = observation[:, :width].reshape(7, -1, items)[..., order].reshape(7, -1)
    back = np.argsort(order)
    first, second = (
        [part.detach() for part in policy(seen, most_likely(problem))]
        for policy, problem, seen in zip(policies, problems, (observation, moved), strict=True)
    )
    shared = len(first[0][0]) - 2 * items
    again = [
        torch.cat([p[:, :start], p[:, start:].reshape(7, items, 2)[:, back].flatten(1)], -1)
        for p, start in zip(second, (shared, shared, 0), strict=True)
    ]
    return first, again


@pytest.mark.parametrize("make", [trucks, machine])
def test_to_permute_items_permutes_their_decisions(make):
    first, again = permuted(make, ItemPolicy)
    for own, other in zip(first, again, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
    assert len(first[2].unique()) > 5


def test_a_central_policy_is_not_equivariant():
    first, again = permuted(trucks, HybridPolicy)
    assert (first[0] - again[0]).abs().max() > 0.1


def test_values_of_items_move_with_them():
    order = np.array([2, 0, 3, 1])
    values = []
    for problem in (trucks(4, lead_time=0), trucks(4, order, lead_time=0)):
        value = grown(ItemValue(problem, HIDDEN))
        value.spread.fill_(1.0)
        observation = observations(trucks(4, lead_time=0))
        if values:
            observation[:, :4] = observation[:, order]
        values.append(value(observation).detach())
    torch.testing.assert_close(values[0][:, order], values[1][:, :4], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(values[0][:, 4], values[1][:, 4], rtol=1e-4, atol=1e-4)
    assert values[0][:, :4].std(1).min() > 0.01


def test_one_pass_equals_a_loop_over_items():
    problem = trucks(3)
    features = 3 * 2 + 9
    network = grown(
        ItemNetwork(problem, features, HIDDEN, blocks=(2, 1), shared=4, sees_shared=2, sees_own=2)
    )
    inputs = torch.randn(5, features + 2 + 6, generator=torch.Generator().manual_seed(1))
    parameters = torch.tensor(problem.item_parameters, dtype=torch.float32)
    outputs = network(inputs).detach()
    for row, found in zip(inputs, outputs, strict=True):
        common = row[6 : features + 2]
        embeddings = []
        for item in range(3):
            weights = row[features + 2 + 2 * item : features + 4 + 2 * item]
            own = torch.cat([row[[item, 3 + item]], weights, parameters[item]])
            embeddings.append(torch.tanh(network.of_item(own) + network.of_common(common)))
        stocks, loads = row[:6].reshape(2, 3), torch.tensor(problem.item_loads, dtype=torch.float32)
        weights = row[features + 2 :].reshape(3, 2)
        totals = [(stocks * loads).sum(-1)]
        for weight in weights.T:
            totals += [(stocks * loads * weight).sum(-1), (loads * weight).sum()[None]]
        stacked = torch.stack(embeddings)
        summary = torch.cat([stacked.mean(0), stacked.amax(0), *totals])
        of_items = [network.item(torch.cat([embedding, summary])) for embedding in embeddings]
        expected = [
            network.all(torch.cat([summary, common])),
            *(out[:2] for out in of_items),
            *(out[2:] for out in of_items),
        ]
        torch.testing.assert_close(found, torch.cat(expected).detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "problem", [trucks(3), CapacitatedLotSizing(items=3, setup_times=0, unit_times=[1, 2, 3], capacity=40)]
)
def test_loads_are_shares_of_the_common_capacity(problem):
    """Orders in proportion to ``level_scale`` are cut once their loads exceed the capacity."""
    order = problem.level_scale / problem.item_loads.sum()
    regimes = np.ones(len(problem.layout.gates), dtype=int)
    for factor, fits in ((0.99, True), (1.01, False)):
        placed = problem.placed(*problem.layout.flat(regimes, factor * order))[1]
        assert np.allclose(placed, factor * order) == fits


def test_an_item_sees_the_others_through_the_summary_alone():
    problem = separate(3)
    policy = grown(ItemPolicy(problem, HIDDEN, "problem"))
    observation = observations(problem)[:1]
    changed = observation.clone()
    changed[:, 1] += 10.0
    own = slice(2, 4)
    before, after = (policy(each, most_likely(problem))[0][:, own] for each in (observation, changed))
    assert (before - after).abs().max() > 1e-4
    # With weights 0 on the summary, the second half of what an item sees, nothing is left of the others.
    with torch.no_grad():
        policy.net.item[0].weight[:, HIDDEN[0] :] = 0.0
    before, after = (policy(each, most_likely(problem))[0][:, own] for each in (observation, changed))
    torch.testing.assert_close(before, after)


@pytest.mark.parametrize("make", [separate, trucks, machine])
def test_it_learns_and_survives_saving(make, tmp_path):
    problem = make(3)
    settings = {"policy": "shared", "estimator": "gae", "cross_term": "detached", "hidden": HIDDEN}
    agent = MixedGradient(problem, batch_size=16, **settings).learn(total_timesteps=3 * 16 * 50)
    agent.save(tmp_path / "agent.zip")
    again = MixedGradient.load(tmp_path / "agent.zip", problem)
    assert again.settings.policy == "shared"
    observation = observations(problem).numpy()
    for own, other in zip(
        agent.predict(observation, deterministic=True)[0],
        again.predict(observation, deterministic=True)[0],
        strict=True,
    ):
        np.testing.assert_array_equal(own, other)


def test_detached_gradients_pass_through_the_simulator_alone():
    problem = separate(2)
    for detached in (True, False):
        policy = grown(HybridPolicy(problem, HIDDEN, "problem", detached))
        observation = observations(problem).requires_grad_()
        logits, _, quantity = policy(observation, most_likely(problem))
        assert logits.requires_grad
        gradient = torch.autograd.grad(quantity.sum(), observation, retain_graph=True)[0]
        slopes = torch.autograd.grad(logits.sum(), observation, allow_unused=True)[0]
        if detached:
            assert slopes is None
            assert set(gradient[:, :2].unique().tolist()) <= {0.0, -1.0}
        else:
            assert slopes.abs().max() > 0
            assert len(gradient[:, :2].unique()) > 4


def test_where_nothing_couples_items_one_network_decides_and_trucks_are_open():
    policy = HybridPolicy(separate(3), HIDDEN, "problem")
    assert policy.heads is None
    assert policy.follow is None
    logits = policy(observations(separate(3)), most_likely(separate(3)))[0]
    assert (logits[:, 1] - logits[:, 0]).min() > 15
    assert logits[:, 2:].abs().max() < 2
    coupled = HybridPolicy(trucks(3), HIDDEN, "problem")
    assert coupled.heads is not None
    assert coupled.follow is not None
    logits = coupled(observations(trucks(3)), most_likely(trucks(3)))[0]
    assert logits.abs().max() < 2


def test_a_problem_without_items_is_refused():
    with pytest.raises(ValueError, match=r"policy='shared' needs .* items.*policy='central'"):
        MixedGradient("jumpgym/SetupCost-v0", policy="shared")
    with pytest.raises(ValueError, match="policy='both'"):
        MixedGradient("jumpgym/SetupCost-v0", policy="both")
    with pytest.raises(ValueError, match="at least one width"):
        MixedGradient(separate(2), policy="shared", hidden=())


def test_item_parameters_tell_items_apart_and_have_no_dimension():
    one, two = as_problem(trucks(2)), as_problem(trucks(2))
    np.testing.assert_array_equal(one.item_entries, [[0, 2], [1, 3]])
    np.testing.assert_array_equal(one.item_parameters, two.item_parameters)
    assert np.ptp(one.item_parameters, axis=0).min() >= 0
    in_cents = JointReplenishment(
        items=2, item_costs=1000.0, truck_cost=1500.0, holding_cost=100.0, shortage_cost=900.0
    )
    np.testing.assert_allclose(in_cents.item_parameters, JointReplenishment(items=2).item_parameters)
    spread = np.array([scipy.stats.gamma(5.0).std(), scipy.stats.gamma(6.0).std()])
    np.testing.assert_allclose(separate(2).item_parameters[:, 1] * separate(2).level_scale, spread, rtol=0.01)
