"""Noise as users describe it: by distributions, by one for each period, or by traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import checks
from ..checks import shown
from .distributions import TAIL, describe, is_constant, is_discrete, is_distribution, parse, values
from .periods import PeriodNoise
from .recorded import TraceNoise
from .single import ContinuousNoise, DiscreteNoise, Noise
from .tables import MAX_CELLS, cells_for


def as_noise(
    noise: Any,
    horizon: int | None,
    *,
    name: str = "noise",
    low: float = -np.inf,
    season: int | None = None,
) -> Noise:
    """The noise described by a ``scipy.stats`` distribution or by traces.

    Args:
        noise: one of

            - a distribution, drawn anew in each period: frozen (``scipy.stats.norm(0.01, 0.05)``), of scipy's
              new interface (``scipy.stats.truncate(scipy.stats.Normal(mu=20, sigma=9), lb=0)``), or as a
              text, ``"norm(0.01, 0.05)"``;
            - a number, for noise that always has this value;
            - a list of ``horizon`` distributions or numbers, at least one of them a distribution: one for
              each period, drawn independently of each other; with a season also a list of ``season`` of them,
              which repeats, forever if ``horizon=None``;
            - one long series, 1-D or with a single column: an episode is a window of ``horizon`` consecutive
              periods, any of them (rolling windows; ``jumpgym.traces.episodes`` cuts whole episodes). With
              ``horizon=None`` it starts in any period and after the last goes on with the first;
            - episodes, of shape (episodes, horizon): each is replayed whole.

            Traces are an array, a list, ``Records`` of one item, a pandas Series or DataFrame, or the path of
            a file; tables and files are read if they leave no doubt, see ``jumpgym.traces.read``.
        horizon: periods in an episode; None for an infinite horizon.
        name: of the parameter, for errors.
        low: the least value allowed.
        season: periods of the season, or None; the first period of a list of distributions begins one.

    Raises:
        TypeError: if it is none of these.
        ValueError: if a value can lie below ``low``, or traces have gaps or the wrong shape.
    """
    if isinstance(noise, Noise):
        return noise
    noise = parse(noise, name)
    if is_distribution(noise) or is_constant(noise):
        return from_distribution(noise, horizon, name, low)
    if lists_distributions(noise):
        return PeriodNoise(each_noise([noise], horizon, name, low, season)[0], horizon)
    from .. import traces  # here, since it imports pandas, which takes half a second
    from ..reading.arrays import check_values

    if not isinstance(noise, traces.KINDS):
        raise TypeError(
            f"{name}={shown(noise)} must be a frozen scipy.stats distribution such as "
            "scipy.stats.poisson(20), or traces: an array of shape (episodes, horizon) or (periods,), a "
            "pandas DataFrame or Series, or the path of a CSV file"
        )
    data = traces.recorded(noise, name, low)
    if isinstance(data, traces.Records):
        if len(data.items) > 1:
            raise ValueError(
                f"{name}: records of {len(data.items)} items, and there is one; choose it by "
                f"records.select({data.items[0]!r}), or by value= of jumpgym.traces.read"
            )
        traces.check_length(name, len(data), horizon)
        return TraceNoise(data.values[:, 0].copy(), horizon, records=data, season=season)
    values = data
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1 != horizon):
        check_values(values, name, low, ("row", "column"))
        series = values.reshape(-1)
        traces.check_length(name, len(series), horizon)
        return TraceNoise(series, horizon, season=season)
    if horizon is not None and values.ndim == 2 and values.shape[1] == horizon and len(values):
        check_values(values, name, low, ("row", "period"))
        return TraceNoise(values.reshape(-1), horizon, horizon)
    if horizon is None:
        raise ValueError(
            f"{name}: traces of shape {values.shape} must be one series of shape (periods,), "
            "since horizon=None has no episodes"
        )
    raise ValueError(
        f"{name}: traces of shape {values.shape} must have shape (episodes, horizon) = (any, {horizon})"
        "; set horizon= to the number of columns, or give one long series of shape (periods,)"
    )


def from_distribution(
    distribution: Any, horizon: int | None, name: str, low: float, cells: int = MAX_CELLS
) -> Noise:
    """``as_noise`` of a distribution, with ``cells`` in the table of a continuous one."""
    if is_constant(distribution):
        value = checks.number(name, distribution, low=low)
        return DiscreteNoise(np.array([value]), np.ones(1), horizon)
    family = describe(distribution)
    try:
        with np.errstate(all="ignore"):
            support = np.array([*distribution.support(), distribution.mean()], dtype=float)
    except TypeError as error:
        raise TypeError(
            f"{name}={family} has free parameters: freeze it, as in scipy.stats.poisson(20)"
        ) from error
    if support.ndim > 1:
        raise ValueError(
            f"{name}={family} has parameters of shape {support.shape[1:]}: give one frozen "
            "distribution for each item, in a list, with numbers for parameters"
        )
    start, end, mean = map(float, support)
    if np.isnan(support).any():
        raise ValueError(
            f"{name}: the parameters of {family} are outside its domain, or its tails are too heavy: "
            "its mean is NaN"
        )
    if start < low:
        can_be = "negative" if low == 0 else f"less than {low:g}"
        raise ValueError(
            f"{name} can be {can_be}: the support of {family} is [{start:g}, {end:g}]; it must start "
            f"at {low:g} or more (truncate it, for example with scipy.stats.truncnorm)"
        )
    if not np.isfinite(mean):
        raise ValueError(f"{name}: the mean of {family} is {mean}, it must be finite")
    if is_discrete(distribution):
        return DiscreteNoise(*values(distribution, name), horizon)
    noise = ContinuousNoise(distribution, horizon, cells)
    if not np.isfinite(noise.quantiles).all():
        raise ValueError(
            f"{name}: the quantiles of {family} at {TAIL:g} and 1 - {TAIL:g} are {noise.min:g} and "
            f"{noise.max:g}, which must be finite; truncate it, for example with scipy.stats.truncate"
        )
    return noise


def lists_distributions(noise: Any) -> bool:
    """Whether it is a list, maybe of lists, with a distribution in it; else a list of numbers is a trace."""
    return isinstance(noise, (list, tuple)) and any(
        is_distribution(entry) or isinstance(entry, Noise) or lists_distributions(entry) for entry in noise
    )


def each_noise(
    given: Sequence[Any], horizon: int | None, name: str, low: float, season: int | None = None
) -> list[Any]:
    """The noise of each item, or for an item with a list of distributions the list of its periods' noises.

    Equal distributions share one object, and the tables of all continuous ones have the same size. A list of
    ``season`` entries is repeated up to a finite horizon.

    Raises:
        TypeError, ValueError: as ``as_noise``; also if a list has not one entry for each period.
    """
    if season is not None and horizon is not None:
        given = [
            [one[period % season] for period in range(horizon)]
            if isinstance(one, (list, tuple)) and len(one) == season
            else one
            for one in given
        ]
    periods = season if horizon is None else horizon
    entries: list[tuple[str, Any]] = []
    for j, one in enumerate(given):
        label = name if len(given) == 1 else f"{name} of item {j}"
        if not isinstance(one, (list, tuple)):
            entries.append((label, one))
            continue
        if len(one) != periods:
            allowed = f"must have horizon={horizon} entries"
            if horizon is None:
                allowed = f"needs a finite horizon, or season={len(one)}, after which it repeats"
            elif season is not None:
                allowed += f", or season={season}"
            raise ValueError(f"{label}: a list of {len(one)} distributions, one for each period, {allowed}")
        entries += [(f"{label} in period {t}", entry) for t, entry in enumerate(one)]
    keys = [_key(entry) for _, entry in entries]
    cells = cells_for(len(set(keys)))
    made: dict[Any, Noise] = {}
    for key, (label, entry) in zip(keys, entries, strict=True):
        if key in made:
            continue
        entry_name = name if len(set(keys)) == 1 else label
        if isinstance(entry, DiscreteNoise):
            made[key] = entry
        elif isinstance(entry, ContinuousNoise):
            made[key] = entry if entry.cells == cells else entry.resampled(cells)
        elif is_distribution(entry) or is_constant(entry):
            made[key] = from_distribution(entry, horizon, entry_name, low, cells)
        else:
            raise TypeError(
                f"{entry_name}: {shown(entry)} must be a frozen scipy.stats distribution, as others are"
            )
    noises = iter([made[key] for key in keys])
    return [[next(noises) for _ in one] if isinstance(one, (list, tuple)) else next(noises) for one in given]


def _key(distribution: Any) -> Any:
    """Equal for two distributions that are surely the same."""
    if is_constant(distribution):  # not as a float, for which an integer or a fraction may be too large
        return distribution
    family = getattr(distribution, "dist", None)
    if family is None or hasattr(family, "xk"):
        return id(distribution)
    key = (type(family), tuple(distribution.args), tuple(sorted(distribution.kwds.items())))
    try:
        hash(key)
    except TypeError:  # parameters that are arrays
        return id(distribution)
    return key
