"""The files of a study of ``jumpgym tune``."""

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
"""Gap in per cent below which none is better."""


@dataclass(frozen=True)
class Candidate:
    """Hyperparameters that were trained from further seeds.

    Attributes:
        number: of the trial.
        hyperparameters: keywords of ``Method.make``.
        defaults: whether it is the method as it is.
        value: mean logarithm of the gap in per cent, over environments and all seeds.
        fresh: the same over the further seeds alone, on which nothing was selected before.
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
    """Write ``STEM.csv``, a row per trial, and ``STEM.yml``, and print the choice.

    Args:
        study: see ``MethodStudy``.
        candidates: the best first.
        stem: path without suffix, whose name is the method's.
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
        "Geometric mean of the gap over environments and seeds, and over the seeds after the search alone:",
    ]
    for each in candidates:
        name = f"trial {each.number}" + (", the method as it is" if each.defaults else "")
        mark = "  <- chosen" if each is best else ""
        lines.append(f"  {name}: {each.gap:.3g} %, {math.exp(each.fresh):.3g} %{mark}")
    print("\n".join(lines[1:]))
    comment = "".join(f"# {line}\n" for line in lines if line)
    chosen = {"default": {stem.name: best.hyperparameters}}
    content = yaml.safe_dump(chosen, sort_keys=False, default_flow_style=None)
    replace_file(stem.with_name(f"{stem.name}.yml"), (comment + content).encode())
    return best.hyperparameters


def trials_table(study: Study) -> pd.DataFrame:
    """A row per trial: number, state, value, CPU seconds, gaps by environment and hyperparameters as JSON.

    Gaps are the geometric mean over the seeds, those of the confirmation apart.
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
    """Mean logarithm of gaps in per cent, none taken below ``LEAST``."""
    return sum(math.log(max(gap, LEAST)) for gap in gaps) / len(gaps)


def _mean(gaps: Sequence[float] | None) -> float | None:
    return math.exp(objective(gaps)) if gaps else None
