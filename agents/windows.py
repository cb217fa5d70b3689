"""Agents that learn whole episodes, and windows of problems with an infinite horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem, checks

from . import arrays
from .arrays import Array
from .gradients import estimators
from .gradients.rollout import Rollout, discounts, draw
from .networks.perceptrons import Value
from .settings import AgentSettings
from .training.allowance import spend
from .training.schedules import linear_until
from .validated import ValidatedAgent


@dataclass(frozen=True, kw_only=True)
class WindowSettings(AgentSettings):
    """Settings of agents that learn on windows where the horizon is infinite.

    Args:
        window: number of periods of a window. None: 50. Only for problems with horizon=None.
        validation_share: share of the recorded periods that are held back from the training, the latest ones.
            0 holds nothing back. Only for recorded noise; see ``ValidatedAgent``.
    """

    window: int | None = None
    validation_share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_unless_none(checks.integer, "window", low=1)
        self._check(checks.number, "validation_share", low=0, high=0.9)

    @classmethod
    def for_problem(cls, problem: HindsightProblem, **settings: Any) -> Self:
        """See ``AgentSettings.for_problem``; a window is refused where the horizon is finite."""
        chosen = cls(**settings)
        if problem.horizon is not None and chosen.window is not None:
            raise ValueError(
                f"window={chosen.window} is for problems with an infinite horizon; this one has "
                f"horizon={problem.horizon} and is learnt on whole episodes: leave window out"
            )
        if problem.horizon is None and chosen.validation_share > 0 and chosen.comparing:
            name = chosen.comparing[0]
            raise ValueError(
                f"{name}={getattr(chosen, name):g} compares policies on records that validation_share="
                f"{chosen.validation_share:g} holds back; with horizon=None leave one of them out"
            )
        if problem.season is not None and chosen.window is not None and chosen.window % problem.season:
            raise ValueError(
                f"window={chosen.window} must be a multiple of season={problem.season}: windows are whole "
                "seasons"
            )
        return chosen

    @property
    def comparing(self) -> list[str]:
        """Names of the settings by which a training compares policies on noise that it was not trained on."""
        return ["restarts"] if self.restarts > 1 else []


class Windows(nn.Module):
    """Where the last windows ended, and the average cost of a period.

    Args:
        problem: a problem with an infinite horizon.
        episodes: number of episodes that are simulated side by side.
    """

    AVERAGE_UPDATE = 0.05
    average: Tensor
    begun: Tensor

    def __init__(self, problem: HindsightProblem, episodes: int) -> None:
        super().__init__()
        spend(episodes * len(problem.observation_low), f"batch_size={episodes}")
        state = problem.initial_state(torch.zeros(episodes, *problem.start_shape))
        self.state_type = type(state)
        for name, entry in zip(self._names, state, strict=True):
            self.register_buffer(name, entry.clone())
        self.register_buffer("average", torch.zeros(problem.layout.credit.shape[1]))
        self.register_buffer("begun", torch.tensor(False))

    @property
    def _names(self) -> list[str]:
        return [f"state_{name}" for name in self.state_type._fields]

    @property
    def state(self) -> Any:
        """The states in which the last windows ended, without gradient."""
        return self.state_type(*(getattr(self, name) for name in self._names))

    def go_on(self, episodes: Rollout) -> None:
        """Let the next windows begin where these end, and update the average cost (C,) of a period."""
        xp = arrays.namespace(episodes.costs)
        for name, entry in zip(self._names, episodes.states[-1], strict=True):
            setattr(self, name, arrays.detach(entry))
        mean = arrays.detach(episodes.costs).mean((0, 1))
        average = self.average + self.AVERAGE_UPDATE * (mean - self.average)
        self.average = xp.where(self.begun, average, mean)
        self.begun = xp.ones_like(self.begun)


class WindowedAgent(ValidatedAgent):
    """An agent that learns a finite horizon on whole episodes, and an infinite one on windows.

    With an infinite horizon (``horizon=None``), an iteration simulates windows that continue where those of
    the previous iteration ended. No gradient passes from one window to the next; a learned value bootstraps
    the cost beyond the window, and the gradient passes through this value to the quantities in the window. If
    the discount is 1, costs are taken relative to the average cost of a period, and the value is a
    differential value.

    Args:
        env, device, engine, **settings: see ``Agent`` and ``WindowSettings``.

    Attributes:
        value: the learned value of states, or None.
        windows: the states from which the windows continue, or None with a finite horizon.
        entropy_worth: default worth of the entropy of a single gate, in units of ``cost_scale``.
    """

    entropy_worth = 0.2

    WINDOW = 50
    REVIVAL_EPISODES = 64
    """Number of episodes that suffices to see whether a head is dead."""

    Settings = WindowSettings
    settings: WindowSettings
    value: Value | None = None

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        self.windows = Windows(self.problem, self.settings.batch_size) if self.infinite_horizon else None

    @property
    def infinite_horizon(self) -> bool:
        """Whether the problem has no last period."""
        return self.problem.horizon is None

    @property
    def periods(self) -> int:
        """Number of periods T that an iteration simulates: those of an episode or of a window.

        Windows are whole seasons, so that the noise of each begins where that of the last one ended.
        """
        season = self.problem.season or 1
        return self.problem.horizon or self.settings.window or -(-self.WINDOW // season) * season

    def start(self) -> tuple[Any, Array]:
        """See ``Agent.start``; windows start from the states in which the last ones ended."""
        return draw(self.problem, self.settings.batch_size, self.periods, self.generator, self._begin)

    def _begin(self, start: Array, uniforms: Array) -> tuple[Any, Array]:
        """Return the states in which windows begin, and their noise; see ``HindsightProblem.begin``."""
        uniforms = self.training_uniforms(uniforms)
        state = self.problem.initial_state(start)
        if self.windows is not None:
            xp, begun = arrays.namespace(uniforms), self.windows.begun
            entries = zip(self.windows.state, state, strict=True)
            state = type(state)(*(xp.where(begun, last, first) for last, first in entries))
        return self.problem.with_past(state, uniforms), self.problem.noise(uniforms)

    def finish(self, episodes: Rollout) -> None:
        """See ``Agent.finish``; the next windows go on where these end."""
        super().finish(episodes)
        if self.windows is not None:
            self.windows.go_on(episodes)

    def relative(self, costs: Array) -> Array:
        """Return costs (T, m, C) relative to the average cost if the horizon is infinite and discount is 1.

        The first windows take their own average.
        """
        if self.windows is None or self.problem.discount < 1:
            return costs
        xp = arrays.namespace(costs)
        return costs - xp.where(self.windows.begun, self.windows.average, costs.mean((0, 1)))

    def closing(self, episodes: Rollout) -> Array:
        """Return the value (m, C) of the states after the last period, discounted to the first period.

        It is connected to the states; it is 0 with a finite horizon.
        """
        if not self.infinite_horizon:
            return arrays.namespace(episodes.costs).zeros_like(episodes.costs[0])
        assert self.value is not None
        return self.problem.discount ** len(episodes.costs) * self.value(episodes.final)

    def advantages(self, episodes: Rollout, closing: Array, estimator: str, gae_lambda: float) -> Array:
        """Return the advantages (T, m, C) of an estimator of ``ESTIMATORS``, by component, without gradient.

        Args:
            episodes: T periods of m episodes.
            closing: what ``closing`` returns for them.
            estimator: its name.
            gae_lambda: lambda of the generalised advantage.
        """
        definition = estimators.ESTIMATORS[estimator]
        assert definition.advantage is not None
        costs = self.relative(arrays.detach(episodes.costs))
        values = None
        if definition.needs_value:
            assert self.value is not None
            values = self.value(arrays.detach(episodes.observations)) * self.discounts(costs)
        data = estimators.CostData(costs, arrays.detach(closing), values, gae_lambda, self.cost_scale)
        return definition.advantage(data)

    def costs_to_go(self, episodes: Rollout) -> Array:
        """Return the costs to go (T, m, C), discounted to the first period, without gradient."""
        costs = self.relative(arrays.detach(episodes.costs))
        return estimators.cost_to_go(costs, arrays.detach(self.closing(episodes)))

    def discounts(self, costs: Array) -> Array:
        """Return ``discount^t``, shape (T, 1, 1), for costs (T, m, C)."""
        return discounts(self.problem, len(costs), costs)

    def value_loss(self, episodes: Rollout) -> Array | float:
        """Return the loss of the value, in units of cost; 0 if there is no value.

        It must be computed before other uses of the value, since the first fit sets the value's scale.
        """
        if self.value is None:
            return 0.0
        costs_to_go = self.costs_to_go(episodes)
        targets = self.centred(costs_to_go / self.discounts(costs_to_go))
        return self.value.error(arrays.detach(episodes.observations), targets) * self.cost_scale

    def centred(self, costs_to_go: Array) -> Array:
        """Return the targets of a value for costs to go (T, m, C).

        A differential value is determined up to a constant, which would drift. So targets are taken relative
        to their mean in each period; a single mean would keep the error of the average cost, which adds up
        over a window.
        """
        if self.infinite_horizon and self.problem.discount == 1:
            return costs_to_go - costs_to_go.mean(1, keepdims=True)
        return costs_to_go

    def entropy_loss(self, entropies: Array, bonus: float | None, until: float) -> Array:
        """Return minus the worth of the gates' entropy, in units of cost, and record the mean entropy.

        Args:
            entropies: of each gate in each decision, shape (T, m, G).
            bonus: cost units that an entropy of 1 is worth at the start of the training. None:
                ``entropy_worth`` times ``cost_scale``, divided by the mean of 1 and the number of gates.
            until: share of a phase of the training at which the worth has fallen to 0, linearly.
        """
        self.logger.record("train/entropy", arrays.number(entropies.mean()))
        if bonus is None:
            bonus = self.entropy_worth * self.cost_scale / ((1 + entropies.shape[-1]) / 2)
        worth = linear_until(self.phase.entropy_bonus * bonus, until, self.phase_progress)
        return -worth * entropies.sum(-1).sum(0).mean()

    def revival_loss(self, episodes: Rollout) -> Array:
        """Return ``HybridPolicy.revival`` of some of the episodes."""
        parts = (episodes.observations, episodes.gates, episodes.quantities)
        return self.policy.revival(*(arrays.detach(part[:, : self.REVIVAL_EPISODES]) for part in parts))
