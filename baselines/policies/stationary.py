"""Expected cost of stationary policies, and the search for the best of a family with two parameters."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from ..evaluation import draw, simulate
from ..exact.bellman import UPPER
from ..exact.lattice import grid_step
from ..exact.markov_chain import long_run_cost
from ..exact.single_item_lattice import certified, lattice_steps, supported
from ..exact.single_item_position import StockProcess
from ..policy import Policy

EPISODES = 1024
"""Episodes, on common random numbers, where no lattice applies."""

SEED = 0
"""Their seed."""

NEVER = 1e-12
"""Share of periods in which the stock may fall off a lattice."""

Parameters = tuple[int, int]


class StationaryPolicy(Policy):
    """A policy that orders by the inventory position alone.

    Attributes:
        problem: the problem whose orders it places.
        highest_position: highest position to which it ever orders, in units.
        levels: quantities that must lie on a lattice for its cost to be exact, in units.
    """

    problem: SingleItemInventory
    highest_position: float
    levels: tuple[float, ...]

    @abstractmethod
    def order(self, position: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and quantity (m,) at inventory positions (m,), in units."""

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and quantity (m,), inside its interval, of observations (m, n)."""
        regime, quantity = self.order(self.problem.position(observation))
        return regime, self.problem.regimes.project(regime, quantity)


def stationary_costs(policies: Sequence[StationaryPolicy], step: float | None = None) -> NDArray[np.float64]:
    """Expected discounted cost of an episode of each policy from the initial state, shape (policies,).

    Without an end and discount, the average cost of a period, from the stationary distribution. Exact on the
    lattice on which ``solve`` is; on a grid otherwise. Where ``solve`` does not apply: the mean over
    ``EPISODES`` episodes of one seed.

    Args:
        policies: policies for one problem, the same object.
        step: distance of lattice points, in units; by default the finest that ``solve`` uses.

    Raises:
        NotImplementedError: if ``solve`` does not apply and the problem has no end.
    """
    problem = policies[0].problem
    try:
        supported(problem)
    except NotImplementedError:
        if problem.horizon is None:
            raise
        state, noise = draw(problem, EPISODES, SEED)
        return np.array([simulate(policy, problem, state, noise).mean() for policy in policies])
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

    bounds, _ = certified(problem, width, run, max(policy.highest_position for policy in policies))
    return bounds[:, UPPER]


def search_steps(problem: SingleItemInventory) -> tuple[float | None, float]:
    """Step of the lattice that a search is done on, None where none applies, and that of the parameters.

    Both are the exact lattice's if it has at most 100 points to the mean demand. Otherwise the parameters are
    multiples of about 1/40 of the mean demand.
    """
    mean = problem.demand.mean
    try:
        steps = lattice_steps(supported(problem))
    except NotImplementedError:
        return None, mean / 40
    if len(steps) == 1 and mean <= 100 * steps[0]:
        return steps[0], steps[0]
    step = max(steps[0], grid_step(mean / 160, np.append(problem.regimes.low, problem.regimes.high)))
    return step, step * max(1, round(mean / 40 / step))


def best_parameters(
    make: Callable[[Parameters], StationaryPolicy | None],
    coarse: Iterable[Parameters],
    stride: Parameters,
    step: float | None,
) -> StationaryPolicy:
    """The policy of least expected cost in a family with two integer parameters.

    From each of the best points of a coarse grid, the best of a 5 x 5 neighbourhood is followed until it is
    the centre; then the stride is halved, down to 1, and the last neighbourhood is 13 x 13.

    Args:
        make: the policy of two parameters, or None where there is none.
        coarse: parameters of a coarse grid.
        stride: its strides.
        step: distance of the lattice points on which costs are computed, see ``stationary_costs``.
    """
    starts, batch = 4, 32
    known: dict[Parameters, float] = {}

    def cost(candidates: Iterable[Parameters]) -> None:
        new = [c for c in dict.fromkeys(candidates) if c not in known]
        policies = {c: policy for c in new if (policy := make(c)) is not None}
        known.update(dict.fromkeys(new, np.inf))
        keys = list(policies)
        for i in range(0, len(keys), batch):
            part = keys[i : i + batch]
            costs = stationary_costs([policies[key] for key in part], step)
            known.update(zip(part, costs.tolist(), strict=True))

    cost(coarse)
    for start in sorted(known, key=lambda point: known[point])[:starts]:
        point, steps, reach = start, stride, 2
        while True:
            around = [
                (point[0] + i * steps[0], point[1] + j * steps[1])
                for i in range(-reach, reach + 1)
                for j in range(-reach, reach + 1)
            ]
            cost(around)
            best = min([point, *around], key=lambda candidate: known[candidate])
            if best != point:
                point = best
            elif steps != (1, 1):
                steps = (max(steps[0] // 2, 1), max(steps[1] // 2, 1))
            elif reach == 2:
                reach = 6
            else:
                break
    policy = make(min(known, key=lambda candidate: known[candidate]))
    assert policy is not None, "the coarse grid holds no policy"
    return policy


def stationary_cost(policy: Any) -> float:
    """Expected discounted cost of an episode of one policy, or its average cost; see ``stationary_costs``."""
    return float(stationary_costs([policy])[0])
