"""Conformance tests for environments with hybrid actions, for authors of new ones.

>>> from jumpgym.testing import check_hybrid_env
>>> check_hybrid_env("jumpgym/SetupCost-v0")

``check_problem`` checks that a problem computes the same in every array library.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from .adapters.conformance import conformance_faults
from .adapters.portability import differences
from .problem import HindsightProblem


class ConformanceError(AssertionError):
    """An environment breaks conventions; the message lists all that were found, and what to do."""


def check_hybrid_env(env: str | gym.Env[Any, Any], skip_render: bool = False, **parameters: Any) -> None:
    """Check an environment with actions (regime, quantity) against the conventions of jumpgym.

    They are: ``Tuple(Discrete, Box)`` or ``Tuple(MultiDiscrete, Box)`` actions, finite float32 spaces;
    equal seeds give equal episodes; fresh arrays, the same keys of ``info`` at every step, NumPy scalars and
    arrays of fixed type and shape, and dicts of them only; costs by kind that add up to the cost; quantities
    outside their intervals are projected, and ``info`` says what was applied; clear errors for a regime out
    of range, NaN and wrong shapes; ``ResetNeeded`` out of order; pickling; rendering. And all that
    Gymnasium's own ``check_env`` asks for.

    Args:
        env: an environment id (with ``parameters`` for ``gym.make``), or an environment, which is reset.
        skip_render: leave out rendering.

    Raises:
        ConformanceError: with one line for each convention that is broken.

    Example:
        >>> check_hybrid_env("jumpgym/MinOrder-v0", min_order=25.0)
    """
    if isinstance(env, str):
        env = gym.make(env, **parameters)
    elif parameters:
        raise TypeError(f"check_hybrid_env: {', '.join(parameters)} can only be given with an id")
    faults = conformance_faults(env, skip_render)
    if faults:
        raise ConformanceError(f"{env} breaks {len(faults)} conventions:\n- " + "\n- ".join(faults))


def check_problem(problem: HindsightProblem) -> None:
    """Check that a problem computes the same in NumPy, PyTorch and JAX, as far as these are installed.

    Over a few periods of random decisions, initial states, noise, observations and costs must be equal, and
    the gradients of the cost with respect to the quantities as well. In JAX the functions are compiled, so no
    shape may depend on data, and constants must outlive the trace in which they were made.

    Args:
        problem: the problem, such as ``env.unwrapped.problem``.

    Raises:
        ConformanceError: with one line for each difference.
        TypeError: if it is no ``HindsightProblem``.

    Example:
        >>> from jumpgym.problems.min_order import min_order
        >>> from jumpgym.testing import check_problem
        >>> check_problem(min_order())
    """
    if not isinstance(problem, HindsightProblem):
        raise TypeError(f"check_problem: {type(problem).__name__} must be a HindsightProblem")
    faults = list(differences(problem))
    if faults:
        raise ConformanceError("\n".join([f"{type(problem).__name__}:", *(f"- {line}" for line in faults)]))
