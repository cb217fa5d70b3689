"""The optimum of MinInvestment with at most two vehicles: dynamic programming on a fine grid of wealth."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable
from jumpgym.noise.items import IndependentItems
from jumpgym.noise.single import ContinuousNoise, DiscreteNoise, Noise
from jumpgym.problems.min_investment import MinInvestment

from .bellman import midpoints, refine
from .refusals import refuse_periods, refuse_traces
from .result import Optimum

TABLE = 8192
"""Number of points of the table of values to go, evenly spaced in the logarithm of wealth."""

MAX_OUTCOMES = 20_000
"""Largest number of joint outcomes of the returns in one period."""

MAX_JUMPS = 100
"""The value jumps where cash alone reaches a minimum in some periods; later ones than these are left out."""

TWIN = 1e-9
"""Relative distance to a jump of the value of the two grid points beside it."""

NEGLIGIBLE = 1e-8
"""Probability below which outcomes of a quadrature are left out."""


class InvestmentRule:
    """Decides by tables of the best decision at each point of a grid of wealth.

    It enters the vehicles that are best at the nearest grid point, and divides the wealth that remains after
    minima and entry costs in the same shares as at that point.

    Args:
        problem: a supported problem.
        points: number of grid points of wealth.
        fineness: factor on the resolution of returns and shares.

    Attributes:
        expected_cost: expected discounted cost of an episode from the initial wealth.
    """

    def __init__(self, problem: MinInvestment, points: int, fineness: int) -> None:
        self.problem = problem
        self._outcomes, self._weights = _outcomes(problem, fineness)
        self._subsets = [
            np.array(chosen, dtype=bool)
            for chosen in itertools.product((False, True), repeat=len(problem.min_investment))
        ]
        self._grid = _wealth_grid(problem, points, self._subsets)
        self._log_ends = float(np.log(self._grid[0])), float(np.log(self._grid[-1]))
        self._decisions: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        table = np.linspace(*self._log_ends, TABLE)
        values = self._utility(self._grid)
        # Terminal utility is charged within the last period, so it is not discounted once more.
        for period in reversed(range(problem.horizon)):
            factor = 1.0 if period == problem.horizon - 1 else problem.discount
            self._table, self._values = factor * self._interpolate(values, table), factor * values
            values, subset, shares = self._best(fineness)
            self._decisions.append((subset, shares))
        self._decisions.reverse()
        start = np.log(midpoints(problem.initial_wealth, 2000))
        self.expected_cost = -float(self._interpolate(values, start).mean())

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regimes and amounts at observations (m, 2): (m,) for one vehicle, else (m, v)."""
        wealth = np.maximum(observation[:, 0], self._grid[0])
        middles = np.sqrt(self._grid[1:] * self._grid[:-1])
        nearest = np.searchsorted(middles, wealth)
        period = np.clip(np.round(observation[:, 1]), 0, self.problem.horizon - 1).astype(int)
        subset, shares = (np.array(table)[period, nearest] for table in zip(*self._decisions, strict=True))
        regime = np.array(self._subsets)[subset].astype(np.int64)
        amount = np.zeros(regime.shape)
        for index, entered in enumerate(self._subsets):
            rows = subset == index
            amount[rows] = self._amounts(wealth[rows], entered, shares[rows])[0]
        amount = self.problem.layout.project(regime, amount)
        return (regime[:, 0], amount[:, 0]) if regime.shape[1] == 1 else (regime, amount)

    def _utility(self, wealth: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log(wealth) if self.problem.utility == "log" else wealth

    def _interpolate(
        self, values: NDArray[np.float64], log_wealth: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Values at any wealth from those on the grid, transformed so that they vary little between jumps."""
        points = np.log(self._grid)
        if self.problem.utility == "log":
            return np.interp(log_wealth, points, values - points) + log_wealth
        return np.interp(log_wealth, points, values / self._grid) * np.exp(log_wealth)

    def _best(self, fineness: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Best value at each grid point, its subset of vehicles, and the shares of the remaining wealth."""
        grid, vehicles = self._grid, len(self.problem.min_investment)
        best = np.full(len(grid), -np.inf)
        subset, shares = np.zeros(len(grid), dtype=np.int64), np.zeros((len(grid), vehicles))
        for index, entered in enumerate(self._subsets):
            payable = grid >= _needs(self.problem, entered)
            value, share = self._search(grid[payable], entered, fineness)
            better = value > best[payable] + 1e-12  # ties go to fewer vehicles
            improved = np.flatnonzero(payable)[better]
            best[improved], subset[improved], shares[improved] = value[better], index, share[better]
        return best, subset, shares

    def _search(
        self, wealth: NDArray[np.float64], entered: NDArray[np.bool_], fineness: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Best values (m,) at wealths (m,), and their shares (m, v): a coarse search, then halving steps."""
        vehicles = np.flatnonzero(entered)
        points = 8 * fineness if len(vehicles) == 1 else 4 * fineness
        units = [
            unit for unit in itertools.product(range(points + 1), repeat=len(vehicles)) if sum(unit) <= points
        ]
        moves = [move for move in itertools.product((-1, 0, 1), repeat=len(vehicles)) if any(move)]
        best, shares = np.full(len(wealth), -np.inf), np.zeros((len(wealth), len(entered)))
        candidates = [
            np.tile(_spread(unit, vehicles, len(entered)) / points, (len(wealth), 1)) for unit in units
        ]
        step = 1.0 / points
        for _ in range(4 + fineness):
            for candidate in candidates:
                value = self._expected(wealth, entered, candidate)
                better = value > best
                best, shares = np.where(better, value, best), np.where(better[:, None], candidate, shares)
            step /= 2
            candidates = [
                _into_simplex(shares + step * _spread(move, vehicles, len(entered))) for move in moves
            ]
        return best, shares

    def _expected(
        self,
        wealth: NDArray[np.float64],
        entered: NDArray[np.bool_],
        shares: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Expected value (m,) after a period with wealth (m,), vehicles entered and shares (m, v)."""
        amounts, cash = self._amounts(wealth, entered, shares)
        vehicles: tuple[int, ...] = tuple(np.flatnonzero(entered).tolist())
        low, high = self._log_ends
        after: NDArray[np.float64] = (1 + self.problem.risk_free) * cash[:, None]
        if not vehicles:  # nothing is random, so the table would blur the jumps of the value
            return self._interpolate(self._values, np.log(np.maximum(after[:, 0], np.exp(low))))
        after = after + amounts[:, list(vehicles)] @ (1 + self._outcomes[vehicles].T)
        # The table continues linearly beyond its ends, except towards 0 with a linear utility.
        least = np.exp(low) * (1e-6 if self.problem.utility == "log" else 1.0)
        position = (np.log(np.maximum(after, least)) - low) * ((TABLE - 1) / (high - low))
        cell = np.clip(position.astype(np.int64), 0, TABLE - 2)
        value = self._table[cell] + (position - cell) * (self._table[cell + 1] - self._table[cell])
        return np.asarray(value @ self._weights[vehicles])

    def _amounts(
        self, wealth: NDArray[np.float64], entered: NDArray[np.bool_], shares: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Amounts (m, v) invested, and the remaining cash (m,)."""
        problem = self.problem
        free = np.maximum(wealth - _needs(problem, entered), 0.0)[:, None]
        largest = np.maximum(problem.max_investment - problem.min_investment, 0.0)
        amounts = np.where(entered, problem.min_investment + np.minimum(free * shares, largest), 0.0)
        return amounts, np.maximum(wealth - amounts.sum(axis=1) - problem.entry_costs[entered].sum(), 0.0)


def solve_investment(problem: MinInvestment, points: int = 400) -> Optimum:
    """Solve ``MinInvestment`` with one or two vehicles of independent returns.

    The method is backward induction on a grid of wealth that is evenly spaced in its logarithm. Wherever the
    value jumps the grid has a pair of points: where another vehicle becomes affordable, now or some periods
    later by cash alone. Expectations are exact for discrete returns. For continuous returns they are computed
    by the trapezoidal rule in ``log(u / (1 - u))``, over the quantiles that the problem draws from. Amounts
    are searched on a grid of shares with smaller and smaller steps. ``discretisation_error`` is the
    difference to half the resolution in wealth, returns and shares. It is an estimate, not a bound.

    Args:
        problem: the problem.
        points: number of grid points of wealth.

    Raises:
        NotApplicable: for more than two vehicles, or for traces.
    """
    if isinstance(problem.returns, IndependentItems):
        refuse_traces(*problem.returns.items, name="returns")
        refuse_periods(*problem.returns.items, name="returns")
    if len(problem.min_investment) > 2 or not isinstance(problem.returns, IndependentItems):
        raise NotApplicable(
            f"solve_investment: {len(problem.min_investment)} vehicles with "
            f"{type(problem.returns).__name__}; at most 2 with independent returns of given distributions "
            "are supported"
        )

    def solve_on(resolution: tuple[int, int]) -> Optimum:
        rule = InvestmentRule(problem, *resolution)
        return Optimum(problem, rule, rule.expected_cost)

    return refine(solve_on, [(points // 2, 1), (points, 2)])


def _needs(problem: MinInvestment, entered: NDArray[np.bool_]) -> float:
    """Wealth that a subset of vehicles needs: minima and entry costs."""
    return float((problem.min_investment + problem.entry_costs)[entered].sum())


def _wealth_grid(
    problem: MinInvestment, points: int, subsets: list[NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Ascending points of wealth, over the range that is reached with non-negligible probability."""
    growth = [np.array([np.log1p(problem.risk_free)])]
    growth += [np.log1p(np.maximum(_quadrature(item, 1.0)[0], -0.999)) for item in problem.returns.items]
    weights = [np.ones(1)] + [_quadrature(item, 1.0)[1] for item in problem.returns.items]
    means = np.array([g @ w for g, w in zip(growth, weights, strict=True)])
    deviations = np.array([((g - m) ** 2 @ w) ** 0.5 for g, w, m in zip(growth, weights, means, strict=True)])
    spread = 6 * np.sqrt(problem.horizon) * deviations.max() + 0.05
    low, high = problem.initial_wealth
    lowest = low * np.exp(problem.horizon * min(means.min(), 0.0) - spread)
    highest = min(high * np.exp(problem.horizon * max(means.max(), 0.0) + spread), problem.largest_wealth)
    # The value jumps where vehicles become affordable, and where cash grows to that wealth in k periods.
    periods = np.arange(min(problem.horizon, MAX_JUMPS))
    needs = np.array([_needs(problem, entered) for entered in subsets])
    edges = (needs[:, None] * np.exp(-periods * growth[0])).reshape(-1)
    edges = edges[(edges > lowest) & (edges < highest)]
    return np.unique(
        np.concatenate([np.geomspace(lowest, highest, points), edges * (1 - TWIN), edges * (1 + TWIN)])
    )


def _outcomes(
    problem: MinInvestment, fineness: int
) -> tuple[dict[tuple[int, ...], NDArray[np.float64]], dict[tuple[int, ...], NDArray[np.float64]]]:
    """For each set of vehicles, joint outcomes (q, vehicles) of their returns and their weights (q,)."""
    items = problem.returns.items
    outcomes: dict[tuple[int, ...], NDArray[np.float64]] = {}
    weights: dict[tuple[int, ...], NDArray[np.float64]] = {}
    for i, item in enumerate(items):
        values, weights[i,] = _quadrature(item, 0.5 / fineness)
        outcomes[i,] = values[:, None]
    if len(items) == 2:
        # Each return smooths the jumps of the value in the other one, so fewer points suffice, of which the
        # more volatile return gets more.
        deviations = [(outcomes[i,][:, 0] ** 2 @ weights[i,] - item.mean**2) for i, item in enumerate(items)]
        volatile = int(np.argmax(deviations))
        single = [
            _quadrature(item, (1.0 if i == volatile else 2.0) / fineness) for i, item in enumerate(items)
        ]
        joint = np.stack(np.meshgrid(single[0][0], single[1][0], indexing="ij"), axis=-1).reshape(-1, 2)
        weight = np.outer(single[0][1], single[1][1]).reshape(-1)
        likely = weight > NEGLIGIBLE
        outcomes[0, 1], weights[0, 1] = joint[likely], weight[likely] / weight[likely].sum()
    count = max(map(len, weights.values()))
    if count > MAX_OUTCOMES:
        raise NotApplicable(
            f"solve_investment: the returns have {count:,} joint outcomes in a period, more than "
            f"{MAX_OUTCOMES:,}; compare simulated policies (evaluate) instead"
        )
    return outcomes, weights


def _quadrature(noise: Noise, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and probabilities of a return; for a continuous one, quantiles ``step`` apart in logits."""
    if isinstance(noise, DiscreteNoise):
        return noise.values, noise.probabilities
    assert isinstance(noise, ContinuousNoise)
    width = 2 * noise.REACH / noise.cells
    stride = max(1, round(step / width))
    index = np.arange(noise.cells // 2 % stride, noise.cells + 1, stride)
    logits = index * width - noise.REACH
    weights = 1 / (2 + np.exp(logits) + np.exp(-logits))  # u (1 - u), the derivative of u by the logit
    weights /= weights.sum()
    likely = weights > NEGLIGIBLE
    return noise.quantiles[index[likely]], weights[likely] / weights[likely].sum()


def _spread(values: tuple[int, ...], vehicles: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Values of some vehicles as an array (count,) over all vehicles."""
    spread = np.zeros(count)
    spread[vehicles] = values
    return spread


def _into_simplex(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares (m, v), raised to at least 0, and scaled down if their sum exceeds 1."""
    positive = np.maximum(shares, 0.0)
    return np.asarray(positive / np.maximum(positive.sum(axis=1, keepdims=True), 1.0))
