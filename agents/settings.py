"""The settings that all agents share: frozen, validated when they are made, and stored in checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from jumpgym import HindsightProblem, NotApplicable, checks

DEEPEST = 100
"""Most hidden layers of a network."""

LARGEST = 2**31 - 1
"""Largest width of a layer, and largest number of episodes."""


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """Settings of every agent.

    Args:
        seed: seed of the initial weights and of all noise.
        batch_size: number of episodes that an iteration simulates.
        learning_rate: initial learning rate of Adam. It falls to 0 along a cosine over the training.
        hidden: widths of the hidden layers (with tanh activations) of each network.
        max_grad_norm: largest norm of the gradient of the loss, where the loss is measured in units of the
            agent's ``cost_scale``; longer gradients are scaled down.
        state_gradient_limit: bound on the gradient with respect to each entry of the state, in units of
            ``cost_scale`` per ``state_scale`` of the problem; see ``rollout``. It biases the gradient where
            it takes effect: a limit that is too low hides rare, costly shortages from the agent, and one that
            is too high lets gradients explode. None for no limit.
        restarts: number of members that start with weights and noise of their own and share the budget of the
            training; the worse ones are dropped as it goes. See ``Race``.
        tensorboard_log: folder for TensorBoard logs. None for no logs.
        verbose: 1 prints the latest values whenever they are written to TensorBoard, 0 prints nothing.

    Raises:
        ValueError, TypeError: if a setting is wrong; the message names it, its value and what is allowed.
    """

    seed: int = 0
    batch_size: int = 256
    learning_rate: float = 3e-3
    hidden: Sequence[int] = (64, 64)
    max_grad_norm: float = 0.2
    state_gradient_limit: float | None = 400.0
    restarts: int = 1
    tensorboard_log: str | os.PathLike[str] | None = None
    verbose: int = 0

    def __post_init__(self) -> None:
        self._check(checks.integer, "seed", low=0, high=2**63 - 1)
        self._check(checks.integer, "batch_size", low=2, high=LARGEST)
        self._check(checks.number, "learning_rate", "max_grad_norm", low=0)
        self._check(_widths, "hidden")
        self._check(checks.integer, "restarts", low=1, high=1000)
        self._check(checks.integer, "verbose", low=0, high=2)
        self._check_unless_none(checks.number, "state_gradient_limit", low=0)
        self._check_unless_none(lambda _, path: os.fspath(path), "tensorboard_log")

    @classmethod
    def for_problem(cls, problem: HindsightProblem, **settings: Any) -> Self:
        """Return the settings of an agent that learns a problem.

        Subclasses fill in the defaults that depend on the problem, and refuse what does not fit it.

        Raises:
            NotApplicable: if the agent is not made for the problem.
            ValueError, TypeError: if a setting is wrong, by itself or for this problem.
        """
        if problem.horizon is None:
            raise NotApplicable(
                f"{cls._agent()} learns whole episodes, and this problem has horizon=None; make the problem "
                "with a horizon, such as horizon=100, or use an agent that learns on windows: MixedGradient, "
                "HPO, HybridPPO, Reinforce or StochasticValueGradient"
            )
        return cls(**settings)

    @classmethod
    def _agent(cls) -> str:
        return cls.__name__.removesuffix("Settings")

    def _check(self, check: Callable[..., Any], *names: str, **limits: Any) -> None:
        """Replace settings by what a function of ``checks`` returns for them."""
        for name in names:
            object.__setattr__(self, name, check(name, getattr(self, name), **limits))

    def _check_unless_none(self, check: Callable[..., Any], name: str, **limits: Any) -> None:
        if getattr(self, name) is not None:
            self._check(check, name, **limits)


def _widths(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{name}={value!r} must be a sequence of widths, such as (64, 64)")
    if len(value) > DEEPEST:
        raise ValueError(f"{name} has {len(value)} layers; at most {DEEPEST} are allowed")
    return tuple(checks.integer(name, width, low=1, high=LARGEST) for width in value)
