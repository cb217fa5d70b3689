"""Statistics of a comparison: bootstrap intervals, performance profiles, paired differences and ranks.

Everything is computed separately for each budget, for the learned methods, from the runs whose method applies
to the environment and that did not fail. A run that diverged counts as an infinite gap.

Intervals over several problems resample the seeds within each problem, so that problems are strata, as in
Agarwal, Schwarzer, Castro, Courville and Bellemare, "Deep reinforcement learning at the edge of the
statistical precipice", NeurIPS 2021. They show how much the result depends on the seeds, not on the choice of
environments. With few seeds percentile intervals are too narrow: a nominal 95 % interval covers the mean of
normal values in 75 % of all samples of size 3, in 84 % of size 5 and in 92 % of size 40.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike, NDArray

from ..runs.status import Status
from .tables import BUDGET, PROBLEM, THRESHOLDS, applicable, in_order, learned

CONFIDENCE = 0.95
"""Nominal coverage of all intervals."""

RESAMPLES = 2000
"""Bootstrap samples for an interval."""

SEED = 0
"""Seed of the resampling, so that a report made twice is the same."""

PROFILE = np.geomspace(0.01, 100.0, 81)
"""Gaps in per cent at which performance profiles are evaluated."""

FLOOR = 0.01
"""Smallest gap in a learning curve, in per cent; smaller and negative gaps are noise of the evaluation."""

CEILING = 10_000.0
"""Largest gap in a learning curve, in per cent."""

LEAST = {"cpu_seconds": 1e-3, "transitions": 1.0}
"""Smallest abscissa of a learning curve, whose axis is logarithmic; a run may diverge at once."""

BASELINE = "mixed"
"""The method that all others are compared with in pairs."""

Floats = NDArray[np.float64]


def bootstrap_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean.

    Args:
        values: shape (n,).
        confidence: nominal coverage.

    Returns:
        The ends of the interval. Both are the value itself if all values are equal, and NaN if there are
        fewer than two values or one of them is not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2 or not np.isfinite(sample).all():
        return float("nan"), float("nan")
    if np.ptp(sample) == 0:
        return float(sample[0]), float(sample[0])
    interval = scipy.stats.bootstrap(
        (sample,),
        np.mean,
        n_resamples=RESAMPLES,
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def gaps(rows: pd.DataFrame) -> pd.Series[float]:
    """Gaps in per cent, infinite where a run diverged or its costs are not finite."""
    is_lost = (rows.status == Status.DIVERGED) | ~np.isfinite(rows.gap_percent)
    return rows.gap_percent.where(~is_lost, np.inf)


def summary(comparison: pd.DataFrame) -> pd.DataFrame:
    """Summarise the seeds of each problem, budget and method in one row.

    Args:
        comparison: see ``tables.COLUMNS``.

    Returns:
        A table with the columns of the problem and the budget; ``method``; the numbers of ``runs`` and of
        those that ``diverged``; ``median``, ``mean``, ``low``, ``high`` (interval of the mean), ``worst`` and
        ``best`` of the gap in per cent; the median standard error of the evaluation, ``se``, and the median
        number of ``transitions``; and, named as in the comparison, the upper median of the times to each of
        ``THRESHOLDS``, which is infinite if at least half of the runs never reached it.
    """
    reached = [
        f"{unit}_to_{threshold:g}_percent" for unit in ("cpu", "transitions") for threshold in THRESHOLDS
    ]
    rows = []
    for key, runs in _groups(applicable(comparison), [*PROBLEM, *BUDGET, "method"]):
        gap = gaps(runs).to_numpy()
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
                "se": float(runs.gap_se_percent.median()),
                "transitions": float(runs.transitions.median()),
            }
            | {name: _upper_median(runs[name]) for name in reached}
        )
    columns = ["runs", "diverged", "median", "mean", "low", "high", "worst", "best", "se", "transitions"]
    return _frame(rows, [*PROBLEM, *BUDGET, "method", *columns, *reached])


def _upper_median(times: pd.Series[float]) -> float:
    """Upper median of times; a missing time counts as later than any other."""
    ordered = np.sort(times.to_numpy(dtype=float, na_value=np.inf))
    return float(ordered[len(ordered) // 2])


def bands(curves: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Learning curves over the seeds: median, smallest and largest gap.

    Seeds are evaluated at slightly different times; they are interpolated, on logarithmic axes, to those of
    the first seed.

    Args:
        curves: see ``tables.COLUMNS``.
        unit: ``"cpu_seconds"`` or ``"transitions"``.

    Returns:
        A table with the columns of the problem and the budget; ``method``; ``spent``, in the unit; and
        ``median``, ``low`` and ``high`` of the gap in per cent, clipped to ``FLOOR`` and ``CEILING``.
    """
    rows = []
    for key, runs in _groups(curves, [*PROBLEM, *BUDGET, "method"]):
        seeds = [run for _, run in runs.groupby("seed")]
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
        A table with the columns of the budget, ``method``, ``problems`` (the number that the method applies
        to), ``runs``, ``threshold``, ``share``, and the band ``low`` and ``high``, which is NaN if no problem
        has two seeds.
    """
    limits = np.asarray(thresholds, dtype=np.float64)
    rows = []
    for key, runs in _groups(applicable(comparison), [*BUDGET, "method"]):
        strata = [gaps(seeds).to_numpy()[:, None] <= limits for _, seeds in runs.groupby(PROBLEM, sort=False)]
        counts = {"problems": len(strata), "runs": len(runs)}
        points = zip(limits, *_stratified(strata), strict=True)
        rows += [
            key | counts | dict(zip(("threshold", "share", "low", "high"), p, strict=True)) for p in points
        ]
    return _frame(rows, [*BUDGET, "method", "problems", "runs", "threshold", "share", "low", "high"])


def paired_differences(comparison: pd.DataFrame, baseline: str = BASELINE) -> pd.DataFrame:
    """Compare every other method with ``baseline``, over the problems and seeds that both were run on.

    Both are evaluated with common random numbers, so that much of the noise cancels in the difference.

    Args:
        comparison: see ``tables.COLUMNS``.
        baseline: name of a method. A budget for which it has no runs is left out.

    Returns:
        A table with the columns of the budget; ``method``; the numbers of ``problems`` and ``pairs``;
        ``difference``, the method's mean gap less the baseline's in percentage points (infinite if the method
        diverged once), with its interval ``low``, ``high``; and ``better``, the share of the pairs in which
        the method has the smaller gap (a tie counts as half), with its interval ``better_low``,
        ``better_high``. Intervals are NaN if no problem has two seeds.
    """
    rows = []
    for budget, of_budget in _groups(applicable(comparison), BUDGET):
        wide = of_budget.assign(gap=gaps(of_budget)).pivot_table(
            index=[*PROBLEM, "seed"], columns="method", values="gap", sort=False
        )
        if baseline not in wide:
            continue
        for method in [name for name in in_order(wide.columns.astype(str)) if name != baseline]:
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
        A table with the columns of the budget, ``method``, ``problems`` (the number that it applies to, at
        least one) and ``rank``, the best first. Where a method does not apply, or all its runs failed, it
        ranks behind all others.
    """
    rows = learned(comparison)
    applies = rows.index.isin(applicable(rows).index)
    rows = rows.assign(gap=gaps(rows).where(applies), applies=applies)
    grouped = rows.groupby([*PROBLEM, *BUDGET, "method"], dropna=False)
    medians = grouped.agg(gap=("gap", "median"), applies=("applies", "any")).reset_index()
    medians["gap"] = medians.gap.fillna(np.inf)
    medians["rank"] = medians.groupby([*PROBLEM, *BUDGET], dropna=False).gap.rank()
    grouped = medians.groupby([*BUDGET, "method"], dropna=False)
    table = grouped.agg(problems=("applies", "sum"), rank=("rank", "mean")).reset_index()
    table = table[table.problems > 0].sort_values([*BUDGET, "rank"], kind="stable")
    return _frame(table.to_dict("records"), [*BUDGET, "method", "problems", "rank"])


def _paired(gap: pd.Series[float], baseline: pd.Series[float]) -> dict[str, Any]:
    first, second = gap.to_numpy(), baseline.to_numpy()
    tie = first == second
    difference = np.subtract(first, second, out=np.zeros(len(first)), where=~tie)
    better = np.where(tie, 0.5, first < second)
    columns = np.stack([difference, better], -1)
    rows_of_problem = gap.groupby(level=PROBLEM, sort=False).indices.values()
    (mean, share), low, high = _stratified([columns[rows] for rows in rows_of_problem])
    return {
        "problems": len(rows_of_problem),
        "pairs": len(gap),
        "difference": mean,
        "low": low[0],
        "high": high[0],
        "better": share,
        "better_low": low[1],
        "better_high": high[1],
    }


def _stratified(strata: Sequence[NDArray[Any]]) -> tuple[Floats, Floats, Floats]:
    """Mean over all rows of all strata, and a percentile interval from resampling rows within each stratum.

    Args:
        strata: arrays of shape (n, k); n may differ between them.

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
            counts = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), RESAMPLES)
            sums += counts @ np.where(np.isfinite(rows), rows, 0.0)
            for infinite in (np.inf, -np.inf):
                sums += np.where(counts @ (rows == infinite) > 0, infinite, 0.0)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(sums / total, [tail, 100 - tail], axis=0, method="inverted_cdf")
    return mean, low, high


def _groups(table: pd.DataFrame, by: list[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Rows of learned methods, grouped by columns: smaller budgets first, methods in their order."""
    rows = learned(table)
    rows = rows.assign(position=rows.method.map({name: i for i, name in enumerate(in_order(rows.method))}))
    rows = rows.sort_values([*BUDGET, "position"], kind="stable")
    for key, group in rows.groupby(by, sort=False, dropna=False):
        yield dict(zip(by, key, strict=True)), group


def _frame(rows: Sequence[Mapping[Any, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A table whose columns have the types that they have in ``comparison``."""
    types: Any = {"budget_seconds": np.float64, "budget_timesteps": "Int64"}
    return pd.DataFrame(rows, columns=list(columns)).astype(types)
