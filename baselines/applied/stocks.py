"""Stocks of many items: from a CSV file, or from words such as ``A=12``."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jumpgym import HindsightProblem

ITEM, STOCK, ON_ORDER = "item", "stock", "on order"
"""Names of columns."""


def lead_time(problem: HindsightProblem) -> int:
    """The number of periods for which a state holds outstanding orders; 0 for a problem without stocks."""
    template = problem.initial_state(np.zeros((1, *problem.start_shape)))
    return template.pipeline.shape[1] if hasattr(template, "pipeline") else 0


def read_stocks(path: str | os.PathLike[str], periods: int) -> dict[str, dict[str, Any]]:
    """Read the stocks of items from a CSV file, as entries for ``decide``.

    The first line names the columns. Needed are ``item``, ``stock``, and what is under way: ``on order`` with
    a lead time of one period, ``arrives in 0``, ``arrives in 1``, ... with a longer one. Other columns are
    ignored. Columns are separated by commas, semicolons or tabs; numbers have a decimal point.

    Args:
        path: of the file.
        periods: the lead time.

    Returns:
        ``inventory`` and, with a lead time, ``pipeline``: mappings from the names of the items.

    Raises:
        OSError: if the file cannot be read.
        ValueError: naming the file, the line and what is wrong there.
    """
    name = os.fspath(path)
    text = Path(path).read_text(encoding="utf-8-sig")
    first = text.partition("\n")[0]
    separators = [mark for mark in ",;\t" if mark in first]
    if len(separators) != 1:
        raise ValueError(f"{name}: line 1 must name the columns, between commas, semicolons or tabs")
    lines = list(csv.reader(text.splitlines(), delimiter=separators[0]))
    header = [column.strip().lower().replace("_", " ") for column in lines[0]]
    under_way = [ON_ORDER] if periods == 1 else [f"arrives in {delay}" for delay in range(periods)]
    columns = [ITEM, STOCK, *under_way]
    for column in columns:
        if header.count(column) != 1:
            raise ValueError(
                f"{name}: there must be one column {column!r}; needed are {', '.join(columns)}, "
                f"and there are {', '.join(header)[:100]}"
            )
    stock_columns = {ON_ORDER, *(column for column in header if column.startswith("arrives in"))}
    if extra := sorted(stock_columns & set(header) - set(columns)):
        raise ValueError(f"{name}: column {extra[0]!r} does not fit a lead time of {periods}: {columns} do")
    inventory: dict[str, Any] = {}
    pipeline: dict[str, Any] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not any(field.strip() for field in line):
            continue
        where = f"{name}, line {number}"
        if len(line) != len(header):
            raise ValueError(f"{where}: {len(line)} fields, but line 1 has {len(header)}")
        row = dict(zip(header, line, strict=True))
        item = row[ITEM].strip()
        if not item or item in inventory:
            raise ValueError(f"{where}: item {item!r} {'is repeated' if item else 'has no name'}")
        inventory[item] = _number(f"{where}, {STOCK}", row[STOCK])
        pipeline[item] = [_number(f"{where}, {column}", row[column]) for column in under_way]
    if not inventory:
        raise ValueError(f"{name} holds no item")
    return {"inventory": inventory, **({"pipeline": pipeline} if periods else {})}


def parse_stock(option: str, words: Sequence[str]) -> Any:
    """Stocks from the words of an option: a number, several numbers, or ``ITEM=NUMBER[,NUMBER...]``.

    Raises:
        ValueError: naming the option and the word.
    """
    named = ["=" in word for word in words]
    if not any(named):
        numbers = [_number(option, word) for word in words]
        return numbers[0] if len(numbers) == 1 else numbers
    if not all(named):
        raise ValueError(f"{option} {words[named.index(False)]!r} must be ITEM=NUMBER, as the others are")
    stocks: dict[str, Any] = {}
    for word in words:
        item, _, value = word.rpartition("=")
        if item in stocks:
            raise ValueError(f"{option}: item {item!r} is repeated")
        numbers = [_number(f"{option} {item}", part) for part in value.split(",")]
        stocks[item] = numbers[0] if len(numbers) == 1 else numbers
    return stocks


def _number(where: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in text:
        raise ValueError(f"{where}: {text.strip()[:40]!r} must be a number with a decimal point")
    return number
