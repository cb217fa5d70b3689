"""How much memory an agent may take for its networks while it is loaded from a checkpoint.

A checkpoint declares the sizes of the networks in its settings, and networks are made before weights are
compared. So whatever is sized by settings is announced here first, and refused if the file does not hold as
much.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MULTIPLE = 4
"""Numbers allocated for each number in the file; some networks replace one that was made before."""

SMALL = 2**22
"""Numbers that every file may ask for, 16 MB: a policy that a thousand items share replaces a wider one."""

_left: ContextVar[int | None] = ContextVar("left", default=None)


@contextmanager
def allowance(stored: int) -> Iterator[None]:
    """A context in which ``spend`` refuses more than a file of so many stored numbers can need."""
    token = _left.set(MULTIPLE * stored + SMALL)
    try:
        yield
    finally:
        _left.reset(token)


def is_loading() -> bool:
    """Return whether an agent is being made from a checkpoint."""
    return _left.get() is not None


def spend(numbers: int, purpose: str) -> None:
    """Announce that so many numbers are allocated; without an allowance, anything is allowed.

    Raises:
        ValueError: if an agent is loaded from a file that does not hold as many.
    """
    allowed = _left.get()
    if allowed is None:
        return
    if numbers > allowed:
        raise ValueError(
            f"its settings declare {purpose}, which takes more numbers than the arrays in the file hold"
        )
    _left.set(allowed - numbers)
