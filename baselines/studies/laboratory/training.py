"""Cost against CPU seconds by estimator: same policy, seeds and budget."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

import jumpgym
from jumpgym import as_problem

from ...report.statistics import CEILING, FLOOR
from ...report.styles import png
from ...runs.files import replace_file
from ...runs.measure import Reference
from ...runs.methods import AgentMethod
from ...runs.run import EPISODES, short
from ...runs.training import CURVE_FACTOR, point, train
from .estimates import estimators
from .pictures import COLOURS, DASHES, MARKERS
from .report import Outcome, markdown

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


def run(seed: int, env: Any, budget: float, seeds: int, output: Path) -> Outcome:
    """Train the agent with every estimator; what was trained before with the same settings is not again.

    Args:
        seed: of the first training; those that follow have the next ones.
        env: environment with an end.
        budget: CPU seconds of each training, evaluations not counted.
        seeds: trainings of each estimator.
        output: folder, in whose folder ``runs`` a record is kept of each training once it is done.

    Raises:
        NotImplementedError: if nothing is known to compare with, see ``Reference``.
    """
    problem = as_problem(env)
    measure = Reference(problem)
    records = []
    for each in range(seed, seed + seeds):
        for name, settings in estimators(problem).items():
            record = _record(name, settings, each, env, budget, measure, output / "runs")
            print(f"  {name}, seed {each}: gap {record['row']['gap_percent']:.3f} %", flush=True)
            records.append(record)
    table = pd.DataFrame([{**_names(record), **record["row"]} for record in records])
    curves = pd.DataFrame([{**_names(record), **at} for record in records for at in record["curve"]])
    text = _text(env, budget, seeds, measure, table)
    tables = {"training": table, "training-curves": curves}
    return Outcome(text, tables, {"training": draw(curves, measure.kind)})


def _names(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record["settings"][name] for name in ("estimator", "seed")}


def _record(
    name: str,
    settings: dict[str, Any],
    seed: int,
    env: Any,
    budget: float,
    measure: Reference,
    folder: Path,
) -> dict[str, Any]:
    """The record of a training, read if there is one."""
    asked = {
        "env": str(env.spec.id),
        "parameters": repr(sorted(env.spec.kwargs.items())),
        "estimator": name,
        "agent": settings,
        "seed": seed,
        "budget": budget,
        "version": jumpgym.__version__,
    }
    place = f"{short(env.spec.id)}_{name.replace(', ', '-').replace(' ', '-')}_seed{seed}_{budget:g}s.json"
    path = folder / place
    found = _read(path, asked)
    if found is not None:
        return found
    method = AgentMethod("jumpgym.agents:MixedGradient", name, **settings)
    model = method.make(env, seed)
    curve: list[dict[str, float]] = []
    row = train(method, model, measure, curve, cpu_seconds=budget)
    gap = measure.gap(model, model.get_env(), EPISODES)
    curve.append(point(model, gap))
    record = {"settings": asked, "row": {**asdict(gap), **row}, "curve": curve}
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(record).encode())
    return record


def _read(path: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """A record, or None if it is missing, damaged, or of other settings."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        complete = {"row", "curve"} <= record.keys()
        return record if complete and record["settings"] == asked else None
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def _text(env: Any, budget: float, seeds: int, measure: Reference, table: pd.DataFrame) -> str:
    note = f" ({measure.note})" if measure.note else ""
    rows = table.sort_values(["seed", "gap_percent"])[list(LABELS)].rename(columns=LABELS)
    total = f"{seeds} seed{'s' if seeds > 1 else ''} of each estimator"
    return f"""\
`{env.spec.id}`, {budget:g} CPU seconds of training on one thread, {total}. All have the same policy, batch,
learning rate, entropy bonus and initial weights of the policy, and the limit on the gradient of states that
agents have by default. A step costs some more time than another, so that transitions differ. The gap is that
to the {measure.kind}{note} on {EPISODES:,} episodes of common noise; after ± its standard error.

![Gap against CPU seconds](training.png)

{markdown(rows, 3)}
"""


def draw(curves: pd.DataFrame, kind: str) -> bytes:
    """Gap against CPU seconds, the median over seeds; no marker comes twice in a panel."""
    names = list(dict.fromkeys(curves.estimator))
    panels = [names[start : start + len(MARKERS)] for start in range(0, len(names), len(MARKERS))]
    figure = Figure(figsize=(1.0 + 4.8 * len(panels), 5.4), layout="constrained")
    for axes, shown in zip(
        figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0], panels, strict=True
    ):
        for i, name in enumerate(shown):
            seconds, gap = _median(curves[curves.estimator == name])
            axes.plot(
                seconds,
                gap,
                color=COLOURS[i],
                marker=MARKERS[i],
                linestyle=DASHES[i],
                markersize=5,
                label=name,
            )
        axes.set(xscale="log", yscale="log", xlabel="CPU seconds of training")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        axes.grid(color="#dddddd")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False, fontsize=9)
    figure.axes[0].set_ylabel(f"gap to the {kind}, %, drawn within {FLOOR:g} and {CEILING:g}")
    return png(figure)


def _median(curves: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Median over seeds, interpolated to times that all seeds have."""
    runs = [run.sort_values("cpu_seconds") for _, run in curves.groupby("seed")]
    first = max(run.cpu_seconds.iloc[0] for run in runs)
    last = min(run.cpu_seconds.iloc[-1] for run in runs)
    count = 1 + round(np.log(last / first) / np.log(CURVE_FACTOR)) if last > first else 1
    times = np.linspace(np.log(first), np.log(last), count)
    gaps = [run.gap_percent.fillna(np.inf).clip(FLOOR, CEILING).to_numpy() for run in runs]
    lines = [
        np.interp(times, np.log(run.cpu_seconds), np.log(gap)) for run, gap in zip(runs, gaps, strict=True)
    ]
    return np.exp(times), np.exp(np.median(lines, 0))
