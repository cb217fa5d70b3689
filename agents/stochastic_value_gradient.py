"""StochasticValueGradient: n steps of pathwise gradient, closed by a learned critic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import checks

from .gradients import estimators
from .gradients.critic import Critic, joined_actions
from .gradients.exploration import entropy_weight, revival_loss
from .gradients.rollout import Policy, Rollout, rollout
from .networks.gates import entropy, gumbel_noise, log_prob, sampled_gate
from .networks.policies import Choice, HybridPolicy
from .training.schedules import linear_until
from .windows import WindowedAgent, Windows


class DisturbedPolicy(HybridPolicy):
    """A policy whose levels can be disturbed.

    Args:
        problem, hidden, quantity_head: see ``HybridPolicy``.
    """

    def disturbed(self, deviation: float, generator: torch.Generator) -> Policy:
        """``a_t = d(s_t) + sigma eps_t`` (section 25.2): normal noise of a standard deviation on each output.

        Drawn anew at each call, and projected on the regime's interval with the level it is added to.
        """
        if deviation == 0:
            return self

        def forward(observation: Tensor, choice: Choice) -> tuple[Tensor, Tensor, Tensor]:
            logits, weights, head = self._outputs(observation, choice)
            noise = torch.randn(head.shape, generator=generator, dtype=head.dtype, device=head.device)
            return logits, weights, self._quantity(observation, head + deviation * noise)

        return forward


class StochasticValueGradient(WindowedAgent):
    """Stochastic value gradients over n steps, SVG(n) (course notes, 25.1 and 25.2; Heess et al. 2015).

    Episodes are cut into segments of n + 1 decisions. The cost of the first n comes from the simulator, and
    what follows from a learned critic ``Q(s_n, a_n)`` of the last one, through which the gradient passes into
    state and action; it does not pass from one segment to the next. So each decision counts once, and with
    the true critic the gradient is unbiased whatever n is. The first segment is of a random length. A segment
    that the end of the episode cuts short needs no critic. ``steps=0`` is SVG(0), which asks the critic
    alone; ``steps=None`` follows whole episodes: SVG(inf), back-propagation policy optimisation, where the
    gradient is that of ``MixedGradient`` with leave-one-out advantages.

    The source has continuous actions only. Here gates are sampled, and their gradient is the score function's
    with its cross term: ``log p(a^S_t | s_t)``, connected to the states of its segment, weighs the cost to go
    to the end of the segment with the critic there, less its mean over the other episodes.

    The critic is fitted to lambda-returns of the simulated costs, relative to their mean in each period, on
    which no decision depends. How the cost depends on a quantity it learns from ``noise`` on the levels.

    A problem without an end is learnt on windows (see ``WindowedAgent``), whose last segment is closed by the
    critic too; with ``steps=None`` that is the whole window.

    Args:
        env: environment id, environment or problem.
        steps: n, at least 0; None: infinity.
        noise: standard deviation of the normal noise on levels in training, in units of the quantity's
            scale. None: ``0.3 / sqrt(n + 1)``: the more is left to the critic, the more it must know about
            quantities.
        critic_lambda: of the lambda-returns: 1 is the simulated cost to go, 0 one step and the critic.
        critic_fits: steps of Adam on the critic in an iteration, one of them with the policy's.
        entropy_bonus, entropy_until, revival: as of ``MixedGradient``.
        **settings: of every agent, see ``WindowedAgent``.

    Raises:
        ValueError: also if ``steps`` is longer than the horizon, or does not fit in the window.

    Example:
        >>> from jumpgym.agents import StochasticValueGradient
        >>> agent = StochasticValueGradient("jumpgym/SetupCost-v0", steps=10).learn(total_timesteps=25_600)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    name = "StochasticValueGradient"
    policy: DisturbedPolicy
    critic: Critic
    segments: list[tuple[int, int, bool]]

    def __init__(
        self,
        env: Any,
        *,
        steps: int | None = None,
        noise: float | None = None,
        critic_lambda: float = 0.95,
        critic_fits: int = 4,
        entropy_bonus: float | None = None,
        entropy_until: float = 0.7,
        revival: float = 1.0,
        **settings: Any,
    ) -> None:
        self.steps = None if steps is None else checks.integer("steps", steps, low=0)
        self.noise = None if noise is None else checks.number("noise", noise, low=0)
        self.critic_lambda = checks.number("critic_lambda", critic_lambda, low=0, high=1)
        self.critic_fits = checks.integer("critic_fits", critic_fits, low=1)
        self.entropy_bonus = (
            None if entropy_bonus is None else checks.number("entropy_bonus", entropy_bonus, low=0)
        )
        self.entropy_until = checks.number("entropy_until", entropy_until, low=1e-6, high=1)
        self.revival = checks.number("revival", revival, low=0)
        super().__init__(env, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The policy, and the critic where one is asked."""
        self._check_steps()
        self.policy = DisturbedPolicy(self.problem, self.hidden, "problem")
        networks: dict[str, nn.Module] = {"policy": self.policy}
        if self.endless:
            networks["windows"] = self.windows = Windows(self.problem, self.batch_size)
        if self.endless or (self.steps is not None and self.steps < self.periods):
            networks["critic"] = self.critic = Critic(self.problem, self.hidden)
        return networks

    def cut(self) -> list[tuple[int, int, bool]]:
        """First period of each segment, the one after its last, and whether the critic judges its last.

        The first segment is of a random length, lest the critic alone judge some periods for good.
        """
        length = self.periods + (not self.endless) if self.steps is None else self.steps + 1
        if length >= self.periods + (not self.endless):
            return [(0, self.periods, self.endless)]
        drawn = torch.randint(1, length + 1, (), generator=self.generator, device=self.generator.device)
        starts = [0, *range(int(drawn), self.periods, length)]
        stops = [*starts[1:], self.periods]
        closed = [True] * (len(starts) - 1) + [self.endless or stops[-1] - starts[-1] == length]
        return list(zip(starts, stops, closed, strict=True))

    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Episodes with sampled gates and disturbed levels, the state without gradient between segments."""
        layout = self.problem.layout
        gumbel = gumbel_noise((noise.shape[1], len(noise), layout.options), self.generator, noise)
        policy = self.policy.disturbed(self.deviation, self.generator)
        self.segments = self.cut()
        parts = []
        for start, stop, _ in self.segments:
            gate = sampled_gate(gumbel[start:stop], layout.gate_groups)
            part = rollout(self.problem, policy, gate, state, noise[:, start:stop], self._limits(noise))
            parts.append(part._replace(costs=self.problem.discount**start * part.costs))
            state = type(state)(*(entry.detach() for entry in part.states[-1]))
        return joined(parts)

    @property
    def asked(self) -> list[int]:
        """Periods whose decision the critic judges."""
        return [stop - 1 for _, stop, closed in self.segments if closed]

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise on levels."""
        if self.noise is not None:
            return self.noise
        if "critic" not in self.networks:
            return 0.0
        return 0.3 / (self.periods if self.steps is None else self.steps + 1) ** 0.5

    def iterate(self) -> None:
        """See ``Agent.iterate``; further fits of the critic follow."""
        episodes = self.simulate(*self.start())
        self.descend(self.loss(episodes))
        if "critic" in self.networks:
            targets = self.critic_targets(episodes)
            for _ in range(1, self.critic_fits):
                self.descend(self.critic_loss(episodes, targets))
        self.finish(episodes)

    def loss(self, episodes: Rollout) -> Tensor:
        """Cost and score, less the entropy bonus, and the losses of revival and of the critic."""
        groups = self.problem.layout.gate_groups
        critic_loss: Tensor | float = 0.0
        if "critic" in self.networks:  # first of all: the first fit tells the scale of the critic
            critic_loss = self.critic_loss(episodes, self.critic_targets(episodes))
        undecided = entropy(episodes.logits, groups)
        self.logger.record("train/entropy", float(undecided.detach().mean()))
        bonus = entropy_weight(
            self.entropy_bonus, self.cost_scale, undecided.shape[-1], self.entropy_until, self.progress
        )
        revival = linear_until(self.revival, self.entropy_until, self.progress) * self.cost_scale
        return (
            self.surrogate(episodes)
            - bonus * undecided.sum(-1).sum(0).mean()
            + revival * revival_loss(self.policy, episodes)
            + critic_loss
        )

    def surrogate(self, episodes: Rollout) -> Tensor:
        """``sum_i gamma^i c_i + gamma^n Q(s_n, a_n)`` of all segments, and the score of their gates."""
        costs = self.segment_costs(episodes)
        log_p = log_prob(episodes.logits, episodes.gates, self.problem.layout.gate_groups)
        to_go = [estimators.cost_to_go(costs[start:stop].detach()) for start, stop, _ in self.segments]
        advantages = estimators.leave_one_out(torch.cat(to_go))
        score = estimators.score_loss(log_p, estimators.credited(advantages, self.problem.layout))
        return estimators.pathwise_loss(costs) + score

    def segment_costs(self, episodes: Rollout) -> Tensor:
        """Costs (T, m, C), with the critic's in place of the last of each segment that it closes."""
        if not self.asked:
            return episodes.costs
        costs = episodes.costs.clone()
        values = self.critic(joined_actions(episodes)[self.asked])
        costs[self.asked] = values * self.discounts(values, len(episodes.costs))[self.asked]
        return costs

    def critic_targets(self, episodes: Rollout) -> Tensor:
        """Lambda-returns of the decisions, without gradient and mean; without an end but for the last one."""
        costs = self.relative(episodes.costs.detach())
        discounts = self.discounts(costs, len(costs))
        values = self.critic(joined_actions(episodes).detach()) * discounts
        closing: Tensor | float = 0.0
        if self.endless:
            costs, values, closing = costs[:-1], values[:-1], values[-1]
        returns = estimators.gae(costs, values, self.critic_lambda, closing) + values
        return self.centred(returns / discounts[: len(returns)])

    def critic_loss(self, episodes: Rollout, targets: Tensor) -> Tensor:
        """Loss of the critic, in units of cost."""
        actions = joined_actions(episodes).detach()[: len(targets)]
        return self.critic.error(actions, targets) * self.cost_scale

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """The most probable regime of each gate, or a sampled one, and the quantities without noise."""
        return self.policy.choose(observation, self.generator, deterministic)

    def _check_steps(self) -> None:
        if self.steps is None:
            return
        if not self.endless and self.steps > self.periods:
            raise ValueError(
                f"steps={self.steps} is longer than the horizon, {self.periods}: use None to follow episodes "
                "to their end"
            )
        if self.endless and self.steps >= self.periods:
            raise ValueError(
                f"steps={self.steps} does not fit in a window of {self.periods} periods, whose last decision "
                "the critic judges: use None to follow all of it, or a longer window"
            )


def joined(parts: list[Rollout]) -> Rollout:
    """Rollouts that follow one another, as one."""
    first = parts[0]
    stacked = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("observations", "logits", "gates", "quantities", "costs")
    }
    return first._replace(
        **stacked,
        final=parts[-1].final,
        states=[*first.states[:1], *(state for part in parts for state in part.states[1:])],
        noise=torch.cat([part.noise for part in parts], 1),
    )
