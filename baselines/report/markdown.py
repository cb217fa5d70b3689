"""The summary of a comparison for people, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..runs.methods import tuning
from ..runs.provenance import PACKAGES
from ..runs.status import Status
from .formatting import anchor, code_block, failed_runs, markdown_table, short_gap, software
from .pictures import OVERVIEW, PROFILES, overview
from .questions import EXPLANATION, HEADS, questions_table
from .sections import BOUND, section, with_seeds
from .statistics import BASELINE, paired_differences, performance_profile, ranks, summary
from .tables import (
    PROBLEM,
    Tables,
    absence,
    budgets,
    in_order,
    of_problem,
    title,
    with_references,
)

SHARES = (1.0, 0.3, 0.1)
"""Gaps in per cent; the summary shows which share of the runs stays within each."""

LONGEST_HEAD = 60
"""Characters of a problem that a table shows above a column."""


def markdown(tables: Tables) -> str:
    """The summary. It shows the pictures that lie beside it, see ``pictures``.

    Args:
        tables: of a comparison with at least one run.
    """
    parts = [_head(tables.comparison)]
    if len(tables.environments) > 1:
        for name, rows in budgets(tables.comparison):
            parts += [_headline(name, rows, tables), _questions(name, rows, tables), _aggregate(name, rows)]
        parts.append(
            "n/a: the method does not apply, for the reason given in the section of the environment. "
            f"D: a run diverged.{' F: a run failed.' if len(_failed(tables.comparison)) else ''}\n"
        )
        parts.append(f"![performance profiles]({PROFILES})\n")
        if overview(tables) is not None:
            parts.append(f"![decisions of a few policies]({OVERVIEW})\n")
    parts += [section(environment, tables) for _, environment in tables.environments.iterrows()]
    if len(failed := _failed(tables.comparison)):
        parts.append(_failures(failed))
    return "\n".join(parts)


def headline(tables: Tables) -> str:
    """The gaps of every method on every environment for each budget, as Markdown tables."""
    return "\n".join(_headline(name, rows, tables) for name, rows in budgets(tables.comparison))


def _head(rows: pd.DataFrame) -> str:
    done = rows[rows.status != Status.FAILED]
    versions = software(done[["python", *PACKAGES]].drop_duplicates().to_dict("records"))
    episodes = ", ".join(f"{n:,}" for n in sorted(rows.episodes.unique()))
    return f"""# Comparison

{code_block(done.command)}

Hardware: {"; ".join(done.hardware.unique())}; one thread per run. Versions: {versions}.
Code: {", ".join(rows.code.unique())}.

The gap of a method is the mean difference between its cost and that of the optimal policy on the same noise,
in per cent of the absolute value of the optimal policy's expected cost. Where no optimum is known, the
reference named in the section of the environment takes its place. All methods are evaluated on the same
{episodes} episodes, which none of them trains on, and act deterministically. ± is the standard error of the
evaluation (median over the seeds); intervals are 95 % bootstrap intervals over the seeds. CPU seconds and
transitions are those of training. The time to a gap is that of the first evaluation at or below it (median
over the seeds). {compilation(rows)}

Hyperparameters: {tuning()}.
"""


def compilation(rows: pd.DataFrame) -> str:
    """Say what was compiled, and how long that took in all."""
    compiled = rows[rows.compile_seconds > 0]
    if compiled.empty:
        return "No training was compiled."
    seconds, methods = compiled.compile_seconds.sum(), ", ".join(in_order(set(compiled.method)))
    return (
        "Compilation does not count as training, since it is done once for each machine and shape: the runs "
        f"of {methods} compiled for {seconds:.0f} CPU seconds in all, "
        f"{compiled.compile_seconds.median():.1f} a run (median)."
    )


def _failed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.status == Status.FAILED]


def _failures(failed: pd.DataFrame) -> str:
    """The runs that failed, with their errors."""
    lines = [
        [
            title(row["env"], row["parameters"]),
            row["method"],
            "" if pd.isna(row["seed"]) else row["seed"],
            row["note"],
        ]
        for row in failed.to_dict("records")
    ]
    return failed_runs(["environment", "method", "seed", "error"], lines) + "\n"


def _headline(name: str, rows: pd.DataFrame, tables: Tables) -> str:
    """Gap of each method on each problem, best mean rank first; problems with long names have a row each."""
    runs = {(row["env"], row["parameters"], row["method"]): row for row in summary(rows).to_dict("records")}
    of_cell = dict(iter(rows.groupby([*PROBLEM, "method"])))
    listed = zip(tables.environments.env, tables.environments.parameters, strict=True)
    problems = [key for key in listed if len(of_problem(rows, *key))]
    lines = [["method", "mean rank", *(f"[{title(*key)}](#{anchor(title(*key))})" for key in problems)]]
    for method, label in (("hindsight", BOUND), ("classical", "classical")):
        cells = [_reference_cell(tables.comparison, method, *key) for key in problems]
        lines += [[label, "", *cells]] if any(cells) else []
    for method, rank in _ranked(rows):
        lines.append([method, rank, *(_cell(runs, of_cell, *key, method) for key in problems)])
    nowhere = set(rows.method) - {name for *_, name in runs}
    for method in in_order(nowhere):
        lines.append([method, "", *(_cell(runs, of_cell, *key, method) for key in problems)])
    if max(len(title(*key)) for key in problems) > LONGEST_HEAD:
        lines = [list(column) for column in zip(*lines, strict=True)]
    several = any(row["runs"] > 1 for row in runs.values())
    shown = "Median gap (worst) in per cent" if several else "Gap in per cent"
    return f"## {shown} after {with_seeds(name, rows)}\n\n{markdown_table(lines)}\n"


def _ranked(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Methods and their mean ranks, best first."""
    return [(str(row["method"]), f"{row['rank']:.1f}") for row in ranks(rows).to_dict("records")]


def _reference_cell(comparison: pd.DataFrame, method: str, env: str, parameters: str) -> str:
    rows = of_problem(comparison, env, parameters)
    gaps = rows[rows.method == method].gap_percent.dropna()
    return short_gap(gaps.iloc[0]) if len(gaps) else ""


def _cell(
    runs: Mapping[Any, Any], of_cell: Mapping[Any, pd.DataFrame], env: str, parameters: str, method: str
) -> str:
    """Median and worst gap of the seeds, in short."""
    key = env, parameters, method
    seeds = runs.get(key)
    if seeds is None:
        return absence(of_cell[key]) if key in of_cell else ""
    worst = f" ({short_gap(seeds['worst'])})" if seeds["runs"] > 1 else ""
    marks = (" D" if seeds["diverged"] else "") + (" F" if len(_failed(of_cell[key])) else "")
    return f"{short_gap(seeds['median'])}{worst}{marks}"


def _aggregate(name: str, rows: pd.DataFrame) -> str:
    """Over all problems: shares of the runs within certain gaps, and differences from ``BASELINE``."""
    paired = {pair["method"]: pair for pair in paired_differences(rows).to_dict("records")}
    profiles = performance_profile(rows, SHARES)
    shares = [f"within {limit:g} %" for limit in SHARES]
    differences = [f"points above {BASELINE}", f"better than {BASELINE}", "pairs"] if paired else []
    lines = [["method", "mean rank", "environments", "runs", *shares, *differences]]
    for method, rank in _ranked(rows):
        profile = profiles[profiles.method == method].to_dict("records")
        cells = [_interval(point, "share", "low", "high", _share) for point in profile]
        lines.append([method, rank, str(profile[0]["problems"]), str(profile[0]["runs"]), *cells])
        if method in paired:
            pair = paired[method]
            lines[-1] += [
                _interval(pair, "difference", "low", "high", short_gap),
                _interval(pair, "better", "better_low", "better_high", _share),
                str(pair["pairs"]),
            ]
        else:
            lines[-1] += [""] * len(differences)
    explanation = f"""
The columns "within" give the share of the runs, over environments and seeds, whose gap is at most that large.
The columns after them compare a method with {BASELINE} on the environments and seeds that both have: the mean
difference of the gaps in percentage points, and the share of these pairs in which the method is better. The
intervals in brackets come from resampling the seeds within each environment. Runs of a method that does not
apply are left out, as the column "environments" shows, and rank behind the others. A run that diverged has an
infinite gap."""
    count = len(rows[PROBLEM].drop_duplicates())
    heading = f"## Over {count} environments after {with_seeds(name, rows)}"
    return "\n\n".join([heading, explanation.strip(), markdown_table(lines)]) + "\n"


def _questions(name: str, rows: pd.DataFrame, tables: Tables) -> str:
    """What the runs of a budget say about what makes the difference; empty if they say nothing."""
    lines = questions_table(with_references(rows, tables.comparison))
    if not lines:
        return ""
    table = markdown_table([HEADS, *lines], [column > 3 for column in range(len(HEADS))])
    return f"## What makes the difference after {with_seeds(name, rows)}\n\n{EXPLANATION}\n\n{table}\n"


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _interval(row: Mapping[Any, Any], middle: str, low: str, high: str, form: Callable[[float], str]) -> str:
    """A number, with its interval in brackets where there is one."""
    has_interval = not (np.isnan(row[low]) or np.isnan(row[high]))
    return form(row[middle]) + (f" [{form(row[low])}, {form(row[high])}]" if has_interval else "")
