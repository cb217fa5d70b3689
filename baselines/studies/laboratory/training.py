"""Cost against CPU seconds by estimator, with the same policy, seeds and budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from jumpgym import as_problem

from ...report.figures import draw_curves
from ...report.formatting import counted, markdown_of
from ...report.styles import style
from ...runs.measure import Reference
from ...runs.methods import AgentMethod
from ...runs.provenance import named_files
from ...runs.run import EPISODES, short
from ..outcome import Outcome
from ..records import Record, read_record, train_and_record
from .estimates import estimators

LABELS = {
    "estimator": "estimator",
    "seed": "seed",
    "gap_percent": "gap, %",
    "gap_se_percent": "±",
    "transitions": "transitions",
    "cpu_seconds": "CPU s",
    "status": "status",
    "note": "note",
}
"""Columns of the report."""


def run(seed: int, env: Any, budget: float, seeds: int, folder: Path, command: str) -> Outcome:
    """Train the agent with every estimator, except where there is a record of that already.

    Args:
        seed: of the first training; the others have the following ones.
        env: environment with a finite horizon.
        budget: CPU seconds of each training, evaluations not counted.
        seeds: trainings of each estimator.
        folder: of the records.
        command: what was typed, for the records.

    Raises:
        NotApplicable: if there is nothing to compare with, see ``Reference``.
    """
    problem = as_problem(env)
    measure = Reference(problem)
    records = []
    for number in range(seed, seed + seeds):
        for name, keywords in estimators(problem).items():
            records.append(_record(name, keywords, number, env, budget, measure, folder, command))
            print(f"  {name}, seed {number}: gap {records[-1]['row']['gap_percent']:.3f} %", flush=True)
    table = pd.DataFrame([{**_identity(record), **record["row"]} for record in records])
    curves = pd.DataFrame([{**_identity(record), **at} for record in records for at in record["curve"]])
    picture = draw(env.spec.id, curves, budget)
    tables = {"training": table, "training-curves": curves}
    return Outcome(_text(env, budget, seeds, measure, table), tables, {"training": picture})


def _identity(record: Record) -> dict[str, Any]:
    return {name: record["settings"][name] for name in ("estimator", "seed")}


def _record(
    name: str,
    keywords: dict[str, Any],
    seed: int,
    env: Any,
    budget: float,
    measure: Reference,
    folder: Path,
    command: str,
) -> Record:
    """The record of a training, read if there is one."""
    files = named_files(env.spec.id, env.spec.kwargs)
    settings = {
        "env": str(env.spec.id),
        "parameters": repr(sorted(env.spec.kwargs.items())),
        "estimator": name,
        "agent": keywords,
        "seed": seed,
        "budget": budget,
        **({"files": files} if files else {}),
    }
    estimator = name.replace(", ", "-").replace(" ", "-")
    path = folder / f"{short(env.spec.id)}_{estimator}_seed{seed}_{budget:g}s.json"
    record = read_record(path, settings)
    if record is None:
        method = AgentMethod("jumpgym.agents:MixedGradient", name, **keywords)
        model = method.make(env, seed)
        record = train_and_record(path, settings, method, model, measure, budget, EPISODES, command)
    return record


def draw(name: str, curves: pd.DataFrame, budget: float) -> bytes:
    """Learning curves of the estimators, see ``draw_curves``."""
    curves = curves.rename(columns={"estimator": "method"})
    curves = curves.assign(env=name, parameters="", budget_seconds=budget, budget_timesteps=None)
    styles = {estimator: style(i, i // 8) for i, estimator in enumerate(curves.method.unique())}
    return draw_curves(short(name), curves.astype({"budget_timesteps": "Int64"}), styles)


def _text(env: Any, budget: float, seeds: int, measure: Reference, table: pd.DataFrame) -> str:
    note = f" ({measure.note})" if measure.note else ""
    rows = table.sort_values(["seed", "gap_percent"])[list(LABELS)].rename(columns=LABELS)
    return f"""\
`{env.spec.id}`, {budget:g} CPU seconds of training on one thread, {counted(seeds, "seed")} of each estimator.
All estimators use the same policy, batch size, learning rate, entropy bonus and initial weights of the
policy, and the default limit on the gradient of states. Their steps take different times, so the numbers of
transitions differ. The gap is that to the {measure.kind}{note} on {EPISODES:,} episodes with common random
numbers; ± is its standard error.

![Gap against training](training.png)

{markdown_of(rows, 3)}
"""
