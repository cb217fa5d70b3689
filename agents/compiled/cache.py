"""A cache of compiled programs in the user's cache folder: only the first training of a kind compiles."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

VARIABLE = "JUMPGYM_COMPILATION_CACHE"
"""Environment variable with the folder of the cache, or "off"."""

LARGEST = 512 * 2**20
"""Bytes that the cache takes at most; what was not used for longest goes first."""


def cache_folder() -> Path | None:
    """Return the folder for this version of JAX and kind of machine; None if the cache is switched off."""
    chosen = os.environ.get(VARIABLE)
    if chosen == "off":
        return None
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jumpgym"
    return Path(chosen or base) / f"jax-{jax.__version__}-{platform.system()}-{platform.machine()}"


@contextmanager
def compilation_cache() -> Iterator[None]:
    """A context in which JAX keeps what it compiles.

    A cache that the user has set up for JAX is left as it is. A folder that cannot be written costs the time
    of compiling, no more.
    """
    folder = cache_folder()
    if folder is None or getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        yield
        return
    names = (
        "jax_compilation_cache_dir",
        "jax_compilation_cache_max_size",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    values = (str(folder), LARGEST, 0.5, -1)
    for name, value in zip(names, values, strict=True):
        jax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
