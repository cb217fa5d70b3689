"""Writing the report of a comparison: tables, summary, pictures and page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..runs.files import replace_file
from ..runs.record import read_failures, read_records
from .figures import draw_curves, draw_profiles
from .markdown import OVERVIEW, OVERVIEW_METHODS, PROFILES, has_policies, markdown, overview, picture
from .page import page
from .policies import draw_policies
from .statistics import performance_profile
from .styles import styles_of
from .tables import (
    Tables,
    applicable,
    in_order,
    learned,
    of_problem,
    read_tables,
    tables_of,
    title,
    write_tables,
)

SUMMARY, PAGE = "comparison.md", "report.html"
"""Files of the summary and of the page."""


def write_report(
    records: Sequence[dict[str, Any]], output: Path, failures: Sequence[dict[str, Any]] = ()
) -> list[Path]:
    """Write the tables, the summary, the pictures and the page of records.

    Args:
        records: see ``runs.perform``; the references of each environment must be among them.
        output: an existing folder.
        failures: see ``record.failure_of``.

    Returns:
        The files.
    """
    tables = tables_of(records, failures)
    return write_tables(tables, output) + _render(tables, output)


def report(output: Path) -> list[Path]:
    """Write the report of a folder again, from the records in its subfolder ``runs`` or else from its tables.

    Returns:
        The files.

    Raises:
        ValueError: if there are no records and tables are missing.
    """
    records = read_records(output / "runs")
    failures = read_failures(output / "runs")
    return write_report(records, output, failures) if records else _render(read_tables(output), output)


def _render(tables: Tables, output: Path) -> list[Path]:
    """Write everything that is made from the tables."""
    contents = {SUMMARY: markdown(tables).encode(), PAGE: page(tables), **_pictures(tables)}
    for name, content in contents.items():
        replace_file(output / name, content)
    return [output / name for name in contents]


def _pictures(tables: Tables) -> dict[str, bytes]:
    """PNG files by name."""
    pictures = {}
    styles = styles_of(in_order(learned(tables.comparison).method))
    for _, environment in tables.environments.iterrows():
        key = environment.env, environment.parameters
        rows, curves = applicable(of_problem(tables.comparison, *key)), of_problem(tables.curves, *key)
        if len(curves):
            classical = rows[rows.method == "classical"].gap_percent.dropna()
            level = classical.iloc[0] if len(classical) else None
            pictures[picture("curves", *key)] = draw_curves(title(*key), curves, styles, level)
        if has_policies(environment, tables):
            policies = of_problem(tables.policies, *key)
            pictures[picture("policies", *key)] = draw_policies(environment, policies, rows)
    profiles = performance_profile(tables.comparison)
    if len(tables.environments) > 1 and len(profiles):
        pictures[PROFILES] = draw_profiles(profiles, styles)
        shown = overview(tables)
        if shown is not None:
            key = shown.env, shown.parameters
            policies = of_problem(tables.policies, *key)
            policies = policies[policies.method.isin([shown.reference, *OVERVIEW_METHODS])]
            pictures[OVERVIEW] = draw_policies(shown, policies, of_problem(tables.comparison, *key))
    return pictures
