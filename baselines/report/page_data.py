"""The data behind the charts of the page, as plain JSON values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from numpy.typing import NDArray

from ..runs.methods import REFERENCES
from ..runs.run import short
from ..runs.status import Status
from .statistics import CEILING, FLOOR, bands, performance_profile
from .styles import DASHES, PANEL_METHODS, Style, is_geometric, styles_of
from .tables import (
    PROBLEM,
    Tables,
    budgets,
    described,
    in_order,
    learned,
    of_problem,
    regime_label_of,
    spent,
    title,
)

DIGITS = 5
"""Significant digits of the data."""

SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "D": "diamond",
    "d": "diamond-tall",
    "P": "cross",
    "X": "x",
    "*": "star",
    "8": "octagon",
    "h": "hexagon",
    "H": "hexagon2",
    "p": "pentagon",
}
"""Plotly's names of matplotlib's markers."""

LINES = [
    ("solid", ""),
    ("dash", "6 3"),
    ("dot", "2 2"),
    ("dashdot", "6 2 2 2"),
    ("longdashdot", "6 2 1 2 1 2"),
]
"""Plotly's and SVG's names of ``styles.DASHES``."""

Json = dict[str, Any]


def chart_data(tables: Tables, medians: pd.DataFrame, order: pd.DataFrame) -> Json:
    """Everything that page.js draws.

    Args:
        tables: of a comparison.
        medians: ``statistics.summary`` of the comparison.
        order: its ``statistics.ranks``.
    """
    names = _best_first(tables.comparison, order)
    problems = tables.environments[PROBLEM].itertuples(index=False)
    return {
        "floor": FLOOR,
        "ceiling": CEILING,
        "order": names,
        "shown": PANEL_METHODS,
        "methods": {name: _method(name, style) for name, style in styles_of(in_order(names)).items()},
        "problems": [_problem(tables, medians, str(env), str(parameters)) for env, parameters in problems],
        "profiles": _profiles(tables.comparison),
    }


def to_json(value: Any) -> str:
    """JSON that is safe inside a script element; numbers that are not finite become null."""
    return json.dumps(_plain(value), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def budgets_by_size(comparison: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """As ``tables.budgets``, but the budget with the most runs comes first."""
    return sorted(budgets(comparison), key=lambda budget: -len(budget[1]))


def rows_of(table: pd.DataFrame) -> list[Any]:
    """The rows of a table, with the columns as attributes."""
    return list(table.itertuples(index=False))


def key(env: str, parameters: str) -> str:
    """The part of the page's address that stands for a problem."""
    return f"{short(env)}?{parameters}" if parameters else short(env)


def _best_first(comparison: pd.DataFrame, order: pd.DataFrame) -> list[str]:
    """Methods by their mean rank at the budget with the most runs, then those that have no run there."""
    names = [name for name, _ in budgets_by_size(comparison)]
    ranked = [
        str(row.method)
        for row in rows_of(order)
        if spent(row.budget_seconds, row.budget_timesteps) == names[0]
    ]
    return list(dict.fromkeys([*ranked, *in_order(learned(comparison).method)]))


def _method(name: str, style: Style) -> Json:
    dash, dashes = LINES[DASHES.index(style["linestyle"])]
    return {
        "description": described(name),
        "color": style["color"],
        "dash": dash,
        "dashes": dashes,
        "symbol": SYMBOLS[style["marker"]],
        "path": _outline(style["marker"]),
    }


def _outline(marker: str) -> str:
    """A marker as the outline of an SVG path around (0, 0), about 8 wide."""
    drawn = MarkerStyle(marker)
    outline = drawn.get_path().transformed(drawn.get_transform())
    outline = Path(np.asarray(outline.vertices) * [8, -8], outline.codes)  # y points down in SVG
    polygons: list[Any] = outline.to_polygons(closed_only=False)
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in polygon) + "Z" for polygon in polygons)


def _problem(tables: Tables, medians: pd.DataFrame, env: str, parameters: str) -> Json:
    rows = of_problem(tables.comparison, env, parameters)
    facts = of_problem(tables.environments, env, parameters).iloc[0]
    is_optimum = facts.reference == "optimum"
    classical = rows[(rows.method == "classical") & is_optimum].gap_percent.dropna()
    return {
        "key": key(env, parameters),
        "title": title(env, parameters),
        "facts": _facts(rows, facts),
        "reference": "optimum" if is_optimum else f"{facts.reference}, the reference",
        "classical": classical.iloc[0] if len(classical) else None,
        "curves": _curves(of_problem(tables.curves, env, parameters)),
        "budgets": _gap_by_budget(of_problem(medians, env, parameters)),
        "decisions": _decisions(of_problem(tables.policies, env, parameters), facts),
    }


def _facts(rows: pd.DataFrame, facts: pd.Series[Any]) -> list[tuple[str, str]]:
    """Facts about a problem, each with its label."""
    cost, horizon = float(facts.reference_cost), int(facts.horizon)
    facts_list = [
        (
            "Optimum"
            if facts.reference == "optimum"
            else f"Reference, in place of the optimum: {facts.note}",
            f"expected cost {cost:.7g} per episode of {horizon} periods, {cost / horizon:.6g} per period",
        ),
        ("Exactness", str(facts.exactness)),
    ]
    for name, called in (("classical", "Best classical policy"), ("hindsight", "Hindsight bound")):
        for row in rows_of(rows[rows.method == name]):
            parts = [f"gap {row.gap_percent:.3g} ± {row.gap_se_percent:.2g} %"]
            if math.isnan(row.gap_percent):
                parts = ["failed"] if row.status == Status.FAILED else []
            elif name == "hindsight":
                parts.insert(0, f"expected cost {facts.hindsight_cost:.7g} if all noise were known")
            facts_list.append((called, "; ".join([*parts, *([row.note] if row.note else [])])))
    for status, called in (
        (Status.NOT_APPLICABLE, "Not applicable"),
        (Status.DIVERGED, "Diverged"),
        (Status.FAILED, "Failed"),
    ):
        affected = learned(rows[rows.status == status])
        for reason, selected in affected.groupby("note", sort=False):
            names = ", ".join(dict.fromkeys(selected.method))
            facts_list.append((called, f"{names}: {reason}"))
    return facts_list


def _curves(curves: pd.DataFrame) -> dict[str, list[Json]]:
    """Learning curves by budget: the median and the band of each method, against both units."""
    both = {unit: bands(curves, unit) for unit in ("cpu_seconds", "transitions")}
    lines_of: dict[str, list[Json]] = {}
    for budget, of_budget in budgets(both["cpu_seconds"]):
        lines_of[budget] = [{"method": name} for name in dict.fromkeys(of_budget.method)]
    for unit, table in both.items():
        for budget, of_budget in budgets(table):
            for line in lines_of[budget]:
                line[unit] = _line(of_budget[of_budget.method == line["method"]], "spent", "median")
    return lines_of


def _gap_by_budget(medians: pd.DataFrame) -> list[Json]:
    """Final gaps against the budget, in the unit that has more budgets; empty if there is only one budget."""
    table = learned(medians)
    unit, column = max(
        (("cpu_seconds", "budget_seconds"), ("transitions", "budget_timesteps")),
        key=lambda u: table[u[1]].nunique(),
    )
    if table[column].nunique() < 2:
        return []
    table = table[table[column].notna()].assign(low=table.best, high=table.worst)
    return [
        {"method": name, unit: _line(selected.sort_values(column), column, "median")}
        for name, selected in table.groupby("method", sort=False)
    ]


def _profiles(comparison: pd.DataFrame) -> dict[str, list[Json]]:
    """Performance profiles by budget."""
    table = performance_profile(comparison)
    return {
        budget: [
            {"method": name, **_line(selected, "threshold", "share")}
            for name, selected in of_budget.groupby("method", sort=False)
        ]
        for budget, of_budget in budgets_by_size(table)
    }


def _line(table: pd.DataFrame, x: str, middle: str) -> Json:
    """A line with its band; where there is no band, it is the line itself."""
    low, high = (table[name].where(table[name].notna(), table[middle]) for name in ("low", "high"))
    columns = {"x": table[x], "middle": table[middle], "low": low, "high": high}
    return {name: column.astype(float).tolist() for name, column in columns.items()}


def _decisions(policies: pd.DataFrame, facts: pd.Series[Any]) -> Json | None:
    """Decisions of each method at the points of the chart, or None if there are none."""
    by_method = dict(iter(policies.groupby("method", sort=False)))
    if facts.reference not in by_method:
        return None
    first = by_method[facts.reference]
    lines = bool(first.y.isna().all())
    gates = {name: _by_period(selected, "gate").astype(int) for name, selected in by_method.items()}
    every = np.concatenate([gate.swapaxes(1, 2).reshape(-1, gate.shape[1]) for gate in gates.values()])
    combinations = [tuple(point) for point in np.unique(every, axis=0).tolist()]
    letters = {point: chr(ord("0") + i) for i, point in enumerate(combinations)}
    label_of = regime_label_of(policies)
    x, y = first.x.unique().tolist(), [] if lines else first.y.unique().tolist()
    quantities = first[first.kind == "quantity"].drop_duplicates("index")
    return {
        "reference": facts.reference,
        "names": [facts.x_name] if lines else [facts.x_name, facts.y_name],
        "x": x,
        "y": y,
        "logarithmic": [is_geometric(values) for values in (x, y)],
        "periods": sorted(first.period.unique().tolist()),
        "horizon": int(facts.horizon),
        "quantities": quantities.name.tolist(),
        "combinations": [label_of(point) for point in combinations],
        "methods": {
            name: {
                "about": _about(selected, str(facts.reference)),
                "regimes": [
                    "".join(letters[point] for point in zip(*of_period, strict=True))
                    for of_period in gates[name].tolist()
                ],
                "quantities": _by_period(selected, "quantity").tolist() if lines else [],
            }
            for name, selected in by_method.items()
        },
    }


def _about(selected: pd.DataFrame, reference: str) -> str:
    """A sentence part that says which run of a method is drawn."""
    run = selected.iloc[0]
    if run.method in REFERENCES:
        return f"{run.method}, the reference" if run.method == reference else str(run.method)
    return f"{run.method}, seed {run.seed}, {spent(run.budget_seconds, run.budget_timesteps)}"


def _by_period(selected: pd.DataFrame, kind: str) -> NDArray[np.float64]:
    """Decisions of a method, by period, then gate or quantity, then point."""
    rows = selected[selected.kind == kind].sort_values(["period", "index"], kind="stable")
    return rows.value.to_numpy().reshape(rows.period.nunique(), rows["index"].nunique(), -1)


def _plain(value: Any) -> Any:
    """Dicts, lists, text and rounded numbers; None for numbers that are not finite."""
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Iterable):
        return [_plain(entry) for entry in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        return None
    number = float(f"{number:.{DIGITS}g}")
    return int(number) if number.is_integer() and abs(number) < 1e9 else number
