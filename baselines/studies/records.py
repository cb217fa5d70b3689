"""Records of the trainings of a study as JSON files, so that a study can be interrupted and continued."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jumpgym

from ..runs.files import replace_file
from ..runs.measure import Reference
from ..runs.methods import Method
from ..runs.provenance import hardware, versions
from ..runs.training import point, train

Record = dict[str, Any]
"""The ``settings`` of a training, its final ``row``, its learning ``curve``, the reference's expected cost
(``reference_cost``), and its origin: ``version`` of jumpgym, ``versions``, ``hardware``, ``command``."""


def read_record(path: Path, settings: Mapping[str, Any] | None = None) -> Record | None:
    """Read a record; None if it is missing, damaged, or of other settings or another version of jumpgym.

    Args:
        path: of the file.
        settings: what the settings must be, as JSON holds them; None for any.
    """
    try:
        record: Record = json.loads(path.read_bytes())
        same = settings is None or record["settings"] == settings
        whole = {"row", "curve", "reference_cost", "command"} <= record.keys()
        return record if whole and same and record["version"] == jumpgym.__version__ else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def train_and_record(
    path: Path,
    settings: Mapping[str, Any],
    method: Method,
    model: Any,
    measure: Reference,
    cpu_seconds: float,
    episodes: int,
    command: str,
) -> Record:
    """Train a model, evaluate it, and write the record of that.

    Args:
        path: of the record; its folder is made if it is missing.
        settings: of the training, for ``read_record``.
        method: of the model.
        model: untrained.
        measure: what the model is evaluated by.
        cpu_seconds: of training.
        episodes: of the final evaluation.
        command: what was typed.
    """
    curve: list[dict[str, float]] = []
    row = train(method, model, measure, curve, cpu_seconds=cpu_seconds)
    gap = measure.gap(model, model.get_env(), episodes)
    curve.append(point(model, gap))
    record = {
        "settings": dict(settings),
        "version": jumpgym.__version__,
        "row": {**asdict(gap), **row},
        "curve": curve,
        "reference_cost": measure.cost,
        "versions": versions(),
        "hardware": hardware(),
        "command": command,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(record).encode())
    return record
