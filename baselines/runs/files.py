"""Files that are always complete, even if the process that writes them is killed."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically: a reader sees either the old content or the new one."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial(name: str, folder: Path) -> None:
    """Remove partial files, left by killed processes, of files whose names begin with ``name``."""
    for partial in folder.glob(f".{name}.*.partial"):
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(name: str, folder: Path) -> Iterator[None]:
    """Hold an inter-process lock called ``name``; it is released if the holder dies."""
    locks = folder / ".locks"
    locks.mkdir(exist_ok=True)
    with FileLock(locks / name):
        yield


def check_writable(folder: Path, name: str) -> None:
    """Make a folder, and check that files can be written there before anything is computed.

    Args:
        folder: the folder.
        name: name of the option that gave it.

    Raises:
        ValueError: if it cannot be made or written.
    """
    probe = folder / f".{uuid.uuid4().hex}"
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{name}: {str(folder)!r} must be a folder that can be written: it is a file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"{name}: {str(folder)!r} must be a folder that can be written: {error.strerror}"
        ) from error


def check_writable_file(path: Path, name: str) -> None:
    """Make the folder of a file, and check that the file can be written before anything is computed.

    Args:
        path: the file.
        name: name of the option that gave it.

    Raises:
        ValueError: if it is a folder, or its folder cannot be made or written.
    """
    if path.is_dir():
        raise ValueError(f"{name}: {str(path)!r} is a folder; give the name of a file")
    check_writable(path.parent, name)
