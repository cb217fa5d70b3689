"""SB3's PPO in several forms: the learners of ``jumpgym.baselines.sb3`` whose algorithm is PPO."""

from __future__ import annotations

from typing import Any, cast

from jumpgym import checks

from .sb3.budgeted import BudgetedPPO, Cosine
from .sb3.learners import LEARNERS, hyperparameters_of, make_learner

__all__ = ["METHODS", "BudgetedPPO", "Cosine", "make_ppo", "ppo_hyperparameters"]

METHODS = {name: learner for name, learner in LEARNERS.items() if learner.algorithm is BudgetedPPO}
"""The learners whose algorithm is PPO, by name."""


def ppo_hyperparameters(name: str, env: Any) -> dict[str, Any]:
    """The hyperparameters of one of ``METHODS``, see ``hyperparameters_of``."""
    return hyperparameters_of(checks.choice("name", name, tuple(METHODS)), env)


def make_ppo(
    name: str, env: Any, seed: int | None = None, hyperparameters: dict[str, Any] | None = None, **kwargs: Any
) -> BudgetedPPO:
    """``make_learner`` for one of ``METHODS``, with the same keywords, such as ``device``."""
    checks.choice("name", name, tuple(METHODS))
    return cast(BudgetedPPO, make_learner(name, env, seed, hyperparameters, **kwargs))
