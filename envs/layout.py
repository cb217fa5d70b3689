"""The layout of a hybrid action: gates, quantities, and how they lie in flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .problems.multiples import to_multiples


@dataclass(frozen=True)
class Group:
    """Neighbouring gates with as many options: ``x[..., columns]`` reshapes to (..., count, options)."""

    columns: slice
    count: int
    options: int


@dataclass(frozen=True, eq=False)
class ActionLayout:
    """Which gates an action has, which quantities, and which gate picks the interval of which quantity.

    Gate ``g`` picks one of ``gates[g]`` regimes. Quantity ``j`` belongs to gate ``quantity_gate[j]``: in each
    regime of that gate it has an interval of its own. A gate may have no quantity (a number of trucks), or
    several (a mode of several controls).

    Flat arrays hold the gate weights of all regimes of all gates, one gate after the other, shape
    (..., options) with ``options = sum(gates)``; and the quantities in all regimes of their gates, one
    quantity after the other, shape (..., columns).

    Args:
        gates: number of regimes of each gate, shape (G,).
        quantity_gate: for each quantity the index of its gate, shape (n,).
        low, high: ends of the interval of each quantity in each regime of its gate, shape (columns,).
        credit: which gate enters which component of the cost, shape (G, components); by default all enter
            all of a single component.
        multiple: order multiples: quantities are multiples of them, as are the ends of their intervals; shape
            (columns,), the same in all regimes. None if quantities need not be multiples of anything.

    Raises:
        ValueError: if the shapes do not fit, or an interval is empty or not finite.
    """

    gates: tuple[int, ...]
    quantity_gate: tuple[int, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    credit: NDArray[np.bool_]
    multiple: NDArray[np.float64] | None
    gate_groups: tuple[Group, ...] = field(init=False)
    quantity_groups: tuple[Group, ...] = field(init=False)
    gate_start: NDArray[np.int64] = field(init=False)
    """Where each gate begins in a flat array of gate weights, shape (G,)."""
    quantity_start: NDArray[np.int64] = field(init=False)
    """Where each quantity begins in a flat array of quantities, shape (n,)."""
    option_of_column: NDArray[np.int64] = field(init=False)
    """For each column of a flat array of quantities its place among the gate weights, shape (columns,)."""
    _gate_of: NDArray[np.int64] = field(init=False, repr=False)
    _one_hot: NDArray[np.float64] = field(init=False, repr=False)

    def __init__(
        self,
        gates: Sequence[int],
        quantity_gate: Sequence[int],
        low: Any,
        high: Any,
        credit: Any = None,
        multiple: Any = None,
    ) -> None:
        gates, quantity_gate = tuple(gates), tuple(quantity_gate)
        columns = [gates[gate] for gate in quantity_gate]
        gate_start = np.cumsum([0, *gates[:-1]])
        attributes = {
            "gates": gates,
            "quantity_gate": quantity_gate,
            "low": np.array(low, dtype=np.float64),
            "high": np.array(high, dtype=np.float64),
            "credit": np.ones((len(gates), 1), bool) if credit is None else np.array(credit, bool),
            "multiple": None if multiple is None else np.array(multiple, dtype=np.float64),
            "gate_groups": _groups(gates),
            "quantity_groups": _groups(columns),
            "gate_start": gate_start,
            "quantity_start": np.cumsum([0, *columns[:-1]]),
            "option_of_column": np.concatenate(
                [gate_start[gate] + np.arange(gates[gate]) for gate in quantity_gate]
            ),
        }
        for name, value in attributes.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_gate_of", np.array(quantity_gate))
        object.__setattr__(self, "_one_hot", np.eye(gates[0]))
        expected = (sum(columns),)
        if self.low.shape != expected or self.high.shape != expected:
            raise ValueError(
                f"layout: low and high of shapes {self.low.shape} and {self.high.shape} must have shape "
                f"{expected}, one entry for each quantity in each regime of its gate"
            )
        if not np.all(np.isfinite(self.low) & np.isfinite(self.high) & (self.low <= self.high)):
            raise ValueError(
                f"layout: low={self.low.tolist()} and high={self.high.tolist()} must be finite, low <= high"
            )
        if self.credit.ndim != 2 or len(self.credit) != len(gates):
            raise ValueError(f"layout: credit of shape {self.credit.shape} must have {len(gates)} rows")

    @property
    def options(self) -> int:
        """Number of gate weights, over all gates."""
        return sum(self.gates)

    @property
    def quantity_low(self) -> NDArray[np.float64]:
        """Least value of each quantity in any regime, at most 0, shape (n,)."""
        return np.minimum(np.minimum.reduceat(self.low, self.quantity_start), 0.0)

    @property
    def quantity_high(self) -> NDArray[np.float64]:
        """Largest value of each quantity in any regime, at least 0, shape (n,)."""
        return np.maximum(np.maximum.reduceat(self.high, self.quantity_start), 0.0)

    def columns(self, regime: NDArray[np.int64]) -> NDArray[np.int64]:
        """The column of each quantity in the regimes chosen: (..., n) of regimes (..., G)."""
        if len(self.gates) == len(self.quantity_gate) == 1:
            return regime
        return self.quantity_start + regime.take(self._gate_of, axis=-1)

    def project(self, regime: NDArray[np.int64], quantity: Any) -> NDArray[np.float64]:
        """The nearest quantities (..., n) that are admitted in the regimes (..., G) chosen.

        They are projected on their intervals, and with order multiples rounded to them.
        """
        column = self.columns(regime)
        inside = np.minimum(np.maximum(quantity, self.low.take(column)), self.high.take(column))
        if self.multiple is None:
            return inside
        rounded: NDArray[np.float64] = to_multiples(inside, self.multiple.take(column))
        return rounded

    def rounded(self, quantity: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quantities (..., n) rounded to their order multiples, if there are any, whatever their regimes."""
        if self.multiple is None:
            return quantity
        nearest: NDArray[np.float64] = to_multiples(quantity, self.multiple.take(self.quantity_start))
        return nearest

    def flat(
        self, regime: NDArray[np.int64], quantity: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """One-hot gate weights (..., options), and quantities (..., columns), 0 in regimes not chosen.

        Args:
            regime: of each gate, shape (..., G).
            quantity: shape (..., n).
        """
        if len(self.gates) == 1:  # ``take`` is far faster than the general way
            gate = self._one_hot.take(regime[..., 0], axis=0)
            return gate, (quantity[..., None] * gate[..., None, :]).reshape(*gate.shape[:-1], len(self.low))
        gate = np.zeros((*regime.shape[:-1], self.options))
        np.put_along_axis(gate, self.gate_start + regime, 1.0, -1)
        placed = np.zeros((*regime.shape[:-1], len(self.low)))
        np.put_along_axis(placed, self.columns(regime), quantity, -1)
        return gate, placed

    def chosen(self, gate: Any, quantity: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regimes (..., G) and quantities (..., n) of one-hot gate weights; the inverse of ``flat``."""
        regime = np.concatenate(
            [split(gate, group).argmax(-1) for group in self.gate_groups], axis=-1, dtype=np.int64
        )
        return regime, np.take_along_axis(quantity, self.columns(regime), -1)


def split(values: Any, group: Group) -> Any:
    """The columns of a group, (..., count, options), of flat arrays (..., columns) of NumPy or torch."""
    return values[..., group.columns].reshape(*values.shape[:-1], group.count, group.options)


def _groups(sizes: Sequence[int]) -> tuple[Group, ...]:
    groups, start = [], 0
    for options, same in groupby(sizes):
        count = len(list(same))
        groups.append(Group(slice(start, start + count * options), count, options))
        start += count * options
    return tuple(groups)


def regime_label(names: Iterable[str]) -> str:
    """One label for the regimes of all gates: ``"3 trucks; items 1, 2"``.

    Neighbouring names that differ only in a number at their end are merged, and empty names are left out.

    Args:
        names: of the chosen regime of each gate, from ``HindsightProblem.regime_names``.

    Returns:
        The label; ``"nothing"`` if all names are empty.

    Example:
        >>> regime_label(["3 trucks", "item 1", "", "item 3"])
        '3 trucks; items 1, 3'
    """
    parts = []
    for stem, group in groupby(filter(None, names), lambda name: name.rstrip("0123456789")):
        numbers = [name.removeprefix(stem) for name in group]
        merged = len(numbers) > 1 and stem.endswith(" ")
        parts += [f"{stem[:-1]}s {', '.join(numbers)}"] if merged else [stem + n for n in numbers]
    return "; ".join(parts) or "nothing"


class CarriedOut(NamedTuple):
    """What a hard decision comes to in a state, in the two forms of ``ActionLayout``.

    Attributes:
        regime: of each gate, shape (..., G).
        quantity: shape (..., n).
        gate: one-hot weights of the regimes, shape (..., options).
        columns: the quantities in the flat array that ``step`` takes, shape (..., columns).
    """

    regime: NDArray[np.int64]
    quantity: NDArray[np.float64]
    gate: NDArray[np.float64]
    columns: NDArray[np.float64]
