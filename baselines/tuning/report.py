"""The files that ``jumpgym tune`` writes."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from ..runs.files import replace_file
from ..runs.run import short

if TYPE_CHECKING:
    from optuna import Study


LEAST = 0.01
"""Gaps in per cent below this one count as equally good."""


@dataclass(frozen=True)
class Candidate:
    """Hyperparameters that were trained again from further seeds.

    Attributes:
        number: of the trial.
        hyperparameters: keywords of ``Method.make``.
        defaults: whether they are the defaults of the method.
        value: mean logarithm of the gap in per cent, over environments and all seeds.
        fresh: the same over the further seeds alone, which played no role in the search.
    """

    number: int
    hyperparameters: dict[str, Any]
    defaults: bool
    value: float
    fresh: float

    @property
    def gap(self) -> float:
        """Geometric mean of the gaps in per cent."""
        return math.exp(self.value)


def write_result(study: Study, candidates: list[Candidate], stem: Path, command: str) -> dict[str, Any]:
    """Write ``STEM.csv``, with a row for each trial, and ``STEM.yml``, and print the choice.

    Args:
        study: see ``MethodStudy``.
        candidates: the best first.
        stem: path without suffix; its name is that of the method.
        command: what was typed.

    Returns:
        The hyperparameters of the best candidate.
    """
    best = candidates[0]
    table = trials_table(study)
    replace_file(stem.with_name(f"{stem.name}.csv"), table.to_csv(index=False).encode())
    states = Counter(table["state"])
    seconds = table["cpu_seconds"].sum() + table["confirmation_cpu_seconds"].sum()
    lines = [
        command,
        f"{len(table)} trials ({', '.join(f'{n} {state.lower()}' for state, n in states.items())}), "
        f"{seconds:.0f} CPU seconds of training in all.",
        "Geometric mean of the gap over environments and all seeds, and over the further seeds alone:",
    ]
    for candidate in candidates:
        name = f"trial {candidate.number}" + (", the defaults" if candidate.defaults else "")
        mark = "  <- chosen" if candidate is best else ""
        lines.append(f"  {name}: {candidate.gap:.3g} %, {math.exp(candidate.fresh):.3g} %{mark}")
    print("\n".join(lines[1:]))
    comment = "".join(f"# {line}\n" for line in lines if line)
    chosen = {"default": {stem.name: best.hyperparameters}}
    content = yaml.safe_dump(chosen, sort_keys=False, default_flow_style=None)
    replace_file(stem.with_name(f"{stem.name}.yml"), (comment + content).encode())
    return best.hyperparameters


def trials_table(study: Study) -> pd.DataFrame:
    """A row for each trial: number, state, value, CPU seconds, gaps by environment, hyperparameters as JSON.

    Gaps are geometric means over the seeds, separately for the search and the confirmation.
    """
    rows = []
    for trial in study.trials:
        attributes = trial.user_attrs
        if trial.state.name == "WAITING":
            continue
        again = study.user_attrs.get(f"confirmation {trial.number}", {"gaps": {}, "cpu_seconds": 0.0})
        row = {
            "trial": trial.number,
            "state": trial.state.name,
            "defaults": attributes.get("defaults", False),
            "value": trial.value,
            "cpu_seconds": attributes.get("cpu_seconds", 0.0),
            "confirmation_cpu_seconds": again["cpu_seconds"],
        }
        for env in study.user_attrs["settings"]["--env"]:
            row[f"gap_percent_{short(env)}"] = _mean(attributes.get("gaps", {}).get(env))
            row[f"confirmation_gap_percent_{short(env)}"] = _mean(again["gaps"].get(env))
        rows.append(row | {"hyperparameters": json.dumps(attributes.get("hyperparameters"))})
    return pd.DataFrame(rows)


def objective(gaps: Sequence[float]) -> float:
    """Mean logarithm of gaps in per cent, where smaller gaps count as ``LEAST``."""
    return sum(math.log(max(gap, LEAST)) for gap in gaps) / len(gaps)


def _mean(gaps: Sequence[float] | None) -> float | None:
    return math.exp(objective(gaps)) if gaps else None
