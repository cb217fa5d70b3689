"""Numbers, Markdown and CSV as all reports and studies write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

INFINITE = "∞"


def percent(gap: float) -> str:
    """A gap with the digits that matter: ``"0.231 %"``, ``"23.1 %"``."""
    if not math.isfinite(gap):
        return short_gap(gap)
    return f"{gap:.3f} %" if abs(gap) < 10 else f"{gap:,.1f} %"


def short_gap(gap: float, infinite: str = INFINITE) -> str:
    """A gap for a narrow column, in hundredths, about what the evaluation can distinguish; empty for NaN."""
    if math.isnan(gap):
        return ""
    if math.isinf(gap):
        return infinite if gap > 0 else f"-{infinite}"
    return f"{gap:.2f}" if abs(gap) < 99.5 else f"{gap:,.0f}" if abs(gap) < 1e6 else f"{gap:.0e}"


def counted(number: int, noun: str) -> str:
    """``"1 seed"``, ``"3 seeds"``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def markdown_table(lines: Iterable[Sequence[str]], numeric: Sequence[bool] | None = None) -> str:
    """A Markdown table whose first line is its head.

    Args:
        lines: cells of each line.
        numeric: which columns are aligned to the right; by default all but the first.
    """
    head, *rows = lines
    numeric = [i > 0 for i in range(len(head))] if numeric is None else numeric
    rule = ["---:" if right else "---" for right in numeric]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def markdown_of(table: pd.DataFrame, digits: int = 4) -> str:
    """A data frame as a Markdown table, with ``digits`` significant digits; missing numbers are empty."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if math.isnan(value) else f"{value:.{digits}g}"
        return str(value)

    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    rows = [[cell(value) for value in row] for row in table.itertuples(index=False)]
    return markdown_table([list(table.columns), *rows], numeric)


def failed_runs(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """The section of the runs that failed.

    Args:
        head: names of the columns; the last one holds the errors.
        lines: cells of each run.
    """
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    numeric = [name in ("items", "seed", "budget") for name in head]
    return f"## Failed runs\n\n{markdown_table([head, *cells], numeric)}"


def code_block(commands: Iterable[str]) -> str:
    """The different commands that were typed, each once, as a block of code in Markdown."""
    return "\n".join(f"    {command}" for command in dict.fromkeys(commands))


def software(versions: Iterable[Mapping[Any, Any]]) -> str:
    """Names and versions of software, each combination once: ``"python 3.11.7, numpy 2.4.6"``."""
    lines = (
        ", ".join(
            f"{name} {version}" for name, version in used.items() if isinstance(version, str) and version
        )
        for used in versions
    )
    return "; ".join(dict.fromkeys(lines))


def anchor(heading: str) -> str:
    """The name by which links refer to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def csv(table: pd.DataFrame) -> bytes:
    """A table as a CSV file, with six significant digits."""
    text: str = table.to_csv(index=False, float_format="%.6g")
    return text.encode()
