"""Quantity discounts, free shipping and order-size lead times: costs, arrivals, published figures, errors."""

import inspect
import math

import numpy as np
import pytest

from jumpgym.problems.free_shipping import FreeShippingEnv, FreeShippingVectorEnv, free_shipping
from jumpgym.problems.order_size_lead_time import (
    OrderSizeLeadTimeEnv,
    OrderSizeLeadTimeVectorEnv,
    order_size_lead_time,
)
from jumpgym.problems.quantity_discount import (
    QuantityDiscountEnv,
    QuantityDiscountVectorEnv,
    quantity_discount,
)


def order_cost(problem, quantity):
    """Cost of orders (n,), each in the regime it belongs to, without the cost of stock."""
    quantity = np.asarray(quantity, dtype=float)
    gate = np.eye(len(problem.regimes))[problem.regimes.membership(quantity)]
    demand = quantity if problem.max_lead_time == 0 else 0 * quantity  # leaves a stock of 0
    _, costs = problem.step(problem.initial_state(0 * quantity), gate, quantity[:, None] * gate, demand)
    return costs.sum(-1)


def test_all_units_discount():
    problem = quantity_discount(breakpoints=(10, 20), unit_costs=(3, 2, 1), fixed_cost=5)
    cost = order_cost(problem, [0, 1, 9.5, 10, 19, 20, 200])
    np.testing.assert_allclose(cost, [0, 8, 33.5, 25, 43, 25, 205])


def test_incremental_discount():
    problem = quantity_discount(
        breakpoints=(10, 20), unit_costs=(3, 2, 1), fixed_cost=5, schedule="incremental"
    )
    quantity = np.array([0, 1, 9.5, 10, 19, 20, 200])
    # Each unit at the price of its bracket, written out.
    units = 3 * np.clip(quantity, 0, 10) + 2 * np.clip(quantity - 10, 0, 10) + np.clip(quantity - 20, 0, None)
    np.testing.assert_allclose(order_cost(problem, quantity), units + 5 * (quantity > 0))


def test_free_shipping():
    problem = free_shipping(shipping_fee=7, free_from=12, unit_cost=0.5)
    np.testing.assert_allclose(order_cost(problem, [0, 1, 11, 12, 30]), [0, 7.5, 12.5, 6, 15])


def test_order_size_lead_time():
    problem = order_size_lead_time(breakpoints=(11, 20), lead_times=(0, 1, 3), fixed_cost=4, unit_cost=0.5)
    assert problem.max_lead_time == 3
    quantity = np.array([0, 11.0, 11.5, 20, 21])
    gate = np.eye(4)[problem.regimes.membership(quantity)]
    state, costs = problem.step(
        problem.initial_state(np.zeros(5)), gate, quantity[:, None] * gate, np.zeros(5)
    )
    np.testing.assert_array_equal(state.inventory, [0, 11, 0, 0, 0])
    np.testing.assert_array_equal(
        state.pipeline, [[0, 0, 0], [0, 0, 0], [11.5, 0, 0], [20, 0, 0], [0, 0, 21]]
    )
    np.testing.assert_allclose(costs.sum(-1), [0, 4 + 5.5 + 11, 4 + 5.75, 14, 14.5])


@pytest.mark.parametrize(
    ("schedule", "quantity", "rate"), [("all_units", 800.0, 978.60), ("incremental", 304.05, 1043.41)]
)
def test_economic_order_quantity_with_discounts(schedule, quantity, rate):
    """K = 8, holding .3 of the price a year, 1300 a year, breaks 400 and 800, prices .75, .72, .68."""
    problem = quantity_discount(
        breakpoints=(400, 800), unit_costs=(0.75, 0.72, 0.68), schedule=schedule, fixed_cost=8,
        max_order=2000, holding_cost=0, shortage_cost=0,
    )  # fmt: skip
    orders = np.append(np.arange(100, 2000, 0.01), [400.0, 800.0])
    paid = order_cost(problem, orders)
    cost = (paid * 1300 / orders) + 0.3 * (paid - 8) / 2  # (paid - 8) / order is the price of a unit held
    assert orders[cost.argmin()] == pytest.approx(quantity, abs=0.006)
    assert cost.min() == pytest.approx(rate, abs=0.005)


def test_a_breakpoint_is_needed_for_a_jump():
    """Without a breakpoint each is the setup cost problem."""
    assert len(quantity_discount(breakpoints=(), unit_costs=(2,)).regimes) == 2
    problem = order_size_lead_time(breakpoints=(), lead_times=(2,))
    assert problem.regimes.lead_time.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("make", "parameters", "error", "message"),
    [
        (quantity_discount, {"breakpoints": (60, 30)}, ValueError, r"breakpoints=\[60.0, 30.0\] must ascend"),
        (quantity_discount, {"breakpoints": (30, 30)}, ValueError, "brackets would overlap or be empty"),
        (quantity_discount, {"breakpoints": (0, 30)}, ValueError, "must ascend from above 0"),
        (quantity_discount, {"breakpoints": (30, 200)}, ValueError, "to below max_order=200"),
        (quantity_discount, {"breakpoints": (-5, 30)}, ValueError, r"breakpoints=-5\.0 must be"),
        (quantity_discount, {"breakpoints": (30, math.nan)}, ValueError, "breakpoints=nan must be"),
        (quantity_discount, {"breakpoints": 30}, TypeError, "breakpoints=30 must be a sequence"),
        (quantity_discount, {"breakpoints": (30,)}, ValueError, "must have 2 entries, one for each bracket"),
        (quantity_discount, {"unit_costs": 2.0}, TypeError, r"unit_costs=2\.0 must be a sequence"),
        (quantity_discount, {"unit_costs": (3, 2, -1)}, ValueError, r"unit_costs=-1\.0 must be"),
        (quantity_discount, {"unit_costs": (3, "2", 1)}, TypeError, "unit_costs='2' must be a number"),
        (
            quantity_discount,
            {"unit_costs": (3, 2, 2.5)},
            ValueError,
            r"unit_costs=\(3.0, 2.0, 2.5\) must not",
        ),
        (quantity_discount, {"schedule": "marginal"}, ValueError, "schedule='marginal' must be one of"),
        (quantity_discount, {"fixed_cost": -1}, ValueError, r"fixed_cost=-1\.0 must be"),
        (quantity_discount, {"max_order": -1}, ValueError, r"max_order=-1\.0 must be"),
        (quantity_discount, {"lead_time": 0.5}, TypeError, "lead_time=0.5 must be an integer"),
        (free_shipping, {"shipping_fee": -1}, ValueError, r"shipping_fee=-1\.0 must be"),
        (free_shipping, {"free_from": 0}, ValueError, "free_from=0 must be greater than 0 and less than"),
        (free_shipping, {"free_from": 200}, ValueError, "free_from=200 must be .* less than max_order=200"),
        (free_shipping, {"unit_cost": None}, TypeError, "unit_cost=None must be a number"),
        (order_size_lead_time, {"lead_times": (3, 1)}, ValueError, r"lead_times=\(3, 1\) must not decrease"),
        (order_size_lead_time, {"lead_times": (0, 1, 2)}, ValueError, "lead_times=.* must have 2 entries"),
        (order_size_lead_time, {"lead_times": (0, 1.0)}, TypeError, r"lead_times=1\.0 must be an integer"),
        (order_size_lead_time, {"lead_times": (-1, 1)}, ValueError, "lead_times=-1 must be an integer"),
        (order_size_lead_time, {"lead_times": (0, 1001)}, ValueError, "lead_times=1001 must be an integer"),
        (order_size_lead_time, {"lead_times": "12"}, TypeError, "lead_times='12' must be a sequence"),
        (order_size_lead_time, {"breakpoints": (100,)}, ValueError, "to below max_order=100"),
        (order_size_lead_time, {"fixed_cost": -1}, ValueError, r"fixed_cost=-1\.0 must be"),
    ],
)
def test_bad_parameters(make, parameters, error, message):
    with pytest.raises(error, match=message):
        make(**parameters)


@pytest.mark.parametrize(
    ("env", "vector_env", "make"),
    [
        (QuantityDiscountEnv, QuantityDiscountVectorEnv, quantity_discount),
        (FreeShippingEnv, FreeShippingVectorEnv, free_shipping),
        (OrderSizeLeadTimeEnv, OrderSizeLeadTimeVectorEnv, order_size_lead_time),
    ],
)
def test_the_documentation_lists_every_parameter_and_its_default(env, vector_env, make):
    assert env.make_problem is vector_env.make_problem is make
    for name, parameter in inspect.signature(make).parameters.items():
        assert f"| `{name}` | " in env.__doc__
        if name != "demand":
            shown = env.__doc__.split(f"| `{name}` | ")[1].split(" |")[0].strip("`").replace('"', "'")
            assert shown == repr(parameter.default)
