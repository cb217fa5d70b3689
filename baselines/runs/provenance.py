"""Where a result comes from: the code, the libraries and the machine."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

import jumpgym
from jumpgym import environment_id

from .method import Method

PACKAGES = ("torch", "jax", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib", "jumpgym")
"""Packages whose versions are recorded."""

ASIDE = {"cli", "comparison", "report", "studies", "tuning"}
"""Folders of ``jumpgym.baselines`` that plan, distribute or show runs, and do not change their results."""


def code_version(env: str | None = None, method: Method | None = None) -> str:
    """Return the version of jumpgym with a digest of all sources that decide the results of a run.

    The sources of an environment and a method from other packages have a digest of their own, which is
    appended.

    Args:
        env: id of the environment.
        method: the method.
    """
    names = {*(_modules_of(env) if env else ()), *(method.modules if method else ())}
    foreign = frozenset(name for name in names if name.partition(".")[0] != jumpgym.__name__)
    return f"{_own_version()}.{_foreign_digest(foreign)}" if foreign else _own_version()


def _modules_of(env_id: str) -> set[str]:
    """The modules that register and define an environment."""
    registering, _, name = env_id.rpartition(":")
    names = {registering} if registering else set()
    for module in names:
        importlib.import_module(module)
    creator: Any = gym.spec(name).entry_point
    if isinstance(creator, str):
        names.add(creator.partition(":")[0])
        creator = load_env_creator(creator)
    for definition in (creator, getattr(creator, "make_problem", None)):
        if definition is not None:
            names.add(definition.__module__)
    return names


@functools.cache
def _foreign_digest(modules: frozenset[str]) -> str:
    """Digest of the sources of modules outside jumpgym: of the whole package where a module is in one."""
    digest = hashlib.sha256()
    for path in sorted(set().union(*map(_sources, modules))):
        digest.update(f"{path.name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _sources(module: str) -> set[Path]:
    """The files of the outermost package (with ``__init__.py``) that holds a module, or the module's own."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        spec = importlib.util.find_spec(".".join(parts[:end]))
        if spec is not None and spec.origin is not None and Path(spec.origin).suffix == ".py":
            file = Path(spec.origin)
            return set(_of_folder(file.parent)) if file.name == "__init__.py" else {file}
    return set()  # built in, or typed into an interpreter


def _of_folder(folder: Path) -> list[Path]:
    """The sources and data in YAML of a folder, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".yml", ".yaml"))


def named_files(env: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of the content of each file that a parameter of an environment names.

    Args:
        env: id of the environment; parameters that it was registered with count, too.
        parameters: its parameters. Any text in them, also in lists and mappings, that is the path of a file
            names it.
    """
    registered = gym.spec(environment_id(env).rpartition(":")[2]).kwargs
    paths = sorted(set(_paths_in({**registered, **parameters})))
    return {path: _digest(path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in paths}


def _paths_in(value: Any) -> Iterator[str]:
    if isinstance(value, (str, os.PathLike)):
        path = os.fsdecode(value)
        if "\0" not in path and os.path.isfile(path):
            yield path
    elif isinstance(value, (Mapping, list, tuple)):
        for entry in value.values() if isinstance(value, Mapping) else value:
            yield from _paths_in(entry)


@functools.cache
def _digest(path: str, changed_ns: int, size: int) -> str:
    """Digest of a file, computed again when it has changed."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def _own_version() -> str:
    """Version of jumpgym, and a digest of its sources."""
    digest = hashlib.sha256()
    for package in ("jumpgym", "jumpgym.agents", "jumpgym.baselines"):
        spec = importlib.util.find_spec(package)  # importing the agents would import PyTorch
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for path in _of_folder(root):
            relative = path.relative_to(root)
            if package != "jumpgym.baselines" or relative.parts[0] not in ASIDE:
                digest.update(f"{package}/{relative.as_posix()}\n".encode())
                digest.update(path.read_bytes())
    return f"{jumpgym.__version__}+{digest.hexdigest()[:12]}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on; "" for one not installed."""
    installed = {"python": platform.python_version()} | dict.fromkeys(PACKAGES, "")
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[name] = importlib.metadata.version(name)
    return installed


def hardware() -> str:
    """Return the number of cores and the processor, without the name of the machine."""
    model = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        lines = cpu_info.read_text().splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    return f"{os.cpu_count()} cores, {model}"
