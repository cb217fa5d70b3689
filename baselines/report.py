"""Tables of a comparison: tidy CSV files of the runs and of the learning curves, and Markdown for people."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .figures import draw_curves, draw_policies, percent
from .methods import METHODS, REFERENCES
from .runs import NOT_APPLICABLE, PACKAGES, applies, replace_file, short

Record = dict[str, Any]

THRESHOLDS = (1.0, 0.3)
"""Gaps in per cent, whose first time is reported."""

COLUMNS = (
    "env",
    "method",
    "seed",
    "budget_seconds",
    "episodes",
    "mean_cost",
    "standard_error",
    "difference",
    "difference_se",
    "gap_percent",
    "gap_se_percent",
    *(f"cpu_to_{threshold:g}_percent" for threshold in THRESHOLDS),
    "transitions",
    "cpu_seconds",
    "wall_seconds",
    "note",
    "reference",
    "reference_cost",
    "exactness",
    "python",
    *PACKAGES,
    "command",
)


def write_report(records: Sequence[Record], output: Path) -> None:
    """Write ``comparison.csv``, ``curves.csv``, ``comparison.md`` and two pictures per environment.

    Args:
        records: see ``runs.perform``; a record of each reference for each environment among them.
        output: a folder that exists.
    """
    rows = pd.DataFrame([_row(record) for record in records], columns=list(COLUMNS))
    curves = pd.DataFrame([point for record in records for point in _curve(record)])
    _write_csv(rows, output / "comparison.csv")
    _write_csv(curves, output / "curves.csv")
    by_env: dict[str, list[Record]] = {}
    for record in records:
        by_env.setdefault(record["settings"]["env"], []).append(record)
    parts = [_head(records), *([_overview(rows)] if len(by_env) > 1 else [])]
    for env, of_env in by_env.items():
        parts.append(_section(env, rows[rows.env == env], of_env))
        if any(record["curve"] for record in of_env):
            pictures = draw_curves(env, curves[curves.env == env], _classical_gap(of_env))
            replace_file(output / _picture("curves", env), pictures)
            if _of(of_env, of_env[0]["reference"]["kind"]) is not None:  # else its own run failed
                replace_file(output / _picture("policies", env), draw_policies(env, of_env))
    replace_file(output / "comparison.md", "\n".join(parts).encode())


def first_time(curve: Sequence[dict[str, float]], threshold: float) -> float:
    """CPU seconds of the first point with a gap of at most ``threshold`` per cent; NaN if there is none."""
    return next((p["cpu_seconds"] for p in curve if p["gap_percent"] <= threshold), float("nan"))


def _row(record: Record) -> dict[str, Any]:
    settings = record["settings"]
    learned = settings["method"] in METHODS
    return {
        "env": settings["env"],
        "method": settings["method"],
        "seed": settings["seed"] if learned else None,
        "budget_seconds": settings["budget"] if learned else None,
        "episodes": settings["episodes"],
        **record["row"],
        "reference": record["reference"]["kind"],
        "reference_cost": record["reference"]["cost"],
        "exactness": record["reference"]["exactness"],
        **{f"cpu_to_{t:g}_percent": first_time(record["curve"], t) for t in THRESHOLDS},
        **record["versions"],
        "command": record["command"],
    }


def _curve(record: Record) -> list[dict[str, Any]]:
    settings = record["settings"]
    names = {"env": "env", "method": "method", "seed": "seed", "budget_seconds": "budget"}
    return [{name: settings[key] for name, key in names.items()} | point for point in record["curve"]]


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    text = io.StringIO()
    table = table.astype({name: "Int64" for name in ("seed", "transitions") if name in table})
    table.to_csv(text, index=False, float_format="%.6g")
    replace_file(path, text.getvalue().encode())


def _head(records: Sequence[Record]) -> str:
    commands = dict.fromkeys(record["command"] for record in records)
    machines = dict.fromkeys(record["hardware"] for record in records)
    used = dict.fromkeys(", ".join(f"{k} {v}" for k, v in record["versions"].items()) for record in records)
    episodes = ", ".join(f"{n:,}" for n in sorted({record["settings"]["episodes"] for record in records}))
    return "\n".join(
        [
            "# Comparison",
            "",
            *(f"    {command}" for command in commands),
            "",
            f"Hardware: {'; '.join(machines)}; one thread per run. Versions: {'; '.join(used)}.",
            "",
            "The gap is the mean difference of the cost to that of the optimal policy (or the reference that",
            "is named in its place) on the same noise, in per cent of the absolute value of its expected",
            f"cost, over {episodes} episodes that no method trains on;",
            "± is its standard error (median over the seeds). Policies are deterministic. CPU seconds are of",
            "training; the time to a gap is that of the first evaluation at or below it (median over the",
            "seeds).",
            "",
        ]
    )


def _overview(rows: pd.DataFrame) -> str:
    """Markdown tables, one for each budget, of environments by methods."""
    learned = rows[rows.method.isin(list(METHODS))]
    lines = []
    for budget, of_budget in learned.groupby("budget_seconds"):
        names = [name for name in METHODS if name in set(of_budget.method)]
        envs = list(dict.fromkeys(of_budget.env))
        seeds = of_budget.seed.nunique()
        shown = "median gap (worst) in per cent" if seeds > 1 else "gap in per cent"
        lines += [f"## {shown[0].upper()}{shown[1:]} after {_spent(float(str(budget)), seeds)}", ""]
        lines += [f"| environment | classical | {' | '.join(names)} |"]
        lines += [f"|---|{'---:|' * (len(names) + 1)}"]
        for env in envs:
            classical = rows[(rows.env == env) & (rows.method == "classical")]
            own = [of_budget[(of_budget.env == env) & (of_budget.method == name)] for name in names]
            cells = " | ".join(_cell(cell) for cell in (classical, *own))
            lines.append(f"| [{short(env)}](#{short(env).lower()}) | {cells} |")
        lines.append("")
    lines += [f"n/a: {NOT_APPLICABLE}, for the reason given in the environment's section. D: diverged.", ""]
    return "\n".join(lines)


def _cell(rows: pd.DataFrame) -> str:
    """Median and worst gap of the seeds, in short."""
    if rows.empty:
        return ""
    if rows.note.str.startswith(NOT_APPLICABLE).all():
        return "n/a"
    gap, mark = rows.gap_percent, " D" if rows.note.str.startswith("diverged").any() else ""
    worst = f" ({_digits(gap.max())})" if len(rows) > 1 else ""
    return f"{_digits(gap.median())}{worst}{mark}"


def _digits(gap: float) -> str:
    return f"{gap:.2f}" if abs(gap) < 99.5 else f"{gap:,.0f}" if abs(gap) < 1e6 else f"{gap:.0e}"


def _spent(budget: float, seeds: int) -> str:
    return f"{budget:g} CPU seconds, {seeds} seed{'s' if seeds > 1 else ''}"


def _section(env: str, rows: pd.DataFrame, records: Sequence[Record]) -> str:
    reference, chart = records[0]["reference"], records[0]["chart"]
    name = "Optimum" if reference["kind"] == "optimum" else f"Reference {reference['note']}"
    lines = [
        f"## {short(env)}",
        "",
        f"{name}: expected cost {reference['cost']:.7g} an episode ({reference['exactness']}), "
        f"{reference['cost'] / chart['horizon']:.6g} a period.",
    ]
    classical = _of(records, "classical")
    if classical is not None and applies(classical):
        lines.append(f"Best classical policy: {classical['row']['note']}.")
    reasons: dict[str, list[str]] = {}
    for record in records:
        if not applies(record):
            reasons.setdefault(record["row"]["note"], []).append(record["settings"]["method"])
    for reason, methods in reasons.items():
        what = reason.removeprefix(f"{NOT_APPLICABLE}: ")
        lines.append(f"Not applicable: {', '.join(dict.fromkeys(methods))} ({what}).")
    rows = rows[~rows.note.str.startswith(NOT_APPLICABLE)]
    references = rows[rows.method.isin(list(REFERENCES))]
    for budget, learned in rows[rows.method.isin(list(METHODS))].groupby("budget_seconds"):
        seeds = learned.seed.nunique()
        lines += ["", f"### {_spent(float(str(budget)), seeds)}", ""]
        lines += _table(pd.concat([references, learned]), seeds)
    lines.append("")
    if any(record["curve"] for record in records):
        lines += [f"![gap against CPU seconds]({_picture('curves', env)})", ""]
        lines += [f"![policies]({_picture('policies', env)})", ""]
    return "\n".join(lines)


def _table(rows: pd.DataFrame, seeds: int) -> list[str]:
    """A Markdown table, best method first."""
    times = [f"CPU s to {t:g} %" for t in THRESHOLDS]
    gaps = ["median gap", "worst", "best"] if seeds > 1 else ["gap"]
    columns = ["method", *gaps, "±", *times, "transitions"]
    lines = [" | ".join(columns), " | ".join(["---", *["---:"] * (len(columns) - 1)])]
    medians = rows.groupby("method").gap_percent.median().sort_values(na_position="last")
    for name in medians.index:
        own = rows[rows.method == name]
        gap = own.gap_percent
        cells = [str(name), percent(gap.median())]
        if seeds > 1:
            cells += [percent(gap.max()), percent(gap.min())]
        cells.append(percent(own.gap_se_percent.median()))
        if name in METHODS:
            cells += [_time(own[f"cpu_to_{t:g}_percent"]) for t in THRESHOLDS]
            cells.append(f"{own.transitions.median():,.0f}")
        else:
            cells += [""] * (len(THRESHOLDS) + 1)
        if own.note.str.startswith("diverged").any():
            cells[0] += " (diverged)"
        lines.append(" | ".join(cells))
    return [f"| {line} |" for line in lines]


def _time(values: pd.Series[Any]) -> str:
    """The upper median, where "never" is later than any time."""
    ordered = np.sort(values.fillna(np.inf).to_numpy(dtype=float))
    middle = ordered[len(ordered) // 2]
    return f"{middle:.1f}" if np.isfinite(middle) else "never"


def _classical_gap(records: Sequence[Record]) -> float | None:
    classical = _of(records, "classical")
    return classical["row"]["gap_percent"] if classical is not None and applies(classical) else None


def _of(records: Sequence[Record], method: str) -> Record | None:
    return next((record for record in records if record["settings"]["method"] == method), None)


def _picture(kind: str, env: str) -> str:
    return f"{kind}-{short(env).removesuffix('-v0')}.png"
