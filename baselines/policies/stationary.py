"""Expected cost of policies that order by the inventory position, and the search for the best of a family."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory
from jumpgym.demand import PeriodDemand, TraceDemand

from ..evaluation import draw
from ..exact.bellman import UPPER
from ..exact.lattice import grid_step
from ..exact.lattice_demand import standard_deviation
from ..exact.markov_chain import long_run_cost
from ..exact.single_item_lattice import certified, lattice_steps, order_ends, supported
from ..exact.stock_process import StockProcess
from ..policy import Policy
from .descent import Point, Progress, descend, mean_costs

EPISODES, PERIODS = 1024, 256
"""Episodes, and periods without a horizon, that are simulated where no lattice applies."""

SEED = 0
"""Seed of these episodes."""

NEVER = 1e-12
"""Largest share of periods in which the stock may leave a lattice."""

BATCH = 32
"""Number of policies whose costs are computed at once."""

FINER = 1.5
"""Least ratio of the units of two searches at which the second one is worth while."""

Family = TypeVar("Family", bound="StationaryPolicy")


class StationaryPolicy(Policy):
    """A policy that orders by the inventory position alone.

    Attributes:
        problem: the problem whose orders it places.
        highest_position: highest position up to which the policy orders, in units.
        levels: levels and quantities that must lie on a lattice for the cost to be exact, in units.
    """

    problem: SingleItemInventory
    highest_position: float
    levels: tuple[float, ...]

    @abstractmethod
    def order(self, position: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and quantity (m,) at inventory positions (m,), in units."""

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and quantity (m,), inside its interval, of observations (m, n).

        With an order multiple it is the nearest one; an order of which nothing is left is not placed.
        """
        regime, quantity = self.order(self.problem.position(observation))
        regimes = self.problem.regimes
        ordered = regimes.project(regime, quantity)
        if regimes.order_multiple is None:
            return regime, ordered
        return np.where(ordered > 0, regime, 0), ordered


def stationary_costs(policies: Sequence[StationaryPolicy], step: float | None = None) -> NDArray[np.float64]:
    """Expected cost of policies for one problem.

    The cost is exact on the lattices on which ``solve`` is exact, and computed on a grid otherwise. Where
    ``solve`` does not apply it is the mean over ``EPISODES`` simulated episodes.

    Args:
        policies: policies for the same problem object.
        step: distance of lattice points, in units; by default the finest that ``solve`` uses.

    Returns:
        Expected discounted cost of an episode from the initial state, shape (policies,); for an
        infinite-horizon problem at discount 1 the average cost per period, from the stationary distribution.

    Raises:
        NotApplicable: if ``solve`` does not apply and the problem has no horizon.
    """
    problem = policies[0].problem
    try:
        supported(problem)
    except NotImplementedError:
        if problem.horizon is None:
            raise
        state, noise = draw(problem, EPISODES, SEED)
        return np.array(mean_costs(policies, state, noise))
    levels = np.unique([level for policy in policies for level in policy.levels]).tolist()
    width = lattice_steps(problem, levels)[-1] if step is None else step

    def run(process: StockProcess) -> tuple[NDArray[np.float64], bool, None]:
        observations = process.observations()
        regime, units = zip(*(policy.decide(observations) for policy in policies), strict=True)
        quantity = np.round(np.stack(units) / width).astype(int)
        if problem.horizon is None:
            chains = (process.chain(*decisions) for decisions in zip(regime, quantity, strict=True))
            costs, cuts = zip(*(long_run_cost(chain, problem.discount) for chain in chains), strict=True)
            return np.stack([costs, costs], axis=-1), max(cuts) < NEVER, None
        return process.policy_costs(np.stack(regime), quantity), True, None

    # The nearest multiple may go above the level that a policy orders up to.
    highest = max(policy.highest_position for policy in policies) + (problem.order_multiple or 0.0)
    bounds, _ = certified(problem, width, run, highest)
    return bounds[:, UPPER]


def search_steps(problem: SingleItemInventory) -> tuple[float | None, float]:
    """Steps of a search: of the lattice of costs, None where none applies, and of the parameters.

    If the mean demand spans at most 100 points of the exact lattice, both are the step of that lattice.
    Otherwise the parameters are multiples of about 1/40 of the mean demand.
    """
    mean = demand_scale(problem)
    try:
        steps = lattice_steps(supported(problem))
    except NotImplementedError:
        return None, mean / 40
    if len(steps) == 1 and mean <= 100 * steps[0]:
        return steps[0], steps[0]
    step = max(steps[0], grid_step(mean / 160, order_ends(problem.regimes)))
    return step, step * max(1, round(mean / 40 / step))


def fine_steps(problem: SingleItemInventory) -> tuple[float | None, float]:
    """As ``search_steps``, but the parameters are multiples of about 1/8 of demand's standard deviation."""
    try:
        steps = lattice_steps(supported(problem))
    except NotImplementedError:
        return None, demand_deviation(problem) / 8 or demand_scale(problem) / 40
    at_most = max(demand_deviation(problem) / 8, steps[0])
    step = max(steps[0], grid_step(at_most, order_ends(problem.regimes)))
    return step, step


def demand_scale(problem: SingleItemInventory) -> float:
    """The mean demand of a period, in units; a positive substitute if the mean is 0."""
    return problem.demand.mean or problem.level_scale


def demand_deviation(problem: SingleItemInventory) -> float:
    """Standard deviation of a period's demand, in units; by simulation where it is not one distribution."""
    if isinstance(problem.demand, (PeriodDemand, TraceDemand)):
        return float(draw(problem, EPISODES, SEED, PERIODS)[1].std())
    return standard_deviation(problem.demand)


def level_range(problem: SingleItemInventory, unit: float) -> tuple[int, int]:
    """A range of levels, in multiples of ``unit``, from deep backlog to ample stock."""
    scale = problem.level_scale
    low = -1.0 if problem.unmet_demand == "lost" else min(0.0, problem.initial_inventory[0]) - scale
    return round(low / unit), round((scale + problem.demand.mean) / unit)


def best_stationary(
    problem: SingleItemInventory,
    make: Callable[[Point, float], Family | None],
    coarse: Iterable[Point],
    strides: Point,
    progress: Progress | None = None,
    starts: Callable[[float], Iterable[Point]] = lambda unit: (),
) -> Family:
    """The policy of least expected cost that descent finds in a family.

    The parameters are first multiples of the unit of ``search_steps``. Where demand varies so little that
    this is too coarse, the search goes on with that of ``fine_steps``.

    Args:
        problem: the problem.
        make: the policy of a point, whose coordinates are multiples of a unit; None if it stands for none.
        coarse, strides: see ``descent.descend``, in multiples of the first unit.
        progress: see ``descent.descend``.
        starts: further points from which the finer search may start, in multiples of a unit.
    """

    def search(
        step: float | None, unit: float, coarse: Iterable[Point], strides: Point
    ) -> tuple[Point, Family]:
        def costs(points: list[Point]) -> list[float]:
            policies = [make(point, unit) for point in points]
            valid = [policy for policy in policies if policy is not None]
            batches = (valid[i : i + BATCH] for i in range(0, len(valid), BATCH))
            cost_of = iter([cost for batch in batches for cost in stationary_costs(batch, step)])
            return [np.inf if policy is None else float(next(cost_of)) for policy in policies]

        point = descend(costs, coarse, strides, progress=progress)
        best = make(point, unit)
        assert best is not None, "no point of the coarse grid stands for a policy"
        return point, best

    step, unit = search_steps(problem)
    point, best = search(step, unit, coarse, strides)
    finer_step, finer_unit = fine_steps(problem)
    ratio = unit / finer_unit
    if unit == step or ratio < FINER:
        return best
    near = tuple(round(ratio * coordinate) for coordinate in point)
    stride = max(round(ratio), 1)
    return search(finer_step, finer_unit, [near, *starts(finer_unit)], (stride,) * len(point))[1]


def stationary_cost(policy: Any) -> float:
    """Expected cost of a policy that orders by the inventory position; see ``stationary_costs``.

    Raises:
        TypeError: if the policy is of another kind.
    """
    if not isinstance(policy, StationaryPolicy):
        raise TypeError(f"stationary_cost({policy!r}): the policy must order by the inventory position alone")
    return float(stationary_costs([policy])[0])


def exact_cost(policy: Any) -> float | None:
    """``stationary_cost`` where it is computed on a lattice or grid, not by simulation; else None."""
    if not isinstance(policy, StationaryPolicy) or not isinstance(policy.problem, SingleItemInventory):
        return None
    try:
        supported(policy.problem)
    except NotImplementedError:
        return None
    return stationary_cost(policy)
