"""One iteration of an agent's training: simulate, differentiate a loss, take a step of Adam."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem

from .. import arrays
from ..arrays import Array
from ..gradients.estimators import cost_unit
from ..gradients.rollout import Limits, Rollout, draw
from ..settings import AgentSettings
from .budget import NOTHING, Budget, Spent
from .clock import CpuClock
from .logger import Logger
from .race import Race
from .schedules import SINGLE, Phase, cosine, phase_at


class TrainingIteration(ABC):
    """What an agent does in one iteration of its training. ``Agent`` describes the attributes.

    PyTorch runs ``iterate`` as it is; JAX compiles it with its own versions of ``descend`` and ``repeat``.
    """

    SCALE_UPDATE: ClassVar[float] = 0.1
    """Weight of the latest iteration in ``cost_scale``."""

    phases: Sequence[Phase] = SINGLE

    problem: HindsightProblem
    settings: AgentSettings
    networks: nn.ModuleDict
    optimizer: torch.optim.Adam
    generator: torch.Generator
    logger: Logger
    num_timesteps: int
    iterations: int
    progress: float
    cost_scale: float
    clock: CpuClock
    race: Race
    others: Spent

    @abstractmethod
    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Simulate the policy as in training, with exploration or relaxed gates.

        Args:
            state: initial states of m episodes.
            noise: shape (m, T, *noise_shape).
        """

    @abstractmethod
    def loss(self, episodes: Rollout) -> Tensor:
        """Return the loss of an iteration, a scalar in units of cost, and record its parts in the logger."""

    @property
    def uncompiled(self) -> str | None:
        """Why iterations with these settings cannot be compiled by JAX; None if they can."""
        return None

    @property
    def periods(self) -> int:
        """Number of periods T that an iteration simulates: those of a whole episode."""
        assert self.problem.horizon is not None
        return self.problem.horizon

    def start(self) -> tuple[Any, Tensor]:
        """Draw the initial states and the noise (batch_size, T, *noise_shape) of an iteration."""
        return draw(self.problem, self.settings.batch_size, self.periods, self.generator)

    def iterate(self) -> None:
        """Run one iteration of training."""
        begin = self.start()

        def objective() -> tuple[Array, Rollout]:
            episodes = self.simulate(*begin)
            return self.loss(episodes), episodes

        self.finish(self.descend(objective))

    def descend(self, objective: Callable[[], tuple[Array, Any]], trained: Sequence[str] = ("",)) -> Any:
        """Take a step of Adam down the gradient of a loss.

        Args:
            objective: computes the loss, a scalar in units of cost, and whatever else is to be returned.
            trained: prefixes of the names of the parameters on which the loss depends; the others keep their
                values and their moments. PyTorch finds them by itself, JAX does not.

        Returns:
            what the objective returned beside the loss.

        Raises:
            FloatingPointError: if the loss or its gradient is not finite; the weights are left unchanged.
        """
        loss, result = objective()
        self.optimizer.zero_grad()
        (loss / self.cost_scale).backward()
        norm = nn.utils.clip_grad_norm_(self.networks.parameters(), self.settings.max_grad_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            self.refuse(float(loss.detach()), float(norm))
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate
        self.optimizer.step()
        self.logger.record("train/loss", float(loss.detach()))
        self.logger.record("train/gradient_norm", float(norm))
        return result

    def refuse(self, loss: float, norm: float) -> NoReturn:
        """Raise the error of a loss, or of the norm of its gradient, that is not finite."""
        raise FloatingPointError(
            f"{type(self).__name__}: after {self.num_timesteps} time steps the loss is {loss}, and the norm "
            f"of its gradient is {norm}; try a lower learning_rate or state_gradient_limit"
        )

    def repeat(self, step: Callable[[Array], Array], inputs: Array) -> None:
        """Call ``step`` with one input after the other, until it returns False.

        Args:
            step: calls ``descend``, and returns whether to go on.
            inputs: one or more, along the first axis.
        """
        for entry in inputs:
            if not step(entry):
                break

    def review(self) -> None:
        """Do what is to be done now and then in a training, between iterations; by default nothing."""
        return

    def training_uniforms(self, uniforms: Array) -> Array:
        """Return the uniforms of noise that training may see, of any; by default all of them."""
        return uniforms

    def finish(self, episodes: Rollout) -> None:
        """Count the time steps of an iteration, and update ``cost_scale`` with its costs."""
        periods, count = episodes.costs.shape[:2]
        self.num_timesteps += periods * count
        self.iterations += 1
        costs = arrays.detach(episodes.costs)
        self.cost_scale += self.SCALE_UPDATE * (cost_unit(costs) - self.cost_scale)
        self.logger.record("rollout/cost", arrays.number(costs.sum(-1).mean()) * periods)

    @property
    def phase(self) -> Phase:
        """The phase of the training."""
        return phase_at(self.phases, self.progress)

    @property
    def phase_progress(self) -> Any:
        """The share of the phase that is done."""
        return self.phase.progress(self.progress)

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next step: half a cosine over the phase."""
        return cosine(self.phase.learning_rate * self.settings.learning_rate, self.phase_progress)

    @property
    def limits(self) -> Limits | None:
        """The bound on the gradient in each entry of the state, for a loss in units of cost."""
        limit = self.settings.state_gradient_limit
        if limit is None:
            return None
        return [None if scale is None else limit / scale for scale in self.problem.state_scale]

    @property
    def spent(self) -> Spent:
        """What the training has spent so far, on all members."""
        return Spent(self.num_timesteps, self.clock.elapsed)

    def progress_at(self, budget: Budget, more: Spent = NOTHING) -> float:
        """Return the progress when more has been spent than by now."""
        spent = Spent(self.num_timesteps + more.timesteps, self.clock.elapsed + more.seconds)
        share = 1 - budget.share(self.others) if self.race.over else self.race.last_share
        return min(1.0, budget.share(spent.less(self.others)) / share)
