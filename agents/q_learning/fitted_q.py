"""FittedQ: fitted Q-iteration with explicit minimisation over hybrid actions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import checks

from ..base import Agent
from ..gradients.rollout import Rollout, rollout
from ..networks.policies import Choice
from ..training.schedules import linear_until
from .q_function import JointRegimes, QFunction, minimize


class FittedQ(Agent):
    """Fitted Q-iteration with explicit optimisation (course notes, algorithm 20.1), for costs.

    The base points of an iteration are the transitions of ``batch_size`` episodes of all periods, simulated
    with the actions that are best under q, and exploration. Each is one sample of the noise: Monte-Carlo
    integration with one sample, fresh in every iteration. The targets ``r + min q(s', .)`` (discounted; 0
    after the last period) are fixed while ``fit_steps`` steps of Adam fit the network to them.

    The least value is searched over all joint regimes, and within each over the levels, see
    ``q_function.minimize``; the decisions do so too, and are deterministic. Nothing is differentiated through
    the simulator.

    Args:
        env: environment id, environment or problem.
        fit_steps: steps of Adam in an iteration, on all its base points.
        epsilon: probability in [0, 1] of a uniformly random joint regime in the simulation, and, by itself,
            of levels disturbed by a normal of standard deviation ``level_noise``.
        level_noise: in the units of ``problem.quantity_from``.
        batch_size: episodes in an iteration.
        **settings: of every agent, see ``Agent``; ``state_gradient_limit`` has no effect.

    Raises:
        ValueError: also if the gates have more than ``q_function.MAX_JOINT_REGIMES`` combinations.

    Example:
        >>> from jumpgym.agents import FittedQ
        >>> agent = FittedQ("jumpgym/SetupCost-v0", seed=0, batch_size=8).learn(total_timesteps=800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    name = "FittedQ"
    EXPLORE_UNTIL = 0.3

    def __init__(
        self,
        env: Any,
        *,
        fit_steps: int = 8,
        epsilon: float = 0.2,
        level_noise: float = 0.3,
        batch_size: int = 64,
        **settings: Any,
    ) -> None:
        self.fit_steps = checks.integer("fit_steps", fit_steps, low=1)
        self.epsilon = checks.number("epsilon", epsilon, low=0, high=1)
        self.level_noise = checks.number("level_noise", level_noise, low=0)
        super().__init__(env, batch_size=batch_size, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The network q."""
        self.actions = JointRegimes(self.problem)
        self.q = QFunction(self.problem, self.actions, self.hidden)
        return {"q": self.q}

    def best(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """The routine maximize: least values (m, R) and levels (m, R, n) in each joint regime."""
        return minimize(self.q, observation)

    @torch.no_grad()
    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Base points: episodes with exploration; in place of logits minus the least values (T, m, R)."""
        epsilon = self.epsilon + linear_until(1 - self.epsilon, self.EXPLORE_UNTIL, self.progress)
        joint = len(self.actions.regimes)

        def explores(like: Tensor) -> Tensor:
            return torch.rand(like.shape, generator=self.generator, device=like.device) < epsilon

        def gate(logits: Tensor, period: int) -> Tensor:
            best = logits.argmax(-1)
            random = torch.randint(joint, best.shape, generator=self.generator, device=best.device)
            return torch.where(explores(best), random, best)

        def policy(observation: Tensor, choose: Choice) -> tuple[Tensor, Tensor, Tensor]:
            values, levels = self.best(observation)
            regime = choose(-values)
            level = levels.take_along_dim(regime[:, None, None], 1)[:, 0]
            random = torch.randn(level.shape, generator=self.generator, device=level.device)
            level = torch.where(explores(level), self.level_noise * random, level)
            return -values, *self.actions.action(observation, regime, level)

        return rollout(self.problem, policy, gate, state, noise)

    def first_cost_scale(self) -> float:
        """``cost_scale`` at the start, which is the unit of q for good."""
        unit = super().first_cost_scale()
        self.q.unit.fill_(unit)
        return unit

    def values(self, episodes: Rollout) -> Tensor:
        """``min q(s, .; theta_n)`` of the states in which the base points start, (T, m)."""
        return -episodes.logits.amax(-1)

    @torch.no_grad()
    def targets(self, episodes: Rollout) -> Tensor:
        """``y = r + discount * min q(s', .; theta_n)`` of the base points (step 3.2.1), (T, m)."""
        discount, values = self.problem.discount, self.values(episodes)
        following = torch.cat([values[1:], torch.zeros_like(values[:1])])  # nothing follows the last period
        periods = torch.arange(len(values), device=values.device)[:, None]
        return episodes.costs.sum(-1) / discount**periods + discount * following

    def error(self, episodes: Rollout, targets: Tensor) -> Tensor:
        """``y - q(s, a; theta)`` of the base points, (T, m)."""
        level = self.actions.level(episodes.observations, episodes.gates, episodes.quantities)
        return targets - self.q(episodes.observations, episodes.gates, level)

    def loss(self, episodes: Rollout) -> Tensor:
        """The loss of a fit to the targets as q has them now."""
        return self.fit_loss(episodes, self.targets(episodes))

    def fit_loss(self, episodes: Rollout, targets: Tensor) -> Tensor:
        """Mean squared error in the unit of q, times ``cost_scale``, by which ``descend`` divides."""
        return self.cost_scale * (self.error(episodes, targets) / self.q.unit).square().mean()

    def iterate(self) -> None:
        """One iteration of algorithm 20.1 (step 3)."""
        episodes = self.simulate(*self.start())  # the base points
        targets = self.targets(episodes)  # steps 3.1 and 3.2
        with torch.no_grad():
            self.q.intercept[:-1] += self.error(episodes, targets).mean(1)
        for _ in range(self.fit_steps):  # step 3.3
            self.descend(self.fit_loss(episodes, targets))
        self.improve(episodes)
        self.count(episodes.costs)

    def improve(self, episodes: Rollout) -> None:
        """What follows the fit of q: nothing, as nothing else is learnt."""

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """The best action under q, whatever ``deterministic`` says."""
        values, levels = self.best(observation)
        regime = values.argmin(-1)
        level = levels.take_along_dim(regime[:, None, None], 1)[:, 0]
        _, quantities = self.actions.action(observation, regime, level)
        columns = self.actions.columns[regime]
        return self.actions.regimes[regime], quantities.gather(-1, columns)
