"""What ``info`` reports, for one environment and, in Gymnasium's form, for a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layout import ActionLayout, CarriedOut


def without_single_axes(layout: ActionLayout, result: CarriedOut) -> tuple[Any, Any]:
    """Regimes and quantities that were carried out, as ``info`` shows them.

    A single gate has no axis, and neither has its quantity if it has only one; where no axis is left they are
    NumPy scalars.
    """
    regime, quantity = result.regime, result.quantity
    if len(layout.gates) == 1:
        regime = regime[..., 0]
        quantity = quantity[..., 0] if len(layout.quantity_gate) == 1 else quantity
    return regime[()], quantity[()]


def with_masks(infos: dict[str, Any], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """``infos`` and beside each key its mask, as Gymnasium's vector environments give them."""
    masked: dict[str, Any] = {}
    for key, values in infos.items():
        masked[key] = with_masks(values, mask) if isinstance(values, dict) else values
        masked[f"_{key}"] = mask.copy()
    return masked


def where(mask: NDArray[np.bool_], infos: dict[str, Any]) -> dict[str, Any]:
    """``infos`` without its masks, with 0 in the rows where the mask (num_envs,) is False."""
    return {
        key: where(mask, values)
        if isinstance(values, dict)
        else values * mask.reshape(-1, *[1] * (values.ndim - 1))
        for key, values in infos.items()
        if not key.startswith("_")
    }


def final_infos(
    observations: NDArray[np.float32], infos: dict[str, Any], over: NDArray[np.bool_]
) -> dict[str, Any]:
    """The infos of a step that ended the episodes ``over``, as Gymnasium's SAME_STEP wants them."""
    final, going = where(over, infos), where(~over, infos)
    rows = np.full(len(over), None, dtype=object)
    for row in np.flatnonzero(over):
        rows[row] = observations[row]
    return {
        **with_masks(going, ~over),
        "final_obs": rows,
        "_final_obs": over,
        "final_info": with_masks(final, over),
        "_final_info": over.copy(),
    }
