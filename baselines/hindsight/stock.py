"""Inventory problems with known demand as mixed-integer linear programmes; one trace at a time.

``gap`` is the relative gap at which the search ends, see ``hindsight_program.Program.minimise``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import RegimeTable, SingleItemInventory
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.several_items import MultiItemInventory

from .program import Program

Decisions = tuple[float, NDArray[np.int64], NDArray[np.float64]]
"""Proven lower bound of the cost of a trace; regimes (periods, G) and quantities (periods, n)."""


def single_item(
    problem: SingleItemInventory, demand: NDArray[np.float64], state: Any, gap: float
) -> Decisions:
    """The best decisions for a trace (periods,) from a state without batch axes."""
    program = Program()
    gate, order = _orders(program, problem, problem.regimes, demand, state)
    cost, x = program.minimise(gap)
    return cost, *picked(gate, order, x)


def budget(problem: BudgetDiscount, demand: NDArray[np.float64], state: Any, gap: float) -> Decisions:
    """As ``single_item``, with orders that the money at hand must pay for.

    Every order that can be paid for is carried out as it is, and what is cut is cut to one that can be.
    """
    program, periods, prices = Program(), len(demand), problem.brackets.unit_cost
    gate, order = _orders(program, problem.stock, problem.stock.regimes, demand, state)
    value = np.zeros(periods)
    if problem.horizon is not None:
        value[-1] = -problem.leftover_value * problem.discount ** (periods - 1)
    left = program.variables((periods,), cost=value, low=problem.income)
    funds = np.full(periods, problem.income)
    funds[0] += float(state.money)
    account = program.rows(funds, funds)
    program.put(account, left, 1.0)
    program.put(account[1:], left[:-1], -1.0)
    program.put(account[:, None], order, prices)
    cost, x = program.minimise(gap)
    return cost, *picked(gate, order, x)


def joint(problem: JointReplenishment, demand: NDArray[np.float64], state: Any, gap: float) -> Decisions:
    """The best decisions for a trace (periods, n) of items that share trucks."""
    program, periods = Program(), len(demand)
    weight = _weights(problem, periods)
    trucks = program.variables(
        (periods,), cost=problem.truck_cost * weight[:, 0], high=problem.max_trucks, integer=True
    )
    gate, order = _item_orders(program, problem, demand, state)
    needs_truck = program.rows(np.zeros(gate.shape), np.inf)
    program.put(needs_truck, trucks[:, None], 1.0)
    program.put(needs_truck, gate, -1.0)
    if problem.truck_capacity < np.inf:
        load = program.rows(np.full(periods, 0.0 if problem.full_trucks else -np.inf), 0.0)
        program.put(load[:, None], order, 1.0)
        program.put(load, trucks, -problem.truck_capacity)
    cost, x = program.minimise(gap)
    chosen = np.round(x[np.column_stack([trucks, gate])]).astype(np.int64)
    return cost, chosen, x[order] * chosen[:, 1:]


def lot_sizing(
    problem: CapacitatedLotSizing, demand: NDArray[np.float64], state: Any, gap: float
) -> Decisions:
    """The best decisions for a trace (periods, n) of items that share a machine."""
    program = Program()
    gate, order = _item_orders(program, problem, demand, state)
    time = program.rows(np.full(len(demand), -np.inf), problem.capacity)
    program.put(time[:, None], gate, problem.setup_times)
    program.put(time[:, None], order, problem.unit_times)
    cost, x = program.minimise(gap)
    chosen = np.round(x[gate]).astype(np.int64)
    return cost, chosen, x[order] * chosen


def picked(
    gate: NDArray[np.int64], quantity: NDArray[np.int64], x: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Regime and quantity (periods, 1) of one gate, whose variables have shape (periods, K)."""
    regime = x[gate].argmax(axis=1)[:, None]
    return regime, np.take_along_axis(x[quantity], regime, 1)


def regime_variables(
    program: Program, regimes: RegimeTable, weight: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gates, of which one is 1 in each period, and quantities within the gate's interval; (periods, K) each.

    Args:
        program: where they are made.
        regimes: the regimes, with their costs.
        weight: discount factor of each period, shape (periods,).
        high: largest quantity of each regime that is of use, shape (K,).
    """
    shape = (len(weight), len(regimes))
    gate = program.variables(shape, cost=weight[:, None] * regimes.fixed_cost, high=1.0, integer=True)
    quantity = program.variables(shape, cost=weight[:, None] * regimes.unit_cost, high=high)
    one = program.rows(np.ones(len(weight)), 1.0)
    program.put(one[:, None], gate, 1.0)
    for end, limits in ((regimes.low, (0.0, np.inf)), (high, (-np.inf, 0.0))):
        rows = program.rows(np.full(shape, limits[0]), limits[1])
        program.put(rows, quantity, 1.0)
        program.put(rows, gate, -end)
    return gate, quantity


def _orders(
    program: Program,
    problem: SingleItemInventory,
    regimes: RegimeTable,
    demand: NDArray[np.float64],
    state: Any,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Variables of regimes and orders (periods, K) that meet the demand, with the cost of the stock."""
    periods = len(demand)
    # No order is of use beyond the regime's least one and all demand.
    needed = demand.sum() + max(-float(state.inventory), 0.0)
    high = np.minimum(regimes.high, np.maximum(regimes.low, needed))
    gate, order = regime_variables(program, regimes, _weights(problem, periods)[:, 0], high)
    balance = _stock(program, problem, demand[:, None], state.inventory, state.pipeline[:, None])[:, 0]
    for k, lead_time in enumerate(regimes.lead_time):
        program.put(balance[lead_time:], order[: max(periods - lead_time, 0), k], -1.0)
    return gate, order


def _item_orders(
    program: Program, problem: MultiItemInventory, demand: NDArray[np.float64], state: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Variables of gates and orders (periods, n) that meet the demand, with all costs but shared ones."""
    weight = _weights(problem, len(demand))
    gate = program.variables(demand.shape, cost=weight * problem.item_costs, high=1.0, integer=True)
    order = program.variables(demand.shape, cost=weight * problem.unit_costs)
    largest = problem.max_order
    if not getattr(problem, "full_trucks", False):  # they may have to be filled with what is of no use
        largest = np.minimum(largest, demand.sum(axis=0) + np.maximum(-state.inventory, 0.0))
    rows = program.rows(np.full(demand.shape, -np.inf), 0.0)
    program.put(rows, order, 1.0)
    program.put(rows, gate, -largest)
    balance = _stock(program, problem, demand, state.inventory, state.pipeline)
    lead_time = problem.lead_time
    program.put(balance[lead_time:], order[: max(len(demand) - lead_time, 0)], -1.0)
    return gate, order


def _stock(
    program: Program,
    problem: SingleItemInventory | MultiItemInventory,
    demand: NDArray[np.float64],
    inventory: Any,
    pipeline: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Rows (periods, n) of the balance of stock, short of the orders, whose coefficients are -1 on arrival.

    Stock and shortage of a period need no gate that keeps one of them 0. With backlog both falling together
    saves both costs. With lost sales, suppose that demand is lost while there is stock: losing a unit less
    now, and if need be one more later, saves holding, and a later loss costs no more.
    """
    weight = _weights(problem, len(demand))
    stock = program.variables(demand.shape, cost=weight * problem.holding_cost)
    short = program.variables(demand.shape, cost=weight * problem.shortage_cost)
    known = -demand
    known[0] += inventory
    known[: len(pipeline)] += pipeline[: len(demand)]
    balance = program.rows(known, known)
    program.put(balance, stock, 1.0)
    program.put(balance, short, -1.0)
    program.put(balance[1:], stock[:-1], -1.0)
    if problem.unmet_demand == "backlog":
        program.put(balance[1:], short[:-1], 1.0)
    return balance


def _weights(problem: Any, periods: int) -> NDArray[np.float64]:
    """Discount factor of each period, shape (periods, 1)."""
    return np.asarray(problem.discount ** np.arange(periods))[:, None]
