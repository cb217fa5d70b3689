"""FittedQ: fitted Q-iteration with explicit minimisation over hybrid actions."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import checks

from ..base import Agent
from ..gradients.rollout import Rollout, rollout
from ..networks.gates import Choice
from ..settings import AgentSettings
from ..training.schedules import linear_until
from .q_function import JointRegimes, QFunction, minimize


@dataclass(frozen=True, kw_only=True)
class FittedQSettings(AgentSettings):
    """Settings of all kinds of fitted Q-iteration, beside those of ``AgentSettings``.

    ``state_gradient_limit`` has no effect, since the simulator is not differentiated.

    Args:
        fit_steps: number of Adam steps in an iteration, each on all transitions of the iteration.
        epsilon: probability in [0, 1] of a uniformly random joint regime in the simulation, and,
            independently, of levels from a normal distribution with standard deviation ``level_noise``.
        level_noise: standard deviation, in the units of ``problem.quantity_from``.
        batch_size: number of episodes that an iteration simulates.
    """

    fit_steps: int = 8
    epsilon: float = 0.2
    level_noise: float = 0.3
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(checks.integer, "fit_steps", low=1)
        self._check(checks.number, "epsilon", low=0, high=1)
        self._check(checks.number, "level_noise", low=0)


class FittedQIteration(Agent):
    """Fitted Q-iteration: what its three kinds have in common.

    Args:
        env, device, engine: see ``Agent``.
        **settings: see ``FittedQSettings`` and ``AgentSettings``.

    Raises:
        NotApplicable: if the gates have more than ``q_function.MAX_JOINT_REGIMES`` joint regimes.
    """

    EXPLORE_UNTIL = 0.3

    Settings = FittedQSettings
    settings: FittedQSettings
    q: QFunction

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        self.actions = JointRegimes(self.problem)

    def build(self, **networks: nn.Module | None) -> None:
        """See ``Agent.build``; the first ``cost_scale`` is the unit of q for the whole training."""
        super().build(**networks)
        self.q.unit.fill_(self.cost_scale)

    @abstractmethod
    def best(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Return the least values (m, R) and the best levels (m, R, n) in each joint regime.

        Args:
            observation: shape (m, n_obs).
        """

    @torch.no_grad()
    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Simulate episodes with the best actions under q and exploration."""
        epsilon = self.settings.epsilon
        epsilon += linear_until(1 - epsilon, self.EXPLORE_UNTIL, self.progress)
        joint = len(self.actions.regimes)
        least: list[Tensor] = []

        def explores(like: Tensor) -> Tensor:
            return torch.rand(like.shape, generator=self.generator, device=like.device) < epsilon

        def policy(observation: Tensor, _: Choice) -> tuple[Tensor, Tensor, Tensor]:
            values, levels = self.best(observation)
            least.append(values.amin(-1))
            best = values.argmin(-1)
            random_regime = torch.randint(joint, best.shape, generator=self.generator, device=best.device)
            regime = torch.where(explores(best), random_regime, best)
            level = levels.take_along_dim(regime[:, None, None], 1)[:, 0]
            noise = torch.randn(level.shape, generator=self.generator, device=level.device)
            level = torch.where(explores(level), self.settings.level_noise * noise, level)
            return observation[..., :0], *self.actions.action(observation, regime, level)

        episodes = rollout(self.problem, policy, lambda logits, period: logits, state, noise)
        return episodes._replace(values=torch.stack(least))

    def values(self, episodes: Rollout) -> Tensor:
        """Return ``min q(s, .; theta_n)`` of the states before each decision, (T, m)."""
        assert episodes.values is not None
        return episodes.values

    @torch.no_grad()
    def targets(self, episodes: Rollout) -> Tensor:
        """Return the targets ``y = r + discount * min q(s', .; theta_n)`` (step 3.2.1), (T, m)."""
        discount, values = self.problem.discount, self.values(episodes)
        following = torch.cat([values[1:], torch.zeros_like(values[:1])])  # nothing follows the last period
        periods = torch.arange(len(values), device=values.device)[:, None]
        return episodes.costs.sum(-1) / discount**periods + discount * following

    def error(self, episodes: Rollout, targets: Tensor) -> Tensor:
        """Return ``y - q(s, a; theta)`` of all decisions, (T, m)."""
        level = self.actions.level(episodes.observations, episodes.gates, episodes.quantities)
        return targets - self.q(episodes.observations, episodes.gates, level)

    def loss(self, episodes: Rollout) -> Tensor:
        """Return the loss of a fit to the targets under the present q."""
        return self.fit_loss(episodes, self.targets(episodes))

    def fit_loss(self, episodes: Rollout, targets: Tensor) -> Tensor:
        """Return the mean squared error in the unit of q, times ``cost_scale``."""
        return self.cost_scale * (self.error(episodes, targets) / self.q.unit).square().mean()

    def take_step(self, loss: Tensor) -> None:
        """Take a step of Adam down the gradient of a loss in units of cost."""
        self.descend(lambda: (loss, None))

    @property
    def uncompiled(self) -> str | None:
        """See ``Agent.uncompiled``."""
        return f"{type(self).__name__} searches actions by PyTorch and is not compiled"

    def iterate(self) -> None:
        """Run one iteration of algorithm 20.1 (step 3)."""
        episodes = self.simulate(*self.start())  # the base points
        targets = self.targets(episodes)  # steps 3.1 and 3.2
        with torch.no_grad():
            self.q.intercept[:-1] += self.error(episodes, targets).mean(1)
        for _ in range(self.settings.fit_steps):  # step 3.3
            self.take_step(self.fit_loss(episodes, targets))
        self.improve(episodes)
        self.finish(episodes)

    def improve(self, episodes: Rollout) -> None:
        """Improve a learned policy after the fit of q; by default there is none."""

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """Return the best action under q; nothing is random."""
        values, levels = self.best(observation)
        regime = values.argmin(-1)
        level = levels.take_along_dim(regime[:, None, None], 1)[:, 0]
        _, quantities = self.actions.action(observation, regime, level)
        columns = self.actions.columns[regime]
        return self.actions.regimes[regime], quantities.gather(-1, columns)


class FittedQ(FittedQIteration):
    """Fitted Q-iteration with explicit optimisation (course notes, algorithm 20.1), for costs.

    An iteration simulates ``batch_size`` episodes with the best actions under q, and exploration. Their
    transitions are the base points. Each has one sample of the noise (Monte-Carlo integration with one
    sample), fresh in every iteration. The targets ``r + min q(s', .)`` (discounted; 0 after the last period)
    stay fixed while ``fit_steps`` steps of Adam fit the network to them.

    The least value is searched over all joint regimes, and within each over the levels; see
    ``q_function.minimize``. So are the decisions, which are deterministic. The simulator is not
    differentiated.

    Args:
        env, device, engine: see ``Agent``.
        **settings: see ``FittedQSettings`` and ``AgentSettings``.

    Raises:
        NotApplicable: if the gates have more than ``q_function.MAX_JOINT_REGIMES`` joint regimes.

    Example:
        >>> from jumpgym.agents import FittedQ
        >>> agent = FittedQ("jumpgym/SetupCost-v0", seed=0, batch_size=8).learn(total_timesteps=800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        with self.seeded():
            self.q = QFunction(self.problem, self.actions, self.settings.hidden)
        self.build(q=self.q)

    def best(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Search the least values (m, R) and the best levels (m, R, n) in each joint regime."""
        return minimize(self.q, observation)
