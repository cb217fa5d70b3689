"""Who called the package, for warnings that point at the user's own line."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FrameType

PASSED = ("jumpgym", "gymnasium", "functools", "contextlib")
"""Packages whose frames are passed over."""


def callers() -> Iterator[FrameType]:
    """The frames of the calls that led to the caller of this function, its own first."""
    frame = inspect.currentframe()
    frame = None if frame is None else frame.f_back
    while frame is not None:
        yield frame
        frame = frame.f_back


def user_level() -> int:
    """The ``stacklevel`` with which ``warnings.warn`` in this function's caller names the user's line."""
    level = 0
    for frame in callers():  # the first is this function's own
        if frame.f_globals.get("__name__", "").partition(".")[0] not in PASSED:
            break
        level += 1
    return level
