"""The regime table: jumps as data."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import checks
from .problems.multiples import check_multiple, to_multiples, whole_ends

Column = Sequence[float] | NDArray[Any]

MAX_LEAD_TIME = 1000
"""Longest lead time, in periods; the state holds an entry for each."""


@dataclass(frozen=True, eq=False)
class RegimeTable:
    """The regimes of a quantity, one row each, in ascending order of quantity.

    Inside a regime cost and transition are smooth; all jumps lie between regimes. Setup cost is
    ``{0} u (0, max]`` with a fixed cost on the second row, a minimum order ``{0} u [m, max]``, trucks
    ``((k-1) C, k C]`` with fixed cost ``k K``.

    Args:
        low, high: the ends of each regime's interval, in units; shape (K,).
        fixed_cost: cost of choosing the regime, in money; shape (K,).
        unit_cost: cost per unit ordered in the regime, in money per unit; shape (K,).
        lead_time: periods until an order of the regime arrives; 0 is before this period's demand; shape (K,).
        names: display names of the regimes; by default "no order" and "order", or "bracket 1", ...
        fixed_kind: what the fixed cost is paid for, such as "setup" or "trucks"; a kind of cost, see
            ``HindsightProblem.itemised_step``.
        paid_for_units: the part of the fixed cost that is paid for the units ordered, since the first of
            them cost more, as with incremental discounts; it counts as purchase; shape (K,), by default 0.

    Attributes:
        order_multiple: quantities are multiples of it, see ``in_multiples``; None without.
        least, largest: the least and the largest quantity that can be ordered in each regime, in units; shape
            (K,). They are ``low`` and ``high``, or with an order multiple the multiples next to them inside.

    Raises:
        ValueError, TypeError: if columns differ in length, an entry is negative or no finite number, an
            interval is empty, or intervals overlap.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    fixed_cost: NDArray[np.float64]
    unit_cost: NDArray[np.float64]
    lead_time: NDArray[np.int64]
    names: tuple[str, ...]
    fixed_kind: str
    paid_for_units: NDArray[np.float64]
    order_multiple: float | None
    least: NDArray[np.float64]
    largest: NDArray[np.float64]
    boundaries: NDArray[np.float64] = field(init=False)
    """Where membership changes from one regime to the next, shape (K - 1,)."""

    def __init__(
        self,
        low: Column,
        high: Column,
        fixed_cost: Column,
        unit_cost: Column,
        lead_time: Column,
        names: Sequence[str] | None = None,
        fixed_kind: str = "setup",
        paid_for_units: Column | None = None,
    ) -> None:
        columns = {
            "low": low,
            "high": high,
            "fixed_cost": fixed_cost,
            "unit_cost": unit_cost,
            "lead_time": lead_time,
            "paid_for_units": [0.0] * len(low) if paid_for_units is None else paid_for_units,
        }
        for name, column in columns.items():
            if name == "lead_time":
                values = np.array([checks.integer(name, v, low=0, high=MAX_LEAD_TIME) for v in column])
            else:
                values = np.array([checks.number(name, v, low=0) for v in column])
            if len(values) != len(columns["low"]) or len(values) == 0:
                raise ValueError(
                    f"regimes: {name} has {len(values)} rows, but low has {len(columns['low'])}; "
                    "they must be equally many, at least 1"
                )
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        if np.any(self.low > self.high):
            raise ValueError(f"regimes: low={self.low.tolist()} exceeds high={self.high.tolist()}")
        if np.any(self.high[:-1] > self.low[1:]):
            raise ValueError(
                f"regimes overlap or are not ascending: low={self.low.tolist()}, high={self.high.tolist()}"
            )
        if names is None:
            orders = [float(end) > 0 for end in self.high]
            several = sum(orders) > 1
            names = [f"bracket {sum(orders[: k + 1])}" if several else "order" for k in range(len(orders))]
            names = [name if some else "no order" for name, some in zip(names, orders, strict=True)]
        if len(names) != len(self.low):
            raise ValueError(f"regimes: names={tuple(names)} must be {len(self.low)}, one for each regime")
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "fixed_kind", fixed_kind)
        # Between neighbouring floats the middle rounds, so that it may be the upper regime's low end.
        middle = np.minimum((self.high[:-1] + self.low[1:]) / 2, np.nextafter(self.low[1:], -np.inf))
        object.__setattr__(self, "boundaries", np.maximum(middle, self.high[:-1]))
        object.__setattr__(self, "order_multiple", None)
        object.__setattr__(self, "least", self.low)
        object.__setattr__(self, "largest", self.high)

    def in_multiples(self, multiple: Any) -> RegimeTable:
        """The same regimes with orders in multiples of a case pack or a pallet.

        Args:
            multiple: in units; None for the table as it is.

        Raises:
            ValueError, TypeError: if it is no number greater than 0, or a regime holds none of its multiples.
        """
        checked = check_multiple("order_multiple", multiple, float(self.high.max()))
        if checked is None:
            return self
        table = copy.copy(self)
        least, largest = whole_ends(self.low, self.high, checked, self.names)
        for name, value in (("order_multiple", checked), ("least", least), ("largest", largest)):
            object.__setattr__(table, name, value)
        return table

    def __len__(self) -> int:
        return len(self.low)

    def membership(self, quantity: Any) -> NDArray[np.int64]:
        """Regime of each quantity, shape (...,): every quantity belongs to exactly one.

        An end that two regimes share belongs to the lower one; a quantity in a gap between two regimes
        belongs to the nearer one (the lower one when they are equally near). With an order multiple it is
        the regime of the nearest multiple.
        """
        return np.searchsorted(self.boundaries, self.rounded(np.asarray(quantity)), side="left")

    def project(self, regime: Any, quantity: Any) -> NDArray[np.float64]:
        """The quantity that can be ordered in the regime nearest to the one given, shape (...,)."""
        return self.rounded(np.minimum(np.maximum(quantity, self.least[regime]), self.largest[regime]))

    def rounded(self, quantity: Any) -> Any:
        """The nearest multiple of the order multiple, with the gradient of the quantity; itself without."""
        return quantity if self.order_multiple is None else to_multiples(quantity, self.order_multiple)


def brackets(
    breakpoints: Column,
    max_order: float,
    *,
    breakpoint_in: Literal["lower", "upper"],
    fixed_cost: Column,
    unit_cost: Column,
    lead_time: Column,
    fixed_kind: str = "setup",
    paid_for_units: Column | None = None,
) -> RegimeTable:
    """The table of an order of nothing, regime 0, and of one bracket of order sizes after the other.

    Between two brackets lies a breakpoint, which is of one of them alone: the other ends at (or starts from)
    the next floating-point number.

    Args:
        breakpoints: in units, ascending, greater than 0 and less than ``max_order``; shape (K - 1,).
        max_order: largest order, in units.
        breakpoint_in: the bracket that an order of exactly a breakpoint belongs to.
        fixed_cost, unit_cost, lead_time: of each bracket, shape (K,); nothing costs nothing.
        fixed_kind, paid_for_units: see ``RegimeTable``; the latter of each bracket, shape (K,).

    Raises:
        ValueError, TypeError: naming the parameter, its value and what is allowed.
    """
    largest = checks.number("max_order", max_order, low=0)
    ends = np.array([checks.number("breakpoints", value, low=0) for value in breakpoints])
    if np.any(np.diff(ends, prepend=0.0, append=largest) <= 0):
        raise ValueError(
            f"breakpoints={ends.tolist()} must ascend from above 0 to below max_order={largest:g}: brackets "
            "would overlap or be empty"
        )
    lower = np.nextafter(ends, np.inf) if breakpoint_in == "lower" else ends
    upper = ends if breakpoint_in == "lower" else np.nextafter(ends, 0.0)
    return RegimeTable(
        low=[0.0, 0.0, *lower],
        high=[0.0, *upper, largest],
        fixed_cost=[0.0, *fixed_cost],
        unit_cost=[0.0, *unit_cost],
        lead_time=[lead_time[0], *lead_time],
        fixed_kind=fixed_kind,
        paid_for_units=None if paid_for_units is None else [0.0, *paid_for_units],
    )


def truck_names(max_trucks: int) -> list[str]:
    """``["no truck", "1 truck", "2 trucks", ...]``: names of the regimes of a number of trucks."""
    return ["no truck", "1 truck", *(f"{count} trucks" for count in range(2, max_trucks + 1))]


def per_bracket(name: str, values: Any, breakpoints: Any) -> tuple[Any, ...]:
    """``values`` as a tuple, if there is one for each bracket between ``breakpoints``; else raise."""
    ends, entries = checks.sequence("breakpoints", breakpoints), checks.sequence(name, values)
    if len(entries) != len(ends) + 1:
        raise ValueError(
            f"{name}={tuple(entries)} must have {len(ends) + 1} entries, one for each bracket: "
            f"breakpoints={tuple(ends)} has {len(ends)}"
        )
    return tuple(entries)
