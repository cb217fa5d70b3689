"""The report of a comparison: tables and, made from these, a summary in Markdown, pictures and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..runs.files import replace_file
from ..runs.run import read_records
from .figures import draw_curves, draw_profiles
from .markdown import PROFILES, drawn, markdown, picture
from .page import page
from .policies import draw_policies
from .statistics import performance_profile
from .tables import Tables, applicable, of_problem, read_tables, tables_of, title, write_tables

SUMMARY, PAGE = "comparison.md", "report.html"
"""Files of the summary and of the page."""


def write_report(records: Sequence[dict[str, Any]], output: Path) -> list[Path]:
    """Write the tables, the summary, the pictures and the page of records.

    Args:
        records: see ``runs.perform``; the references of each environment among them.
        output: a folder that exists.

    Returns:
        The files.
    """
    tables = tables_of(records)
    return write_tables(tables, output) + _render(tables, output)


def report(output: Path) -> list[Path]:
    """Write the report of a folder anew, from the records in its subfolder ``runs``, else from its tables.

    Returns:
        The files.

    Raises:
        ValueError: if there are neither, or tables are missing.
    """
    records = read_records(output / "runs")
    return write_report(records, output) if records else _render(read_tables(output), output)


def _render(tables: Tables, output: Path) -> list[Path]:
    """Write all that is made from the tables."""
    contents = {SUMMARY: markdown(tables).encode(), PAGE: page(tables), **_pictures(tables)}
    for name, content in contents.items():
        replace_file(output / name, content)
    return [output / name for name in contents]


def _pictures(tables: Tables) -> dict[str, bytes]:
    """PNG files by name."""
    pictures = {}
    for _, environment in tables.environments.iterrows():
        key = environment.env, environment.parameters
        rows, curves = applicable(of_problem(tables.comparison, *key)), of_problem(tables.curves, *key)
        if len(curves):
            classical = rows[rows.method == "classical"].gap_percent
            level = classical.iloc[0] if len(classical) else None
            pictures[picture("curves", *key)] = draw_curves(title(*key), curves, level)
        if drawn(environment, tables):
            policies = of_problem(tables.policies, *key)
            pictures[picture("policies", *key)] = draw_policies(environment, policies, rows)
    profiles = performance_profile(tables.comparison)
    if len(tables.environments) > 1 and len(profiles):
        pictures[PROFILES] = draw_profiles(profiles)
    return pictures
