"""Inventory problems with known demand as mixed-integer linear programmes, one for each trace.

``gap`` is the relative gap at which a search stops, see ``Program.minimise``.
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

from .lots import counts_lots, lots
from .program import Decisions, Program


def single_item(
    problem: SingleItemInventory, demand: NDArray[np.float64], state: Any, gap: float
) -> Decisions:
    """The best decisions for a trace (periods,) from a state without batch axes."""
    if counts_lots(problem):
        return lots(problem, demand, state)
    program = Program()
    gate, order = _orders(program, problem, problem.regimes, demand, state)
    cost, x = program.minimise(gap)
    return cost, *picked(gate, order, x)


def budget(problem: BudgetDiscount, demand: NDArray[np.float64], state: Any, gap: float) -> Decisions:
    """As ``single_item``, with the constraint that the available money pays for each order.

    The constraint excludes nothing, since the environment reduces an order to what the money pays for.
    """
    program, periods, prices = Program(), len(demand), problem.brackets.unit_cost
    gate, order = _orders(program, problem.stock, problem.stock.regimes, demand, state)
    value = np.zeros(periods)
    if problem.horizon is not None:
        value[-1] = -problem.leftover_value * problem.discount ** (periods - 1)
    money = program.variables((periods,), cost=value, low=problem.income)
    funds = np.full(periods, problem.income)
    funds[0] += float(state.money)
    account = program.rows(funds, funds)
    program.put(account, money, 1.0)
    program.put(account[1:], money[:-1], -1.0)
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
    regime = np.round(x[np.column_stack([trucks, gate])]).astype(np.int64)
    return cost, regime, x[order] * regime[:, 1:]


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
    regime = np.round(x[gate]).astype(np.int64)
    return cost, regime, x[order] * regime


def picked(
    gate: NDArray[np.int64], quantity: NDArray[np.int64], x: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Regime and quantity (periods, 1) of one gate, from variables of shape (periods, K)."""
    regime = x[gate].argmax(axis=1)[:, None]
    return regime, np.take_along_axis(x[quantity], regime, 1)


def regime_variables(
    program: Program, regimes: RegimeTable, weight: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add gates, one of which is 1 in each period, and their quantities; both of shape (periods, K).

    Args:
        program: programme to add them to.
        regimes: the regimes, with their costs.
        weight: discount factor of each period, shape (periods,).
        high: largest useful quantity of each regime, shape (K,).
    """
    shape = (len(weight), len(regimes))
    gate = program.variables(shape, cost=weight[:, None] * regimes.fixed_cost, high=1.0, integer=True)
    quantity = program.variables(shape, cost=weight[:, None] * regimes.unit_cost, high=high)
    one_regime = program.rows(np.ones(len(weight)), 1.0)
    program.put(one_regime[:, None], gate, 1.0)
    program.switch(quantity, gate, regimes.least, high)
    if regimes.order_multiple is not None:
        program.in_multiples(quantity, regimes.order_multiple)
    return gate, quantity


def _orders(
    program: Program,
    problem: SingleItemInventory,
    regimes: RegimeTable,
    demand: NDArray[np.float64],
    state: Any,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add gates and orders (periods, K), the stock that results from them, and all costs."""
    periods = len(demand)
    # No order needs to exceed all demand, unless the regime's minimum does.
    total_demand = demand.sum() + max(-float(state.inventory), 0.0) + (regimes.order_multiple or 0.0)
    high = np.minimum(regimes.largest, np.maximum(regimes.least, total_demand))
    gate, order = regime_variables(program, regimes, _weights(problem, periods)[:, 0], high)
    balance = _stock(program, problem, demand[:, None], state.inventory, state.pipeline[:, None])[:, 0]
    for k, lead_time in enumerate(regimes.lead_time):
        program.put(balance[lead_time:], order[: max(periods - lead_time, 0), k], -1.0)
    return gate, order


def _item_orders(
    program: Program, problem: MultiItemInventory, demand: NDArray[np.float64], state: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add gates and orders (periods, n), the stock that results from them, and all costs of single items."""
    weight = _weights(problem, len(demand))
    gate = program.variables(demand.shape, cost=weight * problem.item_costs, high=1.0, integer=True)
    order = program.variables(demand.shape, cost=weight * problem.unit_costs)
    largest, multiple = problem.max_order, problem.order_multiple
    if not getattr(problem, "full_trucks", False):  # to fill trucks, orders may have to exceed all demand
        total_demand = demand.sum(axis=0) + np.maximum(-state.inventory, 0.0)
        largest = np.minimum(largest, total_demand if multiple is None else total_demand + multiple)
    if multiple is not None:
        program.in_multiples(order, multiple)
    rows = program.rows(np.full(demand.shape, -np.inf), 0.0)
    program.put(rows, order, 1.0)
    program.put(rows, gate, -largest)
    balance = _stock(program, problem, demand, state.inventory, state.pipeline)
    for lead_time in np.unique(problem.lead_times):
        items = problem.lead_times == lead_time
        program.put(balance[lead_time:, items], order[: max(len(demand) - lead_time, 0), items], -1.0)
    return gate, order


def _stock(
    program: Program,
    problem: SingleItemInventory | MultiItemInventory,
    demand: NDArray[np.float64],
    inventory: Any,
    pipeline: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Add stocks and shortages; return the balance rows (periods, n), to which orders are added with -1.

    No gate is needed to keep the stock or the shortage at 0. With backlog, lowering both by the same amount
    saves both costs. With lost sales, suppose that demand is lost in a period that ends with stock. Losing
    one unit less now, and one more later if need be, saves holding cost, and the later loss costs no more.
    """
    weight = _weights(problem, len(demand))
    stock = program.variables(demand.shape, cost=weight * problem.holding_cost)
    shortage = program.variables(demand.shape, cost=weight * problem.shortage_cost)
    supply = -demand
    supply[0] += inventory
    supply[: len(pipeline)] += pipeline[: len(demand)]
    balance = program.rows(supply, supply)
    program.put(balance, stock, 1.0)
    program.put(balance, shortage, -1.0)
    program.put(balance[1:], stock[:-1], -1.0)
    if problem.unmet_demand == "backlog":
        program.put(balance[1:], shortage[:-1], 1.0)
    return balance


def _weights(problem: Any, periods: int) -> NDArray[np.float64]:
    """Discount factor of each period, shape (periods, 1)."""
    return np.asarray(problem.discount ** np.arange(periods))[:, None]
