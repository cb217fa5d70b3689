"""Files that are whole, whoever is killed when."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically: a reader sees the old one or the new one, whole."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial(name: str, folder: Path) -> None:
    """Remove what processes left that were killed while they wrote files whose names begin with ``name``."""
    for left in folder.glob(f".{name}.*.partial"):
        left.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(name: str, folder: Path) -> Iterator[None]:
    """Wait until no other process does what is called ``name``; a process that dies lets go of it."""
    locks = folder / ".locks"
    locks.mkdir(exist_ok=True)
    with FileLock(locks / name):
        yield
