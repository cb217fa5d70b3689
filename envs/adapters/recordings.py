"""Which noise of a problem is recorded."""

from __future__ import annotations

from typing import Any

from ..problem import HindsightProblem


def recorded_noise(problem: HindsightProblem) -> tuple[str, Any] | None:
    """The attribute of a problem that holds recorded noise, such as "demand", and its value.

    Returns:
        the name, which is also that of the parameter, and the ``TraceNoise`` or ``ItemTraces``; None if noise
        is drawn from distributions.
    """
    for name, value in vars(problem).items():
        if hasattr(value, "first_periods"):
            return name, value
    return None
