"""Perfect hindsight: the least cost of an episode if all its noise were known in advance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import (
    CapacitatedLotSizing,
    HindsightProblem,
    JointReplenishment,
    SingleItemInventory,
    as_problem,
    checks,
)
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.loan_brackets import LoanBrackets
from jumpgym.problems.min_investment import MinInvestment
from jumpgym.problems.switched_lqr import SwitchedLQR

from ..generic import resolve
from .inventory import budget, joint, lot_sizing, single_item
from .investment import investment
from .loans import loans
from .program import GAP, Decisions
from .switched_lqr import switched_lqr
from .wagner_whitin import fits, wagner_whitin

DEFAULT_TRACES = 32
"""Number of traces of an environment that ``TRACES`` does not name."""

TRACES = {
    "SetupCost": 64,
    "MinOrder": 64,
    "TruckCapacity": 16,
    "QuantityDiscount": 64,
    "FreeShipping": 8,
    "OrderSizeLeadTime": 128,
    "JointReplenishment": 8,
    "CapacitatedLotSizing": 32,
    "BudgetDiscount": 4,
    "LoanBrackets": 64,
    "MinInvestment": 64,
    "SwitchedLQR": 64,
}
"""Number of traces of each environment on which hindsight is measured, some 15 seconds of processor time."""


def traces_of(env_id: str) -> int:
    """Number of traces on which the hindsight bound of an environment is measured."""
    return TRACES.get(env_id.rsplit("/", 1)[-1].removesuffix("-v0"), DEFAULT_TRACES)


GAPS: dict[type[HindsightProblem], float] = {JointReplenishment: 0.05}
"""Wider gaps for classes of problems whose traces take minutes at the default gap."""


@dataclass(frozen=True)
class HindsightPlan:
    """The best decisions for each trace of noise.

    Attributes:
        costs: cost of each trace as ``hindsight_cost`` returns it, shape (episodes,).
        regime: regime of each gate, shape (episodes, periods, G).
        quantity: shape (episodes, periods, n).
    """

    costs: NDArray[np.float64]
    regime: NDArray[np.int64]
    quantity: NDArray[np.float64]


@singledispatch
def solve_trace(problem: Any, noise: NDArray[np.float64], state: Any, gap: float) -> Decisions:
    """The best decisions for one trace of noise; the method depends on the class of the problem.

    Add a solver for a class of your own by ``solve_trace.register(MyProblem, my_solver)``. It need not check
    its arguments, and ``hindsight_cost`` then works for the class.

    Args:
        problem: problem, environment or environment id.
        noise: shape (periods, *noise_shape).
        state: state before the first period, without batch axes.
        gap: relative gap at which a search may stop.

    Returns:
        A proven lower bound on the discounted total cost, regimes (periods, G) and quantities (periods, n).

    Raises:
        NotApplicable: if there is no solver for the problem.
    """
    return solve_trace(resolve(solve_trace, problem, "perfect hindsight"), noise, state, gap)


solve_trace.register(SingleItemInventory, single_item)
solve_trace.register(BudgetDiscount, budget)
solve_trace.register(JointReplenishment, joint)
solve_trace.register(CapacitatedLotSizing, lot_sizing)
solve_trace.register(LoanBrackets, loans)
solve_trace.register(MinInvestment, investment)
solve_trace.register(SwitchedLQR, switched_lqr)


def default_gap(problem: HindsightProblem) -> float:
    """The gap at which a trace takes seconds: ``GAP``, or that of the problem's class in ``GAPS``."""
    return next((GAPS[kind] for kind in type(problem).__mro__ if kind in GAPS), GAP)


def hindsight_cost(problem: Any, noise: Any, state: Any = None, gap: float = GAP) -> NDArray[np.float64]:
    """Cost of the best decisions for each trace if all its noise were known: no policy costs less on it.

    Lot sizing with one fixed cost is solved by Wagner and Whitin's recursion, a single item with an order
    multiple by dynamic programming (unless lead times differ, or sales are lost with a lead time), and
    switched LQR by comparing all mode sequences. Everything else is a mixed-integer linear programme for each
    trace. With the defaults of the environments a trace takes from 0.02 to 1.5 s of processor time, and about
    9 s with a budget. Joint replenishment takes minutes, but a second with ``gap=0.05``. With order multiples
    a programme may take minutes as well.

    Args:
        problem: problem, environment or environment id.
        noise: shape (episodes, horizon, *noise_shape), or a single trace without the first axis.
        state: states before the first period, with an axis of episodes if the noise has one; None for the
            initial state of the problem if it is not random.
        gap: the result is a proven lower bound; a programme stops when the best decisions found cost at most
            this fraction more. With the default, the result is the least cost itself, up to rounding.

    Returns:
        Discounted total cost, shape (episodes,), or () for a single trace. An infinite-horizon problem takes
        traces of any length, after which nothing is charged; at discount 1 the cost is per period, as in
        ``evaluation.simulated_costs``.

    Raises:
        ValueError: if the problem does not admit the noise, if the initial state is random but not given, or
            if the given states do not fit the noise.
        NotApplicable: if ``solve_trace`` has no solver for the problem, or the problem is a switched LQR with
            too many mode sequences.
        HindsightTimeout: if a programme runs into its time limit.
        RuntimeError: if a programme cannot be solved.
    """
    resolved = as_problem(problem)
    gap = checks.number("gap", gap, low=0, high=1)
    traces, states, single = _checked(resolved, noise, state)
    if isinstance(resolved, SingleItemInventory) and fits(resolved, traces, states):
        costs = wagner_whitin(resolved, traces, states) / _divisor(resolved, traces)
    else:
        costs = _plan(resolved, traces, states, gap).costs
    return costs[0] if single else costs


def hindsight_plan(problem: Any, noise: Any, state: Any = None) -> HindsightPlan:
    """The decisions behind ``hindsight_cost`` at its default gap; it describes the parameters and the errors.

    Carried out by ``problem.step`` on the same noise, they have the stated cost, up to the gap. Controls of a
    switched LQR may exceed ``max_control``.

    Returns:
        The plan; for a single trace without the axis of episodes.
    """
    resolved = as_problem(problem)
    traces, states, single = _checked(resolved, noise, state)
    plan = _plan(resolved, traces, states, GAP)
    return HindsightPlan(plan.costs[0], plan.regime[0], plan.quantity[0]) if single else plan


def _plan(problem: HindsightProblem, noise: NDArray[np.float64], state: Any, gap: float) -> HindsightPlan:
    rows = (type(state)(*(entry[i] for entry in state)) for i in range(len(noise)))
    solved = [solve_trace(problem, trace, row, gap) for trace, row in zip(noise, rows, strict=True)]
    costs, regime, quantity = (np.array(column) for column in zip(*solved, strict=True))
    return HindsightPlan(costs / _divisor(problem, noise), regime, quantity)


def _divisor(problem: HindsightProblem, noise: NDArray[np.float64]) -> int:
    return noise.shape[1] if problem.horizon is None and problem.discount == 1 else 1


def _checked(problem: HindsightProblem, noise: Any, state: Any) -> tuple[NDArray[np.float64], Any, bool]:
    """Noise and states with an axis of episodes, and whether that axis was missing."""
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
    actual, expected = [entry.shape for entry in entries], [(episodes, *shape) for shape in shapes]
    if actual != expected:
        raise ValueError(
            f"state: its entries have shapes {actual}, they must have {expected}, one state for each trace"
        )
    starts = type(_start(problem, 0.0))(*entries)
    if np.any(starts.period != 0):
        raise ValueError(f"state: period={starts.period.max():g} must be 0, traces begin with the episode")
    return traces, starts, single


def _start(problem: HindsightProblem, uniform: float) -> Any:
    return problem.initial_state(np.full(problem.start_shape, uniform))


def _certain_start(problem: HindsightProblem) -> Any:
    """The initial state, without batch axes, if it is not random."""
    first, other = _start(problem, 0.0), _start(problem, 1.0)
    if any(np.any(a != b) for a, b in zip(first, other, strict=True)):
        raise ValueError("state=None: the initial state is drawn; give the states of the traces")
    return first
