"""AmortizedFittedQ: fitted Q-iteration with a policy fitted to the minimisers of recent iterations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import checks

from ..gradients.rollout import Rollout
from ..networks.perceptrons import mlp
from .fitted_q import FittedQ
from .q_function import Actor, minimize


class Window(nn.Module):
    """The minimisers of the latest iterations, in buffers, which a checkpoint keeps.

    Args:
        iterations: how many are kept.
        size: minimisers in an iteration.
        observation, levels: entries of an observation, and of levels.
    """

    observations: Tensor
    regimes: Tensor
    levels: Tensor
    pushed: Tensor

    def __init__(self, iterations: int, size: int, observation: int, levels: int) -> None:
        super().__init__()
        self.register_buffer("observations", torch.zeros(iterations, size, observation))
        self.register_buffer("regimes", torch.zeros(iterations, size, dtype=torch.int64))
        self.register_buffer("levels", torch.zeros(iterations, size, levels))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))

    def push(self, observations: Tensor, regimes: Tensor, levels: Tensor) -> None:
        """Add those of an iteration, in place of the oldest ones."""
        slot = int(self.pushed) % len(self.regimes)
        self.observations[slot], self.regimes[slot], self.levels[slot] = observations, regimes, levels
        self.pushed += 1

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """``count`` of those kept, uniformly with repetition: (count, n_obs), (count,) and (count, n)."""
        kept = min(int(self.pushed), len(self.regimes)) * self.regimes.shape[1]
        drawn = torch.randint(kept, (count,), generator=generator, device=self.regimes.device)
        observations, regimes, levels = (
            kind.flatten(0, 1)[drawn] for kind in (self.observations, self.regimes, self.levels)
        )
        return observations, regimes, levels


class AmortizedFittedQ(FittedQ):
    """Fitted Q-iteration with amortised optimisation (course notes, algorithm 20.2), for costs.

    As ``FittedQ``, but the least value of q is searched at a subset of the base points only. A policy
    ``d(s; w)``, logits of the joint regimes and levels in each, is fitted to the minimisers found there in
    this and the last ``window`` iterations: by cross-entropy for the regime, by the squared error of the
    levels in it. It gives the action at the other base points, in the simulation, and in the decisions, which
    are deterministic. Older minimisers are those of an older q, and forgotten.

    Args:
        env: environment id, environment or problem.
        exact_fraction: of the base points (drawn anew in each iteration) at which the search is done, in
            (0, 1].
        window: K, the age in iterations of the oldest minimisers that the policy is fitted to, at least 0.
        policy_steps: steps of Adam on the policy in an iteration.
        policy_batch: minimisers in each of these steps, drawn from the window.
        **settings: of ``FittedQ`` and every agent.

    Raises:
        ValueError: as for ``FittedQ``.

    Example:
        >>> from jumpgym.agents import AmortizedFittedQ
        >>> agent = AmortizedFittedQ("jumpgym/SetupCost-v0", seed=0, batch_size=8).learn(total_timesteps=800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    name = "AmortizedFittedQ"
    LOGIT_SCALE = 5.0

    def __init__(
        self,
        env: Any,
        *,
        exact_fraction: float = 0.25,
        window: int = 10,
        policy_steps: int = 4,
        policy_batch: int = 1024,
        **settings: Any,
    ) -> None:
        self.exact_fraction = checks.number("exact_fraction", exact_fraction, low=1e-6, high=1)
        self.window = checks.integer("window", window, low=0)
        self.policy_steps = checks.integer("policy_steps", policy_steps, low=1)
        self.policy_batch = checks.integer("policy_batch", policy_batch, low=1)
        super().__init__(env, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The network q, the policy d as logits and levels, and the window of D_d."""
        networks = super().make_networks()
        self.actor = Actor(self.problem, self.actions, self.hidden)
        joint, levels = self.actions.columns.shape
        self.regime_logits = mlp(self.actor.features.dim, self.hidden, joint)
        self.exact = max(1, round(self.exact_fraction * self.periods * self.batch_size))
        observation = len(self.problem.observation_low)
        self.minimizers = Window(self.window + 1, self.exact, observation, levels)
        return {
            **networks,
            "actor": self.actor,
            "regime_logits": self.regime_logits,
            "minimizers": self.minimizers,
        }

    def logits(self, observation: Tensor) -> Tensor:
        """Logits (m, R) of the joint regimes under d."""
        return self.LOGIT_SCALE * self.regime_logits(self.actor.features(observation))

    def best(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """The action of d: its value under q (m, R), ``inf`` in other regimes; and its levels (m, R, n)."""
        low, high = self.actions.interval(observation)
        level = self.actor(observation).clamp(low, high)
        logits = self.logits(observation)
        others = logits < logits.amax(-1, keepdim=True)
        return self.q.each(observation, level).masked_fill(others, torch.inf), level

    def values(self, episodes: Rollout) -> Tensor:
        """``q(s, a*; theta_n)``, (T, m): a* is the minimiser at B_opt, elsewhere the action of d.

        Adds the minimisers to the window. Targets use the values of all periods but the first; of that one
        only the minimisers matter.
        """
        values = super().values(episodes)  # step 3.3.3: a* = d(s; w_n)
        observations = episodes.observations.flatten(0, 1)
        shuffled = torch.randperm(len(observations), generator=self.generator, device=values.device)
        chosen = shuffled[: self.exact]  # B_opt
        searched, levels = minimize(self.q, observations[chosen])  # step 3.3.2
        least, regime = searched.min(-1)
        level = levels.take_along_dim(regime[:, None, None], 1)[:, 0]
        self.minimizers.push(observations[chosen], regime, level)
        values.view(-1)[chosen] = least
        return values

    def improve(self, episodes: Rollout) -> None:
        """Fit d to the minimisers in the window (step 3.6 with the window)."""
        for _ in range(self.policy_steps):
            observation, regime, level = self.minimizers.sample(self.policy_batch, self.generator)
            mistaken = nn.functional.cross_entropy(self.logits(observation), regime)
            own = self.actor(observation).take_along_dim(regime[:, None, None], 1)[:, 0]
            self.descend(self.cost_scale * (mistaken + (own - level).square().sum(-1).mean()))
