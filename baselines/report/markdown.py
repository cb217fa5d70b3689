"""The summary of a comparison for people, as Markdown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..runs.methods import tuning
from ..runs.provenance import PACKAGES
from ..runs.status import Status
from .formatting import anchor, code_block, counted, failed_runs, markdown_table, percent, short_gap, software
from .questions import EXPLANATION, HEADS, questions_table
from .statistics import BASELINE, paired_differences, performance_profile, ranks, summary
from .tables import (
    PROBLEM,
    THRESHOLDS,
    Tables,
    absence,
    applicable,
    budgets,
    in_order,
    learned,
    of_problem,
    title,
    with_references,
)

SHARES = (1.0, 0.3, 0.1)
"""Gaps in per cent; the summary shows which share of the runs stays within each."""

PROFILES, OVERVIEW = "profiles.png", "policies-overview.png"
"""Files of the pictures of performance profiles, and of a few policies on one problem."""

OVERVIEW_METHODS = ("classical", "mixed", "ppo-gate")
"""Policies that the overview draws beside the reference, where all of them are there."""

LONGEST_HEAD = 60
"""Characters of a problem that a table shows above a column."""

LONGEST_NAME = 100
"""Characters of a problem in the name of a file; file systems take 255 bytes of the whole."""

BOUND = "hindsight (bound)"
"""Label of perfect information, which is a bound and not a policy, and has no rank."""


def markdown(tables: Tables) -> str:
    """The summary. It shows the pictures that lie beside it, see ``picture``.

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
    parts += [_section(environment, tables) for _, environment in tables.environments.iterrows()]
    if len(failed := _failed(tables.comparison)):
        parts.append(_failures(failed))
    return "\n".join(parts)


def picture(kind: str, env: str, parameters: str) -> str:
    """File of the picture of a problem; ``kind`` is ``"curves"`` or ``"policies"``."""
    full = title(env, parameters)
    name = re.sub("[^A-Za-z0-9_.=-]+", "_", full).strip("_")
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(full.encode()).hexdigest()[:8]}"
    return f"{kind}-{name}.png"


def has_policies(environment: pd.Series[Any], tables: Tables) -> bool:
    """Whether there are decisions of the reference and of a learned method, to be drawn beside each other."""
    policies = of_problem(tables.policies, environment.env, environment.parameters).drop_duplicates("method")
    return environment.reference in set(policies.method) and len(learned(policies)) > 0


def overview(tables: Tables) -> pd.Series[Any] | None:
    """The first environment with decisions of all ``OVERVIEW_METHODS`` that are drawn as lines, or None."""
    for _, environment in tables.environments.iterrows():
        methods = set(of_problem(tables.policies, environment.env, environment.parameters).method.unique())
        if not environment.y_name and {environment.reference, *OVERVIEW_METHODS} <= methods:
            return environment
    return None


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
    return f"## {shown} after {_with_seeds(name, rows)}\n\n{markdown_table(lines)}\n"


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
    heading = f"## Over {count} environments after {_with_seeds(name, rows)}"
    return "\n\n".join([heading, explanation.strip(), markdown_table(lines)]) + "\n"


def _questions(name: str, rows: pd.DataFrame, tables: Tables) -> str:
    """What the runs of a budget say about what makes the difference; empty if they say nothing."""
    lines = questions_table(with_references(rows, tables.comparison))
    if not lines:
        return ""
    table = markdown_table([HEADS, *lines], [column > 3 for column in range(len(HEADS))])
    return f"## What makes the difference after {_with_seeds(name, rows)}\n\n{EXPLANATION}\n\n{table}\n"


def _section(environment: pd.Series[Any], tables: Tables) -> str:
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
        lines += ["", f"### {_with_seeds(budget, of_budget)}", "", table]
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


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _interval(row: Mapping[Any, Any], middle: str, low: str, high: str, form: Callable[[float], str]) -> str:
    """A number, with its interval in brackets where there is one."""
    has_interval = not (np.isnan(row[low]) or np.isnan(row[high]))
    return form(row[middle]) + (f" [{form(row[low])}, {form(row[high])}]" if has_interval else "")


def _with_seeds(name: str, rows: pd.DataFrame) -> str:
    """A budget and its number of seeds: ``"20 CPU seconds, 3 seeds"``."""
    return f"{name}, {counted(rows.seed.nunique(), 'seed')}"
