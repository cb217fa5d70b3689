"""Mixed-integer linear programmes that are assembled array by array and solved by HiGHS."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray

GAP = 1e-7
"""Relative gap between the cost of a solution and its proven lower bound at which a search stops."""

TIME_LIMIT = 300.0
"""Longest time for one programme, in seconds."""

Decisions = tuple[float, NDArray[np.int64], NDArray[np.float64]]
"""Proven lower bound on the cost of a trace, regimes (periods, G), and quantities (periods, n)."""


STOPPED = 1
"""Status of SciPy's ``milp`` for a search that ran into a limit."""


class HindsightTimeout(RuntimeError):
    """A programme ran into ``TIME_LIMIT`` before its optimum was proven."""


class Program:
    """A programme ``min cost @ x`` subject to ``lower <= A @ x <= upper`` and bounds on x, partly integer.

    Variables and rows are added as arrays, and are referred to by arrays of indices of the same shape.
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
        """Add variables and return their indices; cost and bounds are broadcast to the shape."""
        columns = [cost, low, high, float(integer)]
        self._columns.append([np.broadcast_to(column, shape).ravel() for column in columns])
        indices = np.arange(np.prod(shape, dtype=int)).reshape(shape) + self._width
        self._width += indices.size
        return indices

    def rows(self, lower: Any, upper: Any) -> NDArray[np.int64]:
        """Add rows with these limits, which are broadcast to one shape, and return their indices."""
        limits = np.broadcast_arrays(np.asarray(lower, dtype=float), np.asarray(upper, dtype=float))
        self._limits.append([limit.ravel() for limit in limits])
        indices = np.arange(limits[0].size).reshape(limits[0].shape) + self._height
        self._height += indices.size
        return indices

    def put(self, rows: Any, variables: Any, coefficients: Any) -> None:
        """Add coefficients to entries of the matrix A; all arguments are broadcast to one shape."""
        entry = np.broadcast_arrays(rows, variables, np.asarray(coefficients, dtype=float))
        self._entries.append([part.ravel() for part in entry])

    def switch(self, quantity: NDArray[np.int64], gate: NDArray[np.int64], low: Any, high: Any) -> None:
        """Keep each quantity in [low, high] if its gate is 1, and at 0 if the gate is 0."""
        for end, limits in ((low, (0.0, np.inf)), (high, (-np.inf, 0.0))):
            rows = self.rows(np.full(gate.shape, limits[0]), limits[1])
            self.put(rows, quantity, 1.0)
            self.put(rows, gate, -end)

    def in_multiples(self, quantity: NDArray[np.int64], multiple: Any) -> None:
        """Keep each quantity at a multiple of ``multiple``, which is broadcast to their shape."""
        count = self.variables(quantity.shape, integer=True)
        rows = self.rows(np.zeros(quantity.shape), 0.0)
        self.put(rows, quantity, 1.0)
        self.put(rows, count, -np.asarray(multiple, dtype=float))

    def minimise(self, gap: float) -> tuple[float, NDArray[np.float64]]:
        """A proven lower bound on the cost, and a solution that exceeds it by at most the gap.

        Args:
            gap: relative gap at which the search stops; with ``GAP`` the solution is optimal.

        Raises:
            HindsightTimeout: if the gap is not reached within ``TIME_LIMIT``.
            RuntimeError: if HiGHS finds no solution for another reason.
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
            kind = HindsightTimeout if result.status == STOPPED else RuntimeError
            raise kind(
                f"HiGHS found no proven optimum in {TIME_LIMIT:g} s: {result.message}; a wider gap or "
                "a shorter horizon takes less time"
            )
        # Gates are integer only up to a tolerance, which is not small when multiplied by a large quantity.
        # So round them, and optimise the quantities again.
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
