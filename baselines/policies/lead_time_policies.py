"""The two-index policy for lead times that depend on the order size."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable, SingleItemInventory, checks
from jumpgym.demand import discrete_values

from ..evaluation import draw, simulated_costs
from ..exact.lattice import common_step
from ..policy import ROUNDING, Policy, require
from .descent import Point, Progress, descend
from .stationary import EPISODES, SEED, demand_scale


class TwoIndexPolicy(Policy):
    """Small orders by what arrives soon, large ones by all outstanding orders.

    The dual-index policy of Veeraraghavan and Scheller-Wolf (2008) for two suppliers tracks two inventory
    positions: the urgent one, with what arrives within the shorter lead time, decides on express orders, the
    full one on regular orders. Here the express order is the first bracket of sizes, the regular order a
    larger one, and only one can be placed in a period. If both are due:

    - if the full position is ``low`` or less, small orders cannot catch up: order up to S;
    - else, if the urgent position is ``urgent`` or less: order the whole first bracket, but not beyond S;
    - else, if the full position is s or less: order up to S.

    An order up to S has the lead time of the bracket to which its size belongs.

    Args:
        problem: problem, environment or id whose first regime is an order of nothing, and whose second has
            the shortest lead time.
        urgent: urgent position at or below which the first bracket is ordered, in units.
        low: full position at or below which that does not suffice, in units.
        s: reorder point of the full position, in units, at least ``low``.
        S: order-up-to level of the full position, in units, at least s.

    Raises:
        ValueError: if the problem's orders do not fit, or a parameter is outside its range.

    References:
        - S. Veeraraghavan and A. Scheller-Wolf (2008), Now or later: a simple policy for effective dual
          sourcing in capacitated systems, Operations Research 56(4).
        - A. S. Whittemore and S. C. Saunders (1977), Optimal inventory under stochastic demand with two
          supply options, SIAM Journal on Applied Mathematics 32(2).
    """

    def __init__(self, problem: Any, urgent: float, low: float, s: float, S: float) -> None:
        self.problem = _with_small_orders_first(problem)
        self.urgent = checks.number("urgent", urgent)
        self.low = checks.number("low", low)
        self.s = checks.number("s", s, low=self.low)
        self.S = checks.number("S", S, low=self.s)

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and quantity (m,), inside its interval, of observations (m, n)."""
        regimes = self.problem.regimes
        entries = min(int(regimes.lead_time[1]) + 2, self.problem.max_lead_time + 1)
        urgent = observation[:, :entries].sum(axis=1)
        position = self.problem.position(observation)
        shortfall = np.maximum(self.S - position, 0.0)
        small = (urgent <= self.urgent + ROUNDING) & (position > self.low + ROUNDING)
        large = np.where(position <= self.s + ROUNDING, shortfall, 0.0)
        quantity = np.where(small, np.minimum(shortfall, regimes.high[1]), large)
        # Above a breakpoint by less than the rounding of observations is not above it.
        regime = regimes.membership(np.where(quantity > ROUNDING, quantity - ROUNDING, 0.0))
        return regime, regimes.project(regime, quantity)


def best_two_index(problem: Any, progress: Progress | None = None) -> TwoIndexPolicy:
    """The best ``TwoIndexPolicy``, by descent from a coarse grid.

    Costs are means over ``stationary.EPISODES`` episodes on common random numbers; the coarse grid is
    judged by an eighth of them.
    """
    inventory = _with_small_orders_first(problem)
    if inventory.horizon is None:
        raise NotApplicable("best_two_index: horizon=None is not supported; give a long horizon")
    unit = _unit(inventory)
    start, noise = draw(inventory, EPISODES, SEED)

    def make(point: Point) -> TwoIndexPolicy | None:
        urgent, low, width, height = point
        if min(width, height) < 0:
            return None
        levels = (urgent, low, low + width, low + width + height)
        return TwoIndexPolicy(inventory, *(level * unit for level in levels))

    def mean_cost(point: Point, episodes: int) -> float:
        policy = make(point)
        if policy is None:
            return np.inf
        state = type(start)(*(entry[:episodes] for entry in start))
        return simulated_costs(policy, inventory, state, noise[:episodes]).mean

    first = _coarse_grid(inventory, unit, noise)
    coarse = sorted(first, key=lambda point: mean_cost(point, EPISODES // 8))[:4]
    stride = max(round(inventory.demand.mean / unit / 2), 1)
    best = make(
        descend(
            lambda points: [mean_cost(p, EPISODES) for p in points], coarse, (stride,) * 4, progress=progress
        )
    )
    assert best is not None, "the coarse grid holds no policy"
    return best


def _unit(problem: SingleItemInventory) -> float:
    """The step of which demand and brackets are multiples, or 1/40 of the mean demand if that is more."""
    regimes, values = problem.regimes, discrete_values(problem.demand)
    least = demand_scale(problem) / 40
    if values is None:
        return least
    step = common_step(np.concatenate([values, regimes.low, regimes.high]))
    return least if step is None else step * max(1, round(least / step))


def _coarse_grid(problem: SingleItemInventory, unit: float, noise: NDArray[np.float64]) -> list[Point]:
    """Parameters around the mean demand of the shortest and of the longest lead time."""
    mean = problem.demand.mean
    periods = int(problem.regimes.lead_time[1]) + 1, problem.max_lead_time + 1
    soon, late = (mean * p for p in periods)
    margin = float(noise.std()) * np.sqrt(periods[1])
    order = max(problem.economic_order_quantity, mean)
    points = []
    for urgent, low, reorder, height in product(
        (soon - mean, soon, soon + margin),
        (-late, soon - mean, late - mean),
        (soon, late, late + margin),
        (0.5 * order, order, 1.5 * order),
    ):
        levels = np.round(np.array([urgent, low, max(reorder - low, 0.0), height]) / unit)
        points.append(tuple(levels.astype(int).tolist()))
    return points


def _with_small_orders_first(env: Any) -> SingleItemInventory:
    problem = require(SingleItemInventory, env, "TwoIndexPolicy")
    regimes = problem.regimes
    if len(regimes) < 2 or regimes.high[0] > 0 or regimes.lead_time[1:].min() < regimes.lead_time[1]:
        raise NotApplicable(
            "TwoIndexPolicy needs regimes of no order and of brackets, the first with the shortest lead "
            f"time, not high={regimes.high.tolist()}, lead_time={regimes.lead_time.tolist()}"
        )
    return problem
