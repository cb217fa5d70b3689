"""Orders in multiples: what is ordered is the nearest multiple that is admitted, in every array library."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from suite import INVENTORIES

import jumpgym
from jumpgym import CapacitatedLotSizing, JointReplenishment
from jumpgym.adapters.grids import order_quantities
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.min_order import min_order
from jumpgym.problems.order_size_lead_time import order_size_lead_time
from jumpgym.problems.quantity_discount import quantity_discount
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity
from jumpgym.testing import check_problem

MULTIPLE = 4.0
WITH_MULTIPLES = [env_id for env_id in INVENTORIES if env_id.startswith("jumpgym/")]


def are_multiples(quantity, multiple=MULTIPLE):
    return np.allclose(quantity / multiple, np.round(quantity / multiple), atol=1e-9)


@pytest.mark.parametrize("env_id", WITH_MULTIPLES)
def test_single_environments_and_native_batches_order_multiples(env_id):
    batch = gym.make_vec(env_id, 64, vectorization_mode="vector_entry_point", order_multiple=MULTIPLE)
    batch.reset(seed=0)
    batch.action_space.seed(0)
    actions = batch.action_space.sample()
    ordered = batch.step(actions)[4]["quantity"]
    assert are_multiples(ordered)
    assert np.any(ordered > 0)
    env = gym.make(env_id, order_multiple=MULTIPLE)
    for regime, quantity, expected in zip(*actions, ordered, strict=True):
        env.reset(seed=0)
        np.testing.assert_array_equal(env.step((regime, quantity))[4]["quantity"], expected)


def test_array_libraries_agree_also_on_gradients():
    check_problem(JointReplenishment(order_multiple=[2, 3], lead_time=[0, 1], horizon=2))


@pytest.mark.parametrize(
    ("problem", "regime", "quantity", "expected"),
    [
        (setup_cost(order_multiple=12), 1, 29.0, 24.0),
        (setup_cost(order_multiple=12), 1, 31.0, 36.0),
        (setup_cost(order_multiple=12), 1, 500.0, 192.0),
        (setup_cost(order_multiple=12), 0, 29.0, 0.0),
        (setup_cost(order_multiple=0.1, max_order=0.3), 1, 0.3, 3 * 0.1),
        (min_order(min_order=40, order_multiple=12), 1, 40.0, 48.0),
        (truck_capacity(order_multiple=8), 1, 20.0, 16.0),
        (truck_capacity(order_multiple=8), 2, 20.0, 24.0),
        (quantity_discount(breakpoints=(30.0,), unit_costs=(2.0, 1.0), order_multiple=15), 1, 30.0, 15.0),
        (quantity_discount(breakpoints=(30.0,), unit_costs=(2.0, 1.0), order_multiple=15), 2, 20.0, 30.0),
        (order_size_lead_time(breakpoints=(8.0,), order_multiple=4), 1, 50.0, 8.0),
        (order_size_lead_time(breakpoints=(8.0,), order_multiple=4), 2, 0.0, 12.0),
    ],
)
def test_it_is_the_nearest_multiple_of_the_regime(problem, regime, quantity, expected):
    assert problem.regimes.project(np.array([regime]), np.array([quantity])) == expected
    decided = problem.carry_out(None, np.array([[regime]]), np.array([[quantity]]))
    assert decided.quantity == expected


def test_a_quantity_alone_is_of_the_regime_of_its_nearest_multiple():
    problem = quantity_discount(breakpoints=(30.0,), unit_costs=(2.0, 1.0), order_multiple=12)
    quantities = np.array([[5.0], [7.0], [29.0], [31.0]])
    np.testing.assert_array_equal(problem.membership(quantities).ravel(), [0, 1, 1, 2])


def test_money_buys_whole_multiples():
    problem = BudgetDiscount(budget=40, breakpoints=(20.0,), unit_costs=(2.0, 1.5), order_multiple=8)
    state = problem.initial_state(np.array([0.5]))
    # The money buys 26.7 units at 1.5 each, or 20 at 2: 24 and 16 in multiples of 8.
    assert problem.carry_out(state, np.array([[2]]), np.array([[70.0]])).quantity == 24
    assert problem.carry_out(state, np.array([[1]]), np.array([[70.0]])).quantity == 16
    poor = state._replace(money=np.array([30.0]))
    fallen = problem.carry_out(poor, np.array([[2]]), np.array([[70.0]]))
    assert (fallen.regime.item(), fallen.quantity.item()) == (1, 8.0)


@pytest.mark.parametrize(
    "problem",
    [
        JointReplenishment(items=3, order_multiple=[2, 3, 5], truck_capacity=10, max_trucks=3),
        JointReplenishment(items=3, order_multiple=2.5, truck_capacity=10, full_trucks=True),
        CapacitatedLotSizing(items=3, order_multiple=[2, 1.5, 4], unit_times=[1, 2, 1.5], capacity=30),
    ],
)
def test_multiples_of_several_items_fit_together_and_leave_no_room_for_what_was_cut(problem):
    rng = np.random.default_rng(0)
    joint = isinstance(problem, JointReplenishment)
    regime = np.stack([rng.integers(count, size=2000) for count in problem.layout.gates], axis=-1)
    asked = rng.uniform(-5, 40, (2000, 3))
    decided = problem.carry_out(None, regime, asked)
    again = problem.carry_out(None, decided.regime, decided.quantity)
    np.testing.assert_array_equal(again.quantity, decided.quantity)
    assert are_multiples(decided.quantity, problem.order_multiple)

    items = decided.regime[:, -3:] > 0
    some = items.any(axis=1)
    if joint:
        sizes, room = np.ones(3), problem.truck_capacity * decided.regime[:, 0]
    else:
        sizes, room = problem.unit_times, problem.capacity - items @ problem.setup_times
    left = room - np.where(items, decided.quantity, 0.0) @ sizes
    assert left[some].min() >= -1e-9
    if joint and problem.full_trucks:
        np.testing.assert_allclose(left[some], 0.0, atol=1e-9)
    nearest = problem.layout.project(decided.regime, asked)
    fitted = room - np.where(items, nearest, 0.0) @ sizes >= 0
    if not (joint and problem.full_trucks):
        rows = some & fitted
        np.testing.assert_array_equal(decided.quantity[rows][items[rows]], nearest[rows][items[rows]])
        # Otherwise less is left over than one multiple of each item that is ordered.
        most = np.where(items, problem.order_multiple * sizes, 0.0).sum(axis=1)
        rows = some & ~fitted & (room > 0)
        assert rows.any()
        assert np.all(left[rows] < most[rows])


def test_gradients_pass_through_the_rounding():
    problem = setup_cost(order_multiple=12, unit_cost=0.5, holding_cost=1.0, shortage_cost=9.0)

    def cost(quantity, gate, uniform, demand):
        return problem.step(problem.initial_state(uniform), gate, quantity, demand)[1].sum()

    for asked, slope in ((29.0, 0.5 - 9), (31.0, 0.5 + 1)):  # 24 are too few for a demand of 30, 36 too many
        arrays = [[0.0, asked], [0.0, 1.0], 0.5, 30.0]
        tensors = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in arrays]
        cost(*tensors).backward()
        assert tensors[0].grad[1] == slope
        ordered = 12 * round(asked / 12)
        expected = 64 + 0.5 * ordered + max(ordered - 30, 9 * (30 - ordered))
        assert cost(*map(np.asarray, arrays)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "parameters", "error", "message"),
    [
        (setup_cost, {"order_multiple": 0}, ValueError, "order_multiple=0 must be in"),
        (setup_cost, {"order_multiple": 201}, ValueError, r"order_multiple=201 must be in \[2e-07, 200\]"),
        (setup_cost, {"order_multiple": "12"}, TypeError, "order_multiple='12' must be a number, not str"),
        (setup_cost, {"order_multiple": (12,)}, TypeError, r"order_multiple=\(12,\) must be a number"),
        (min_order, {"order_multiple": 150, "min_order": 160}, ValueError, "'order', from 160 to 200 units"),
        (
            truck_capacity,
            {"order_multiple": 25},
            ValueError,
            "'1 truck', from 0 to 20 units, holds no",
        ),
        (JointReplenishment, {"order_multiple": [2, 0]}, ValueError, "must be greater than 0"),
        (JointReplenishment, {"order_multiple": [2, 12]}, ValueError, "must be at most truck_capacity=10"),
        (JointReplenishment, {"order_multiple": [2, 3, 4], "items": 2}, ValueError, "number of items"),
        (
            JointReplenishment,
            {"order_multiple": 4, "full_trucks": True},
            ValueError,
            "truck_capacity=10 is a multiple",
        ),
        (CapacitatedLotSizing, {"order_multiple": [2, 15]}, ValueError, r"order_multiple\[1\]=15 must be in"),
    ],
)
def test_what_leaves_nothing_to_order_is_refused(make, parameters, error, message):
    with pytest.raises(error, match=message) as refused:
        make(**parameters)
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize("env_id", ["jumpgym/SetupCost-v0", "jumpgym/JointReplenishment-v0"])
def test_a_grid_of_quantities_has_multiples_only(env_id):
    problem = jumpgym.as_problem(gym.make(env_id, order_multiple=MULTIPLE))
    for grid in order_quantities(problem):
        assert are_multiples(grid)
        assert np.all(np.diff(grid) > 0)
        assert len(grid) > 3
