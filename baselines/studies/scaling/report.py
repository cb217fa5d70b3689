"""Tables and pictures of the scaling study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...report.formatting import code_block, csv, failed_runs, markdown_table
from ...report.rows import first_time
from ...report.statistics import FLOOR
from ...report.styles import log_log, png, style
from ...runs.files import replace_file
from ...runs.provenance import PACKAGES
from ...runs.record import reason
from ...runs.status import Status
from ..records import Record
from .methods import BASELINE, METHODS

CURVES_AT = 50
"""Number of items whose learning curves are drawn; the nearest one if the study does not have it."""

TIME = f"cpu_to_gap_of_{BASELINE}"
"""Column of the CPU seconds to the baseline's median final gap with as many items and the same budget."""


def write_scaling(records: Sequence[Record], failures: Sequence[Record], output: Path) -> None:
    """Write ``scaling.csv``, ``curves.csv``, ``scaling.md`` and ``scaling.png``.

    Args:
        records: of the runs that finished, at least one; see ``scaling.perform``.
        failures: of the runs that failed, see ``studies.runs.do_missing``.
        output: a folder that exists.
    """
    rows = pd.DataFrame([*(_row(record) for record in records), *map(_failure_row, failures)])
    final = rows[rows.method == BASELINE].groupby(["items", "budget"]).gap_percent.median()
    thresholds = [final.get(key, np.nan) for key in zip(rows["items"], rows.budget, strict=True)]
    curves = [*(record["curve"] for record in records), *([] for _ in failures)]
    pairs = zip(curves, thresholds, strict=True)
    rows[TIME] = [first_time(curve, threshold) for curve, threshold in pairs]
    points = pd.DataFrame([{**record["settings"], **p} for record in records for p in record["curve"]])
    replace_file(output / "scaling.csv", csv(rows))
    replace_file(output / "curves.csv", csv(points.drop(columns="episodes")))
    replace_file(output / "scaling.md", _markdown(rows, records).encode())
    replace_file(output / "scaling.png", _picture(rows, points))


def _row(record: Record) -> dict[str, Any]:
    return {
        **record["settings"],
        **record["row"],
        "reference_cost": record["reference_cost"],
        **{name: record["versions"].get(name, "") for name in ("python", *PACKAGES)},
        "command": record["command"],
    }


def _failure_row(failure: Record) -> dict[str, Any]:
    return {
        **failure["settings"],
        "status": failure["status"],
        "note": reason(failure),
        "command": failure["command"],
    }


def _markdown(rows: pd.DataFrame, records: Sequence[Record]) -> str:
    """Two tables: gaps, and CPU seconds to the baseline's final gap."""
    methods = [name for name in METHODS if name in set(rows.method)]
    budgets = sorted(rows.budget.unique())
    descriptions = "\n".join(f"- `{name}`: {METHODS[name].description}" for name in methods)
    blocks = [
        "# n items that share nothing",
        code_block(sorted(rows.command)),
        f"CPU seconds of each training: {', '.join(f'{budget:g}' for budget in budgets)}. "
        f"Seeds: {rows.seed.nunique()}. Hardware: {records[0]['hardware']}.",
        descriptions,
    ]
    for budget in budgets:
        of_budget = rows[rows.budget == budget]
        blocks += [
            f"## Gap to the optimum after {budget:g} CPU seconds, %: median of the seeds (worst)",
            _table(of_budget, methods, _gap),
        ]
        if BASELINE in methods:
            blocks += [
                f"## CPU seconds to the median final gap of `{BASELINE}`: median of the seeds",
                _table(of_budget, methods, _seconds),
            ]
    if (failed := rows.status == Status.FAILED).any():
        identity = ["items", "method", "seed", "budget", "note"]
        blocks.append(failed_runs([*identity[:-1], "error"], rows.loc[failed, identity].to_numpy().tolist()))
    return "\n\n".join(blocks) + "\n"


def _table(rows: pd.DataFrame, methods: Sequence[str], cell: Callable[[pd.DataFrame], str]) -> str:
    lines = [
        [str(items), *(cell(of_items[of_items.method == name]) for name in methods)]
        for items, of_items in rows.groupby("items")
    ]
    return markdown_table([["n", *methods], *lines])


def _gap(runs: pd.DataFrame) -> str:
    """The median and the largest gap, and how many runs failed."""
    failed = int((runs.status == Status.FAILED).sum())
    gaps = runs.gap_percent[runs.status != Status.FAILED]
    finished = f"{gaps.median():.3g} ({gaps.max():.3g})" if len(gaps) else ""
    return ", ".join(filter(None, [finished, f"{failed} failed" if failed else ""]))


def _seconds(runs: pd.DataFrame) -> str:
    """The median; runs that never reached the gap count as later than all others, failed ones not at all."""
    times = runs.loc[runs.status != Status.FAILED, TIME]
    middle = times.fillna(np.inf).median() if len(times) else np.nan
    return "" if np.isnan(middle) else "not reached" if np.isinf(middle) else f"{middle:.3g}"


def _picture(rows: pd.DataFrame, points: pd.DataFrame) -> bytes:
    """Gap against n (median of the seeds, bars to the extremes), and gap of each seed against CPU seconds."""
    budget = rows.budget.max()
    rows, points = rows[rows.budget == budget], points[points.budget == budget]
    numbers = np.sort(rows["items"].unique())
    shown = numbers[np.abs(numbers - CURVES_AT).argmin()]
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left_axes, right_axes = figure.subplots(1, 2)
    lines: dict[str, Any] = {}
    for i, name in enumerate(METHODS):
        gaps = rows[rows.method == name].groupby("items").gap_percent
        if gaps.ngroups == 0:
            continue
        middle, low, high = (values.clip(lower=FLOOR) for values in (gaps.median(), gaps.min(), gaps.max()))
        bars = [middle - low, high - middle]
        lines[name] = left_axes.errorbar(middle.index, middle, bars, capsize=3, linewidth=1.5, **style(i, i))
        of_method = points[(points.method == name) & (points["items"] == shown)]
        for _, curve in of_method.groupby("seed"):
            gap = curve.gap_percent.clip(lower=FLOOR)
            right_axes.plot(curve.cpu_seconds, gap, markersize=4, linewidth=1, **style(i, i))
    left_axes.set_title(f"after {budget:g} CPU seconds")
    right_axes.set_title(f"{shown} items, each seed")
    log_log(left_axes, "items", f"gap, %, at least {FLOOR:g}")
    log_log(right_axes, "CPU seconds of training", "")
    left_axes.set_xticks(numbers, [str(number) for number in numbers])
    figure.legend(list(lines.values()), list(lines), loc="outside right center", frameon=False)
    return png(figure)
