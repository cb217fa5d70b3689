"""The exact optimum of joint replenishment and of capacitated lot sizing with one or two items."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import as_problem
from jumpgym.demand import ContinuousDemand, DiscreteDemand
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment

from ..policy import Policy
from .joint_lattice import Decision, JointProcess
from .joint_orders import JointProblem, choices, lattice_steps
from .joint_recursion import certified, extent, finite, iterate, make_process, stationary
from .stock_process import LOWER, UPPER


class JointOptimum(Policy):
    """An optimal policy of one or two items, as ``solve_joint`` returns it.

    Between lattice points it decides as at the nearest one, with the same order-up-to levels.

    Attributes:
        expected_cost: expected discounted cost from the initial state; infinite for a stationary problem
            without discount.
        average_cost: expected cost per period in the long run of this policy, if the problem is stationary;
            None otherwise.
        error_bound: bound on the error of ``average_cost``, or of ``expected_cost`` if there is a discount,
            for want of convergence; None if the horizon is finite.
        discretisation_error: estimated error by the grid of the cost above; 0 where the lattice is exact.
        steps: distance of the lattice points of each item, in units, shape (n,).
    """

    def __init__(self, problem: JointProblem, process: JointProcess, decisions: list[Decision]) -> None:
        self.problem = problem
        self.expected_cost = np.inf
        self.average_cost: float | None = None
        self.error_bound: float | None = None
        self.discretisation_error = 0.0
        self.steps = np.array([item.step for item in process.items[: problem.items]])
        self._process = process
        self._decisions = decisions
        self._regimes = np.array([orders.regime for orders in process.orders])

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regimes (m, gates) and quantities (m, n) of observations (m, n_obs)."""
        position = self.problem.position(observation)
        index = np.zeros((2, len(position)), dtype=np.int64)
        level = np.zeros((2, len(position)))
        for item, lattice in enumerate(self._process.items[: self.problem.items]):
            place = np.round(position[:, item] / lattice.step) - lattice.low
            index[item] = np.clip(place, 0, len(lattice.points) - 1).astype(int)
        orders = np.zeros(len(position), dtype=np.int64)
        target = np.zeros(len(position), dtype=np.int64)
        periods = np.zeros(len(position), dtype=int)
        if self.problem.horizon is not None:
            periods = np.clip(np.round(observation[:, -1]), 0, self.problem.horizon - 1).astype(int)
        for period in np.unique(periods):
            now = periods == period
            decision = self._decisions[period]
            orders[now] = decision.orders[index[0, now], index[1, now]]
            target[now] = decision.target[index[0, now], index[1, now]]
        for item, up_to in enumerate(np.unravel_index(target, self._process.shape)):
            level[item] = self._process.items[item].points[up_to]
        regime = self._regimes[orders]
        quantity = level.T[:, : self.problem.items] - position
        return regime, self.problem.layout.project(regime, quantity)


def solve_joint(problem: Any) -> JointOptimum:
    """Solve joint replenishment or capacitated lot sizing of one or two items to optimality.

    **State.** With backlog the inventory positions are a state, as the items' lead time is the same (Scarf
    1960): an order of period t acts on the costs of period t + L and later. With lost sales the lead time
    must be 0.

    **Lattice.** Quantities are continuous. Where demand, initial stocks and largest orders are multiples of
    steps of the items, both steps take up the same part of a truck or of the machine's time, and of this the
    rooms (truckloads; the time that the setups leave) are multiples too, the recursion on the lattice is
    exact nevertheless. Cut the plane by the lines on which the stock of item 1, that of item 2, or their sum
    is on the lattice; any two of them that meet do so in a lattice point. By induction value functions are
    continuous and concave on each triangle of the cut, since stock costs are linear there, and expectations
    keep it. So does the minimum over orders: all orders of a choice of regimes form a polygon whose sides
    are parallel to the same three directions. The least of a function that is concave on each triangle is
    taken where two of all these lines meet: a lattice point, a corner of the polygon, or a point where a
    side meets a line. Within one triangle of stocks each stays on one edge or triangle as the stocks move,
    so each is concave in them; and where the stocks are on the lattice they all are. Without trucks'
    capacity the items' steps need not match. With three items the lines' analogue fails, and with it this
    proof.

    Otherwise (continuous demand, no common step, or a lattice too fine to compute) demand is spread over a
    grid by hat functions, and orders are rounded down to it. ``discretisation_error`` is then the difference
    to the solution at twice the steps: an estimate, not a bound. The mean over a uniform initial inventory is
    treated in the same way.

    **Cut.** The lattice is enlarged until the cost of a policy and a bound from below agree to a relative
    1e-9, see ``JointProcess``, and the decisions keep off its upper ends.

    **Without an end** (``horizon=None``) value iteration, with sweeps under a fixed policy between
    improvements, is bounded by the least and the largest change of a step: at ``discount=1`` these bound the
    average cost (Odoni 1969), else the discounted cost (MacQueen 1966).

    Args:
        problem: problem, environment or environment id of ``JointReplenishment`` or ``CapacitatedLotSizing``
            with one or two items. Demand is a distribution.

    Raises:
        NotImplementedError: for anything else, naming what is not supported and what to do instead.
        TypeError: if ``problem`` is no jumpgym problem.

    References:
        - H. Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem.
        - M. L. Puterman (1994), Markov decision processes, sections 6.6 and 8.5.
    """
    problem = _supported(problem)
    low, high = extent(problem, 1.0)
    solve = finite if problem.horizon is not None else stationary
    solutions = [certified(problem, steps, solve) for steps in lattice_steps(problem, high - low)]
    costs = [float(bounds[UPPER]) for bounds, _ in solutions]
    bounds, (process, decisions) = solutions[-1]
    optimum = JointOptimum(problem, process, [Decision(d.orders[UPPER], d.target[UPPER]) for d in decisions])
    optimum.discretisation_error = abs(costs[-1] - costs[0])
    if problem.horizon is not None:
        optimum.expected_cost = costs[-1]
        return optimum
    optimum.error_bound = float(abs(bounds[UPPER] - bounds[LOWER])) / 2
    if problem.discount == 1:
        optimum.average_cost = float(bounds.mean())
    else:
        optimum.expected_cost = float(bounds.mean())
        ends = np.array([(item.low, item.low + len(item.points) - 1) for item in process.items]).T
        steps = np.array([item.step for item in process.items])
        average, _, _ = iterate(problem, make_process(problem, steps, ends, 1.0), decisions[0])
        optimum.average_cost = float(average.mean())
    return optimum


def _supported(env: Any) -> JointProblem:
    problem = as_problem(env)
    if not isinstance(problem, (JointReplenishment, CapacitatedLotSizing)):
        raise NotImplementedError(f"{type(problem).__name__} is not supported by solve_joint")
    if problem.items > 2:
        raise NotImplementedError(
            f"items={problem.items} is not supported: the state has as many dimensions; at most 2, or "
            "compare simulated policies with evaluate"
        )
    if not all(isinstance(demand, (DiscreteDemand, ContinuousDemand)) for demand in problem.demand.items):
        raise NotImplementedError(
            "demand: traces are not supported: the periods of a trace depend on each other, so stocks and "
            "period are not a state; pass frozen scipy.stats distributions fitted to them, or compare "
            "policies on the traces with evaluate"
        )
    if problem.unmet_demand == "lost" and problem.lead_time > 0:
        raise NotImplementedError(
            f"lead_time={problem.lead_time} with unmet_demand='lost' is not supported: the orders under way "
            "are part of the state; set lead_time=0 or unmet_demand='backlog'"
        )
    if problem.horizon is None and problem.unmet_demand == "backlog":
        found, sizes = choices(problem)
        load = float(sizes[: problem.items] @ problem.demand.mean)
        room = max(choice.room for choice in found[1:])
        if load >= room or np.any(problem.demand.mean >= problem.max_order):
            raise NotImplementedError(
                f"horizon=None with a mean demand of {problem.demand.mean.tolist()} is not supported: orders "
                "cannot keep up with it, so the backlog grows for ever; raise the capacity (max_trucks, "
                "max_order) or set a horizon"
            )
    return problem
