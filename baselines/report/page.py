"""A comparison as one HTML file: sortable tables and interactive charts that need no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

import pandas as pd
from plotly.offline import get_plotlyjs

from ..runs.methods import tuning
from ..runs.provenance import PACKAGES
from ..runs.split import IN_SAMPLE
from .markdown import compilation
from .page_data import budgets_by_size, chart_data, to_json
from .page_tables import differences, headlines, numbers, pairs
from .statistics import CEILING, FLOOR, ranks, summary
from .tables import PROBLEM, Tables, described, in_order, learned, title


def page(tables: Tables) -> bytes:
    """A self-contained HTML page of a comparison.

    Its content security policy forbids it to load anything, and to run scripts other than its own two.

    Args:
        tables: see ``tables.read_tables``.
    """
    assets = files(__package__) / "assets"
    plotly, script = get_plotlyjs(), (assets / "page.js").read_text("utf-8")
    comparison = tables.comparison
    problems = [(str(env), str(parameters)) for env, parameters in tables.environments[PROBLEM].to_numpy()]
    medians, order = summary(comparison), ranks(comparison)
    names = in_order(comparison.method)
    filled = {
        "security": _security([plotly, script]),
        "title": f"jumpgym: {learned(comparison).method.nunique()} methods on {len(problems)} problems",
        "statement": _statement(tables),
        "style": (assets / "page.css").read_text("utf-8"),
        "script": script,
        "plotly": plotly,
        "data": to_json(chart_data(tables, medians, order)),
        "headline": headlines(comparison, medians, order, problems),
        "numbers": numbers(comparison, medians, problems),
        "problem_options": _options([title(*problem) for problem in problems]),
        "method_options": _options(names),
        "budget_options": _options([name for name, _ in budgets_by_size(comparison)]),
        "floor": f"{FLOOR:g}",
        "ceiling": f"{CEILING:,g}",
        "differences": differences(comparison) if len(problems) > 1 else "",
        "pairs": pairs(comparison),
        "measured": _measured(comparison),
        "methods": _definitions({name: described(name) for name in names}, "method-"),
    }
    return Template((assets / "page.html").read_text("utf-8")).substitute(filled).encode()


def _security(scripts: Sequence[str]) -> str:
    """A content security policy under which these scripts run and no others, and nothing is loaded."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


def _statement(tables: Tables) -> str:
    rows = learned(tables.comparison)
    return (
        f"How close to the optimum do {rows.method.nunique()} learned methods come, and how close the best "
        f"classical policy, on {len(tables.environments)} problems with known jumps? The gap is the excess "
        "cost over the optimal policy, in per cent of its cost, over "
        f"{_episodes(tables.comparison)} episodes {_unseen(tables.comparison)}."
    )


def _unseen(comparison: pd.DataFrame) -> str:
    if comparison.parameters.str.contains(f'"split": "{IN_SAMPLE}"', regex=False).any():
        return "that no method trains on, except where recorded demand is judged in sample"
    if comparison.parameters.str.contains('"split": ', regex=False).any():
        return "that no method trains on: recorded demand is split in time"
    return "that no method trains on"


def _episodes(comparison: pd.DataFrame) -> str:
    return " or ".join(f"{number:,}" for number in sorted(comparison.episodes.unique()))


def _measured(comparison: pd.DataFrame) -> str:
    """Rules of the comparison, then software versions, machines and commands."""
    rules = {
        "Gap": "mean difference between the cost of an episode and that of the optimal policy (or of the "
        "reference that the problem names in its place), in per cent of the absolute value of the optimal "
        "policy's expected cost; a positive gap means a worse policy, also where costs are negative",
        "Common random numbers": f"all policies are evaluated on the same {_episodes(comparison)} episodes, "
        f"{_unseen(comparison)}",
        "Policies": "deterministic in the evaluation, even if training samples them",
        "Standard error (±)": "of the gap over the episodes, median over the seeds; where episodes replay "
        "records, of a block bootstrap of their windows, and none with fewer than two disjoint windows",
        "Compilation": compilation(comparison),
        "Time": "CPU seconds of one process with one thread, without the evaluations; transitions are those "
        "simulated in training; the time to a gap is that of the first evaluation at or below it (median "
        "over the seeds)",
        "Hyperparameters": tuning(),
    }
    listed = {name: _listed(comparison[name]) for name in ("code", "python", *PACKAGES, "hardware")}
    used = {name: values for name, values in listed.items() if values}
    return (
        f"{_definitions(rules)}<h3>Versions, machines and commands</h3>{_definitions(used)}"
        f"<pre>{escape(_listed(comparison.command, chr(10)))}</pre>"
    )


def _listed(values: Iterable[str], between: str = "; ") -> str:
    """The different values, each once."""
    return between.join(dict.fromkeys(str(value) for value in values if value))


def _definitions(texts: Mapping[str, str], mark: str | None = None) -> str:
    """Names and their meanings; with ``mark`` each name can be linked to."""
    lines = []
    for name, text in texts.items():
        of_id = "" if mark is None else f' id="{escape(mark + name)}"'
        lines.append(f"<dt{of_id}>{escape(name)}</dt><dd>{escape(text)}</dd>")
    return f"<dl>{''.join(lines)}</dl>"


def _options(values: Iterable[str]) -> str:
    return "".join(f"<option>{escape(value)}</option>" for value in dict.fromkeys(values))
