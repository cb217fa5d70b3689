"""Which function serves which family of problems; its module is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from jumpgym import HindsightProblem, NotApplicable


def load(place: str) -> Callable[..., Any]:
    """The function at ``"module:function"``, its module taken within ``jumpgym.baselines``."""
    module, name = place.split(":")
    function: Callable[..., Any] = getattr(import_module(f".{module}", __package__), name)
    return function


def lookup(table: Mapping[str, str], problem: HindsightProblem, purpose: str) -> Callable[..., Any]:
    """The function for a problem: that of its class, or of the nearest base class that has one.

    Args:
        table: from names of classes to ``"module:function"``.
        problem: the problem.
        purpose: what the functions give, for the error.

    Raises:
        NotApplicable: if there is none, listing the classes that have one.
    """
    for kind in type(problem).__mro__:
        if kind.__name__ in table:
            return load(table[kind.__name__])
    raise NotApplicable(
        f"{type(problem).__name__} is not supported: {purpose} exists for {', '.join(sorted(table))}; "
        "compare with simulated policies (evaluate) instead"
    )
