"""Hybrid decisions of a batch, as environments read them from actions: checked arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .. import checks
from ..layout import ActionLayout

Decision = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Regime of each gate (m, G) and quantities (m, n), in units, of each environment of a batch."""

ROUNDING = 1e-6
"""How far beyond [-1, 1] a normalised action may lie, since networks compute in float32."""


class UnitScale:
    """Columns that are scaled linearly to [-1, 1].

    Args:
        low, high: values that -1 and 1 stand for, shape (columns,).

    Attributes:
        space: ``Box(-1, 1, (columns,))``.
    """

    def __init__(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
        self._low, self._high = low[:, None], high[:, None]
        self.space = spaces.Box(-1.0, 1.0, low.shape, np.float32)

    def restore(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values that normalised values (m, columns) stand for; the ends are exact, and NaN stays NaN.

        Raises:
            ValueError: if a value lies outside of [-1, 1]: it may be an action in units.
        """
        beyond = np.abs(values) > 1 + ROUNDING
        if beyond.any():
            row, column = np.argwhere(beyond)[0].tolist()
            raise ValueError(
                f"{checks.action_of(row if len(values) > 1 else None)}: column {column} is "
                f"{values[row, column]:g}, but normalised actions lie in [-1, 1]: clip it "
                "(gymnasium.wrappers.ClipAction), or give indices and units with normalize=False"
            )
        # Column by column, since NumPy is slow where the last axis is short.
        share = (np.clip(np.ascontiguousarray(values.T), -1.0, 1.0) + 1) / 2
        restored: NDArray[np.float64] = (1 - share) * self._low + share * self._high
        return restored.T


def hybrid_decision(layout: ActionLayout, regime: Any, quantity: Any) -> Decision:
    """The decisions of a batch, checked, of regimes (m,) or (m, G) and quantities (m,) or (m, n).

    Raises:
        ValueError: naming the field, its value and the environment, if they are no decisions.
    """
    index = checked_indices("regime", regime, layout.gates)
    quantities = checked_quantities(quantity, len(layout.quantity_gate))
    if len(index) != len(quantities):
        raise ValueError(
            f"action: {len(index)} regimes and {len(quantities)} quantities must be equally many"
        )
    return index, quantities


def _columns(name: str, values: NDArray[Any], width: int) -> NDArray[Any]:
    """``values`` of shape (m, width) as they are, of shape (m,) with one column."""
    if values.ndim == 1 and width == 1:
        return values[:, None]
    if values.ndim != 2 or values.shape[1] != width:
        allowed = "(m,) or (m, 1)" if width == 1 else f"(m, {width})"
        raise ValueError(f"action: {name} of shape {values.shape} must have shape {allowed}")
    return values


def checked_indices(name: str, values: Any, counts: Sequence[int]) -> NDArray[np.int64]:
    """``values`` of shape (m,) or (m, len(counts)) as indices (m, len(counts)), each below its count."""
    given_indices = checks.array(f"action: {name}", values)
    if given_indices.dtype.kind not in "iu":
        given_indices = checks.real_array(f"action: {name}", given_indices)
    given_indices = _columns(name, given_indices, len(counts))
    index = given_indices
    wrong = (given_indices < 0) | (given_indices >= np.array(counts))
    if given_indices.dtype.kind == "f":
        wrong |= given_indices != np.rint(given_indices)  # also NaN
        index = np.where(wrong, 0, given_indices)
    if wrong.any():
        row, gate = np.argwhere(wrong)[0].tolist()
        named = name if len(counts) == 1 else f"{name} {gate}"
        raise checks.unknown_index(
            named, given_indices[row, gate].item(), counts[gate], row if len(given_indices) > 1 else None
        )
    return index.astype(np.int64, copy=False)


def checked_quantities(values: Any, count: int) -> NDArray[np.float64]:
    """``values`` of shape (m,) or (m, count) as quantities (m, count), none of them NaN."""
    quantities = _columns("quantity", checks.real_array("action: quantity", values), count)
    missing = np.isnan(quantities)
    if missing.any():
        row, _ = np.argwhere(missing)[0].tolist()
        raise checks.nan_quantity(row if len(quantities) > 1 else None)
    return quantities
