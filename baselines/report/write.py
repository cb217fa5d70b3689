"""Writing the report of a comparison: tables, summary, pictures and page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..runs.files import replace_file
from ..runs.record import read_failures, read_records
from .markdown import markdown
from .page import page
from .pictures import pictures
from .tables import Tables, read_tables, tables_of, write_tables

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
    contents = {SUMMARY: markdown(tables).encode(), PAGE: page(tables), **pictures(tables)}
    for name, content in contents.items():
        replace_file(output / name, content)
    return [output / name for name in contents]
