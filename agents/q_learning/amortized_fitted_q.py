"""AmortizedFittedQ: fitted Q-iteration with a policy fitted to the minimisers of recent iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import checks

from ..gradients.rollout import Rollout
from ..networks.perceptrons import mlp
from ..training.allowance import spend
from .fitted_q import FittedQIteration, FittedQSettings
from .q_function import Actor, QFunction, minimize


class Window(nn.Module):
    """The minimisers of the latest iterations, in buffers, so that checkpoints contain them.

    Args:
        iterations: number of iterations whose minimisers are kept.
        size: number of minimisers in an iteration.
        observation, levels: number of entries of an observation, and of levels.
    """

    observations: Tensor
    regimes: Tensor
    levels: Tensor
    pushed: Tensor

    def __init__(self, iterations: int, size: int, observation: int, levels: int) -> None:
        super().__init__()
        spend(iterations * size * (observation + levels + 1), "a window of minimisers")
        self.register_buffer("observations", torch.zeros(iterations, size, observation))
        self.register_buffer("regimes", torch.zeros(iterations, size, dtype=torch.int64))
        self.register_buffer("levels", torch.zeros(iterations, size, levels))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))

    def push(self, observations: Tensor, regimes: Tensor, levels: Tensor) -> None:
        """Store the minimisers of an iteration in place of the oldest ones."""
        slot = int(self.pushed) % len(self.regimes)
        self.observations[slot], self.regimes[slot], self.levels[slot] = observations, regimes, levels
        self.pushed += 1

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw minimisers uniformly with repetition: (count, n_obs), regimes (count,), levels (count, n)."""
        stored = min(int(self.pushed), len(self.regimes)) * self.regimes.shape[1]
        chosen = torch.randint(stored, (count,), generator=generator, device=self.regimes.device)
        observations, regimes, levels = (
            entries.flatten(0, 1)[chosen] for entries in (self.observations, self.regimes, self.levels)
        )
        return observations, regimes, levels


@dataclass(frozen=True, kw_only=True)
class AmortizedFittedQSettings(FittedQSettings):
    """Settings of ``AmortizedFittedQ``, beside those of ``FittedQSettings`` and ``AgentSettings``.

    Args:
        exact_fraction: share of the base points, drawn anew in each iteration, at which the minimum is
            searched, in (0, 1].
        window: K, the age in iterations of the oldest minimisers to which the policy is fitted, at least 0.
        policy_steps: number of Adam steps on the policy in an iteration.
        policy_batch: number of minimisers in each of these steps, drawn from the window.
    """

    exact_fraction: float = 0.25
    window: int = 10
    policy_steps: int = 4
    policy_batch: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(checks.number, "exact_fraction", low=1e-6, high=1)
        self._check(checks.integer, "window", low=0)
        self._check(checks.integer, "policy_steps", "policy_batch", low=1)


class AmortizedFittedQ(FittedQIteration):
    """Fitted Q-iteration with amortised optimisation (course notes, algorithm 20.2), for costs.

    It differs from ``FittedQ`` in that the least value of q is searched at a subset of the base points only.
    A policy ``d(s; w)``, with logits of the joint regimes and levels in each, is fitted to the minimisers of
    this and the last ``window`` iterations: by cross-entropy for the regime, and by the squared error of the
    levels in it. The policy gives the actions at the other base points, in the simulation, and in the
    decisions, which are deterministic. Older minimisers belong to an older q, and are forgotten.

    Args:
        env, device, engine: see ``Agent``.
        **settings: see ``AmortizedFittedQSettings``, ``FittedQSettings`` and ``AgentSettings``.

    Raises:
        NotApplicable: if the gates have more than ``q_function.MAX_JOINT_REGIMES`` joint regimes.

    Example:
        >>> from jumpgym.agents import AmortizedFittedQ
        >>> agent = AmortizedFittedQ("jumpgym/SetupCost-v0", seed=0, batch_size=8).learn(total_timesteps=800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    LOGIT_SCALE = 5.0

    Settings = AmortizedFittedQSettings
    settings: AmortizedFittedQSettings

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        chosen = self.settings
        joint, levels = self.actions.columns.shape
        with self.seeded():
            self.q = QFunction(self.problem, self.actions, chosen.hidden)
            self.actor = Actor(self.problem, self.actions, chosen.hidden)
            self.regime_logits = mlp(self.actor.features.dim, chosen.hidden, joint)
        self.exact = max(1, round(chosen.exact_fraction * self.periods * chosen.batch_size))
        entries = len(self.problem.observation_low)
        self.minimizers = Window(chosen.window + 1, self.exact, entries, levels)
        self.build(q=self.q, actor=self.actor, regime_logits=self.regime_logits, minimizers=self.minimizers)

    def logits(self, observation: Tensor) -> Tensor:
        """Return the logits (m, R) of the joint regimes under d."""
        return self.LOGIT_SCALE * self.regime_logits(self.actor.features(observation))

    def best(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Return q at the action of d, (m, R), ``inf`` in other regimes, and levels (m, R, n)."""
        low, high = self.actions.interval(observation)
        level = self.actor(observation).clamp(low, high)
        logits = self.logits(observation)
        others = logits < logits.amax(-1, keepdim=True)
        return self.q.each(observation, level).masked_fill(others, torch.inf), level

    def values(self, episodes: Rollout) -> Tensor:
        """Return ``q(s, a*; theta_n)``, (T, m), and add the minimisers to the window.

        At the states of B_opt, a* is the minimiser; at the others it is the action of the policy d.
        """
        values = super().values(episodes).clone()  # step 3.3.3: a* = d(s; w_n)
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
        for _ in range(self.settings.policy_steps):
            observation, regime, level = self.minimizers.sample(self.settings.policy_batch, self.generator)
            mistaken = nn.functional.cross_entropy(self.logits(observation), regime)
            policy_level = self.actor(observation).take_along_dim(regime[:, None, None], 1)[:, 0]
            loss = self.cost_scale * (mistaken + (policy_level - level).square().sum(-1).mean())
            self.take_step(loss)
