"""The summary of a comparison for people, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..runs.methods import METHODS, REFERENCES, tuning
from ..runs.provenance import PACKAGES
from ..runs.run import NOT_APPLICABLE
from .statistics import BASELINE, paired_differences, performance_profile, ranks, summary
from .tables import PROBLEM, THRESHOLDS, Tables, applicable, budgets, of_problem, percent, title

SHARES = (1.0, 0.3, 0.1)
"""Gaps in per cent; what share of the runs is within each is told."""

PROFILES = "profiles.png"
"""File of the picture of performance profiles."""

BOUND = "hindsight (bound)"
"""How perfect information is called, which is no policy and has no rank."""


def markdown(tables: Tables) -> str:
    """The summary; it shows the pictures beside it, see ``picture``.

    Args:
        tables: of a comparison with at least one run.
    """
    parts = [_head(tables.comparison)]
    if len(tables.environments) > 1:
        for name, rows in budgets(tables.comparison):
            parts += [_headline(name, rows, tables), _aggregate(name, rows)]
        parts.append(
            f"![performance profiles]({PROFILES})\n\n"
            f"n/a: {NOT_APPLICABLE}, for the reason given in the environment's section. D: diverged.\n"
        )
    parts += [_section(environment, tables) for _, environment in tables.environments.iterrows()]
    return "\n".join(parts)


def picture(kind: str, env: str, parameters: str) -> str:
    """File of the picture of a problem; ``kind`` is ``"curves"`` or ``"policies"``."""
    return f"{kind}-{re.sub('[^A-Za-z0-9_.=-]+', '_', title(env, parameters)).strip('_')}.png"


def _head(rows: pd.DataFrame) -> str:
    used = rows[["python", *PACKAGES]].drop_duplicates()
    versions = [", ".join(f"{name} {v}" for name, v in row.items() if v) for _, row in used.iterrows()]
    commands = "\n".join(f"    {command}" for command in rows.command.unique())
    episodes = ", ".join(f"{n:,}" for n in sorted(rows.episodes.unique()))
    return f"""# Comparison

{commands}

Hardware: {"; ".join(rows.hardware.unique())}; one thread per run. Versions: {"; ".join(versions)}.
Code: {", ".join(rows.code.unique())}.

The gap is the mean difference of the cost to that of the optimal policy (or the reference that is named in
its place) on the same noise, in per cent of the absolute value of its expected cost, over {episodes} episodes
that no method trains on, the same for all. Policies are deterministic. ± is the standard error of the
evaluation (median over the seeds); intervals are 95 % bootstrap intervals over the seeds. CPU seconds and
transitions are of training; the time to a gap is that of the first evaluation at or below it (median over the
seeds).

Hyperparameters: {tuning()}.
"""


def _headline(name: str, rows: pd.DataFrame, tables: Tables) -> str:
    """Gap of each method, best mean rank first, on each problem."""
    runs = {(row["env"], row["parameters"], row["method"]): row for row in summary(rows).to_dict("records")}
    listed = zip(tables.environments.env, tables.environments.parameters, strict=True)
    problems = [key for key in listed if len(of_problem(rows, *key))]
    several = any(row["runs"] > 1 for row in runs.values())
    lines = [["method", "mean rank", *(f"[{title(*key)}](#{_anchor(title(*key))})" for key in problems)]]
    for method, called in (("hindsight", BOUND), ("classical", "classical")):
        found = [_reference_cell(tables.comparison, method, *key) for key in problems]
        lines += [[called, "", *found]] if any(found) else []
    for method, rank in _ranked(rows):
        lines.append([method, rank, *(_cell(runs, rows, *key, method) for key in problems)])
    nowhere = set(rows.method) - {name for *_, name in runs}
    missing = [method for method in METHODS if method in nowhere]
    lines += [[method, "", *["n/a"] * len(problems)] for method in missing]
    shown = "Median gap (worst) in per cent" if several else "Gap in per cent"
    return f"## {shown} after {_spent(name, rows)}\n\n{_markdown(lines)}\n"


def _ranked(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Methods and their mean ranks, best first."""
    return [(str(row["method"]), f"{row['rank']:.1f}") for row in ranks(rows).to_dict("records")]


def _reference_cell(comparison: pd.DataFrame, method: str, env: str, parameters: str) -> str:
    rows = of_problem(comparison, env, parameters)
    own = rows[(rows.method == method) & rows.gap_percent.notna()]
    return _digits(own.gap_percent.iloc[0]) if len(own) else ""


def _cell(runs: Mapping[Any, Any], rows: pd.DataFrame, env: str, parameters: str, method: str) -> str:
    """Median and worst gap of the seeds, in short."""
    own = runs.get((env, parameters, method))
    if own is None:
        return "n/a" if (of_problem(rows, env, parameters).method == method).any() else ""
    worst = f" ({_digits(own['worst'])})" if own["runs"] > 1 else ""
    return f"{_digits(own['median'])}{worst}{' D' if own['diverged'] else ''}"


def _aggregate(name: str, rows: pd.DataFrame) -> str:
    """Over all problems: shares of the runs within gaps, and differences to ``BASELINE``."""
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
                _interval(pair, "difference", "low", "high", _digits),
                _interval(pair, "better", "better_low", "better_high", _share),
                str(pair["pairs"]),
            ]
        else:
            lines[-1] += [""] * len(differences)
    return f"""## Over {len(rows[PROBLEM].drop_duplicates())} environments after {_spent(name, rows)}

The share of the runs (environments and seeds) whose gap is within a limit; and, over the environments and
seeds that both have, the mean difference of the gap to that of {BASELINE} in percentage points, and the share
of these pairs in which the method is better. In brackets are intervals that resample the seeds within each
environment. Where a method does not apply its runs are left out, which the column environments shows, and its
rank is behind the others; a run that diverged has an infinite gap.

{_markdown(lines)}
"""


def _section(environment: pd.Series[Any], tables: Tables) -> str:
    env, parameters = environment.env, environment.parameters
    rows = of_problem(tables.comparison, env, parameters)
    name = "Optimum" if environment.reference == "optimum" else f"Reference {environment.note}"
    cost = environment.reference_cost
    lines = [
        f"## {title(env, parameters)}",
        "",
        f"{name}: expected cost {cost:.7g} an episode ({environment.exactness}), "
        f"{cost / environment.horizon:.6g} a period.",
    ]
    applied = applicable(rows)
    for method, called in (("classical", "Best classical policy"), ("hindsight", "Hindsight bound")):
        for row in applied[applied.method == method].itertuples():
            bound = f"cost {environment.hindsight_cost:.7g}, " if method == "hindsight" else ""
            lines.append(f"{called}: {bound}{row.note}.")
    left_out = rows[~rows.index.isin(applied.index)]
    for reason, of_reason in left_out.groupby("note", sort=False):
        what = str(reason).removeprefix(f"{NOT_APPLICABLE}: ")
        lines.append(f"Not applicable: {', '.join(of_reason.method.unique())} ({what}).")
    references = applied[applied.method.isin(list(REFERENCES))]
    for budget, of_budget in budgets(applied):
        both = pd.concat([references, of_budget])
        lines += ["", f"### {_spent(budget, of_budget)}", "", _markdown(_table(both, summary(of_budget)))]
    lines.append("")
    if len(of_problem(tables.curves, env, parameters)):
        lines += [f"![gap against training]({picture('curves', env, parameters)})", ""]
    if drawn(environment, tables):
        lines += [f"![policies]({picture('policies', env, parameters)})", ""]
    return "\n".join(lines)


def drawn(environment: pd.Series[Any], tables: Tables) -> bool:
    """Whether there are decisions of the reference and of a learned method, to be drawn beside each other."""
    methods = set(of_problem(tables.policies, environment.env, environment.parameters).method)
    return environment.reference in methods and not methods.isdisjoint(METHODS)


def _table(rows: pd.DataFrame, runs: pd.DataFrame) -> list[list[str]]:
    """Methods of a problem and a budget and the references, best median first."""
    several = (runs.runs > 1).any()
    gap = ["median gap", "mean", "95 % interval", "worst", "best"] if several else ["gap"]
    times = [f"{unit} to {t:g} %" for unit in ("CPU s", "transitions") for t in THRESHOLDS]
    lines = []
    for method, own in rows.groupby("method"):
        seeds = runs[runs.method == method]
        median = seeds["median"].iloc[0] if len(seeds) else own.gap_percent.iloc[0]
        error = seeds.se.iloc[0] if len(seeds) else own.gap_se_percent.iloc[0]
        name = BOUND if method == "hindsight" else f"{method}{_diverged(seeds)}"
        cells = [name, _percent(median), *(_spread(seeds) if several else []), _percent(error)]
        lines.append((median, cells + (_spending(seeds.iloc[0]) if len(seeds) else [""] * (len(times) + 1))))
    lines.sort(key=lambda line: line[0])
    return [["method", *gap, "±", *times, "transitions"], *(cells for _, cells in lines)]


def _spread(seeds: pd.DataFrame) -> list[str]:
    """Mean, interval, worst and best; nothing of a reference."""
    if seeds.empty:
        return [""] * 4
    own = seeds.iloc[0]
    interval = f"{_percent(own.low)} to {_percent(own.high)}" if np.isfinite(own.low) else ""
    return [_percent(own["mean"]), interval, _percent(own.worst), _percent(own.best)]


def _spending(seeds: pd.Series[Any]) -> list[str]:
    """When the thresholds were first reached, in CPU seconds and in transitions, and all transitions."""
    return [
        *(_time(seeds[f"cpu_to_{t:g}_percent"], ".1f") for t in THRESHOLDS),
        *(_time(seeds[f"transitions_to_{t:g}_percent"], ",.0f") for t in THRESHOLDS),
        f"{seeds.transitions:,.0f}",
    ]


def _time(reached: float, form: str) -> str:
    return f"{reached:{form}}" if np.isfinite(reached) else "never"


def _diverged(seeds: pd.DataFrame) -> str:
    """A remark after the name of a method of which runs diverged."""
    if seeds.empty or not seeds.diverged.iloc[0]:
        return ""
    return f" ({seeds.diverged.iloc[0]} of {seeds.runs.iloc[0]} diverged)"


def _percent(gap: float) -> str:
    return percent(gap) if np.isfinite(gap) else _digits(gap)


def _digits(gap: float) -> str:
    """A gap in short."""
    if not np.isfinite(gap):
        return "" if np.isnan(gap) else "∞" if gap > 0 else "-∞"
    return f"{gap:.2f}" if abs(gap) < 99.5 else f"{gap:,.0f}" if abs(gap) < 1e6 else f"{gap:.0e}"


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _interval(row: Mapping[Any, Any], middle: str, low: str, high: str, shown: Callable[[float], str]) -> str:
    """A number, and its interval in brackets where there is one."""
    interval = (
        "" if np.isnan(row[low]) or np.isnan(row[high]) else f" [{shown(row[low])}, {shown(row[high])}]"
    )
    return f"{shown(row[middle])}{interval}"


def _spent(name: str, rows: pd.DataFrame) -> str:
    """A budget and how many seeds were given it: ``"20 CPU seconds, 3 seeds"``."""
    seeds = rows.seed.nunique()
    return f"{name}, {seeds} seed{'s' if seeds > 1 else ''}"


def _anchor(heading: str) -> str:
    """What a heading is called in links to it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table whose first line is its head, numbers to the right."""
    head, *rest = lines
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rest))
