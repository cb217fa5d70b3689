"""Order multiples: quantities that come in case packs or on pallets."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from .. import checks
from ..tracing import straight_through

FINEST = 1e-9
"""Least order multiple, as a fraction of the largest order; numbers have no more digits for it."""

ROUNDING = 1e-6
"""Part of a capacity, or of a multiple, that counts as rounding: states are float32."""


def check_multiple(name: str, value: Any, largest: float) -> float | None:
    """An order multiple in units, which must fit the largest order at least once; None stays None.

    Raises:
        ValueError, TypeError: naming the parameter, its value and what is allowed.
    """
    if value is None:
        return None
    multiple = checks.number(name, value, low=0)
    if not FINEST * largest <= multiple <= largest or multiple == 0:
        raise ValueError(
            f"{name}={multiple:g} must be in [{FINEST * largest:g}, {largest:g}], greater than 0 and at most "
            "the largest order; allow larger orders, or order in smaller multiples"
        )
    return multiple


def whole_ends(
    low: NDArray[np.float64], high: NDArray[np.float64], multiple: float, names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the largest multiple in each of K intervals, both of shape (K,).

    Args:
        low, high: ends of the intervals, in units; shape (K,).
        multiple: the order multiple, in units.
        names: what the intervals are called, for errors.

    Raises:
        ValueError: if an interval of more than nothing holds no multiple, or none but nothing.
    """
    least = multiple * np.array([ceil(_quotient(end, multiple)) for end in low], dtype=np.float64)
    largest = largest_multiples(high, np.full(len(high), multiple))
    for name, first, last, start, end in zip(names, least, largest, low, high, strict=True):
        if first > last or (last == 0 < end):
            raise ValueError(
                f"order_multiple={multiple:g}: regime {name!r}, from {start:g} to {end:g} units, holds no "
                "multiple of it to order; change the ends of the regime, or order in smaller multiples"
            )
    return least, largest


def largest_multiples(high: NDArray[np.float64], multiple: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest multiples that do not exceed ``high``, all of shape (n,)."""
    return multiple * np.array([floor(_quotient(*pair)) for pair in zip(high, multiple, strict=True)], float)


def to_multiples(quantity: Any, multiple: Any) -> Any:
    """The nearest multiples of ``multiple``, with the gradient of ``quantity``; the shapes broadcast."""
    nearest = multiple * array_namespace(quantity).round(quantity / multiple)
    return straight_through(nearest, quantity)


def packed(
    weights: Any, requested: Any, cut: Any, multiples: Any, sizes: Any, capacity: Any, full: bool = False
) -> Any:
    """Orders (..., n) of n items, in multiples that fit a capacity together, with the gradient of ``cut``.

    The multiples nearest to the requested orders are taken if they fit together. Otherwise the cut orders are
    rounded down. The remaining capacity goes to the items that lost most by rounding, in parts of
    a multiple: one multiple each, in this order, as long as they fit.

    Args:
        weights: weights of the items that are ordered, shape (..., n).
        requested: orders in units, before they are cut, shape (..., n).
        cut: orders in units that use no more than the capacity, shape (..., n).
        multiples: order multiple of each item, in units, shape (n,).
        sizes: capacity that a unit of each item takes, shape (n,).
        capacity: shape (...,).
        full: whether the capacity must be used up.
    """
    xp, taken = array_namespace(cut), weights * sizes
    nearest = multiples * xp.round(requested / multiples)
    used, most = xp.sum(taken * nearest, axis=-1), capacity * (1 + ROUNDING)
    fits = used <= most
    if full:
        fits = fits & (used >= capacity * (1 - ROUNDING))
    parts = cut / multiples
    whole = xp.floor(parts + ROUNDING)
    order = xp.argsort(whole - parts, axis=-1)
    load = xp.take_along_axis(taken * multiples, order, axis=-1)
    left = most - xp.sum(taken * whole * multiples, axis=-1)
    one_more = xp.astype(xp.cumulative_sum(load, axis=-1) <= left[..., None], cut.dtype)
    one_more = xp.take_along_axis(one_more, xp.argsort(order, axis=-1), axis=-1)
    return straight_through(xp.where(fits[..., None], nearest, multiples * (whole + one_more)), cut)


def _quotient(end: float, multiple: float) -> Fraction:
    """``end / multiple`` of the decimal numbers as they are written, so that 0.3 is 3 times 0.1."""
    return Fraction(repr(float(end))) / Fraction(repr(float(multiple)))
