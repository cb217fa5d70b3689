"""Records of finished runs and tracebacks of failed ones, as JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from .files import replace_file
from .run import Run
from .status import Status

RECORD = {
    "settings",
    "code",
    "row",
    "curve",
    "drawn",
    "chart",
    "reference",
    "versions",
    "hardware",
    "command",
}
"""Keys of a record."""

FAILURE = {"settings", "code", "status", "traceback"}
"""Keys of a failure."""


def read_record(run: Run, folder: Path) -> dict[str, Any] | None:
    """The record of a run, or None if it is missing, damaged, or of other settings or code."""
    record = _read(run.record_path(folder))
    return record if record is not None and record.items() >= run.identity.items() else None


def read_records(folder: Path) -> list[dict[str, Any]]:
    """All complete records of a folder, in the order of their names."""
    records = (_read(path) for path in sorted(folder.glob("*.json")))
    return [record for record in records if record is not None]


def read_failures(folder: Path) -> list[dict[str, Any]]:
    """All failures of a folder, in the order of their names."""
    failures = (_read(path, FAILURE) for path in sorted(folder.glob("*.failed.json")))
    return [failure for failure in failures if failure is not None]


def _read(path: Path, keys: Set[str] = RECORD) -> dict[str, Any] | None:
    """The content of a file, if it is a record or, by its keys, a failure."""
    try:
        content = json.loads(path.read_bytes())
        return content if isinstance(content, dict) and content.keys() >= keys else None
    except (OSError, ValueError):
        return None


def failure_of(run: Run, traceback: str) -> dict[str, Any]:
    """What is kept of a run that failed; tables take it in place of a record."""
    return {**run.identity, "status": Status.FAILED, "traceback": traceback}


def reason(failure: Mapping[str, Any]) -> str:
    """The error of a failure: the last line of its traceback."""
    return str(failure["traceback"]).strip().rpartition("\n")[2]


def keep_failure(run: Run, folder: Path, traceback: str) -> None:
    """Write the traceback of a run that failed, so that it is not repeated unless asked for."""
    replace_file(run.failure_path(folder), json.dumps(failure_of(run, traceback), indent=1).encode())


def read_failure(run: Run, folder: Path) -> str | None:
    """The traceback of a run that failed with these settings and this code, or None."""
    try:
        failure = json.loads(run.failure_path(folder).read_bytes())
        return str(failure["traceback"]) if failure.items() >= run.identity.items() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
