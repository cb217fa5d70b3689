"""Which code, libraries and machine a result comes from."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path

import jumpgym

PACKAGES = ("torch", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib", "jumpgym")
"""Whose versions are kept."""

ASIDE = {"cli", "comparison", "report", "studies", "tuning"}
"""Folders of ``jumpgym.baselines`` that plan, spread or show runs, and do not change their results."""


@functools.lru_cache
def code_version() -> str:
    """Version of jumpgym, and a digest of all its sources that decide the results of a run."""
    digest = hashlib.sha256()
    for package in ("jumpgym", "jumpgym.agents", "jumpgym.baselines"):
        spec = importlib.util.find_spec(package)  # importing the agents would import PyTorch
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*")):
            place = path.relative_to(root)
            aside = package == "jumpgym.baselines" and place.parts[0] in ASIDE
            if path.suffix in (".py", ".yml") and not aside:
                digest.update(f"{package}/{place.as_posix()}\n".encode())
                digest.update(path.read_bytes())
    return f"{jumpgym.__version__}+{digest.hexdigest()[:12]}"


def versions() -> dict[str, str]:
    """Versions of Python and of what the results depend on."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in PACKAGES
    }


def hardware() -> str:
    """Cores and processor, without the name of the machine."""
    model = platform.processor() or platform.machine()
    with_names = Path("/proc/cpuinfo")
    if with_names.exists():
        lines = with_names.read_text().splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    return f"{os.cpu_count()} cores, {model}"
