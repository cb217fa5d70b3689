"""The fallback of ``solve`` and other generic functions: environments, ids, and unsupported problems."""

from __future__ import annotations

from typing import Any

from jumpgym import HindsightProblem, NotApplicable, as_problem


def is_implemented(generic: Any, problem: HindsightProblem) -> bool:
    """Whether a generic function has an implementation for the class of a problem."""
    return generic.dispatch(type(problem)) is not generic.dispatch(object)


def resolve(generic: Any, problem: Any, purpose: str) -> HindsightProblem:
    """The problem behind an environment or an id, if a generic function has an implementation for it.

    A function made by ``functools.singledispatch`` on the class of the problem calls this in its fallback,
    and then itself with what this returns.

    Args:
        generic: the generic function.
        problem: problem, environment or environment id.
        purpose: what the function gives, for the error message.

    Raises:
        NotApplicable: if there is no implementation, naming the classes that have one.
        TypeError: if ``problem`` is not a jumpgym problem.
    """
    resolved = as_problem(problem)
    if not is_implemented(generic, resolved):
        names = sorted(kind.__name__ for kind in generic.registry if kind is not object)
        raise NotApplicable(
            f"{type(resolved).__name__} is not supported: {purpose} exists for {', '.join(names)}; register "
            "an implementation for your own class, or compare with simulated policies (evaluate) instead"
        )
    return resolved
