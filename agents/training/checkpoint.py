"""Checkpoints that cannot run code: a zip of NumPy arrays and one JSON file, no pickle."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import uuid
import zipfile
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FORMAT = "jumpgym-agent-1"
SETTINGS = "settings.json"
LARGEST = 2**31
"""Most bytes that a checkpoint holds, unpacked; a zip file of a megabyte may claim to hold thousands."""
LARGEST_SETTINGS = 2**26
"""Most of these that are settings."""


class _SavedBySB3(Exception):
    """The file is a model of Stable-Baselines3."""


Target: TypeAlias = str | os.PathLike[str] | IO[bytes]
"""A path, or a binary file that is open, such as ``io.BytesIO()``."""


def with_suffix(path: str | os.PathLike[str]) -> Path:
    """``path``, ending in ``.zip``."""
    path = Path(path)
    return path if path.suffix == ".zip" else path.with_name(path.name + ".zip")


def write(path: Target, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write a checkpoint atomically: a reader sees the old file or the new one, whole.

    Args:
        path: file to write; ``.zip`` is added where it is missing, and so are its folders. Or an open binary
            file, which is left open.
        settings: what JSON can hold.
        arrays: by name; numbers only.

    Raises:
        OSError: naming the path, if it cannot be written; what was there before is left whole.
        ValueError: if the arrays take more than ``LARGEST`` bytes.
    """
    name = with_suffix(path) if isinstance(path, (str, os.PathLike)) else "checkpoint"
    size = sum(np.asarray(array).nbytes for array in arrays.values())
    if size > LARGEST - LARGEST_SETTINGS:
        raise ValueError(
            f"{name}: arrays of {size:,} bytes must have at most {LARGEST - LARGEST_SETTINGS:,}: use fewer "
            "weights, or a smaller buffer of experience"
        )
    if not isinstance(path, (str, os.PathLike)):
        _pack(path, settings, arrays)
        return
    path = with_suffix(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        _pack(partial, settings, arrays)
        os.replace(partial, path)
    except OSError as error:
        # The error of the system would name the partial file.
        raise OSError(error.errno, f"cannot write the checkpoint: {error.strerror}", str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _pack(file: Path | IO[bytes], settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SETTINGS, json.dumps({"format": FORMAT, **settings}, indent=1))
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue())


def read(path: Target) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Settings and arrays of a checkpoint; nothing in it is executed.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError: if it cannot be opened.
        ValueError: if the file is damaged, or not a jumpgym checkpoint.
    """
    return _read(path, with_arrays=True)


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Settings of a checkpoint, without its arrays; errors as in ``read``."""
    return _read(path, with_arrays=False)[0]


def _read(path: Target, with_arrays: bool) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if not isinstance(path, (str, os.PathLike)):
        return _parse_named(path, "the open file", with_arrays)
    path = Path(path)
    if not path.exists():
        path = with_suffix(path)
    if not path.exists():
        raise FileNotFoundError(
            f"no checkpoint at {path}; the method save of an agent writes one, or 'jumpgym train --save'"
        )
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a checkpoint; give the name of the file")
    with path.open("rb") as file:
        return _parse_named(file, str(path), with_arrays)


def _parse_named(
    file: IO[bytes], name: str, with_arrays: bool
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        return _parse(file, with_arrays)
    except _SavedBySB3:
        raise ValueError(
            f"{name} was saved by Stable-Baselines3's model.save, whose files can run code when they are "
            "loaded; if you trust it, load it with the model's class, such as PPO.load, and pass the model "
            "to jumpgym.baselines.evaluate"
        ) from None
    except Exception as error:  # damaged files bring out a dozen types of error in zip and array parsers
        reason = str(error) or type(error).__name__
        raise ValueError(f"{name} is damaged or not a jumpgym checkpoint: {reason}") from error


def _parse(file: IO[bytes], with_arrays: bool) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if SETTINGS not in names and "policy.pth" in names:
            raise _SavedBySB3
        if SETTINGS not in names:
            raise ValueError(f"it has no {SETTINGS}")
        _check_size("unpacked it", sum(entry.file_size for entry in archive.infolist()), LARGEST)
        _check_size(SETTINGS, archive.getinfo(SETTINGS).file_size, LARGEST_SETTINGS)
        settings = json.loads(archive.read(SETTINGS))
        if not isinstance(settings, dict) or settings.get("format") != FORMAT:
            raise ValueError(f"its format must be {FORMAT!r}")
        names = [name for name in names if name != SETTINGS] if with_arrays else []
        arrays = {name.removesuffix(".npy"): _read_array(archive, name) for name in names}
    return settings, arrays


def _check_size(name: str, size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"{name} has {size:,} bytes, more than {most:,}")


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """An array of numbers, if it is as long as it says: NumPy would allocate first, and then read."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{name} has version {version} of the .npy format, not (1, 0)")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        size, there = math.prod(shape) * dtype.itemsize, archive.getinfo(name).file_size - file.tell()
    if dtype.kind not in "biuf" or size != there:
        raise ValueError(f"{name} has {there:,} bytes, and is to be an array of shape {shape} of {dtype}")
    with archive.open(name) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array
