"""Problems that exact solvers refuse: they are too large, or stock and period are not a state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable
from jumpgym.demand import ContinuousDemand, DiscreteDemand, PeriodDemand

from .lattice import ROUNDING, common_step

MOST_DEMAND_POINTS = 2**17
"""Most lattice points of one period's demand."""

MOST_ENTRIES = 2**27
"""Most entries of a matrix of transitions, and of the arrays that make it: 1 GiB each."""

MOST_OPERATIONS = 2e12
"""Most multiplications of a backward induction: some minutes."""


def check_size(
    points: float,
    demand_points: float,
    *,
    entries: float = 0.0,
    operations: float = 0.0,
    name: str = "demand",
) -> None:
    """Raise NotApplicable before memory is taken that a heavy tail or a fine step would need.

    Args:
        points: number of lattice points.
        demand_points: number of lattice points of one period's demand.
        entries: number of entries of the largest array.
        operations: number of multiplications.
        name: of the parameter, for errors.
    """
    if demand_points > MOST_DEMAND_POINTS or entries > MOST_ENTRIES or operations > MOST_OPERATIONS:
        raise NotApplicable(
            f"{name}: its values span {demand_points:,.0f} steps, on a lattice of {points:,.0f} points, too "
            "many to compute. Cut the tail, as by scipy.stats.truncate, take larger units, or compare "
            "simulated policies (evaluate)"
        )


def refuse_traces(*noises: Any, name: str = "demand") -> None:
    """Raise NotApplicable unless every noise is a distribution, or a list of them that ends."""
    if any(isinstance(noise, PeriodDemand) and noise.repeats for noise in noises):
        raise NotApplicable(
            f"{name}: a season that repeats without an end (horizon=None) is not supported, since decisions "
            "then depend on its phase. Give a horizon, or compare simulated policies (evaluate)"
        )
    periods = [period for noise in noises for period in noise.periods]
    if not all(isinstance(period, DiscreteDemand | ContinuousDemand) for period in periods):
        raise NotApplicable(
            f"{name}: traces are not supported. The periods of a trace depend on each other, so stock and "
            "period do not make a state; pass a frozen scipy.stats distribution fitted to the traces, or "
            "compare policies on them with evaluate"
        )


def refuse_remainders(
    values: NDArray[np.float64] | None, multiple: float | None, start: tuple[float, float], name: str = ""
) -> None:
    """Raise NotApplicable if the stock's remainder by a step of demand and of orders can never change.

    Then the average cost over an infinite horizon depends on where the stock starts.

    Args:
        values: the values of demand, in units; None if it is continuous.
        multiple: order multiple, in units; None if there is none.
        start: interval of the initial stock, in units.
        name: of the item, for errors.
    """
    if multiple is None or values is None:
        return
    step = common_step([*values, multiple])
    if step is not None and any(abs(end / step - round(end / step)) > ROUNDING for end in start):
        raise NotApplicable(
            f"initial_inventory={start}{name} with horizon=None is not supported: demand and order_multiple="
            f"{multiple:g} are multiples of {step:g}, so the average cost depends on the start; give a "
            f"multiple of {step:g}, or a horizon"
        )


def refuse_periods(*noises: Any, name: str = "demand") -> None:
    """Raise NotApplicable unless every noise has the same distribution in all periods."""
    if any(len(noise.periods) > 1 for noise in noises):
        raise NotApplicable(
            f"{name}: a distribution for each period is not supported here. Pass one distribution for all "
            "periods, or compare simulated policies (evaluate)"
        )
