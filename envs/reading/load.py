"""Files, pandas objects and arrays as tables."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from .dates import COMPACT
from .numbers import is_missing
from .records import shortened
from .table import SAMPLE, Options, Table, fault, kind_of
from .text import read_rows

PARQUET = (".parquet", ".pq")
EXCEL = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
NO_NAME = re.compile(r"\W*|[\W\d].*|(?:n\.?/?a\.?|nan|none|null|missing)", re.IGNORECASE)
"""What is rather a number that is missing or misspelt than the name of a column."""

SURELY_NUMBERED = 8
"""From so many columns on, a first line of 0, 1, 2, ... surely names them."""


def as_table(source: Any, name: str, options: Options) -> Table:
    """The table in a file, or of a pandas Series or DataFrame.

    Args:
        source: a path, a Series or a DataFrame.
        name: what errors call it.
        options: what the caller of ``read`` says.

    Raises:
        ValueError: if the file cannot be read.
    """
    if isinstance(source, pd.Series):
        frame = source.to_frame() if source.name is not None else source.to_frame("item 1")
        return _from_frame(frame, name, options, source.name is not None)
    if isinstance(source, pd.DataFrame):
        return _from_frame(source, name, options, not isinstance(source.columns, pd.RangeIndex))
    path = Path(source)
    suffix = path.suffix.lower()
    kind = "a Parquet" if suffix in PARQUET else "an Excel" if suffix in EXCEL else "a CSV"
    try:
        if not path.is_file():
            raise ValueError("it is a folder" if path.is_dir() else "there is no such file")
        if suffix in PARQUET:
            frame = pd.read_parquet(path)
            return _from_frame(frame, name, options, True, os.fspath(source))
        if suffix in EXCEL:
            rows, lines = _excel_rows(path, options.sheet)
            separator = None
        else:
            rows, lines, separator = read_rows(path, options.sep, options.encoding)
    except Exception as error:  # the readers of Parquet and Excel raise errors of their own for damaged files
        raise fault(name, f"cannot be read as {kind} file: {error}") from error
    table = _from_rows(rows, lines, name, options, os.fspath(source))
    return replace(table, separator=separator if len(rows[0]) > 1 else None)


def _from_frame(
    frame: pd.DataFrame, name: str, options: Options, named: bool, source: str | None = None
) -> Table:
    index = frame.index
    plain = isinstance(index, pd.RangeIndex) and index.step == 1 and index.name is None
    levels = 0 if plain else index.nlevels
    leading = [pd.Series(index.get_level_values(k)) for k in range(levels)]
    labels = ["" if level is None and levels == 1 else level for level in index.names[:levels]]
    labels = [f"level {k}" if label is None else label for k, label in enumerate(labels)]
    columns = [frame.iloc[:, j].reset_index(drop=True) for j in range(frame.shape[1])]
    return Table(
        name,
        (*labels, *frame.columns),
        (*leading, *columns),
        options,
        (lambda row: "") if plain else (lambda row: f"index {str(index[row])[:40]}"),
        named,
        levels,
        source,
    )


def _excel_rows(path: Path, sheet: str | None) -> tuple[list[list[Any]], list[int]]:
    with pd.ExcelFile(path) as book:
        if sheet is None and len(book.sheet_names) > 1:
            raise ValueError(f"it has several sheets; give sheet=, one of {shortened(book.sheet_names)}")
        if sheet is not None and sheet not in book.sheet_names:
            raise ValueError(f"sheet={sheet!r} must be one of {shortened(book.sheet_names)}")
        cells = pd.read_excel(book, sheet_name=sheet or 0, header=None, dtype=object, na_filter=False)
    rows = [["" if is_missing(cell) else cell for cell in row] for row in cells.to_numpy()]
    full = [j for j in range(cells.shape[1]) if any(row[j] != "" for row in rows)]
    lines = [i for i, row in enumerate(rows) if any(cell != "" for cell in row)]
    if not lines:
        raise ValueError("the sheet is empty")
    kept = range(lines[0], lines[-1] + 1)
    return [[rows[i][j] for j in full] for i in kept], [i + 1 for i in kept]


def _from_rows(
    rows: list[list[Any]], lines: list[int], name: str, options: Options, source: str | None
) -> Table:
    start = next(i for i, row in enumerate(rows) if not all(map(is_missing, row)))
    below = [pd.Series(list(column), dtype=object) for column in zip(*rows[start + 1 :], strict=True)]
    columns = below or [pd.Series([], dtype=object) for _ in rows[start]]
    header = options.header
    if header is None:
        header = _has_header(rows[start], columns, name, lines[start])
    if header:
        lines = lines[start + 1 :]
        labels = [pd.Timestamp(cell) if hasattr(cell, "year") else cell for cell in rows[start]]
        empty = [is_missing(label) for label in labels]
        used = [
            j for j, column in enumerate(columns) if not (empty[j] and all(map(is_missing, column.tolist())))
        ]
        labels = ["" if empty[j] and j == 0 else f"column {j + 1}" if empty[j] else labels[j] for j in used]
        columns = [columns[j] for j in used]
    else:  # empty lines before the first are gaps
        columns = [pd.Series(list(column), dtype=object) for column in zip(*rows, strict=True)]
        labels = [f"column {j + 1}" for j in range(len(columns))]
    return Table(
        name,
        tuple(labels),
        tuple(columns),
        options,
        lambda row: f"line {lines[row]} of the file",
        header,
        0,
        source,
    )


def _has_header(first: Sequence[Any], below: Sequence[pd.Series], name: str, line: int) -> bool:
    """Whether the first line of a file names the columns, by what it and the lines below hold."""
    kinds = [kind_of([] if is_missing(cell) else [cell]) for cell in first]
    kinds_below = [
        kind_of([e for e in column.head(SAMPLE).tolist() if not is_missing(e)]) for column in below
    ]
    pairs = list(zip(kinds, kinds_below, strict=True))
    numbered = [str(cell).strip() for cell, kind in zip(first, kinds, strict=True) if kind == "numbers"]
    counts = [str(count + start) for start in (0, 1) for count in range(len(numbered))]
    names_periods = len(numbered) > 1 and numbered in (counts[: len(numbered)], counts[len(numbered) :])
    dated = len(numbered) > 1 and all(map(COMPACT.fullmatch, numbered))
    names = [
        str(cell).strip()
        for cell, (above, under) in zip(first, pairs, strict=True)
        if above in ("text", "nothing") and under in ("numbers", "dates")
    ]
    data = any(above == "numbers" and under in ("numbers", "nothing") for above, under in pairs) or any(
        above == under == "dates" for above, under in pairs
    )
    unclear = fault(name, f"line {line} may name the columns or be data; give header=True or header=False")
    if kinds[0] == "nothing" and len(kinds) > 1 and numbered == counts[: len(kinds) - 1]:
        return True  # an index and columns without names, as pandas writes them
    if names:
        if (data and not names_periods and not dated) or all(map(NO_NAME.fullmatch, names)):
            raise unclear
        return True
    if kinds.count("dates") > 1 and all(under != "dates" for _, under in pairs):
        return True
    if names_periods or dated:
        if len(numbered) < SURELY_NUMBERED and not dated:
            raise unclear
        return True
    return not data
