"""The headline of a comparison as plain text, for the end of ``jumpgym compare``."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from .formatting import counted, short_gap
from .statistics import ranks, summary
from .tables import PROBLEM, absence, budgets, in_order, of_problem, title

COLUMNS = 8
"""Most methods that are columns beside an environment in each line; more methods are the lines."""

HEAD = 10
"""Most letters of an environment at the head of a column."""


def headline(comparison: pd.DataFrame) -> str:
    """Return the median gap of each method in each environment, at the budget with most runs.

    Args:
        comparison: table of a comparison with a trained method, see ``tables.COLUMNS``.
    """
    budget, rows = max(budgets(comparison), key=lambda of_budget: len(of_budget[1]))
    medians, order = summary(rows), list(ranks(rows).method)
    methods = order + [name for name in in_order(rows.method) if name not in order]
    problems = [(str(env), str(parameters)) for env, parameters in rows[PROBLEM].drop_duplicates().to_numpy()]
    references = [name for name in ("hindsight", "classical") if name in set(comparison.method)]
    cells = {}
    for problem in problems:
        gaps, runs, of_references = (of_problem(table, *problem) for table in (medians, rows, comparison))
        for name in methods:
            cells[problem, name] = _cell(gaps[gaps.method == name]["median"], runs[runs.method == name])
        for name in references:
            reference = of_references[of_references.method == name]
            cells[problem, name] = _cell(reference.gap_percent, reference)
    names = [*references, *methods]
    if len(names) <= COLUMNS:
        lines = [["", *names]]
        lines += [[title(*problem), *(cells[problem, name] for name in names)] for problem in problems]
    else:
        lines = [["", *(title(*problem)[:HEAD] for problem in problems)]]
        lines += [[name, *(cells[problem, name] for problem in problems)] for name in names]
    seeds = counted(int(rows.seed.nunique()), "seed")
    return f"Median gap to the optimum in per cent after {budget}, {seeds}:\n{_aligned(lines)}"


def _cell(gaps: pd.Series[float], runs: pd.DataFrame) -> str:
    """A gap, or what stands for it if the runs have none."""
    measured = gaps.dropna()
    return short_gap(float(measured.iloc[0])) if len(measured) else absence(runs)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Lines whose first cell is aligned to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )
