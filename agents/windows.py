"""Learning on windows: what agents of problems without an end have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem, as_problem, checks

from .base import Agent
from .gradients import estimators
from .gradients.rollout import Rollout, draw
from .networks.perceptrons import Value


class Windows(nn.Module):
    """Where the last windows ended, and the average cost of a period.

    Args:
        problem: a problem without an end.
        episodes: how many go on side by side.
    """

    AVERAGE_UPDATE = 0.05
    average: Tensor
    begun: Tensor

    def __init__(self, problem: HindsightProblem, episodes: int) -> None:
        super().__init__()
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
        """The states, without gradient."""
        return self.state_type(*(getattr(self, name) for name in self._names))

    def go_on(self, episodes: Rollout) -> None:
        """Begin the next windows where these end, and follow the average cost (C,) of a period."""
        for name, entry in zip(self._names, episodes.states[-1], strict=True):
            setattr(self, name, entry.detach().clone())
        mean = episodes.costs.detach().mean((0, 1))
        self.average = torch.where(
            self.begun, self.average + self.AVERAGE_UPDATE * (mean - self.average), mean
        )
        self.begun = torch.ones_like(self.begun)


class WindowedAgent(Agent):
    """An agent that learns a problem with an end on whole episodes, and one without on windows.

    Without an end (``horizon=None``) the episodes of an iteration are windows that go on from where those of
    the iteration before ended. No gradient passes from one window to the next; what follows a window is told
    by a learned value, through which the gradient passes to the quantities in it. At discount 1 costs are
    taken relative to the average cost of a period, and the value is the differential one.

    Args:
        window: periods of a window; None: 50. Only without an end.
        **settings: of every agent, see ``Agent``.
    """

    WINDOW = 50
    value: Value

    def __init__(self, env: Any, *, window: int | None = None, **settings: Any) -> None:
        self.window = None if window is None else checks.integer("window", window, low=1)
        horizon = as_problem(env).horizon
        if horizon is not None and self.window is not None:
            raise ValueError(
                f"window={window} is for problems without an end; this one has horizon={horizon} and is "
                "learnt on whole episodes: leave window out"
            )
        super().__init__(env, **settings)

    @property
    def endless(self) -> bool:
        """Whether the problem has no end."""
        return self.problem.horizon is None

    @property
    def periods(self) -> int:
        """Periods of an iteration: all of an episode, or those of a window."""
        return self.problem.horizon or self.window or self.WINDOW

    def window_networks(self) -> dict[str, nn.Module]:
        """The value that closes windows, and where they go on; nothing where there is an end."""
        if not self.endless:
            return {}
        self.value = self.make_value()
        self.windows = Windows(self.problem, self.batch_size)
        return {"value": self.value, "windows": self.windows}

    def make_value(self) -> Value:
        """A value that is not trained yet."""
        return Value(self.problem, self.hidden)

    def start(self) -> tuple[Any, Tensor]:
        """See ``Agent.start``; without an end the states are those at which the last windows ended."""
        state, noise = draw(self.problem, self.batch_size, self.periods, self.generator)
        return (self.windows.state if self.endless and self.windows.begun else state), noise

    def finish(self, episodes: Rollout) -> None:
        """Account for an iteration, and go on from where its windows end."""
        super().finish(episodes)
        if self.endless:
            self.windows.go_on(episodes)

    def relative(self, costs: Tensor) -> Tensor:
        """Costs (T, m, C) that estimators take: less the average where neither an end nor a discount is.

        For the first windows the average is their own.
        """
        if not self.endless or self.problem.discount < 1:
            return costs
        return costs - torch.where(self.windows.begun, self.windows.average, costs.mean((0, 1)))

    def advantages(self, episodes: Rollout, estimator: str, gae_lambda: float) -> Tensor:
        """Advantages (T, m, C) of the costs by component, without gradient; see ``estimators``."""
        costs, closing = self.relative(episodes.costs.detach()), self.closing(episodes).detach()
        q = estimators.cost_to_go(costs, closing)
        if estimator == "total_cost":
            return estimators.total_cost(costs, closing)
        if estimator == "reward_to_go":
            return q
        if estimator == "leave_one_out":
            return estimators.leave_one_out(q)
        values = self.value(episodes.observations.detach()) * self.discounts(q, len(q))
        if estimator == "value":
            return estimators.value_advantage(q, values)
        if estimator == "normalised":
            return self.cost_scale * estimators.normalised(estimators.value_advantage(q, values))
        return estimators.gae(costs, values, 0.0 if estimator == "td" else gae_lambda, closing)

    def costs_to_go(self, episodes: Rollout) -> Tensor:
        """Costs to go (T, m, C) of the costs by component, without gradient."""
        return estimators.cost_to_go(self.relative(episodes.costs.detach()), self.closing(episodes).detach())

    def discounts(self, like: Tensor, periods: int) -> Tensor:
        """``discount^t`` for t < periods, shape (periods, 1, 1)."""
        powers = [self.problem.discount**period for period in range(periods)]
        return torch.tensor(powers, dtype=like.dtype, device=like.device)[:, None, None]

    def closing(self, episodes: Rollout) -> Tensor:
        """Value (m, C) of what follows the last period, discounted to the first, connected to the states."""
        if not self.endless:
            return episodes.costs.new_zeros(episodes.costs.shape[1:])
        return self.problem.discount ** len(episodes.costs) * self.value(episodes.final)

    def value_loss(self, episodes: Rollout, costs_to_go: Tensor) -> Tensor:
        """Loss of the value, in units of cost; ``costs_to_go`` (T, m, C) are discounted to the first period.

        A differential value is known but for a constant: its mean is kept at 0, see ``centred``.
        """
        targets = self.centred(costs_to_go / self.discounts(costs_to_go, len(costs_to_go)))
        return self.value.error(episodes.observations.detach(), targets) * self.cost_scale

    def centred(self, costs_to_go: Tensor) -> Tensor:
        """Costs to go (T, m, C) that a value is fitted to: a differential one less the mean of each period.

        Its constant would drift otherwise; by period, since an error of the average adds up over a window.
        """
        if self.endless and self.problem.discount == 1:
            return costs_to_go - costs_to_go.mean(1, keepdim=True)
        return costs_to_go

    @classmethod
    def _supported(cls, env: Any) -> HindsightProblem:
        return as_problem(env)
