"""Demand as exogenous noise: one description, from which NumPy and torch (any device) draw alike.

A demand turns uniforms into quantities, so the same uniforms give the same demand in every array library.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

TAIL = 1e-13
"""Probability beyond which a distribution's tail is cut, so that demand and observations are bounded."""

MAX_VALUES = 1_000_000
"""Most values of a discrete distribution."""


class Demand(ABC):
    """Demand of one item: a function of uniforms.

    Attributes:
        mean: expected demand of a period, in units.
        max: the largest demand of a period, in units.
        max_total: the largest demand of an episode, in units.
    """

    mean: float
    max: float
    max_total: float

    @abstractmethod
    def sample(self, uniforms: Any) -> Any:
        """Demand of each period, shape (..., horizon), from uniforms in [0, 1) of that shape."""

    def tables(self, like: Any, *names: str) -> tuple[Any, ...]:
        """The named arrays of this demand as arrays of the library, dtype and device of ``like``."""
        xp = array_namespace(like)
        return tuple(xp.asarray(getattr(self, n), dtype=like.dtype, device=device(like)) for n in names)


class DiscreteDemand(Demand):
    """Independent demand with finitely many values; exact inversion of the distribution function.

    A guide table (Chen and Asau 1974) tells the value of most uniforms at once, some four times as fast as
    the search in the distribution function, which is left to the cells where it steps.

    Args:
        values: the values, ascending, in units; shape (n,).
        probabilities: their probabilities; shape (n,).
    """

    CELLS = 4096

    def __init__(self, values: NDArray[np.float64], probabilities: NDArray[np.float64], horizon: int) -> None:
        self.values = values
        self.probabilities = probabilities / probabilities.sum()
        self.cumulative = np.cumsum(self.probabilities)[:-1]
        at_edge = np.searchsorted(self.cumulative, np.arange(self.CELLS + 1) / self.CELLS, side="right")
        self.guide = np.where(np.diff(at_edge, append=len(values)) == 0, values[at_edge], np.nan)
        self.mean = float(self.values @ self.probabilities)
        self.max = float(values[-1])
        self.max_total = horizon * self.max

    def sample(self, uniforms: Any) -> Any:
        """See ``Demand.sample``."""
        xp = array_namespace(uniforms)
        values, cumulative, guide = self.tables(uniforms, "values", "cumulative", "guide")
        flat = xp.reshape(uniforms, (-1,))
        sample = xp.take(guide, xp.astype(flat * self.CELLS, xp.int64), axis=0)
        (unsure,) = xp.nonzero(xp.isnan(sample))
        index = xp.searchsorted(cumulative, xp.take(flat, unsure, axis=0), side="right")
        sample[unsure] = xp.take(values, index, axis=0)
        return xp.reshape(sample, uniforms.shape)


class ContinuousDemand(Demand):
    """Independent demand with a continuous distribution, by a table of its quantiles.

    The quantile is interpolated linearly between ``CELLS + 1`` exact quantiles, equally spaced in
    ``log(u / (1 - u))``. For a distribution with a smooth density the error is of the order of 1e-6
    standard deviations; where the density has a gap, the gap is bridged over one cell, of probability
    at most 1e-3.
    """

    CELLS = 16384
    REACH = float(-np.log(TAIL))

    def __init__(self, distribution: Any, horizon: int) -> None:
        logits = np.linspace(-self.REACH, self.REACH, self.CELLS + 1)
        # Upper quantiles from the survival function: 1 - u would lose the digits of the tail.
        lower, upper = logits[logits < 0], logits[logits >= 0]
        self.quantiles = np.concatenate(
            [distribution.ppf(1 / (1 + np.exp(-lower))), distribution.isf(1 / (1 + np.exp(upper)))]
        )
        self.slopes = np.append(np.diff(self.quantiles), 0.0)
        self.mean = float(distribution.mean())
        self.max = float(self.quantiles[-1])
        self.max_total = horizon * self.max
        self.distribution = distribution

    def sample(self, uniforms: Any) -> Any:
        """See ``Demand.sample``."""
        xp = array_namespace(uniforms)
        quantiles, slopes = self.tables(uniforms, "quantiles", "slopes")
        logits = xp.log(uniforms) - xp.log1p(-uniforms)  # -inf at u = 0, the end of the table
        cell = xp.clip(
            (logits + self.REACH) * (self.CELLS / (2 * self.REACH)), min=0.0, max=float(self.CELLS)
        )
        index = xp.astype(cell, xp.int64)
        flat = xp.reshape(index, (-1,))
        base = xp.reshape(xp.take(quantiles, flat, axis=0), uniforms.shape)
        slope = xp.reshape(xp.take(slopes, flat, axis=0), uniforms.shape)
        return base + slope * (cell - xp.astype(index, uniforms.dtype))


class TraceDemand(Demand):
    """Recorded demand: each episode replays one trace, drawn uniformly.

    Args:
        traces: demand by episode and period, in units; shape (episodes, horizon).
    """

    def __init__(self, traces: NDArray[np.float64]) -> None:
        self.traces = traces
        self.mean = float(traces.mean())
        self.max = float(traces.max())
        self.max_total = float(traces.sum(axis=1).max())

    def sample(self, uniforms: Any) -> Any:
        """See ``Demand.sample``."""
        xp = array_namespace(uniforms)
        (traces,) = self.tables(uniforms, "traces")
        row = xp.astype(uniforms[..., 0] * len(self.traces), xp.int64)
        return xp.reshape(xp.take(traces, xp.reshape(row, (-1,)), axis=0), uniforms.shape)


def as_demand(demand: Any, horizon: int) -> Demand:
    """The demand described by a frozen ``scipy.stats`` distribution or by traces.

    Args:
        demand: a frozen distribution (``scipy.stats.poisson(20)``), an array of shape (episodes, horizon),
            a DataFrame of that shape, or the path of a CSV file with a header line.
        horizon: periods in an episode.

    Raises:
        TypeError: if it is none of these.
        ValueError: if demand can be negative, or traces have gaps or the wrong shape.
    """
    if isinstance(demand, Demand):
        return demand
    if hasattr(demand, "ppf") and hasattr(demand, "support"):
        return _from_distribution(demand, horizon)
    if isinstance(demand, (str, os.PathLike)):
        name = f"demand={str(demand)!r}"
        try:
            table = pd.read_csv(demand)
        except (OSError, ValueError) as error:
            raise ValueError(f"{name}: cannot be read as a CSV file: {error}") from error
        return TraceDemand(_checked_traces(table, horizon, name))
    if isinstance(demand, (np.ndarray, pd.DataFrame, list, tuple)):
        return TraceDemand(_checked_traces(demand, horizon, "demand"))
    raise TypeError(
        f"demand={demand!r} must be a frozen scipy.stats distribution such as scipy.stats.poisson(20), "
        "an array of shape (episodes, horizon), a pandas DataFrame, or the path of a CSV file"
    )


def _from_distribution(distribution: Any, horizon: int) -> Demand:
    try:
        low, high = (float(end) for end in distribution.support())
    except TypeError as error:
        raise TypeError(
            f"demand={distribution!r} has free parameters: freeze it, as in scipy.stats.poisson(20)"
        ) from error
    name = getattr(getattr(distribution, "dist", distribution), "name", "distribution")
    if np.isnan([low, high, float(distribution.mean())]).any():
        raise ValueError(f"demand: the parameters of {name} are outside its domain (its mean is NaN)")
    if low < 0:
        raise ValueError(
            f"demand can be negative: the support of {name} is [{low:g}, {high:g}]; it must start at 0 or "
            "more (truncate it, for example with scipy.stats.truncnorm)"
        )
    if not np.isfinite(distribution.mean()):
        raise ValueError(f"demand: the mean of {name} is {distribution.mean()}, it must be finite")
    if not hasattr(distribution, "pmf"):
        return ContinuousDemand(distribution, horizon)
    family = getattr(distribution, "dist", distribution)
    if hasattr(family, "xk"):  # scipy.stats.rv_discrete(values=...): any values, not only integers
        loc = float(distribution.ppf(0.5)) - float(family.ppf(0.5))
        values = np.asarray(family.xk, dtype=float) + loc
        return DiscreteDemand(values, np.asarray(family.pk, dtype=float), horizon)
    first, last = float(distribution.ppf(TAIL)), float(distribution.isf(TAIL))
    if not last - first < MAX_VALUES:
        raise ValueError(
            f"demand: {name} has too long a tail, with values from {first:g} to {last:g}; give at most "
            f"{MAX_VALUES:,} values, for example by scipy.stats.rv_discrete(values=...)"
        )
    values = np.asarray(first + np.arange(round(last - first) + 1), dtype=float)
    return DiscreteDemand(values, np.asarray(distribution.pmf(values), dtype=float), horizon)


def _checked_traces(traces: Any, horizon: int, name: str) -> NDArray[np.float64]:
    try:
        values = np.array(traces, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: traces must be numbers of shape (episodes, {horizon}): {error}") from error
    if values.ndim != 2 or values.shape[1] != horizon or len(values) == 0:
        raise ValueError(
            f"{name}: traces of shape {values.shape} must have shape (episodes, horizon) = (any, {horizon}); "
            "set horizon= to the number of columns"
        )
    for problem, wrong in (("is missing or not finite", ~np.isfinite(values)), ("is negative", values < 0)):
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise ValueError(f"{name}: row {row}, period {column} {problem}: {values[row, column]}")
    return values
