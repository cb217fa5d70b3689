"""Records of the trainings of a study as JSON files, so that a study can be interrupted and continued."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


CONTENT = ("row", "curve", "reference_cost")
"""What the record of a training has beside its settings and its origin."""

FAILURE = ("status", "traceback")
"""What is recorded of a run that failed, beside its settings and its origin."""


def read_record(
    path: Path, settings: Mapping[str, Any] | None = None, content: Sequence[str] = CONTENT
) -> Record | None:
    """Read a record; None if it is missing, damaged, or of other settings or another version of jumpgym.

    Args:
        path: of the file.
        settings: what the settings must be, as JSON holds them; None for any.
        content: what the record must have.
    """
    try:
        record: Record = json.loads(path.read_bytes())
        same = settings is None or record["settings"] == settings
        whole = {*content, "command"} <= record.keys()
        return record if whole and same and record["version"] == jumpgym.__version__ else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_record(path: Path, settings: Mapping[str, Any], command: str, content: Mapping[str, Any]) -> Record:
    """Write a record with its origin, and return it.

    Args:
        path: of the file; its folder is made if it is missing.
        settings: for ``read_record``.
        command: what was typed.
        content: what was found.
    """
    record = {
        "settings": dict(settings),
        "version": jumpgym.__version__,
        **content,
        "versions": versions(),
        "hardware": hardware(),
        "command": command,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(record).encode())
    return record


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
        path, settings, command: see ``write_record``.
        method: of the model.
        model: untrained.
        measure: what the model is evaluated by.
        cpu_seconds: of training.
        episodes: of the final evaluation.
    """
    curve: list[dict[str, float]] = []
    row = train(method, model, measure, curve, cpu_seconds=cpu_seconds)
    gap = measure.gap(model, model.get_env(), episodes)
    curve.append(point(model, gap))
    content = {"row": {**asdict(gap), **row}, "curve": curve, "reference_cost": measure.cost}
    return write_record(path, settings, command, content)
