"""Mixed-integer linear programmes, assembled array by array and solved by HiGHS."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray

GAP = 1e-7
"""Relative gap between the cost of a solution and its proven lower bound at which a search ends."""

TIME_LIMIT = 300.0
"""Longest time for a programme, in seconds."""

STOPPED = 1
"""Status of SciPy's ``milp`` for a search that ran into a limit."""


class HindsightTimeout(RuntimeError):
    """A hindsight problem was not solved within ``TIME_LIMIT``."""


class Program:
    """A programme ``min cost @ x`` over ``lower <= A @ x <= upper`` and bounds on x, some of it integer.

    Variables and rows are made as arrays; their indices, of the shape asked for, name them.
    """

    def __init__(self) -> None:
        self._columns: list[list[NDArray[np.float64]]] = []
        self._limits: list[list[NDArray[np.float64]]] = []
        self._entries: list[list[NDArray[Any]]] = []
        self._width = self._height = 0

    def variables(
        self,
        shape: tuple[int, ...],
        *,
        cost: Any = 0.0,
        low: Any = 0.0,
        high: Any = np.inf,
        integer: bool = False,
    ) -> NDArray[np.int64]:
        """Indices of new variables, of the shape; cost and bounds are broadcast to it."""
        columns = [cost, low, high, float(integer)]
        self._columns.append([np.broadcast_to(each, shape).ravel() for each in columns])
        indices = np.arange(np.prod(shape, dtype=int)).reshape(shape) + self._width
        self._width += indices.size
        return indices

    def rows(self, lower: Any, upper: Any) -> NDArray[np.int64]:
        """Indices of new rows with these limits, of the shape that the two are broadcast to."""
        limits = np.broadcast_arrays(np.asarray(lower, dtype=float), np.asarray(upper, dtype=float))
        self._limits.append([each.ravel() for each in limits])
        indices = np.arange(limits[0].size).reshape(limits[0].shape) + self._height
        self._height += indices.size
        return indices

    def put(self, rows: Any, variables: Any, coefficients: Any) -> None:
        """Add coefficients to entries of the matrix; the three are broadcast to one shape."""
        entry = np.broadcast_arrays(rows, variables, np.asarray(coefficients, dtype=float))
        self._entries.append([each.ravel() for each in entry])

    def minimise(self, gap: float) -> tuple[float, NDArray[np.float64]]:
        """A proven lower bound of the cost, and a solution that exceeds it by at most the gap.

        Args:
            gap: relative gap at which the search ends; with ``GAP`` the solution is optimal.

        Raises:
            HindsightTimeout: if HiGHS does not prove a solution optimal within ``TIME_LIMIT``.
            RuntimeError: if it finds none for another reason.
        """
        cost, low, high, integer = _joined(self._columns)
        lower, upper = _joined(self._limits)
        rows, columns, values = _joined(self._entries)
        matrix = scipy.sparse.coo_array((values, (rows, columns)), shape=(self._height, self._width))
        constraints = scipy.optimize.LinearConstraint(matrix.tocsr(), lower, upper)
        result = scipy.optimize.milp(
            cost,
            integrality=integer,
            bounds=scipy.optimize.Bounds(low, high),
            constraints=constraints,
            options={"mip_rel_gap": gap, "time_limit": TIME_LIMIT},
        )
        if result.status != 0:
            error = HindsightTimeout if result.status == STOPPED else RuntimeError
            raise error(
                f"HiGHS found no proven optimum in {TIME_LIMIT:g} s: {result.message}; a wider gap or "
                "a shorter horizon takes less time"
            )
        # A gate is integer up to a tolerance, which times the largest quantity is not small: round and
        # optimise the quantities again.
        fixed = np.where(integer > 0, np.round(result.x), np.nan)
        exact = scipy.optimize.milp(
            cost,
            bounds=scipy.optimize.Bounds(
                np.where(integer > 0, fixed, low), np.where(integer > 0, fixed, high)
            ),
            constraints=constraints,
        )
        best = exact if exact.status == 0 else result
        return float(min(best.fun, result.mip_dual_bound)), np.asarray(best.x)


def _joined(parts: list[list[NDArray[Any]]]) -> list[NDArray[Any]]:
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
