"""The section of a problem in the summary of a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..runs.status import Status
from .formatting import counted, markdown_table, percent
from .pictures import has_policies, picture
from .statistics import summary
from .tables import THRESHOLDS, Tables, applicable, budgets, of_problem, title, with_references

BOUND = "hindsight (bound)"
"""Label of perfect information, which is a bound and not a policy, and has no rank."""


def section(environment: pd.Series[Any], tables: Tables) -> str:
    """What a comparison found on a problem: the references, a table for each budget, and the pictures."""
    env, parameters = environment.env, environment.parameters
    rows = of_problem(tables.comparison, env, parameters)
    name = "Optimum" if environment.reference == "optimum" else f"Reference: {environment.note}"
    cost = environment.reference_cost
    lines = [
        f"## {title(env, parameters)}",
        "",
        f"{name}. Expected cost {cost:.7g} per episode ({environment.exactness}), "
        f"{cost / environment.horizon:.6g} per period.",
    ]
    applied = applicable(rows)
    for method, label in (("classical", "Best classical policy"), ("hindsight", "Hindsight bound")):
        for row in applied[applied.method == method].itertuples():
            bound = f"cost {environment.hindsight_cost:.7g}, " if method == "hindsight" else ""
            lines.append(f"{label}: {bound}{row.note}.")
    for reason, of_reason in rows[rows.status == Status.NOT_APPLICABLE].groupby("note", sort=False):
        lines.append(f"Not applicable: {', '.join(of_reason.method.unique())} ({reason}).")
    for budget, of_budget in budgets(applied):
        table = markdown_table(_table(with_references(of_budget, applied), summary(of_budget)))
        lines += ["", f"### {with_seeds(budget, of_budget)}", "", table]
    lines.append("")
    if len(of_problem(tables.curves, env, parameters)):
        lines += [f"![gap against training]({picture('curves', env, parameters)})", ""]
    if has_policies(environment, tables):
        lines += [f"![policies]({picture('policies', env, parameters)})", ""]
    return "\n".join(lines)


def _table(rows: pd.DataFrame, runs: pd.DataFrame) -> list[list[str]]:
    """Methods of a problem and a budget together with the references, best median first."""
    several = bool((runs.runs > 1).any())
    gap = ["median gap", "mean", "95 % interval", "worst", "best"] if several else ["gap"]
    times = [f"{unit} to {t:g} %" for unit in ("CPU s", "transitions") for t in THRESHOLDS]
    lines = []
    for method, of_method in rows.groupby("method"):
        seeds = runs[runs.method == method]
        row = seeds.iloc[0] if len(seeds) else None
        median = of_method.gap_percent.iloc[0] if row is None else row["median"]
        error = of_method.gap_se_percent.iloc[0] if row is None else row.se
        cells = [BOUND if method == "hindsight" else f"{method}{_diverged(row)}", percent(median)]
        if several:
            cells += [""] * 4 if row is None else _spread(row)
        cells += [percent(error), *([""] * (len(times) + 1) if row is None else _effort(row))]
        lines.append((median, cells))
    lines.sort(key=lambda line: line[0])
    return [["method", *gap, "±", *times, "transitions"], *(cells for _, cells in lines)]


def _spread(seeds: pd.Series[Any]) -> list[str]:
    """Mean, interval, worst and best gap."""
    interval = f"{percent(seeds.low)} to {percent(seeds.high)}" if np.isfinite(seeds.low) else ""
    return [percent(seeds["mean"]), interval, percent(seeds.worst), percent(seeds.best)]


def _effort(seeds: pd.Series[Any]) -> list[str]:
    """CPU seconds and transitions until each threshold was first reached, and all transitions."""
    return [
        *(_time(seeds[f"cpu_to_{t:g}_percent"], ".1f") for t in THRESHOLDS),
        *(_time(seeds[f"transitions_to_{t:g}_percent"], ",.0f") for t in THRESHOLDS),
        f"{seeds.transitions:,.0f}",
    ]


def _time(reached: float, form: str) -> str:
    return f"{reached:{form}}" if np.isfinite(reached) else "never"


def _diverged(seeds: pd.Series[Any] | None) -> str:
    """A remark after the name of a method some of whose runs diverged."""
    if seeds is None or not seeds.diverged:
        return ""
    return f" ({seeds.diverged} of {seeds.runs} diverged)"


def with_seeds(name: str, rows: pd.DataFrame) -> str:
    """A budget and its number of seeds: ``"20 CPU seconds, 3 seeds"``."""
    return f"{name}, {counted(rows.seed.nunique(), 'seed')}"
