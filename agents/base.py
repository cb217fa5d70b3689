"""What all agents share: learn and predict."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem, NotApplicable, as_problem, checks
from jumpgym.adapters.predict import checked_observation, format_action

from .gradients.estimators import cost_unit
from .gradients.rollout import Limits, Rollout, draw
from .training.callbacks import Callbacks
from .training.clock import CpuClock
from .training.device import one_thread, usable_device
from .training.logger import Logger, ProgressBar
from .training.persistent import Persistent
from .training.schedules import cosine


class Agent(Persistent):
    """An agent that differentiates through the problem it learns.

    One iteration of training simulates ``batch_size`` whole episodes on fresh noise, back-propagates one loss
    through them, and takes one Adam step. A subclass makes ``self.networks`` and gives the loss, or another
    ``iterate``. What is to survive ``save`` and ``load`` lies in the networks, as parameters or buffers.

    On the CPU one thread is used, whatever ``torch.get_num_threads()`` says, which is left as it was: see
    ``device.one_thread``.

    Args:
        env: environment id, environment or problem.
        seed: of the networks' initialisation and of all noise.
        device: torch device of networks and simulation.
        batch_size: episodes in an iteration.
        learning_rate: of Adam at the start; annealed to 0 by a cosine over the training.
        hidden: widths of the hidden layers (tanh) of each network.
        max_grad_norm: bound on the norm of the gradient of the loss in units of ``cost_scale``.
        state_gradient_limit: bound on the gradient with respect to each entry of the state, in units of
            ``cost_scale`` per ``state_scale`` of the problem; see ``rollout``. Where it acts it biases the
            gradient: too low a limit cuts off what rare, costly shortages say, too high a one lets gradients
            explode. None for none.
        tensorboard_log: folder for TensorBoard, or None.

    Attributes:
        problem: the problem that is learnt.
        num_timesteps: transitions simulated so far, the environment's time steps.
        cost_scale: magnitude of the cost of a period in the latest iterations, the unit of cost in training;
            see ``estimators.cost_unit``.
        clock: CPU seconds of training so far.
        logger: last values of loss, cost, entropy, gradient norm.

    Raises:
        ValueError, TypeError: naming the parameter, its value and what is allowed.
    """

    SCALE_UPDATE: ClassVar[float] = 0.1

    def __init__(
        self,
        env: Any,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
        batch_size: int = 256,
        learning_rate: float = 3e-3,
        hidden: Sequence[int] = (64, 64),
        max_grad_norm: float = 0.2,
        state_gradient_limit: float | None = 400.0,
        tensorboard_log: str | os.PathLike[str] | None = None,
        **unknown: Any,
    ) -> None:
        for name, value in unknown.items():
            raise TypeError(
                f"{self.name}: unknown parameter {name}={value!r}; allowed are env, device, "
                f"{', '.join(self._setting_names())}"
            )
        self.problem = self._supported(env)
        self.seed = checks.integer("seed", seed, low=0, high=2**63 - 1)
        self.device = usable_device(device)
        self.batch_size = checks.integer("batch_size", batch_size, low=2)
        self.learning_rate = checks.number("learning_rate", learning_rate, low=0)
        if not isinstance(hidden, Sequence):
            raise TypeError(f"hidden={hidden!r} must be a sequence of widths, such as (64, 64)")
        self.hidden = [checks.integer("hidden", width, low=1) for width in hidden]
        self.max_grad_norm = checks.number("max_grad_norm", max_grad_norm, low=0)
        self.state_gradient_limit = (
            None
            if state_gradient_limit is None
            else checks.number("state_gradient_limit", state_gradient_limit, low=0)
        )
        self.tensorboard_log = None if tensorboard_log is None else os.fspath(tensorboard_log)
        self.num_timesteps = 0
        self.iterations = 0
        self.progress = 0.0
        self.clock = CpuClock()
        self.clock.stop()
        self.logger = Logger()
        self.generator = torch.Generator(self.device).manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)  # torch.manual_seed would reseed other devices too
            self.networks = nn.ModuleDict(self.make_networks()).to(self.device)
        self.optimizer = torch.optim.Adam(self.networks.parameters(), lr=self.learning_rate)
        self.cost_scale = 1.0
        with one_thread(self.device), torch.no_grad():
            self.cost_scale = self.first_cost_scale()

    @abstractmethod
    def make_networks(self) -> dict[str, nn.Module]:
        """The networks that are trained, by name."""

    @abstractmethod
    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Simulate the policy as it is in training, with exploration or relaxation."""

    @abstractmethod
    def loss(self, episodes: Rollout) -> Tensor:
        """The loss of an iteration, in units of cost; sets what is reported in ``self.logger``."""

    @abstractmethod
    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """Regimes (m, G) and quantities (m, n) of observations (m, n_obs)."""

    @property
    def periods(self) -> int:
        """Periods of an iteration: all of an episode."""
        assert self.problem.horizon is not None
        return self.problem.horizon

    def first_cost_scale(self) -> float:
        """``cost_scale`` under the policy as it is at the start."""
        return cost_unit(self.simulate(*self.start()).costs)

    def start(self) -> tuple[Any, Tensor]:
        """Initial states and noise, (batch_size, periods, *noise_shape), of an iteration."""
        return draw(self.problem, self.batch_size, self.periods, self.generator)

    def iterate(self) -> None:
        """One iteration of training: simulate, back-propagate, step."""
        episodes = self.simulate(*self.start())
        self.descend(self.loss(episodes))
        self.finish(episodes)

    def finish(self, episodes: Rollout) -> None:
        """Account for an iteration."""
        self.count(episodes.costs)

    def descend(self, loss: Tensor) -> None:
        """One step of Adam down the gradient of a loss in units of cost.

        Raises:
            FloatingPointError: if the loss or its gradient is not finite; the weights stay as they are.
        """
        self.optimizer.zero_grad()
        (loss / self.cost_scale).backward()
        norm = nn.utils.clip_grad_norm_(self.networks.parameters(), self.max_grad_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise FloatingPointError(
                f"{self.name}: after {self.num_timesteps} time steps the loss is {float(loss.detach())}, "
                f"the norm of its gradient {float(norm)}; try a lower learning_rate or state_gradient_limit"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = cosine(self.learning_rate, self.progress)
        self.optimizer.step()
        self.logger.record("train/loss", float(loss.detach()))
        self.logger.record("train/gradient_norm", float(norm))

    def count(self, costs: Tensor) -> None:
        """Account for the costs (T, m, C) that an iteration simulated."""
        periods, episodes = costs.shape[:2]
        self.num_timesteps += periods * episodes
        self.iterations += 1
        costs = costs.detach()
        self.cost_scale += self.SCALE_UPDATE * (cost_unit(costs) - self.cost_scale)
        self.logger.record("rollout/cost", float(costs.sum(-1).mean()) * periods)

    def learn(
        self,
        total_timesteps: int | None = None,
        callback: Any = None,
        log_interval: int = 10,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
        cpu_seconds: float | None = None,
    ) -> Self:
        """Train for a number of transitions, or of CPU seconds, or until the first of both is spent.

        Args:
            total_timesteps: transitions to simulate, as in SB3.
            callback: a function of the agent that returns False to stop; or a callback of SB3, whose
                ``on_step`` is called once an iteration, so that its frequencies count iterations; or a list
                of these.
            log_interval: iterations between two writes to TensorBoard.
            reset_num_timesteps: False goes on from where the last training stopped, schedules included:
                ``total_timesteps`` and ``cpu_seconds`` are then what is added to those spent so far.
            progress_bar: show a bar.
            cpu_seconds: CPU time of this process to spend; callbacks can pause it by ``agent.clock.pause()``.

        Raises:
            ValueError: if neither limit is given.
            FloatingPointError: if the loss or its gradient stops being finite; the weights are those before.
        """
        if total_timesteps is None and cpu_seconds is None:
            raise ValueError("learn: give total_timesteps, cpu_seconds, or both")
        total = (
            checks.integer("total_timesteps", total_timesteps, low=1) if total_timesteps is not None else None
        )
        budget = checks.number("cpu_seconds", cpu_seconds, low=1e-6) if cpu_seconds is not None else None
        log_interval = checks.integer("log_interval", log_interval, low=1)
        if reset_num_timesteps:
            self.num_timesteps = self.iterations = 0
            spent = 0.0
        else:
            spent = self.clock.elapsed
            total = None if total is None else total + self.num_timesteps
            budget = None if budget is None else budget + spent
        listeners = Callbacks(self, callback)
        self.logger = Logger(self.tensorboard_log)
        bar = ProgressBar(progress_bar, self.name)
        self.clock = CpuClock(spent)
        self.progress = self._progress(total, budget)
        try:
            listeners.start(total)
            with one_thread(self.device):
                going = self.progress < 1
                while going:
                    self.iterate()
                    self.progress = self._progress(total, budget)
                    going = listeners.on_step() and self.progress < 1
                    if not going or self.iterations % log_interval == 0:
                        self.logger.dump(self.num_timesteps)
                        bar.update(self.progress, cost=f"{self.logger.values['rollout/cost']:.4g}")
        finally:
            self.clock.stop()
            listeners.close()
            bar.close()
            self.logger.close()
        return self

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return the action for an observation (n,) or a batch of observations (m, n), as in SB3.

        The action is what the environment would carry out: quantities lie in the interval of their regime,
        and within what the observed state admits. See ``format_action`` for its form.

        Raises:
            ValueError: if the observation has the wrong shape, is not finite, or its period is not in
                [0, horizon].
        """
        array = checked_observation(self.problem, observation)
        batch = array.reshape(-1, array.shape[-1])
        with torch.no_grad(), one_thread(self.device):
            inputs = torch.as_tensor(batch, dtype=torch.float32, device=self.device)
            regime, quantity = self.decide(inputs, deterministic)
        decision = self.problem.carry_out_at(batch, regime.cpu().numpy(), quantity.cpu().numpy())
        return format_action(decision.regime, decision.quantity, array.ndim == 2, episode_start), state

    @classmethod
    def _supported(cls, env: Any) -> HindsightProblem:
        problem = as_problem(env)
        if problem.horizon is None:
            raise NotApplicable(
                f"{cls.name}: it needs a problem with an end, and this one has horizon=None; make it with a "
                "horizon, such as horizon=100, or use an agent that learns on windows: MixedGradient, HPO or "
                "StochasticValueGradient"
            )
        return problem

    def get_env(self) -> HindsightProblem:
        """The problem; SB3's callbacks ask for it."""
        return self.problem

    def get_vec_normalize_env(self) -> None:
        """None: observations are never normalised outside the networks; SB3's callbacks ask."""

    def _limits(self, noise: Tensor) -> Limits | None:
        """The limits on the state's gradient of the loss in units of ``cost_scale``; see ``rollout``."""
        if self.state_gradient_limit is None:
            return None
        limits: list[float | Tensor | None] = []
        for scale in self.problem.state_scale:
            limit = None if scale is None else self.state_gradient_limit / scale
            array = isinstance(limit, np.ndarray)
            limits.append(torch.as_tensor(limit, dtype=noise.dtype, device=noise.device) if array else limit)
        return limits

    def _progress(self, total: int | None, budget: float | None) -> float:
        steps = self.num_timesteps / total if total is not None else 0.0
        return min(1.0, max(steps, self.clock.elapsed / budget if budget is not None else 0.0))
