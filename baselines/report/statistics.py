"""Statistics of a comparison: bootstrap intervals, performance profiles, paired differences and ranks.

All are computed for each budget apart, of the learned methods, from the rows where a method applies. A run
that diverged counts as an infinite gap.

Intervals over several problems resample the seeds within each problem, which are the strata, as in Agarwal,
Schwarzer, Castro, Courville and Bellemare, "Deep reinforcement learning at the edge of the statistical
precipice", NeurIPS 2021. They tell what other seeds would give, not other environments. With few seeds
percentile intervals are too narrow: instead of 95 % of all samples, those of 3 normal values cover the mean
in 75 %, of 5 in 84 % and of 40 in 92 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap

from ..runs.methods import METHODS
from .tables import BUDGET, PROBLEM, THRESHOLDS, applicable, learned

CONFIDENCE = 0.95
"""Of all intervals."""

RESAMPLES = 2000
"""Bootstrap samples behind an interval."""

SEED = 0
"""Of the resampling, so that a report made twice is the same."""

PROFILE = np.geomspace(0.01, 100.0, 81)
"""Gaps in per cent at which performance profiles are evaluated."""

FLOOR = 0.01
"""Smallest gap in a learning curve, in per cent; smaller and negative ones are noise of the evaluation."""

CEILING = 10_000.0
"""Largest gap in a learning curve, in per cent."""

LEAST = {"cpu_seconds": 1e-3, "transitions": 1.0}
"""Least abscissa of a learning curve, whose axis is logarithmic; a run may diverge at once."""

DIVERGED = "diverged"
"""How the note of a run begins that diverged."""

BASELINE = "mixed"
"""The method that others are paired with."""

Floats = NDArray[np.float64]


def bootstrap_interval(
    values: ArrayLike, confidence: float = CONFIDENCE, statistic: Callable[..., Any] = np.mean
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic.

    Args:
        values: shape (n,).
        confidence: probability that it is meant to cover.
        statistic: of a sample, with the keyword ``axis``.

    Returns:
        Its ends: the value itself where all are equal; NaN if there are fewer than two, or one is not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2 or not np.isfinite(sample).all():
        return float("nan"), float("nan")
    if np.ptp(sample) == 0:
        return float(sample[0]), float(sample[0])
    found = bootstrap(
        (sample,),
        statistic,
        n_resamples=RESAMPLES,
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def gaps(rows: pd.DataFrame) -> pd.Series[float]:
    """Gaps in per cent, infinite where a run diverged or its costs are not finite."""
    lost = rows.note.str.startswith(DIVERGED) | ~np.isfinite(rows.gap_percent)
    return rows.gap_percent.where(~lost, np.inf)


def summary(comparison: pd.DataFrame) -> pd.DataFrame:
    """The seeds of each problem, budget and method in a row.

    Args:
        comparison: see ``tables.COLUMNS``.

    Returns:
        The columns of the problem and budget, ``method``, ``runs``, ``diverged`` (how many did), and of the
        gap in per cent ``median``, ``mean``, ``low``, ``high`` (interval of the mean), ``worst``, ``best``;
        the median ``se`` of the evaluation and ``transitions``; and the upper median of when each of
        ``THRESHOLDS`` was first reached, infinite if it never was, named as in the comparison.
    """
    reached = [
        f"{unit}_to_{threshold:g}_percent" for unit in ("cpu", "transitions") for threshold in THRESHOLDS
    ]
    rows = []
    for key, own in _each(applicable(comparison), [*PROBLEM, *BUDGET, "method"]):
        gap = gaps(own).to_numpy()
        low, high = bootstrap_interval(gap)
        rows.append(
            key
            | {
                "runs": len(gap),
                "diverged": int(np.isinf(gap).sum()),
                "median": float(np.median(gap)),
                "mean": float(gap.mean()),
                "low": low,
                "high": high,
                "worst": float(gap.max()),
                "best": float(gap.min()),
                "se": float(own.gap_se_percent.median()),
                "transitions": float(own.transitions.median()),
            }
            | {name: _upper_median(own[name]) for name in reached}
        )
    columns = ["runs", "diverged", "median", "mean", "low", "high", "worst", "best", "se", "transitions"]
    return _frame(rows, [*PROBLEM, *BUDGET, "method", *columns, *reached])


def _upper_median(times: pd.Series[float]) -> float:
    """Of times, where a missing one is later than any."""
    ordered = np.sort(times.to_numpy(dtype=float, na_value=np.inf))
    return float(ordered[len(ordered) // 2])


def bands(curves: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Learning curves over the seeds: median, least and largest gap.

    Seeds, which are evaluated at slightly different times, are interpolated to those of the first one, on
    logarithmic axes.

    Args:
        curves: see ``tables.COLUMNS``.
        unit: ``"cpu_seconds"`` or ``"transitions"``.

    Returns:
        The columns of the problem and budget, ``method``, ``spent`` in the unit, and of the gap in per cent,
        kept within ``FLOOR`` and ``CEILING``, ``median``, ``low`` and ``high``.
    """
    rows = []
    for key, own in _each(curves, [*PROBLEM, *BUDGET, "method"]):
        seeds = [run for _, run in own.groupby("seed")]
        spent = [run[unit].to_numpy(dtype=float).clip(LEAST[unit]) for run in seeds]
        gap = [run.gap_percent.fillna(np.inf).clip(FLOOR, CEILING).to_numpy() for run in seeds]
        common = np.log(spent[0])
        at = [np.interp(common, np.log(x), np.log(y)) for x, y in zip(spent, gap, strict=True)]
        columns = (np.exp(edge) for edge in (np.median(at, 0), np.min(at, 0), np.max(at, 0)))
        names = ("spent", "median", "low", "high")
        points = zip(spent[0], *columns, strict=True)
        rows += [key | dict(zip(names, point, strict=True)) for point in points]
    return _frame(rows, [*PROBLEM, *BUDGET, "method", "spent", "median", "low", "high"])


def performance_profile(comparison: pd.DataFrame, thresholds: ArrayLike = PROFILE) -> pd.DataFrame:
    """Share of the runs with a gap of at most a threshold, over problems and seeds.

    Args:
        comparison: see ``tables.COLUMNS``.
        thresholds: in per cent.

    Returns:
        The columns of the budget, ``method``, ``problems`` (to how many the method applies), ``runs``,
        ``threshold``, ``share``, ``low`` and ``high``. The band is NaN if no problem has two seeds.
    """
    limits = np.asarray(thresholds, dtype=np.float64)
    rows = []
    for key, own in _each(applicable(comparison), [*BUDGET, "method"]):
        strata = [gaps(seeds).to_numpy()[:, None] <= limits for _, seeds in own.groupby(PROBLEM, sort=False)]
        counts = {"problems": len(strata), "runs": len(own)}
        points = zip(limits, *_stratified(strata), strict=True)
        rows += [
            key | counts | dict(zip(("threshold", "share", "low", "high"), p, strict=True)) for p in points
        ]
    return _frame(rows, [*BUDGET, "method", "problems", "runs", "threshold", "share", "low", "high"])


def paired_differences(comparison: pd.DataFrame, baseline: str = BASELINE) -> pd.DataFrame:
    """Every other method against ``baseline``, over the problems and seeds that both have.

    Both are evaluated on the same noise, so their difference is free of it.

    Args:
        comparison: see ``tables.COLUMNS``.
        baseline: a method; the result is empty where it has no runs.

    Returns:
        The columns of the budget, ``method``, ``problems``, ``pairs``; ``difference``, ``low``, ``high``: the
        method's gap less the baseline's in percentage points, mean and interval, infinite if the method
        diverged once; ``better``, ``better_low``, ``better_high``: share of the pairs in which the method has
        the smaller gap, a tie counted as half, and its interval. No problem with two seeds: NaN intervals.
    """
    rows = []
    for budget, of_budget in _each(applicable(comparison), BUDGET):
        wide = of_budget.assign(gap=gaps(of_budget)).pivot_table(
            index=[*PROBLEM, "seed"], columns="method", values="gap", sort=False
        )
        if baseline not in wide:
            continue
        for method in [name for name in METHODS if name in wide and name != baseline]:
            both = wide[[method, baseline]].dropna()
            if len(both):
                rows.append(budget | {"method": method} | _paired(both[method], both[baseline]))
    names = ["problems", "pairs", "difference", "low", "high", "better", "better_low", "better_high"]
    return _frame(rows, [*BUDGET, "method", *names])


def ranks(comparison: pd.DataFrame) -> pd.DataFrame:
    """Mean rank of each method by its median gap, over the problems; 1 is the best.

    Args:
        comparison: see ``tables.COLUMNS``.

    Returns:
        The columns of the budget, ``method``, ``problems`` (to how many it applies, at least one) and
        ``rank``, the best first. Where a method does not apply it is behind all that do.
    """
    rows = learned(comparison)
    rows = rows.assign(gap=gaps(rows), applies=rows.index.isin(applicable(rows).index))
    grouped = rows.groupby([*PROBLEM, *BUDGET, "method"], dropna=False)
    medians = grouped.agg(gap=("gap", "median"), applies=("applies", "any")).reset_index()
    medians["rank"] = medians.groupby([*PROBLEM, *BUDGET], dropna=False).gap.rank()
    grouped = medians.groupby([*BUDGET, "method"], dropna=False)
    table = grouped.agg(problems=("applies", "sum"), rank=("rank", "mean")).reset_index()
    table = table[table.problems > 0].sort_values([*BUDGET, "rank"], kind="stable")
    return _frame(table.to_dict("records"), [*BUDGET, "method", "problems", "rank"])


def _paired(own: pd.Series[float], others: pd.Series[float]) -> dict[str, Any]:
    first, second = own.to_numpy(), others.to_numpy()
    tie = first == second
    difference = np.subtract(first, second, out=np.zeros(len(first)), where=~tie)
    better = np.where(tie, 0.5, first < second)
    columns = np.stack([difference, better], -1)
    places = own.groupby(level=PROBLEM, sort=False).indices.values()
    (mean, share), low, high = _stratified([columns[place] for place in places])
    return {
        "problems": len(places),
        "pairs": len(own),
        "difference": mean,
        "low": low[0],
        "high": high[0],
        "better": share,
        "better_low": low[1],
        "better_high": high[1],
    }


def _stratified(strata: Sequence[NDArray[Any]]) -> tuple[Floats, Floats, Floats]:
    """Mean over all rows of all strata, and a percentile interval that resamples rows within each stratum.

    Args:
        strata: each of shape (n, k), n may differ.

    Returns:
        Mean, lower and upper end, each of shape (k,).
    """
    total = sum(len(rows) for rows in strata)
    with np.errstate(invalid="ignore"):  # of infinite gaps on both sides
        mean = np.concatenate(strata).mean(0, dtype=np.float64)
        if all(len(rows) < 2 for rows in strata):
            return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
        rng = np.random.default_rng(SEED)
        sums = np.zeros((RESAMPLES, len(mean)))
        for rows in strata:
            times = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), RESAMPLES)
            sums += times @ np.where(np.isfinite(rows), rows, 0.0)
            for infinite in (np.inf, -np.inf):
                sums += np.where(times @ (rows == infinite) > 0, infinite, 0.0)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(sums / total, [tail, 100 - tail], axis=0, method="inverted_cdf")
    return mean, low, high


def _each(table: pd.DataFrame, by: list[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Rows of learned methods by the values of columns: smaller budgets first, methods as in ``METHODS``."""
    rows = learned(table)
    rows = rows.assign(place=rows.method.map({name: i for i, name in enumerate(METHODS)}))
    rows = rows.sort_values([*BUDGET, "place"], kind="stable")
    for key, group in rows.groupby(by, sort=False, dropna=False):
        yield dict(zip(by, key, strict=True)), group


def _frame(rows: Sequence[Mapping[Any, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows with the types of ``comparison``."""
    types: Any = {"budget_seconds": np.float64, "budget_timesteps": "Int64"}
    return pd.DataFrame(rows, columns=list(columns)).astype(types)
