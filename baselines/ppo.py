"""PPO, the one of the learners of ``jumpgym.baselines.sb3`` that is set up in several ways."""

from __future__ import annotations

from typing import Any, cast

from jumpgym import checks

from .sb3.budgeted import BudgetedPPO, Cosine
from .sb3.learners import LEARNERS, hyperparameters_of, make_learner

__all__ = ["METHODS", "BudgetedPPO", "Cosine", "make_ppo", "ppo_hyperparameters"]

METHODS = {name: learner for name, learner in LEARNERS.items() if learner.algorithm is BudgetedPPO}
"""Those of ``LEARNERS`` that are PPO."""


def ppo_hyperparameters(name: str, env: Any) -> dict[str, Any]:
    """``hyperparameters_of`` one of ``METHODS``."""
    return hyperparameters_of(checks.choice("name", name, tuple(METHODS)), env)


def make_ppo(
    name: str, env: Any, seed: int | None = None, hyperparameters: dict[str, Any] | None = None, **kwargs: Any
) -> BudgetedPPO:
    """``make_learner`` of one of ``METHODS``; keywords are its, such as ``device`` and ``policy_kwargs``."""
    checks.choice("name", name, tuple(METHODS))
    return cast(BudgetedPPO, make_learner(name, env, seed, hyperparameters, **kwargs))
