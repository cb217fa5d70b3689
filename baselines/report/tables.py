"""The tables of a comparison, kept as CSV files.

Its summary, its pictures and its page are made from these tables alone.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jumpgym.layout import regime_label

from ..runs.files import replace_file
from ..runs.methods import METHODS, REFERENCES, description
from ..runs.provenance import PACKAGES
from ..runs.run import short
from ..runs.status import Status
from .rows import (
    THRESHOLDS,
    Record,
    comparison_row,
    curve_rows,
    drawn_records,
    environment_rows,
    failure_row,
    place,
    policy_rows,
)

DIGITS = 7
"""Significant digits of numbers in the tables."""

PROBLEM = ["env", "parameters"]
"""Columns that identify a problem."""

BUDGET = ["budget_seconds", "budget_timesteps"]
"""Columns that identify a budget; one of the two is empty."""

_RUN = {
    "env": "text",
    "parameters": "text",
    "method": "text",
    "seed": "integer",
    "budget_seconds": "number",
    "budget_timesteps": "integer",
}

COLUMNS: dict[str, dict[str, str]] = {
    "comparison": _RUN
    | {"episodes": "integer"}
    | dict.fromkeys(("mean_cost", "standard_error", "difference", "difference_se"), "number")
    | dict.fromkeys(("gap_percent", "gap_se_percent"), "number")
    | {f"cpu_to_{threshold:g}_percent": "number" for threshold in THRESHOLDS}
    | {f"transitions_to_{threshold:g}_percent": "integer" for threshold in THRESHOLDS}
    | {"transitions": "integer"}
    | dict.fromkeys(("cpu_seconds", "compile_seconds", "wall_seconds"), "number")
    | {"engine": "text", "status": "text", "note": "text"}
    | {"reference": "text", "reference_cost": "number", "exactness": "text", "code": "text"}
    | dict.fromkeys(("python", *PACKAGES, "hardware", "command"), "text"),
    "curves": _RUN
    | {
        "cpu_seconds": "number",
        "transitions": "integer",
        "gap_percent": "number",
        "gap_se_percent": "number",
    },
    "policies": _RUN
    | {"period": "integer", "x": "number", "y": "number"}
    | {"kind": "text", "index": "integer", "name": "text", "value": "number"},
    "environments": {"env": "text", "parameters": "text"}
    | {"reference": "text", "reference_cost": "number", "exactness": "text", "note": "text"}
    | {"horizon": "integer", "x_name": "text", "y_name": "text", "hindsight_cost": "number"},
}
"""Columns of each table, and what they hold: text (never missing, possibly empty), integers or numbers."""

ADDED = ("compile_seconds", "engine", "jax")
"""Columns that tables of version 0.1.0 lack; they are read as empty."""

FILES = {
    "comparison": "comparison.csv",
    "curves": "curves.csv",
    "policies": "policies.csv.gz",
    "environments": "environments.csv",
}
"""File of each table; results/README.md documents the columns."""

_TYPES: dict[str, Any] = {"text": str, "integer": "Int64", "number": np.float64}


@dataclass(frozen=True)
class Tables:
    """Tables of a comparison, whose columns are ``COLUMNS``.

    Attributes:
        comparison: one row per run.
        curves: one row per evaluation during training.
        policies: sampled decisions of each method, of the run with the smallest seed and largest budget.
        environments: one row per problem, that is, per environment with given parameters.
    """

    comparison: pd.DataFrame
    curves: pd.DataFrame
    policies: pd.DataFrame
    environments: pd.DataFrame


def tables_of(records: Sequence[Record], failures: Sequence[Record] = ()) -> Tables:
    """Make the tables of records, sorted by environment, method, budget and seed.

    Args:
        records: see ``runs.perform``.
        failures: see ``record.failure_of``; they have rows in ``comparison`` only.
    """
    records = sorted(records, key=place)
    rows = [
        failure_row(record) if "traceback" in record else comparison_row(record)
        for record in sorted([*records, *failures], key=place)
    ]
    return Tables(
        comparison=_table("comparison", [pd.DataFrame(rows)]),
        curves=_table("curves", [pd.DataFrame([p for record in records for p in curve_rows(record)])]),
        policies=_table("policies", [policy_rows(record) for record in drawn_records(records)]),
        environments=_table("environments", [pd.DataFrame(environment_rows(records))]),
    )


def write_tables(tables: Tables, output: Path) -> list[Path]:
    """Write the tables into an existing folder, each file atomically, and return the paths."""
    paths = []
    for name, file in FILES.items():
        content = _as_text(getattr(tables, name)).to_csv(index=False, lineterminator="\n").encode()
        replace_file(output / file, gzip.compress(content, 6, mtime=0) if file.endswith(".gz") else content)
        paths.append(output / file)
    return paths


def read_tables(output: Path) -> Tables:
    """Read the tables that ``write_tables`` wrote.

    Raises:
        ValueError: if files or columns are missing; the message names them.
    """
    missing = [file for file in FILES.values() if not (output / file).is_file()]
    if len(missing) == len(FILES):
        raise ValueError(f"{output} must hold the tables of a comparison: {', '.join(missing)}")
    if missing:
        raise ValueError(
            f"{output} lacks {', '.join(missing)}: made by an older version; run jumpgym compare again"
        )
    return Tables(**{field.name: _read(field.name, output) for field in fields(Tables)})


def _read(name: str, output: Path) -> pd.DataFrame:
    path, columns = output / FILES[name], COLUMNS[name]
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        header = pd.read_csv(io.BytesIO(content), nrows=0).columns
        absent = [column for column in columns if column not in header]
        lacking = [column for column in absent if column not in ADDED]
        if lacking:
            raise ValueError(
                f"lacks the columns {', '.join(lacking)}: made by an older version; run jumpgym compare again"
            )
        whole = pd.read_csv(
            io.BytesIO(content),
            usecols=[column for column in columns if column not in absent],
            dtype={column: _TYPES[kind] for column, kind in columns.items()},
            keep_default_na=False,
            na_values={column: [""] for column, kind in columns.items() if kind != "text"},
        ).assign(**{column: "" if columns[column] == "text" else np.nan for column in absent})
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a table of a comparison: {error}") from error
    return _table(name, [whole])  # rounds again, as pandas' parser may be off by the last bit


def applicable(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``comparison`` whose method applies to the environment and did not fail."""
    return rows[rows.status.isin([Status.OK, Status.DIVERGED])]


def absence(rows: pd.DataFrame) -> str:
    """What stands in place of a gap for runs without one: "failed" if one of them failed, else "n/a"."""
    return "failed" if (rows.status == Status.FAILED).any() else "n/a"


def learned(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of learned methods, without the references."""
    return rows[~rows.method.isin(list(REFERENCES))]


def with_references(rows: pd.DataFrame, comparison: pd.DataFrame) -> pd.DataFrame:
    """The references of a comparison, followed by some of its rows."""
    return pd.concat([comparison[comparison.method.isin(list(REFERENCES))], rows])


def in_order(methods: Iterable[str]) -> list[str]:
    """References and methods, each once, in the order in which they are registered; then all others."""
    names = list(dict.fromkeys(methods))
    listed = [name for name in (*REFERENCES, *METHODS) if name in names]
    return listed + [name for name in names if name not in listed]


def described(method: str) -> str:
    """One line on a method or reference."""
    return description(method)


def of_problem(rows: pd.DataFrame, env: str, parameters: str) -> pd.DataFrame:
    """The rows of a problem."""
    return rows[(rows.env == env) & (rows.parameters == parameters)]


def budgets(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name (``"20 CPU seconds"``) and learned rows of each budget, the smallest first."""
    groups = learned(rows).groupby(BUDGET, dropna=False)
    return [(spent(*budget), of_budget) for budget, of_budget in groups]


def spent(budget_seconds: Any, budget_timesteps: Any) -> str:
    """Name of a budget: ``"20 CPU seconds"`` or ``"1,000,000 transitions"``."""
    return (
        f"{budget_timesteps:,} transitions" if pd.isna(budget_seconds) else f"{budget_seconds:g} CPU seconds"
    )


def title(env: str, parameters: str) -> str:
    """Name of a problem: ``SetupCost`` or ``SetupCost (lead_time=2)``.

    Args:
        env: environment id.
        parameters: JSON text, empty for the defaults.
    """
    name = re.sub(r"-v0$", "", short(env))
    values = json.loads(parameters) if parameters else {}
    settings = ", ".join(f"{key}={json.dumps(value)}" for key, value in values.items())
    return f"{name} ({settings})" if settings else name


def regime_label_of(policies: pd.DataFrame) -> Callable[[Sequence[int]], str]:
    """The function from the regime of each gate to a label, see ``regime_label``.

    Args:
        policies: rows of one problem.
    """
    gates = policies[policies.kind == "gate"].drop_duplicates(["index", "value"])
    names = dict(zip(zip(gates["index"], gates.value.astype(int), strict=True), gates.name, strict=True))
    return lambda regimes: regime_label(names[i, regime] for i, regime in enumerate(regimes))


def _table(name: str, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows with the columns and types of a table, and with numbers rounded as they are written."""
    columns = COLUMNS[name]
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    whole = whole.reindex(columns=list(columns))
    for column, kind in columns.items():
        if kind == "text":
            whole[column] = whole[column].astype(object).where(whole[column].notna(), "")
        whole[column] = whole[column].astype(_TYPES[kind])
        if kind == "number":
            whole[column] = _rounded(whole[column].to_numpy())
    return whole


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its numbers as text; each value is formatted once, which is far faster than in pandas."""
    text = {}
    for name in table:
        codes, values = pd.factorize(table[name])
        texts = [f"{v:.{DIGITS}g}" if isinstance(v, float) else str(v) for v in values]
        text[name] = np.array([*texts, ""], dtype=object)[codes]  # missing values have the code -1
    return pd.DataFrame(text)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    different, index = np.unique(values, return_inverse=True)
    return np.array([float(f"{value:.{DIGITS}g}") for value in different])[index]
