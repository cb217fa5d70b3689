"""Cells, rows and tables of the page, as HTML."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from .formatting import short_gap
from .tables import described

EMPTY_CELL = '<td class="none">&ndash;</td>'
"""The cell of a figure that does not exist."""


def link(method: str) -> str:
    """The name of a method, linked to its description, which is the tooltip as well."""
    description = escape(described(method))
    return f'<a href="#method-{escape(method)}" title="{description}">{escape(method)}</a>'


def method_head(name: str) -> str:
    """The head of a row, a method with its link."""
    return f'<th scope="row">{link(name)}</th>'


def html_table(
    kind: str, caption: str, heads: Sequence[str], body: Sequence[str], box: str = "scroll"
) -> str:
    """A table in a scrolling box that can be reached by keyboard."""
    rows = "\n".join(body)
    return (
        f'<figure class="table"><figcaption class="note">{escape(caption)}</figcaption>'
        f'<div class="{box}" tabindex="0"><table class="{kind}"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div></figure>"
    )


def html_row(cells: Sequence[str], kind: str = "", data: str = "") -> str:
    """A row of cells, with the class ``kind`` and the attributes ``data``."""
    of_class = f' class="{kind}"' if kind else ""
    return f"<tr{of_class}{data}>{''.join(cells)}</tr>"


def sorting_head(name: str, kind: str = "number") -> str:
    """The head of a column that sorts the rows."""
    return f'<th class="{kind}" scope="col"><button type="button">{escape(name)}</button></th>'


def number_cell(value: float, text: str, title: str = "") -> str:
    """A cell that is sorted by its value; NaN comes last."""
    value = float(value)
    key = "" if math.isnan(value) else f' data-v="{"Infinity" if math.isinf(value) else f"{value:.6g}"}"'
    return f"<td{key}{title}>{text}</td>"


def interval_cell(low: float, high: float, form: Callable[[float], str]) -> str:
    """A cell with an interval, sorted by its lower end; empty if there is no interval."""
    return number_cell(low, f"{form(low)} to {form(high)}") if math.isfinite(low) else EMPTY_CELL


def time_cell(seconds: float) -> str:
    """A cell with a time, "never" if it is not finite."""
    return number_cell(seconds, f"{seconds:.1f}" if np.isfinite(seconds) else "never")


def short_digits(gap: float) -> str:
    """A gap for a narrow column; D for a run that diverged."""
    return short_gap(gap, infinite="D")


def digits(gap: float) -> str:
    """A gap for a wide column; D for a run that diverged."""
    if math.isinf(gap):
        return "D"
    return f"{gap:.3f}" if abs(gap) < 999.5 else f"{gap:,.0f}" if abs(gap) < 1e6 else f"{gap:.1e}"
