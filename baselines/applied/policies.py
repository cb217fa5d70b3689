"""Policies by name: the optimum, the best classical policy, or a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jumpgym import as_problem

from ..optimum import solve
from ..policies.classical import best_classical


def named_policy(policy: Any, env: Any) -> tuple[Any, Any]:
    """The policy that a name stands for, and the environment or problem whose actions it gives.

    Args:
        policy: "optimum", "classical", the path of a checkpoint, or a policy, which is returned as it is.
        env: environment id, environment or problem.

    Raises:
        NotApplicable: if there is no optimum or classical policy for the problem.
        ValueError: if there is no such checkpoint, or it does not fit the environment.
    """
    if not isinstance(policy, (str, os.PathLike)):
        return policy, env
    if policy in ("optimum", "classical"):
        problem = as_problem(env)
        return (solve if policy == "optimum" else best_classical)(problem), problem
    if not Path(policy).is_file():
        raise ValueError(
            f"policy={os.fspath(policy)!r} must be 'optimum', 'classical', or the path of a checkpoint; "
            "there is no such file"
        )
    from ..runs.methods import load

    _, model = load(policy, env)
    return model, model.get_env()
