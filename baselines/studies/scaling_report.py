"""Tables and pictures of the scaling study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ..report.rows import first_time
from ..report.statistics import FLOOR
from ..report.styles import png
from ..runs.files import replace_file
from ..runs.provenance import PACKAGES
from .scaling import BASELINE, METHODS

Record = dict[str, Any]

STYLES: dict[str, dict[str, Any]] = {
    "mixed": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "mixed-shared": {"color": "#009E73", "marker": "s", "linestyle": "--"},
    "hpo": {"color": "#CC79A7", "marker": "^", "linestyle": "-."},
    "ppo": {"color": "#D55E00", "marker": "D", "linestyle": ":"},
}
"""Okabe and Ito's colours; markers and dashes tell the methods apart without them."""

CURVES_AT = 50
"""Number of items whose learning curves are drawn; the nearest one where it is not in the study."""


def write_scaling(records: Sequence[Record], output: Path) -> None:
    """Write ``scaling.csv``, ``curves.csv``, ``scaling.md`` and ``scaling.png``.

    Args:
        records: see ``scaling.perform``.
        output: a folder that exists.
    """
    rows = pd.DataFrame([_row(record) for record in records])
    rows = rows.merge(_times(rows, records), how="left", on=["items", "method", "seed", "budget"])
    points = pd.DataFrame([{**record["settings"], **p} for record in records for p in record["curve"]])
    for table, name in ((rows, "scaling.csv"), (points.drop(columns="episodes"), "curves.csv")):
        replace_file(output / name, table.to_csv(index=False, float_format="%.6g").encode())
    replace_file(output / "scaling.md", _markdown(rows, records).encode())
    replace_file(output / "scaling.png", _picture(rows, points))


def _row(record: Record) -> dict[str, Any]:
    return {
        **record["settings"],
        **record["row"],
        "reference_cost": record["reference_cost"],
        **{name: record["versions"][name] for name in ("python", *PACKAGES)},
        "command": record["command"],
    }


def _times(rows: pd.DataFrame, records: Sequence[Record]) -> pd.DataFrame:
    """For each run the CPU seconds to the baseline's median final gap at its number of items and budget."""
    final = rows[rows.method == BASELINE].groupby(["items", "budget"]).gap_percent.median()
    keys = ("items", "method", "seed", "budget")
    times = []
    for record in records:
        settings = record["settings"]
        threshold = final.get((settings["items"], settings["budget"]), np.nan)
        seconds = first_time(record["curve"], threshold)
        times.append({**{key: settings[key] for key in keys}, f"cpu_to_gap_of_{BASELINE}": seconds})
    return pd.DataFrame(times)


def _markdown(rows: pd.DataFrame, records: Sequence[Record]) -> str:
    """Two tables: gaps, and CPU seconds to the baseline's final gap."""
    methods = [name for name in METHODS if name in set(rows.method)]
    seeds, budgets = rows.seed.nunique(), sorted(rows.budget.unique())
    commands = sorted({record["command"] for record in records})
    lines = [
        "# n items that share nothing",
        "",
        *(f"`{command}`" for command in commands),
        "",
        f"CPU seconds of each training: {', '.join(f'{budget:g}' for budget in budgets)}. Seeds: {seeds}. "
        f"Hardware: {records[0]['hardware']}.",
        "",
        *(f"- `{name}`: {METHODS[name].description}" for name in methods),
    ]
    time = f"cpu_to_gap_of_{BASELINE}"
    for budget in budgets:
        of_budget = rows[rows.budget == budget]
        lines += ["", f"## Gap to the optimum after {budget:g} CPU seconds, %: median of the seeds (worst)"]
        lines += ["", *_table(of_budget, methods, lambda run: _gap(run.gap_percent))]
        if BASELINE in methods:
            lines += [
                "",
                f"## CPU seconds to the median final gap of `{BASELINE}`: median of the seeds",
            ]
            lines += ["", *_table(of_budget, methods, lambda run: _seconds(run[time]))]
    return "\n".join([*lines, ""])


def _table(rows: pd.DataFrame, methods: Sequence[str], cell: Any) -> list[str]:
    lines = ["| n | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    for items, of_items in rows.groupby("items"):
        cells = [cell(of_items[of_items.method == name]) for name in methods]
        lines.append(f"| {items} | " + " | ".join(cells) + " |")
    return lines


def _gap(gaps: pd.Series) -> str:
    return f"{gaps.median():.3g} ({gaps.max():.3g})" if len(gaps) else ""


def _seconds(times: pd.Series) -> str:
    """The median, where runs that never got there count as later than all."""
    middle = times.fillna(np.inf).median() if len(times) else np.nan
    return "" if np.isnan(middle) else "not reached" if np.isinf(middle) else f"{middle:.3g}"


def _picture(rows: pd.DataFrame, points: pd.DataFrame) -> bytes:
    """Gap against n, and gap against CPU seconds: medians of the seeds, and bars or bands to the extremes."""
    budget = rows.budget.max()
    rows, points = rows[rows.budget == budget], points[points.budget == budget]
    numbers = np.sort(rows["items"].unique())
    shown = numbers[np.abs(numbers - CURVES_AT).argmin()]
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    lines: dict[str, Any] = {}
    for name, style in STYLES.items():
        own = rows[rows.method == name].groupby("items").gap_percent
        if own.ngroups == 0:
            continue
        middle, low, high = (values.clip(lower=FLOOR) for values in (own.median(), own.min(), own.max()))
        lines[name] = left.errorbar(
            middle.index, middle, yerr=[middle - low, high - middle], capsize=3, linewidth=1.5, **style
        )
        here = points[(points.method == name) & (points["items"] == shown)]
        for _, curve in here.groupby("seed"):
            right.plot(
                curve.cpu_seconds, curve.gap_percent.clip(lower=FLOOR), markersize=4, linewidth=1, **style
            )
    left.set(xlabel="items", ylabel=f"gap, %, at least {FLOOR:g}", title=f"after {budget:g} CPU seconds")
    right.set(xlabel="CPU seconds of training", title=f"{shown} items, each seed")
    left.set_xscale("log")
    left.set_xticks(numbers, [str(number) for number in numbers])
    right.set_xscale("log")
    right.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.xaxis.set_major_formatter("{x:g}")
    for axes in (left, right):
        _log_gaps(axes)
    figure.legend(list(lines.values()), list(lines), loc="outside right center", frameon=False)
    return png(figure)


def _log_gaps(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.grid(color="#dddddd")
