"""The regime table."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jumpgym import RegimeTable, as_problem
from jumpgym.layout import regime_label
from jumpgym.problems.free_shipping import free_shipping
from jumpgym.problems.min_order import min_order
from jumpgym.problems.order_size_lead_time import order_size_lead_time
from jumpgym.problems.quantity_discount import quantity_discount
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

lengths = st.floats(0.0, 100.0).map(lambda x: round(x, 3))


@st.composite
def tables(draw):
    """Tables with adjoining regimes, gaps and single points."""
    ends = np.cumsum(draw(st.lists(lengths, min_size=2, max_size=12).filter(lambda x: len(x) % 2 == 0)))
    rows = len(ends) // 2
    return RegimeTable(ends[::2], ends[1::2], [0.0] * rows, [0.0] * rows, [0] * rows)


quantities = st.lists(st.floats(-50.0, 1500.0), min_size=1, max_size=20).map(np.array)


@given(tables(), quantities)
def test_every_quantity_belongs_to_exactly_one_regime(table, quantity):
    regime = table.membership(quantity)
    assert ((regime >= 0) & (regime < len(table))).all()
    # Membership splits the line into one interval per regime: written out with its edges, independently.
    edges = [-np.inf, *((h + low) / 2 for h, low in zip(table.high[:-1], table.low[1:], strict=True)), np.inf]
    held = [(quantity > a) & (quantity <= b) for a, b in pairwise(edges)]
    assert (np.sum(held, axis=0) == 1).all()
    assert np.array(held)[regime, np.arange(len(quantity))].all()


@given(tables(), quantities)
def test_a_quantity_belongs_to_the_nearest_regime(table, quantity):
    distance = np.maximum(np.maximum(table.low[:, None] - quantity, quantity - table.high[:, None]), 0.0)
    nearest = distance.min(axis=0)
    assert distance[table.membership(quantity), np.arange(len(quantity))] == pytest.approx(nearest, abs=1e-9)


@given(tables(), quantities, st.integers(0, 100))
def test_projection_lands_in_the_interval_and_is_idempotent(table, quantity, regime):
    regime = np.full(len(quantity), regime % len(table))
    applied = table.project(regime, quantity)
    assert ((applied >= table.low[regime]) & (applied <= table.high[regime])).all()
    np.testing.assert_array_equal(table.project(regime, applied), applied)
    inside = (quantity >= table.low[regime]) & (quantity <= table.high[regime])
    np.testing.assert_array_equal(applied[inside], quantity[inside])
    between = np.abs(applied - quantity)
    for end in (table.low[regime], table.high[regime]):  # no end of the interval is nearer
        assert (between <= np.abs(end - quantity)).all()


@given(tables(), quantities)
def test_a_projected_quantity_belongs_to_its_regime(table, quantity):
    regime = table.membership(quantity)
    applied = table.project(regime, quantity)
    again = table.membership(applied)
    # Only where two regimes share the end can it be the lower one, and then it is the same quantity.
    np.testing.assert_array_equal(table.project(again, applied), applied)
    apart = (table.low[regime] > np.append(-1.0, table.high)[regime]) & (
        table.low[regime] < table.high[regime]
    )
    np.testing.assert_array_equal(again[apart], regime[apart])


def test_membership_in_the_registered_tables():
    assert setup_cost(max_order=50.0).regimes.membership([-1.0, 0.0, 1e-9, 50.0, 99.0]).tolist() == [
        0,
        0,
        1,
        1,
        1,
    ]
    assert min_order(min_order=10.0).regimes.membership([0.0, 5.0, 5.1, 10.0, 40.0]).tolist() == [
        0,
        0,
        1,
        1,
        1,
    ]
    trucks = truck_capacity(truck_capacity=10.0, max_trucks=3).regimes
    assert trucks.membership([0.0, 0.1, 10.0, 10.1, 20.0, 30.0, 31.0]).tolist() == [0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"high": [0.0]}, "high has 1 rows, but low has 2"),
        ({"low": [0.0, -1.0]}, r"low=-1\.0 must be a finite number in \[0, 1e\+12\]"),
        ({"fixed_cost": [0.0, np.nan]}, "fixed_cost=nan must be a finite number"),
        ({"unit_cost": [0.0, np.inf]}, "unit_cost=inf must be a finite number"),
        ({"lead_time": [0, -1]}, "lead_time=-1 must be an integer"),
        ({"low": [0.0, 11.0]}, "exceeds high"),
        ({"high": [5.0, 10.0], "low": [0.0, 4.0]}, "overlap or are not ascending"),
        ({"low": [], "high": [], "fixed_cost": [], "unit_cost": [], "lead_time": []}, "at least 1"),
    ],
)
def test_a_bad_table_is_refused(columns, message):
    good = {
        "low": [0.0, 1.0],
        "high": [0.0, 10.0],
        "fixed_cost": [0, 5],
        "unit_cost": [0, 0],
        "lead_time": [0, 0],
    }
    with pytest.raises(ValueError, match=message):
        RegimeTable(**{**good, **columns})


def test_a_table_cannot_be_changed():
    table = setup_cost().regimes
    with pytest.raises(ValueError, match="read-only"):
        table.high[1] = 5.0


@pytest.mark.parametrize("end", [0.1, 1.0, 3.3, 8.0, 33.333, 80.0, 1e6 / 3])
@pytest.mark.parametrize("upper", [False, True])
def test_neighbouring_floats_are_told_apart(end, upper):
    """Two regimes with no number between them, the breakpoint in one of them alone: no boundary rounds."""
    below, above = (np.nextafter(end, 0), end) if upper else (end, np.nextafter(end, np.inf))
    table = RegimeTable([0, above], [below, 2 * end], [0, 0], [0, 0], [0, 0])
    assert table.membership([below, above]).tolist() == [0, 1]
    assert table.membership(end) == upper


def test_a_breakpoint_belongs_to_one_bracket():
    around = [0.0, 1e-9, np.nextafter(11.1, 0), 11.1, np.nextafter(11.1, 99), 30.0, 99.0]
    discount = quantity_discount(breakpoints=(11.1, 30.0), unit_costs=(3, 2, 1), max_order=99.0).regimes
    assert discount.membership(around).tolist() == [0, 1, 1, 2, 2, 3, 3]
    shipping = free_shipping(free_from=11.1, max_order=99.0).regimes
    assert shipping.membership(around).tolist() == [0, 1, 1, 2, 2, 2, 2]
    lead_time = order_size_lead_time(breakpoints=(11.1, 30.0), lead_times=(0, 1, 2), max_order=99.0).regimes
    assert lead_time.membership(around).tolist() == [0, 1, 1, 1, 2, 2, 3]
    for table in (discount, shipping, lead_time):
        regime = table.membership(around)
        np.testing.assert_array_equal(table.project(regime, around), around)


def test_regimes_have_names():
    assert as_problem("jumpgym/SetupCost-v0").regime_names == (("no order", "order"),)
    problem = as_problem("jumpgym/JointReplenishment-v0")
    labels = [
        regime_label(names[regime] for names, regime in zip(problem.regime_names, regimes, strict=True))
        for regimes in ((3, 1, 1), (1, 0, 1), (0, 0, 0))
    ]
    assert labels == ["3 trucks; items 1, 2", "1 truck; item 2", "no truck"]
    assert regime_label(["", ""]) == "nothing"
    assert [len(names) for names in problem.regime_names] == list(problem.layout.gates)
    with pytest.raises(ValueError, match="names"):
        RegimeTable([0], [0], [0], [0], [0], names=["a", "b"])
