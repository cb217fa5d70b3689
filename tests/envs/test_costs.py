"""Cost by kind: it adds up to the cost in every environment, and each kind is what it says."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from suite import LAGGED_AND_LOST, STATIONARY, cases, class_of, defaults_of, every_environment, variant

from jumpgym.problems.free_shipping import free_shipping
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.quantity_discount import quantity_discount

PRICED = {
    "fixed_cost": 7.0,
    "unit_cost": 1.5,
    "unit_costs": 1.5,
    "leftover_value": 0.3,
    "mode_costs": 0.7,
    "terminal_cost": 2.0,
}
"""Parameters that are 0 by default in some environments: no kind of cost is then always 0."""


def random_decisions(problem, batch, rng):
    """States after random periods, and relaxed decisions and noise there."""
    noise = problem.noise(rng.random((batch, problem.horizon or 8, *problem.noise_shape)))
    state = problem.initial_state(rng.random((batch, *problem.start_shape)))
    layout = problem.layout
    for period in range(noise.shape[1]):
        regime = rng.integers(0, layout.gates, (batch, len(layout.gates)))
        columns = layout.columns(regime)
        quantity = layout.low[columns] + rng.random(columns.shape) ** 2 * (layout.high - layout.low)[columns]
        decision = problem.carry_out(state, regime, quantity)
        gate = decision.gate if period % 2 else 0.7 * decision.gate + 0.3 * np.roll(decision.gate, 1, axis=0)
        yield state, gate, decision.columns, noise[:, period]
        state, _ = problem.step(state, decision.gate, decision.columns, noise[:, period])


def priced(env_id, parameters):
    wanted = {**variant(env_id, **PRICED), **parameters}
    if "breakpoints" in defaults_of(env_id):
        wanted.pop("unit_costs", None)  # there is one for each bracket, above 0 by default
    if parameters.get("horizon", 1) is None:
        wanted.pop("leftover_value", None)
    return wanted


ENDLESS = [(env_id, {"horizon": None}) for env_id in STATIONARY]


@pytest.mark.parametrize(
    ("env_id", "parameters"), [*cases({}, LAGGED_AND_LOST, {"schedule": "incremental"}), *ENDLESS]
)
def test_kinds_add_up_to_the_cost(env_id, parameters):
    """With relaxed gates as well, by component, in NumPy and PyTorch."""
    problem = class_of(env_id).make_problem(**priced(env_id, parameters))
    seen = dict.fromkeys(problem.cost_kinds, 0.0)
    for state, *decision in random_decisions(problem, 64, np.random.default_rng(0)):
        following, cost = problem.step(state, *decision)
        same, same_cost, by_kind = problem.itemised_step(state, *decision)
        np.testing.assert_array_equal(same_cost, cost)
        for entry, other in zip(same, following, strict=True):
            np.testing.assert_array_equal(entry, other)
        assert tuple(by_kind) == problem.cost_kinds
        shared = [amount for amount in by_kind.values() if amount.ndim == 1]
        by_item = [amount for amount in by_kind.values() if amount.ndim == 2]
        scale = sum(np.abs(amount).sum() for amount in by_kind.values())
        if by_item:
            np.testing.assert_allclose(sum(by_item), cost[:, : problem.items], atol=1e-13 * scale)
        total = sum(shared) + sum(amount.sum(-1) for amount in by_item)
        np.testing.assert_allclose(total, cost.sum(-1), rtol=1e-12, atol=1e-13 * scale)
        tensors = type(state)(*(torch.as_tensor(entry, dtype=torch.float64) for entry in state))
        _, _, in_torch = problem.itemised_step(tensors, *map(torch.as_tensor, decision))
        for kind, amount in by_kind.items():
            np.testing.assert_allclose(in_torch[kind], amount, rtol=1e-9, atol=1e-9)
            seen[kind] += np.abs(amount).sum()
    seen.pop("leftover" if problem.horizon is None else "", None)  # there is no end
    assert all(amount > 0 for amount in seen.values()) or env_id == "examples/FullPallets-v0", seen


@every_environment
def test_info_holds_the_costs_by_kind(env_id):
    env = gym.make(env_id)
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(10):
        _, reward, *_, info = env.step(env.action_space.sample())
        assert tuple(info["costs"]) == env.unwrapped.problem.cost_kinds
        assert all(isinstance(amount, np.floating) and amount.ndim == 0 for amount in info["costs"].values())
        amounts = [*info["costs"].values()]
        assert sum(amounts) == pytest.approx(-reward, rel=1e-12, abs=1e-12 * sum(map(abs, amounts)))


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_a_batch_holds_them_for_each_copy_also_of_episodes_that_end(mode):
    options = {"vectorization_mode": "vector_entry_point", "autoreset_mode": mode}
    envs = gym.make_vec("jumpgym/JointReplenishment-v0", 3, horizon=2, **options)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    for step in range(5):
        _, rewards, _, _, infos = envs.step(envs.action_space.sample())
        ended = infos.get("final_info", infos)["costs"]
        total = sum(amount for kind, amount in ended.items() if not kind.startswith("_"))
        np.testing.assert_allclose(total, -rewards)
        stepped = mode == "SameStep" or step % 3 != 2
        assert np.all(ended["_trucks"] == stepped)


def test_each_kind_is_what_it_says():
    """By hand: 15 units in bracket 2 (price 2 from 10 on), demand 18 from an empty stock."""
    state = np.zeros(()), np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 15.0]), np.array(18.0)
    for schedule, purchase in (("all_units", 30.0), ("incremental", 10 * 3 + 5 * 2.0)):
        problem = quantity_discount(breakpoints=(10,), unit_costs=(3, 2), fixed_cost=5, schedule=schedule)
        *_, by_kind = problem.itemised_step(problem.initial_state(state[0]), *state[1:])
        assert by_kind == {"setup": 5.0, "purchase": purchase, "holding": 0.0, "shortage": 27.0}
    problem = free_shipping(shipping_fee=7, free_from=20, unit_cost=0.5)
    *_, by_kind = problem.itemised_step(
        problem.initial_state(state[0]), np.array([0.0, 1.0, 0.0]), np.array([0.0, 15.0, 0.0]), np.array(11.0)
    )
    assert by_kind == {"shipping": 7.0, "purchase": 7.5, "holding": 4.0, "shortage": 0.0}


def test_items_have_their_own_costs_and_trucks_are_shared():
    problem = JointReplenishment(item_costs=[4.0, 9.0], truck_cost=15.0, unit_costs=[1.0, 2.0])
    gate, columns = problem.layout.flat(np.array([1, 0, 1]), np.array([0.0, 6.0]))
    start = problem.initial_state(np.zeros(2))
    *_, by_kind = problem.itemised_step(start, gate, columns, np.array([2.0, 1.0]))
    expected = {
        "trucks": 15.0,
        "setup": [0.0, 9.0],
        "purchase": [0.0, 12.0],
        "holding": [0.0, 5.0],
        "shortage": [18.0, 0.0],
    }
    assert {kind: amount.tolist() for kind, amount in by_kind.items()} == expected
