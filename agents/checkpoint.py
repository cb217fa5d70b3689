"""Checkpoints that cannot run code: a zip of NumPy arrays and one JSON file, no pickle."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "jumpgym-agent-1"
SETTINGS = "settings.json"


def with_suffix(path: str | os.PathLike[str]) -> Path:
    """``path``, ending in ``.zip``."""
    path = Path(path)
    return path if path.suffix == ".zip" else path.with_name(path.name + ".zip")


def write(path: str | os.PathLike[str], settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Path:
    """Write a checkpoint atomically: a reader sees the old file or the new one, whole.

    Args:
        path: file to write; ``.zip`` is added where it is missing.
        settings: what JSON can hold.
        arrays: by name; numbers only.

    Raises:
        OSError: if the folder cannot be written.
    """
    path = with_suffix(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(SETTINGS, json.dumps({"format": FORMAT, **settings}, indent=1))
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
                archive.writestr(f"{name}.npy", buffer.getvalue())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Settings and arrays of a checkpoint; nothing in it is executed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or not a jumpgym checkpoint.
    """
    path = Path(path)
    if not path.exists():
        path = with_suffix(path)
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if SETTINGS not in names:
                raise ValueError(f"{path} is not a jumpgym checkpoint: it has no {SETTINGS}")
            settings = json.loads(archive.read(SETTINGS))
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(name)), allow_pickle=False
                )
                for name in names
                if name != SETTINGS
            }
    except (zipfile.BadZipFile, EOFError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged or not a jumpgym checkpoint: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not a jumpgym checkpoint, or damaged: {error}") from error
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise ValueError(f"{path} is not a jumpgym checkpoint: its format must be {FORMAT!r}")
    return settings, arrays
