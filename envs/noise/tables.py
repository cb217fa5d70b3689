"""Draws from many distributions at once, by tables of their quantiles, in NumPy and torch alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_jax_namespace
from numpy.typing import NDArray

from ..tracing import index_dtype, untraced

MAX_ENTRIES = 2**20
"""Entries of all tables of one kind, unless that leaves one fewer than ``MIN_CELLS``: what caches hold."""

MIN_CELLS = 1024
MAX_CELLS = 16384


def cells_for(distributions: int) -> int:
    """Cells of the table of each of so many distributions, a power of two."""
    cells = 1 << (MAX_ENTRIES // distributions).bit_length() - 1
    return min(max(cells, MIN_CELLS), MAX_CELLS)


class Tables(ABC):
    """Tables of one or more distributions, one after the other in flat arrays.

    With one distribution uniforms have any shape; with n, the last axis of uniforms is that of the
    distributions in the order of ``rows``.
    """

    def __init__(self, cells: int, rows: NDArray[np.int64], **arrays: NDArray[Any]) -> None:
        self.cells = cells
        self._arrays = {**arrays, "offset": rows * (cells + 2)}
        self._converted: dict[Any, SimpleNamespace] = {}

    @abstractmethod
    def sample(self, uniforms: Any) -> Any:
        """Draws of the shape of ``uniforms``, which lie in [0, 1)."""

    def arrays(self, like: Any) -> Any:
        """The tables in the library and device of ``like``, those of float64 in its dtype, and ``xp``."""
        key = (type(like), like.dtype, device(like))
        converted = self._converted.get(key)
        if converted is None:
            xp = array_namespace(like)
            with untraced(xp):
                arrays = {
                    name: xp.asarray(
                        array, dtype=like.dtype if array.dtype == np.float64 else None, device=device(like)
                    )
                    for name, array in self._arrays.items()
                }
            converted = self._converted[key] = SimpleNamespace(xp=xp, **arrays)
        return converted

    def place(self, cell: Any, offset: Any) -> Any:
        """Flat index of cells (...) in the tables of the distributions of the last axis."""
        return array_namespace(cell).reshape(cell + offset if self._arrays["offset"].any() else cell, (-1,))

    def __getstate__(self) -> dict[str, Any]:
        # The cache may hold modules and device tensors, which do not travel.
        return {**self.__dict__, "_converted": {}}


class GuideTables(Tables):
    """Exact inversion of distribution functions with finitely many steps.

    A guide table (Chen and Asau 1974) gives the value of most uniforms at once; the cells where the
    distribution function steps are searched by bisection.

    Args:
        values: of each distribution the values, ascending.
        cumulative: of each the distribution function at its values but the last, which is 1.
        rows: index of the distribution of each entry of the last axis of uniforms.
    """

    MAX_CELLS = 4096  # what the fastest cache holds

    def __init__(
        self,
        values: Sequence[NDArray[np.float64]],
        cumulative: Sequence[NDArray[np.float64]],
        rows: NDArray[np.int64],
    ) -> None:
        # Twice as many as for quantiles: each step that has a cell to itself less is a bisection more.
        cells = min(2 * cells_for(len(values)), self.MAX_CELLS)
        steps = [np.append(levels, np.inf) for levels in cumulative]
        starts = np.cumsum([0, *map(len, steps)])
        edges = np.arange(cells + 2) / cells
        edges[-1] = 1.0
        first = np.concatenate(
            [
                start + np.searchsorted(levels, edges, side="right")
                for start, levels in zip(starts, steps, strict=False)
            ]
        )
        flat = np.concatenate(values)
        last = np.append(first[1:], first[-1])
        self.bisections = int(np.ceil(np.log2((last - first).max() + 1)))
        guide = np.where(last == first, flat[first], np.nan)
        if np.array_equal(flat, flat.astype(np.float32)):
            guide = guide.astype(np.float32)  # exact, and twice as much of it fits the cache
        super().__init__(
            cells,
            rows,
            values=flat,
            steps=np.concatenate(steps),
            first=first,
            guide=guide,
        )

    def sample(self, uniforms: Any) -> Any:
        """See ``Tables.sample``."""
        c = self.arrays(uniforms)
        xp = c.xp
        index = self.place(xp.astype(uniforms * self.cells, index_dtype(xp)), c.offset)
        flat_uniforms = xp.reshape(uniforms, (-1,))
        if is_jax_namespace(xp):  # it compiles for fixed shapes, so that all entries are searched
            return xp.reshape(self._bisected(c, index, flat_uniforms), uniforms.shape)
        sample = xp.astype(xp.take(c.guide, index, axis=0), uniforms.dtype)
        (undecided,) = xp.nonzero(xp.isnan(sample))
        sample[undecided] = self._bisected(
            c, xp.take(index, undecided, axis=0), xp.take(flat_uniforms, undecided, axis=0)
        )
        return xp.reshape(sample, uniforms.shape)

    def _bisected(self, c: Any, index: Any, uniforms: Any) -> Any:
        """The values of uniforms (k,) that lie in the cells at places (k,) of the tables ``c``."""
        xp = c.xp
        low, high = xp.take(c.first, index, axis=0), xp.take(c.first, index + 1, axis=0)
        for _ in range(self.bisections):
            middle = (low + high) // 2
            above = xp.take(c.steps, middle, axis=0) <= uniforms
            low, high = xp.where(above, middle + 1, low), xp.where(above, high, middle)
        return xp.take(c.values, low, axis=0)


class LogitTables(Tables):
    """Continuous distributions: linear interpolation of quantiles equally spaced in ``log(u / (1 - u))``.

    Args:
        quantiles: of each distribution, cells + 1 of them.
        reach: the logits run from ``-reach`` to ``reach``, beyond which the tails are cut.
        rows: index of the distribution of each entry of the last axis of uniforms.
    """

    def __init__(
        self, quantiles: Sequence[NDArray[np.float64]], reach: float, rows: NDArray[np.int64]
    ) -> None:
        self.reach = reach
        # One more entry, so that the last point, too, has a neighbour.
        padded = np.concatenate([np.append(table, table[-1]) for table in quantiles])
        super().__init__(len(quantiles[0]) - 1, rows, quantiles=padded)

    def sample(self, uniforms: Any) -> Any:
        """See ``Tables.sample``."""
        c = self.arrays(uniforms)
        xp = c.xp
        logits = xp.log(uniforms) - xp.log1p(-uniforms)  # -inf at u = 0, the end of the table
        position = (logits + self.reach) * (self.cells / (2 * self.reach))
        position = xp.clip(position, min=0.0, max=float(self.cells))
        cell = xp.astype(position, index_dtype(xp))
        index = self.place(cell, c.offset)
        base, above = xp.take(c.quantiles, index, axis=0), xp.take(c.quantiles, index + 1, axis=0)
        within = xp.reshape(position - xp.astype(cell, uniforms.dtype), (-1,))
        return xp.reshape(base + (above - base) * within, uniforms.shape)
