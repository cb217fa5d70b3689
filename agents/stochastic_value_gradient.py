"""StochasticValueGradient: pathwise gradients over n steps, beyond which a learned critic bootstraps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from jumpgym import HindsightProblem, checks

from . import arrays
from .arrays import Array
from .gradients import estimators
from .gradients.rollout import Policy, Rollout, rollout_by_period
from .networks.critic import Critic
from .networks.gates import Choice, entropy, gumbel_noise, log_prob, sampled_gate
from .networks.policies import HybridPolicy
from .training.schedules import linear_until
from .windows import WindowedAgent, WindowSettings


class DisturbedPolicy(HybridPolicy):
    """A policy to whose levels exploration noise can be added.

    Args:
        problem, hidden, quantity_head: see ``HybridPolicy``.
    """

    def disturbed(self, noise: Array) -> Policy:
        """Return the policy ``a_t = d(s_t) + sigma eps_t`` (section 25.2) with noise on each output.

        The sum is projected on the interval of the regime.

        Args:
            noise: ``sigma eps_t``, in units of the quantity's scale, shape (m, columns).
        """

        def forward(observation: Array, choice: Choice) -> tuple[Array, Array, Array]:
            logits, weights, head = self._outputs(observation, choice)
            return logits, weights, self._quantity(observation, head + noise)

        return forward


@dataclass(frozen=True, kw_only=True)
class StochasticValueGradientSettings(WindowSettings):
    """Settings of ``StochasticValueGradient``, beside those of ``WindowSettings`` and ``AgentSettings``.

    Args:
        steps: n, at least 0. None: infinity.
        noise: standard deviation of the normal noise on levels in training, in units of the quantity's
            scale. None: ``0.3 / sqrt(n + 1)``, since the critic must know more about quantities the more is
            left to it.
        critic_lambda: lambda of the critic's targets, in [0, 1]: 1 is the simulated cost to go, 0 one step
            and the critic.
        critic_fits: number of Adam steps on the critic in an iteration; the first one is the policy's step.
        entropy_bonus: see ``MixedGradientSettings``, but None stands for a fifth of what it is there.
        entropy_until, revival: see ``MixedGradientSettings``.
    """

    steps: int | None = None
    noise: float | None = None
    critic_lambda: float = 0.95
    critic_fits: int = 4
    entropy_bonus: float | None = None
    entropy_until: float = 0.7
    revival: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_unless_none(checks.integer, "steps", low=0)
        self._check_unless_none(checks.number, "noise", low=0)
        self._check(checks.number, "critic_lambda", low=0, high=1)
        self._check(checks.integer, "critic_fits", low=1)
        self._check_unless_none(checks.number, "entropy_bonus", low=0)
        self._check(checks.number, "entropy_until", low=1e-6, high=1)
        self._check(checks.number, "revival", low=0)

    @classmethod
    def for_problem(cls, problem: HindsightProblem, **settings: Any) -> Self:
        """See ``AgentSettings.for_problem``; the steps must fit in the horizon or the window."""
        made = super().for_problem(problem, **settings)
        if made.steps is None:
            return made
        if problem.horizon is not None and made.steps > problem.horizon:
            raise ValueError(
                f"steps={made.steps} is longer than the horizon, {problem.horizon}: use None to follow "
                "episodes to their end"
            )
        window = made.window or WindowedAgent.WINDOW
        if problem.horizon is None and made.steps >= window:
            raise ValueError(
                f"steps={made.steps} does not fit in a window of {window} periods, whose last decision the "
                "critic judges: use None to follow all of it, or a longer window"
            )
        return made


class StochasticValueGradient(WindowedAgent):
    """Stochastic value gradients over n steps, SVG(n) (course notes, 25.1 and 25.2; Heess et al. 2015).

    Episodes are cut into segments of n + 1 decisions. The simulator gives the cost of the first n of them. A
    learned critic ``Q(s_n, a_n)`` gives the cost from the last one on, and the gradient passes through it to
    state and action, but not from one segment to the next. So each decision counts once, and the gradient is
    unbiased for any n if the critic is true. The first segment has a random length. A segment that the end of
    the episode cuts short needs no critic. ``steps=0`` is SVG(0), which relies on the critic alone.
    ``steps=None`` follows whole episodes: this is SVG(inf), or back-propagation policy optimisation, whose
    gradient is that of ``MixedGradient`` with leave-one-out advantages.

    The source has continuous actions only. Here gates are sampled, and their gradient is that of the score
    function with its cross term: ``log p(a^S_t | s_t)``, connected to the states of its segment, times the
    cost to go to the end of the segment, including the critic, less its mean over the other episodes.

    The critic is fitted to lambda-returns of the simulated costs, relative to their mean in each period, on
    which no decision depends. It learns from the ``noise`` on levels how the cost depends on a quantity.

    A problem with an infinite horizon is learnt on windows (see ``WindowedAgent``). The critic also closes
    the last segment of a window; with ``steps=None`` this is the whole window.

    Args:
        env, device, engine: see ``Agent``.
        **settings: see ``StochasticValueGradientSettings``, ``WindowSettings`` and ``AgentSettings``.

    Raises:
        ValueError: also if ``steps`` is longer than the horizon, or does not fit in the window.

    Example:
        >>> from jumpgym.agents import StochasticValueGradient
        >>> agent = StochasticValueGradient("jumpgym/SetupCost-v0", steps=10).learn(total_timesteps=25_600)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    Settings = StochasticValueGradientSettings
    settings: StochasticValueGradientSettings
    policy: DisturbedPolicy
    critic: Critic | None = None
    begins: Array
    judged: Array

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        steps, hidden = self.settings.steps, self.settings.hidden
        with self.seeded():
            self.policy = DisturbedPolicy(self.problem, hidden, "problem")
            if self.infinite_horizon or (steps is not None and steps < self.periods):
                self.critic = Critic(self.problem, hidden)
        self.build(policy=self.policy, windows=self.windows, critic=self.critic)

    def cut(self) -> tuple[Array, Array]:
        """Cut the periods into segments.

        The first segment has a random length, lest the same periods always be left to the critic.

        Returns:
            for each period whether a segment begins with it, except for the first one, and whether the critic
            judges its decision, (T,) each.
        """
        steps, infinite, periods = self.settings.steps, self.infinite_horizon, self.periods
        whole = periods + (not infinite)
        length = whole if steps is None else min(steps + 1, whole)
        uniform = arrays.uniform((), self.generator)
        xp, period = arrays.namespace(uniform), arrays.constant(np.arange(periods), uniform)
        first = whole if length == whole else 1 + xp.floor(uniform * length)
        begins = (period >= first) & ((period - first) % length == 0)
        complete = (periods - first) % length == 0  # nothing follows the end of an episode
        return begins, xp.concat([begins[1:], begins[:1] | complete | infinite])

    def simulate(self, state: Any, noise: Array) -> Rollout:
        """Simulate episodes with sampled gates and disturbed levels; no gradient passes between segments."""
        layout, shape = self.problem.layout, (noise.shape[1], len(noise))
        gumbel = gumbel_noise((*shape, layout.options), self.generator, noise)
        gate = sampled_gate(gumbel, layout.gate_groups)
        self.begins, self.judged = self.cut()
        policy_at: Callable[[int], Policy] = lambda period: self.policy  # noqa: E731
        if self.deviation > 0:
            disturbance = self.deviation * arrays.normal((*shape, len(layout.low)), self.generator, noise)
            policy_at = lambda period: self.policy.disturbed(disturbance[period])  # noqa: E731
        episodes = rollout_by_period(self.problem, policy_at, gate, state, noise, self.limits, self.begins)
        return episodes._replace(gumbel=gumbel)

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise on levels, in units of the quantity's scale."""
        steps, noise = self.settings.steps, self.settings.noise
        if noise is not None:
            return noise
        if self.critic is None:
            return 0.0
        return 0.3 / (self.periods if steps is None else steps + 1) ** 0.5

    def iterate(self) -> None:
        """Run one iteration: a step on policy and critic, then further steps on the critic."""
        begin = self.start()

        def objective() -> tuple[Array, Rollout]:
            episodes = self.simulate(*begin)
            return self.loss(episodes), episodes

        episodes = self.descend(objective)
        if self.critic is not None:
            targets = self.critic_targets(episodes)
            self.critic.adapt(targets)
            for _ in range(1, self.settings.critic_fits):
                self.descend(lambda: (self.critic_loss(episodes, targets), None), ("critic",))
        self.finish(episodes)

    def loss(self, episodes: Rollout) -> Array:
        """Return the surrogate loss, with the losses of the entropy, of the revival and of the critic."""
        chosen = self.settings
        critic_loss: Array | float = 0.0
        if self.critic is not None:  # before the surrogate loss: the first fit sets the critic's scale
            critic_loss = self.critic_loss(episodes, self.critic_targets(episodes))
        entropies = entropy(episodes.logits, self.problem.layout.gate_groups)
        revival = linear_until(chosen.revival, chosen.entropy_until, self.phase_progress) * self.cost_scale
        return (
            self.surrogate(episodes)
            + self.entropy_loss(entropies, chosen.entropy_bonus, chosen.entropy_until)
            + revival * self.revival_loss(episodes)
            + critic_loss
        )

    def surrogate(self, episodes: Rollout) -> Array:
        """Return ``sum_i gamma^i c_i + gamma^n Q(s_n, a_n)`` of the segments, with the gates' score."""
        costs = self.segment_costs(episodes)
        log_p = log_prob(episodes.logits, episodes.gates, self.problem.layout.gate_groups)
        advantages = estimators.leave_one_out(self.segment_costs_to_go(arrays.detach(costs)))
        score = estimators.score_loss(log_p, estimators.credited(advantages, self.problem.layout))
        return estimators.pathwise_loss(costs) + score

    def segment_costs(self, episodes: Rollout) -> Array:
        """Return costs (T, m, C), with the critic's value as the last cost of each segment it closes."""
        costs = episodes.costs
        if self.critic is None:
            return costs
        values = self.critic(joined_actions(episodes)) * self.discounts(costs)
        return arrays.namespace(costs).where(self.judged[:, None, None], values, costs)

    def segment_costs_to_go(self, costs: Array) -> Array:
        """Return the sum of costs (T, m, C) from each period to the end of its segment."""
        xp, periods = arrays.namespace(costs), np.arange(len(costs))
        segment = xp.cumsum(self.begins, axis=0)
        together = (segment[:, None] == segment) * arrays.constant(periods[:, None] <= periods, costs)
        return xp.tensordot(together, costs, ([1], [0]))

    def critic_targets(self, episodes: Rollout) -> Array:
        """Return the critic's targets, the lambda-returns of the decisions, (T, m, C), without gradient.

        On a window, the last decision has no target, so the shape is (T - 1, m, C).
        """
        assert self.critic is not None
        costs = self.relative(arrays.detach(episodes.costs))
        discounts = self.discounts(costs)
        values = self.critic(arrays.detach(joined_actions(episodes))) * discounts
        closing: Array | float = 0.0
        if self.infinite_horizon:
            costs, values, closing = costs[:-1], values[:-1], values[-1]
        returns = estimators.gae(costs, values, self.settings.critic_lambda, closing) + values
        return self.centred(returns / discounts[: len(returns)])

    def critic_loss(self, episodes: Rollout, targets: Array) -> Array:
        """Return the loss of the critic, in units of cost."""
        assert self.critic is not None
        actions = arrays.detach(joined_actions(episodes))[: len(targets)]
        return self.critic.error(actions, targets) * self.cost_scale


def joined_actions(episodes: Rollout) -> Array:
    """Return the inputs of the critic for all decisions; see ``ActionFeatures``."""
    parts = [episodes.observations, episodes.gates, episodes.quantities]
    return arrays.namespace(parts[0]).concat(parts, axis=-1)
