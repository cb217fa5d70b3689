"""Rows of the tables of a comparison, made from its records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jumpgym import ENVIRONMENTS

from ..runs.methods import METHODS, REFERENCES
from ..runs.record import reason
from ..runs.status import Status

Record = dict[str, Any]

THRESHOLDS = (1.0, 0.3)
"""Gaps in per cent; the tables say when each was first reached."""


def first_time(
    curve: Sequence[Mapping[str, float]], threshold: float, unit: str = "cpu_seconds"
) -> float | int:
    """When a curve first reaches a gap of ``threshold`` per cent or less, in ``unit``; NaN if never."""
    return next((p[unit] for p in curve if p["gap_percent"] <= threshold), float("nan"))


def place(record: Record) -> tuple[Any, ...]:
    """Sort key of a record: environments and methods are in the order in which they are registered."""
    settings = record["settings"]
    env, method = (
        order.index(name) if name in order else len(order)
        for name, order in ((settings["env"], ENVIRONMENTS), (settings["method"], [*REFERENCES, *METHODS]))
    )
    budget = settings["budget_seconds"] or 0, settings["budget_timesteps"] or 0
    return env, settings["env"], _parameters(record), method, settings["method"], budget, settings["seed"]


def _run(record: Record) -> dict[str, Any]:
    settings = record["settings"]
    learned = settings["method"] not in REFERENCES
    return {
        "env": settings["env"],
        "parameters": _parameters(record),
        "method": settings["method"],
        "seed": settings["seed"] if learned else None,
        "budget_seconds": settings["budget_seconds"] if learned else None,
        "budget_timesteps": settings["budget_timesteps"] if learned else None,
    }


def _parameters(record: Record) -> str:
    settings = record["settings"]
    parameters = settings["parameters"]
    if "split" in settings:  # of recorded demand: another problem for each split
        parameters = {**parameters, "split": settings["split"]}
    return json.dumps(parameters, sort_keys=True) if parameters else ""


def comparison_row(record: Record) -> dict[str, Any]:
    """The row of a record in the table ``comparison``."""
    curve, reference = record["curve"], record["reference"]
    return {
        **_run(record),
        "episodes": record["settings"]["episodes"],
        **record["row"],
        **{f"cpu_to_{t:g}_percent": first_time(curve, t) for t in THRESHOLDS},
        **{f"transitions_to_{t:g}_percent": first_time(curve, t, "transitions") for t in THRESHOLDS},
        "reference": reference["kind"],
        "reference_cost": reference["cost"],
        "exactness": reference["exactness"],
        "code": record["code"],
        **record["versions"],
        "hardware": record["hardware"],
        "command": record["command"],
    }


def failure_row(failure: Record) -> dict[str, Any]:
    """The row of a failed run in the table ``comparison``; see ``record.failure_of``."""
    return {
        **_run(failure),
        "episodes": failure["settings"]["episodes"],
        "status": failure["status"],
        "note": reason(failure),
        "code": failure["code"],
    }


def curve_rows(record: Record) -> list[dict[str, Any]]:
    """The rows of a record in the table ``curves``: one for each evaluation during training."""
    return [_run(record) | point for point in record["curve"]]


def drawn_records(records: Sequence[Record]) -> list[Record]:
    """For each problem and method the record whose decisions enter the tables."""
    chosen: dict[tuple[str, ...], Record] = {}
    for record in sorted(records, key=_first_seed_and_largest_budget):
        if record["drawn"] is not None:
            settings = record["settings"]
            chosen.setdefault((settings["env"], _parameters(record), settings["method"]), record)
    return [record for record in records if any(record is other for other in chosen.values())]


def _first_seed_and_largest_budget(record: Record) -> tuple[float, ...]:
    settings = record["settings"]
    return settings["seed"], -(settings["budget_seconds"] or 0), -(settings["budget_timesteps"] or 0)


def policy_rows(record: Record) -> pd.DataFrame:
    """The rows of ``policies``: the sampled decisions of a record, in long form."""
    chart, drawn = record["chart"], record["drawn"]
    points = [axis.ravel() for axis in np.meshgrid(*chart["axes"], indexing="ij")]
    x, y = points if len(points) == 2 else (points[0], np.nan)
    parts = []
    for kind, key in (("gate", "regime"), ("quantity", "quantity")):
        for period, of_period in zip(chart["periods"], drawn[key], strict=False):  # maps have no quantities
            for index, values in enumerate(of_period):
                if kind == "gate":  # there may be more of them than quantities
                    name: Any = [chart["regimes"][index][regime] for regime in values]
                else:
                    name = chart["quantities"][index]
                columns = {"period": period, "x": x, "y": y, "kind": kind, "index": index, "name": name}
                parts.append(pd.DataFrame({**columns, "value": np.asarray(values, dtype=np.float64)}))
    return pd.concat(parts, ignore_index=True).assign(**_run(record))


def environment_rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The rows of ``environments``, one for each problem."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        env, parameters = record["settings"]["env"], _parameters(record)
        reference, chart = record["reference"], record["chart"]
        row = rows.setdefault(
            (env, parameters),
            {
                "env": env,
                "parameters": parameters,
                "reference": reference["kind"],
                "reference_cost": reference["cost"],
                "exactness": reference["exactness"],
                "note": reference["note"],
                "horizon": chart["horizon"],
                "x_name": chart["names"][0],
                "y_name": chart["names"][1] if len(chart["names"]) > 1 else "",
                "hindsight_cost": None,
            },
        )
        if record["settings"]["method"] == "hindsight" and record["row"]["status"] == Status.OK:
            row["hindsight_cost"] = reference["cost"] + record["row"]["difference"]
    return list(rows.values())
