"""NFQCA: neural fitted Q-iteration with continuous actions, for hybrid actions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import checks

from ..gradients.rollout import Rollout
from .fitted_q import FittedQ
from .q_function import Actor


class NFQCA(FittedQ):
    """Neural fitted Q-iteration with continuous actions (course notes, algorithm 21.1), for costs.

    An actor ``d(s; w)`` takes the place of the search over quantities: it gives levels for every joint
    regime, and descends q along its gradient with respect to the levels. The algorithm is for continuous
    actions only; as the set of regimes is finite, the gate needs no actor here: it is the regime in which q
    has its least value at the actor's levels, in the targets, the simulation and the decisions.

    Args:
        env: environment id, environment or problem.
        actor_steps: steps of Adam on the actor in an iteration, on all base points.
        **settings: of ``FittedQ`` and every agent.

    Raises:
        ValueError: as for ``FittedQ``.

    Example:
        >>> from jumpgym.agents import NFQCA
        >>> agent = NFQCA("jumpgym/SetupCost-v0", seed=0, batch_size=8).learn(total_timesteps=800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    name = "NFQCA"

    def __init__(self, env: Any, *, actor_steps: int = 4, **settings: Any) -> None:
        self.actor_steps = checks.integer("actor_steps", actor_steps, low=1)
        super().__init__(env, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The critic q and the actor d."""
        networks = super().make_networks()
        self.actor = Actor(self.problem, self.actions, self.hidden)
        return {**networks, "actor": self.actor}

    def best(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Values (m, R) and levels (m, R, n) of the actor in each joint regime (step 2.2.1)."""
        low, high = self.actions.interval(observation)
        level = self.actor(observation).clamp(low, high)
        return self.q.each(observation, level), level

    def improve(self, episodes: Rollout) -> None:
        """Descend ``mean q(s, d(s; w); theta_{n+1})`` in w (step 2.4)."""
        observation = episodes.observations.flatten(0, 1)
        low, high = self.actions.interval(observation)
        for _ in range(self.actor_steps):
            level = self.actor(observation)
            slope = self.action_gradient(observation, level.detach(), low, high)
            self.descend((slope * level).sum((-2, -1)).mean() * self.cost_scale)

    def action_gradient(self, observation: Tensor, level: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """``d q / d level`` in the unit of q, (..., R, n), at the levels projected on [low, high].

        0 where the projection would undo the step: at or beyond an end, downhill further out.
        """
        applied = level.clamp(low, high).requires_grad_()
        (slope,) = torch.autograd.grad(self.q.each(observation, applied).sum() / self.q.unit, applied)
        outwards = ((level >= high) & (slope < 0)) | ((level <= low) & (slope > 0))
        return slope.masked_fill(outwards, 0.0)
