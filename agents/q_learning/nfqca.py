"""NFQCA: neural fitted Q-iteration with continuous actions, for hybrid actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jumpgym import checks

from ..gradients.rollout import Rollout
from .fitted_q import FittedQIteration, FittedQSettings
from .q_function import Actor, QFunction


@dataclass(frozen=True, kw_only=True)
class NFQCASettings(FittedQSettings):
    """Settings of ``NFQCA``, beside those of ``FittedQSettings`` and ``AgentSettings``.

    Args:
        actor_steps: number of Adam steps on the actor in an iteration, each on all base points.
    """

    actor_steps: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(checks.integer, "actor_steps", low=1)


class NFQCA(FittedQIteration):
    """Neural fitted Q-iteration with continuous actions (course notes, algorithm 21.1), for costs.

    An actor ``d(s; w)`` replaces the search over quantities: it gives levels for every joint regime, and
    descends q along its gradient with respect to the levels. The algorithm is made for continuous actions.
    Since the set of regimes is finite, the gate needs no actor here: targets, simulation and decisions take
    the regime in which q is least at the actor's levels.

    Args:
        env, device, engine: see ``Agent``.
        **settings: see ``NFQCASettings``, ``FittedQSettings`` and ``AgentSettings``.

    Raises:
        NotApplicable: if the gates have more than ``q_function.MAX_JOINT_REGIMES`` joint regimes.

    Example:
        >>> from jumpgym.agents import NFQCA
        >>> agent = NFQCA("jumpgym/SetupCost-v0", seed=0, batch_size=8).learn(total_timesteps=800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    Settings = NFQCASettings
    settings: NFQCASettings

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        with self.seeded():
            self.q = QFunction(self.problem, self.actions, self.settings.hidden)
            self.actor = Actor(self.problem, self.actions, self.settings.hidden)
        self.build(q=self.q, actor=self.actor)

    def best(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Return values (m, R) and levels (m, R, n) of the actor in each joint regime (step 2.2.1)."""
        low, high = self.actions.interval(observation)
        level = self.actor(observation).clamp(low, high)
        return self.q.each(observation, level), level

    def improve(self, episodes: Rollout) -> None:
        """Descend ``mean q(s, d(s; w); theta_{n+1})`` in w (step 2.4)."""
        observation = episodes.observations.flatten(0, 1)
        low, high = self.actions.interval(observation)
        for _ in range(self.settings.actor_steps):
            level = self.actor(observation)
            slope = self.action_gradient(observation, level.detach(), low, high)
            loss = (slope * level).sum((-2, -1)).mean() * self.cost_scale
            self.take_step(loss)

    def action_gradient(self, observation: Tensor, level: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Return ``d q / d level`` in the unit of q, (..., R, n), at the levels projected on [low, high].

        It is 0 where the projection would undo a step downhill, that is out of the interval at its ends.
        """
        applied = level.clamp(low, high).requires_grad_()
        (slope,) = torch.autograd.grad(self.q.each(observation, applied).sum() / self.q.unit, applied)
        outwards = ((level >= high) & (slope < 0)) | ((level <= low) & (slope > 0))
        return slope.masked_fill(outwards, 0.0)
