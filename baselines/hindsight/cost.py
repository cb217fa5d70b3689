"""Perfect hindsight: the least cost of an episode if all its noise were known beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem, SingleItemInventory, as_problem, checks

from ..dispatch import lookup
from .program import GAP
from .wagner_whitin import fits, wagner_whitin

TRACE_SOLVERS = {
    "SingleItemInventory": "hindsight.stock:single_item",
    "BudgetDiscount": "hindsight.stock:budget",
    "JointReplenishment": "hindsight.stock:joint",
    "CapacitatedLotSizing": "hindsight.stock:lot_sizing",
    "LoanBrackets": "hindsight.money:loans",
    "MinInvestment": "hindsight.money:investment",
    "SwitchedLQR": "hindsight.lqr:switched_lqr",
}
"""What decides best for one trace: ``(problem, noise, state, gap) -> (cost, regime, quantity)``."""


TRACES = {
    "SetupCost": 128,
    "MinOrder": 128,
    "TruckCapacity": 32,
    "QuantityDiscount": 128,
    "FreeShipping": 16,
    "OrderSizeLeadTime": 256,
    "JointReplenishment": 8,
    "CapacitatedLotSizing": 64,
    "BudgetDiscount": 4,
    "LoanBrackets": 128,
    "MinInvestment": 128,
    "SwitchedLQR": 128,
}
"""Episodes of each environment, as many as take about half a minute."""

BOUNDED = {"JointReplenishment": 0.05}
"""Where perfect hindsight takes minutes an episode, the relative width to which it is bounded from below."""


@dataclass(frozen=True)
class HindsightPlan:
    """The best decisions for each trace of noise.

    Attributes:
        costs: shape (episodes,), as of ``hindsight_cost``.
        regime: regime of each gate, shape (episodes, periods, G).
        quantity: shape (episodes, periods, n).
    """

    costs: NDArray[np.float64]
    regime: NDArray[np.int64]
    quantity: NDArray[np.float64]


def hindsight_cost(problem: Any, noise: Any, state: Any = None, gap: float = GAP) -> NDArray[np.float64]:
    """Cost of the best decisions for each trace, if all its noise were known: no policy costs less on it.

    Lot sizing with one fixed cost is solved by Wagner and Whitin's recursion, switched LQR by trying all
    sequences of modes (see ``hindsight_lqr``), everything else as a mixed-integer linear programme for each
    trace. On the defaults a trace takes from 0.02 to 1.5 s of processor time, with a budget about 9 s; joint
    replenishment takes minutes, with ``gap=0.05`` a second.

    Args:
        problem: problem, environment or id.
        noise: shape (episodes, horizon, *noise_shape), or a single trace without the first axis.
        state: states before the first period, with the axis of the episodes if the noise has it; None for the
            initial state of the problem, if it is certain.
        gap: what is returned is a proven lower bound; a programme ends when the best decisions found cost no
            more than this fraction above it. By default that is the least cost itself, but for rounding.

    Returns:
        Discounted total cost, shape (episodes,), or () of a single trace. A problem without a horizon takes
        traces of any length, after which nothing is charged; at discount 1 the cost is per period, as in
        ``evaluation.simulate``.

    Raises:
        ValueError: if the problem does not admit the noise, if the initial state is drawn but none is given,
            or if the states given do not fit the noise.
        NotImplementedError: if the problem is none of those in ``TRACE_SOLVERS``, or a switched LQR with too
            many sequences of modes.
        RuntimeError: if a programme cannot be solved, or not in time.
    """
    found = as_problem(problem)
    gap = checks.number("gap", gap, low=0, high=1)
    traces, states, single = _checked(found, noise, state)
    if isinstance(found, SingleItemInventory) and fits(found, traces, states):
        costs = wagner_whitin(found, traces, states) / _divisor(found, traces)
    else:
        costs = _plan(found, traces, states, gap).costs
    return costs[0] if single else costs


def hindsight_plan(problem: Any, noise: Any, state: Any = None, gap: float = GAP) -> HindsightPlan:
    """The decisions behind ``hindsight_cost``, which has the same parameters and errors.

    Carried out in ``problem.step`` on the same noise they cost what is stated, up to the gap. Controls of a
    switched LQR may exceed ``max_control``.

    Returns:
        The plan; of a single trace without the axis of the episodes.
    """
    found = as_problem(problem)
    gap = checks.number("gap", gap, low=0, high=1)
    traces, states, single = _checked(found, noise, state)
    plan = _plan(found, traces, states, gap)
    return HindsightPlan(plan.costs[0], plan.regime[0], plan.quantity[0]) if single else plan


def _plan(problem: HindsightProblem, noise: NDArray[np.float64], state: Any, gap: float) -> HindsightPlan:
    solve = lookup(TRACE_SOLVERS, problem, "perfect hindsight")
    rows = (type(state)(*(entry[i] for entry in state)) for i in range(len(noise)))
    solved = [solve(problem, trace, row, gap) for trace, row in zip(noise, rows, strict=True)]
    costs, regime, quantity = (np.array(column) for column in zip(*solved, strict=True))
    return HindsightPlan(costs / _divisor(problem, noise), regime, quantity)


def _divisor(problem: HindsightProblem, noise: NDArray[np.float64]) -> int:
    return noise.shape[1] if problem.horizon is None and problem.discount == 1 else 1


def _checked(problem: HindsightProblem, noise: Any, state: Any) -> tuple[NDArray[np.float64], Any, bool]:
    """Noise and states with the axis of the episodes, and whether it was missing."""
    traces = problem.check_noise(noise)
    missing = 2 + len(problem.noise_shape) - traces.ndim
    if missing not in (0, 1) or 0 in traces.shape[: 2 - missing]:
        raise ValueError(
            f"noise of shape {traces.shape} must have an axis of episodes before that of the periods, or "
            "none, and neither may be empty"
        )
    single = missing == 1
    traces = traces[None] if single else traces
    episodes, shapes = len(traces), [np.shape(entry) for entry in _start(problem, 0.0)]
    if state is None:
        start = _certain_start(problem)
        entries = [np.repeat(np.asarray(entry)[None], episodes, axis=0) for entry in start]
    else:
        entries = [np.asarray(entry, dtype=np.float64) for entry in state]
        entries = [entry[None] for entry in entries] if single else entries
    given, expected = [entry.shape for entry in entries], [(episodes, *shape) for shape in shapes]
    if given != expected:
        raise ValueError(
            f"state: its entries have shapes {given}, they must have {expected}, one state for each trace"
        )
    starts = type(_start(problem, 0.0))(*entries)
    if np.any(starts.period != 0):
        raise ValueError(f"state: period={starts.period.max():g} must be 0, traces begin with the episode")
    return traces, starts, single


def _start(problem: HindsightProblem, uniform: float) -> Any:
    return problem.initial_state(np.full(problem.start_shape, uniform))


def _certain_start(problem: HindsightProblem) -> Any:
    """The initial state, without batch axes, if it does not depend on a draw."""
    first, other = _start(problem, 0.0), _start(problem, 1.0)
    if any(np.any(a != b) for a, b in zip(first, other, strict=True)):
        raise ValueError("state=None: the initial state is drawn; give the states of the traces")
    return first
