"""Index of the minimum over each of many overlapping windows of an array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stride_argmin(values: NDArray[np.float64], width: int, stride: int) -> NDArray[np.int64]:
    """Index of the first minimum of ``values[..., i : i + width + 1 : stride]`` for each i, (..., n)."""
    if stride == 1:
        return window_argmin(values, width)
    size = values.shape[-1]
    blocks = -(-size // stride)
    padded = np.full((*values.shape[:-1], blocks * stride), np.inf)
    padded[..., :size] = values
    by_residue = np.swapaxes(padded.reshape(*values.shape[:-1], blocks, stride), -1, -2)
    target = window_argmin(by_residue, width // stride) * stride + np.arange(stride)[:, None]
    return np.swapaxes(target, -1, -2).reshape(padded.shape)[..., :size]


def window_argmin(values: NDArray[np.float64], width: int) -> NDArray[np.int64]:
    """Index of the first minimum of ``values[..., i : i + width + 1]`` for each i, shape (..., n).

    The windows of the last indices end with the lattice. The minimum over a window is the lesser of the
    minima over the rest of its first block and over the start of its second one (van Herk 1992; Gil and
    Werman 1993).
    """
    size = values.shape[-1]
    block = min(width + 1, size)
    blocks = -(-(size + block - 1) // block)
    padded = np.full((*values.shape[:-1], blocks * block), np.inf)
    padded[..., :size] = values
    grid = padded.reshape(*values.shape[:-1], blocks, block)
    index = np.arange(blocks * block).reshape(blocks, block)

    least = np.minimum.accumulate(grid, axis=-1)
    is_new = np.ones(grid.shape, dtype=bool)
    is_new[..., 1:] = grid[..., 1:] < least[..., :-1]
    up_to = np.maximum.accumulate(np.where(is_new, index, 0), axis=-1).reshape(padded.shape)

    least = np.minimum.accumulate(grid[..., ::-1], axis=-1)
    is_new[..., 1:] = grid[..., -2::-1] <= least[..., :-1]
    onwards = np.where(is_new, index[:, ::-1], blocks * block)
    onwards = np.minimum.accumulate(onwards, axis=-1)[..., ::-1].reshape(padded.shape)

    first, second = onwards[..., :size], up_to[..., block - 1 : block - 1 + size]
    is_second = np.take_along_axis(padded, second, -1) < np.take_along_axis(padded, first, -1)
    return np.where(is_second, second, first)
