"""The tables of the page, as HTML that needs no script."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..runs.methods import REFERENCES
from ..runs.status import Status
from .formatting import short_gap
from .page_data import budgets_by_size, key, rows_of
from .statistics import BASELINE, CONFIDENCE, paired_differences
from .tables import (
    BUDGET,
    THRESHOLDS,
    absence,
    applicable,
    described,
    in_order,
    learned,
    of_problem,
    spent,
    title,
)

NONE = '<td class="none">&ndash;</td>'


def headlines(
    comparison: pd.DataFrame, medians: pd.DataFrame, order: pd.DataFrame, problems: Sequence[tuple[str, str]]
) -> str:
    """A table of methods by problems for each budget; the budget with the most runs comes first.

    Args:
        comparison: see ``tables.COLUMNS``.
        medians: its ``statistics.summary``.
        order: its ``statistics.ranks``.
        problems: environment id and parameters of each.
    """
    parts = []
    for name, of_budget in budgets_by_size(comparison):
        parts.append(_headline(name, of_budget, _at(name, medians), _at(name, order), comparison, problems))
    return "\n".join(parts)


def _at(budget: str, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a budget."""
    names = [spent(*values) for values in zip(table.budget_seconds, table.budget_timesteps, strict=True)]
    return table[[name == budget for name in names]]


def _headline(
    budget: str,
    runs: pd.DataFrame,
    medians: pd.DataFrame,
    order: pd.DataFrame,
    comparison: pd.DataFrame,
    problems: Sequence[tuple[str, str]],
) -> str:
    problems = [problem for problem in problems if len(of_problem(runs, *problem))]
    least = {problem: of_problem(medians, *problem)["median"].min() for problem in problems}
    heads = [
        '<th class="text" scope="col">Method</th>',
        '<th scope="col" title="mean over the problems; last where a method does not apply">rank</th>',
        *(_problem_head(env, parameters) for env, parameters in problems),
    ]
    body = []
    for name in (name for name in ("hindsight", "classical") if name in set(comparison.method)):
        cells = [_reference_cell(of_problem(comparison, *problem), name) for problem in problems]
        body.append(_line([_method(name), NONE, *cells], "reference"))
    for row in rows_of(order):
        selected, of_method = medians[medians.method == row.method], runs[runs.method == row.method]
        cells = []
        for problem in problems:
            cells.append(
                _gap_cell(of_problem(selected, *problem), of_problem(of_method, *problem), least[problem])
            )
        body.append(_line([_method(row.method), f"<td>{row.rank:.1f}</td>", *cells]))
    missing = set(runs.method) - set(order.method)
    for name in in_order(missing):
        of_method = runs[runs.method == name]
        cells = [_gap_cell(medians[:0], of_problem(of_method, *problem), 0.0) for problem in problems]
        body.append(_line([_method(name), NONE, *cells]))
    several = runs.seed.nunique() > 1
    shown = "median of the seeds, with the worst below it" if several else "one seed"
    caption = (
        f"Gap in per cent after {budget}: {shown}. The smallest of each column is bold. Methods are sorted "
        "by their mean rank. Hindsight is a bound: the cost if all noise were known. n/a: does not "
        "apply; D: diverged; hover over a cell for details."
    )
    return _table("headline", caption, heads, body)


def _problem_head(env: str, parameters: str) -> str:
    name, _, settings = title(env, parameters).partition(" ")
    broken = re.sub(r"(?<=[a-z])(?=[A-Z])", "<wbr>", escape(name))
    small = f"<small>{escape(settings)}</small>" if settings else ""
    address = escape(key(env, parameters))
    return f'<th class="problem" scope="col"><a href="#{address}">{broken}</a>{small}</th>'


def _reference_cell(rows: pd.DataFrame, name: str) -> str:
    """The gap of a reference in the headline."""
    selected = rows[rows.method == name]
    if selected.empty:
        return NONE
    (row,) = rows_of(selected)
    if math.isnan(row.gap_percent):
        return _unavailable(selected)
    return f'<td title="{escape(row.note)}">{_in_headline(row.gap_percent)}</td>'


def _gap_cell(median: pd.DataFrame, runs: pd.DataFrame, least: float) -> str:
    """Median and worst gap of the seeds in the headline."""
    if runs.empty:
        return NONE
    if median.empty:
        return _unavailable(runs)
    (row,) = rows_of(median)
    middle, worst = _in_headline(row.median), _in_headline(row.worst)
    middle = f"<b>{middle}</b>" if row.median == least else middle
    beneath = f"<small>{worst}</small>" if row.runs > 1 else ""
    return f"<td{_lost(runs)}>{middle}{beneath}</td>"


def _lost(runs: pd.DataFrame) -> str:
    """A tooltip with the number of runs that diverged or failed, and the reasons."""
    counts = [(status, int((runs.status == status).sum())) for status in (Status.DIVERGED, Status.FAILED)]
    lost = ", ".join(f"{count} of {len(runs)} runs {status}" for status, count in counts if count)
    if not lost:
        return ""
    notes = "; ".join(dict.fromkeys(note for note in runs.note if note))
    return f' title="{lost}. {escape(notes)}"'


def _unavailable(runs: pd.DataFrame) -> str:
    """The cell of runs that do not apply or failed, with the reason."""
    absent = absence(runs)
    reason = "does not apply" if absent == "n/a" else absent
    return f'<td class="none" title="{reason}: {escape(runs.note.iloc[0])}">{absent}</td>'


def numbers(comparison: pd.DataFrame, medians: pd.DataFrame, problems: Sequence[tuple[str, str]]) -> str:
    """The long table, with a row for each problem, budget and method.

    Args:
        comparison: see ``tables.COLUMNS``.
        medians: its ``statistics.summary``.
        problems: environment id and parameters of each.
    """
    per_cent = f"{100 * CONFIDENCE:g} % interval"
    times = [f"CPU s to {threshold:g} %" for threshold in THRESHOLDS]
    numeric = ["seeds", "median", "mean", per_cent, "worst", "best", "±", *times, "transitions"]
    heads = [_sorter(name, "text") for name in ("problem", "method", "budget")]
    body = []
    for problem in problems:
        rows = of_problem(comparison, *problem)
        references = rows[rows.method.isin(list(REFERENCES))]
        for _, selected in references.groupby("method", sort=False):
            body.append(_reference_line(selected, problem))
        for _, row in of_problem(medians, *problem).iterrows():
            body.append(_numbers_line(row, _runs(rows, row), problem))
        for _, selected in learned(rows).groupby(["method", *BUDGET], sort=False, dropna=False):
            if applicable(selected).empty:
                body.append(_unavailable_line(selected, problem, len(numeric)))
    caption = (
        "Gaps in per cent. The interval is a bootstrap interval of the mean over the seeds; ± is the "
        "standard error of the evaluation, median over the seeds. Click on a column to sort by it."
    )
    return _table("sortable", caption, heads + [_sorter(name) for name in numeric], body, "scroll tall")


def _runs(rows: pd.DataFrame, row: Any) -> pd.DataFrame:
    """The runs behind a row of ``statistics.summary``."""
    budget = spent(row.budget_seconds, row.budget_timesteps)
    return _at(budget, rows[rows.method == row.method])


def _numbers_line(row: pd.Series[Any], runs: pd.DataFrame, problem: tuple[str, str]) -> str:
    cells = [
        _number(row.runs, f"{row.runs}"),
        _number(row["median"], _digits(row["median"]), _lost(runs)),
        _number(row["mean"], _digits(row["mean"])),
        _interval(row.low, row.high, _digits),
        *(_number(row[name], _digits(row[name])) for name in ("worst", "best", "se")),
        *(_time(row[f"cpu_to_{threshold:g}_percent"]) for threshold in THRESHOLDS),
        _number(row.transitions, f"{row.transitions:,.0f}"),
    ]
    return _data_line(problem, row.method, spent(row.budget_seconds, row.budget_timesteps), cells)


def _reference_line(reference: pd.DataFrame, problem: tuple[str, str]) -> str:
    (row,) = rows_of(reference)
    if math.isnan(row.gap_percent):
        cells = [_unavailable(reference)] * 2
    else:
        gap = _number(row.gap_percent, _digits(row.gap_percent), f' title="{escape(row.note)}"')
        cells = [gap, gap]
    cells = [NONE, *cells, *[NONE] * 3, _number(row.gap_se_percent, _digits(row.gap_se_percent))]
    return _data_line(problem, row.method, "", cells + [NONE] * (len(THRESHOLDS) + 1), "reference")


def _unavailable_line(runs: pd.DataFrame, problem: tuple[str, str], columns: int) -> str:
    row = runs.iloc[0]
    cells = [NONE, *[_unavailable(runs)] * 2, *[NONE] * (columns - 3)]
    return _data_line(problem, row.method, spent(row.budget_seconds, row.budget_timesteps), cells)


def _data_line(
    problem: tuple[str, str], method: str, budget: str, cells: Sequence[str], kind: str = ""
) -> str:
    name = title(*problem)
    data = "".join(
        f' data-{of}="{escape(value)}"'
        for of, value in (("problem", name), ("method", method), ("budget", budget))
    )
    first = f'<th scope="row">{escape(name)}</th>'
    return _line(
        [first, f'<td class="text">{link(method)}</td>', f'<td class="text">{escape(budget)}</td>', *cells],
        kind,
        data,
    )


def pairs(comparison: pd.DataFrame) -> str:
    """The table that compares each method with the baseline."""
    table = paired_differences(comparison)
    if table.empty:
        return f'<p class="note">There is no run of {BASELINE} to compare with.</p>'
    per_cent = f"{100 * CONFIDENCE:g} % interval"
    names = ["problems", "pairs", "difference", per_cent, "better in", per_cent]
    heads = [_sorter(name, "text") for name in ("method", "budget")] + [_sorter(name) for name in names]
    body = []
    for row in rows_of(table):
        budget = escape(spent(row.budget_seconds, row.budget_timesteps))
        cells = [
            _method(row.method),
            f'<td class="text">{budget}</td>',
            _number(row.problems, f"{row.problems}"),
            _number(row.pairs, f"{row.pairs}"),
            _number(row.difference, _digits(row.difference)),
            _interval(row.low, row.high, _digits),
            _number(row.better, f"{100 * row.better:.0f} %"),
            _interval(row.better_low, row.better_high, lambda share: f"{100 * share:.0f}"),
        ]
        body.append(_line(cells))
    caption = (
        f"Gap of each method minus that of {BASELINE} on the same problem, seed and noise, in percentage "
        "points; above 0 is worse. Better in: share of the pairs in which the method has the smaller gap."
    )
    return _table("sortable", caption, heads, body)


def link(method: str) -> str:
    """The name of a method, linked to its description, which is the tooltip as well."""
    description = escape(described(method))
    return f'<a href="#method-{escape(method)}" title="{description}">{escape(method)}</a>'


def _method(name: str) -> str:
    """The head of a row."""
    return f'<th scope="row">{link(name)}</th>'


def _table(kind: str, caption: str, heads: Sequence[str], body: Sequence[str], box: str = "scroll") -> str:
    """A table in a scrolling box that can be reached by keyboard."""
    rows = "\n".join(body)
    return (
        f'<figure class="table"><figcaption class="note">{escape(caption)}</figcaption>'
        f'<div class="{box}" tabindex="0"><table class="{kind}"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div></figure>"
    )


def _line(cells: Sequence[str], kind: str = "", data: str = "") -> str:
    of_class = f' class="{kind}"' if kind else ""
    return f"<tr{of_class}{data}>{''.join(cells)}</tr>"


def _sorter(name: str, kind: str = "number") -> str:
    """The head of a column that sorts the rows."""
    return f'<th class="{kind}" scope="col"><button type="button">{escape(name)}</button></th>'


def _number(value: float, text: str, title: str = "") -> str:
    """A cell that is sorted by its value; NaN comes last."""
    value = float(value)
    key = "" if math.isnan(value) else f' data-v="{"Infinity" if math.isinf(value) else f"{value:.6g}"}"'
    return f"<td{key}{title}>{text}</td>"


def _interval(low: float, high: float, form: Callable[[float], str]) -> str:
    return _number(low, f"{form(low)} to {form(high)}") if math.isfinite(low) else NONE


def _time(seconds: float) -> str:
    return _number(seconds, f"{seconds:.1f}" if np.isfinite(seconds) else "never")


def _in_headline(gap: float) -> str:
    return short_gap(gap, infinite="D")


def _digits(gap: float) -> str:
    """A gap for a column with room."""
    if math.isinf(gap):
        return "D"
    return f"{gap:.3f}" if abs(gap) < 999.5 else f"{gap:,.0f}" if abs(gap) < 1e6 else f"{gap:.1e}"
