"""The tables of the page, as HTML that needs no script."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from ..runs.methods import REFERENCES
from ..runs.status import Status
from .page_cells import (
    EMPTY_CELL,
    digits,
    html_row,
    html_table,
    interval_cell,
    link,
    method_head,
    number_cell,
    short_digits,
    sorting_head,
    time_cell,
)
from .page_data import budgets_by_size, key, rows_of
from .questions import EXPLANATION, HEADS, questions_table
from .statistics import BASELINE, CONFIDENCE, paired_differences
from .tables import (
    BUDGET,
    THRESHOLDS,
    absence,
    applicable,
    in_order,
    learned,
    of_problem,
    spent,
    title,
    with_references,
)


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
        body.append(html_row([method_head(name), EMPTY_CELL, *cells], "reference"))
    for row in rows_of(order):
        selected, of_method = medians[medians.method == row.method], runs[runs.method == row.method]
        cells = []
        for problem in problems:
            cells.append(
                _gap_cell(of_problem(selected, *problem), of_problem(of_method, *problem), least[problem])
            )
        body.append(html_row([method_head(row.method), f"<td>{row.rank:.1f}</td>", *cells]))
    missing = set(runs.method) - set(order.method)
    for name in in_order(missing):
        of_method = runs[runs.method == name]
        cells = [_gap_cell(medians[:0], of_problem(of_method, *problem), 0.0) for problem in problems]
        body.append(html_row([method_head(name), EMPTY_CELL, *cells]))
    several = runs.seed.nunique() > 1
    shown = "median of the seeds, with the worst below it" if several else "one seed"
    caption = (
        f"Gap in per cent after {budget}: {shown}. The smallest of each column is bold. Methods are sorted "
        "by their mean rank. Hindsight is a bound: the cost if all noise were known. n/a: does not "
        "apply; D: diverged; hover over a cell for details."
    )
    return html_table("headline", caption, heads, body)


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
        return EMPTY_CELL
    (row,) = rows_of(selected)
    if math.isnan(row.gap_percent):
        return _unavailable(selected)
    return f'<td title="{escape(row.note)}">{short_digits(row.gap_percent)}</td>'


def _gap_cell(median: pd.DataFrame, runs: pd.DataFrame, least: float) -> str:
    """Median and worst gap of the seeds in the headline."""
    if runs.empty:
        return EMPTY_CELL
    if median.empty:
        return _unavailable(runs)
    (row,) = rows_of(median)
    middle, worst = short_digits(row.median), short_digits(row.worst)
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
    heads = [sorting_head(name, "text") for name in ("problem", "method", "budget")]
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
    return html_table(
        "sortable", caption, heads + [sorting_head(name) for name in numeric], body, "scroll tall"
    )


def _runs(rows: pd.DataFrame, row: Any) -> pd.DataFrame:
    """The runs behind a row of ``statistics.summary``."""
    budget = spent(row.budget_seconds, row.budget_timesteps)
    return _at(budget, rows[rows.method == row.method])


def _numbers_line(row: pd.Series[Any], runs: pd.DataFrame, problem: tuple[str, str]) -> str:
    cells = [
        number_cell(row.runs, f"{row.runs}"),
        number_cell(row["median"], digits(row["median"]), _lost(runs)),
        number_cell(row["mean"], digits(row["mean"])),
        interval_cell(row.low, row.high, digits),
        *(number_cell(row[name], digits(row[name])) for name in ("worst", "best", "se")),
        *(time_cell(row[f"cpu_to_{threshold:g}_percent"]) for threshold in THRESHOLDS),
        number_cell(row.transitions, f"{row.transitions:,.0f}"),
    ]
    return _data_line(problem, row.method, spent(row.budget_seconds, row.budget_timesteps), cells)


def _reference_line(reference: pd.DataFrame, problem: tuple[str, str]) -> str:
    (row,) = rows_of(reference)
    if math.isnan(row.gap_percent):
        cells = [_unavailable(reference)] * 2
    else:
        gap = number_cell(row.gap_percent, digits(row.gap_percent), f' title="{escape(row.note)}"')
        cells = [gap, gap]
    cells = [
        EMPTY_CELL,
        *cells,
        *[EMPTY_CELL] * 3,
        number_cell(row.gap_se_percent, digits(row.gap_se_percent)),
    ]
    return _data_line(problem, row.method, "", cells + [EMPTY_CELL] * (len(THRESHOLDS) + 1), "reference")


def _unavailable_line(runs: pd.DataFrame, problem: tuple[str, str], columns: int) -> str:
    row = runs.iloc[0]
    cells = [EMPTY_CELL, *[_unavailable(runs)] * 2, *[EMPTY_CELL] * (columns - 3)]
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
    return html_row(
        [first, f'<td class="text">{link(method)}</td>', f'<td class="text">{escape(budget)}</td>', *cells],
        kind,
        data,
    )


def differences(comparison: pd.DataFrame) -> str:
    """What makes the difference, a table for each budget; empty if the runs do not say it."""
    parts = []
    for name, of_budget in budgets_by_size(comparison):
        lines = questions_table(with_references(of_budget, comparison))
        if lines:
            heads = [f'<th class="text" scope="col">{escape(head)}</th>' for head in HEADS]
            body = [html_row([f'<td class="text">{escape(cell)}</td>' for cell in line]) for line in lines]
            parts.append(html_table("", f"After {name}. {EXPLANATION}", heads, body))
    return "".join(["<h3>What makes the difference</h3>", *parts]) if parts else ""


def pairs(comparison: pd.DataFrame) -> str:
    """The table that compares each method with the baseline."""
    table = paired_differences(comparison)
    if table.empty:
        return f'<p class="note">There is no run of {BASELINE} to compare with.</p>'
    per_cent = f"{100 * CONFIDENCE:g} % interval"
    names = ["problems", "pairs", "difference", per_cent, "better in", per_cent]
    heads = [sorting_head(name, "text") for name in ("method", "budget")] + [
        sorting_head(name) for name in names
    ]
    body = []
    for row in rows_of(table):
        budget = escape(spent(row.budget_seconds, row.budget_timesteps))
        cells = [
            method_head(row.method),
            f'<td class="text">{budget}</td>',
            number_cell(row.problems, f"{row.problems}"),
            number_cell(row.pairs, f"{row.pairs}"),
            number_cell(row.difference, digits(row.difference)),
            interval_cell(row.low, row.high, digits),
            number_cell(row.better, f"{100 * row.better:.0f} %"),
            interval_cell(row.better_low, row.better_high, lambda share: f"{100 * share:.0f}"),
        ]
        body.append(html_row(cells))
    caption = (
        f"Gap of each method minus that of {BASELINE} on the same problem, seed and noise, in percentage "
        "points; above 0 is worse. Better in: share of the pairs in which the method has the smaller gap."
    )
    return html_table("sortable", caption, heads, body)
