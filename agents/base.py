"""What all agents share: learn, predict, save, load."""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from jumpgym import SingleItemInventory, as_problem, checks
from jumpgym.actions import format_action

from . import checkpoint
from .callbacks import Callbacks
from .clock import CpuClock
from .device import one_thread, usable_device
from .logger import Logger, ProgressBar
from .rollout import Rollout
from .schedules import cosine
from .training_state import restore_tensors, signature, training_tensors


class Agent(ABC):
    """An agent that differentiates through the problem it learns.

    One iteration of training simulates ``batch_size`` whole episodes on fresh noise, back-propagates one loss
    through them, and takes one Adam step. A subclass makes ``self.networks`` and gives the loss.

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
        state_gradient_limit: bound on the gradient with respect to the stock, in units of ``cost_scale``
            per ``level_scale`` of the problem; see ``rollout``. Where it acts it biases the gradient: too low
            a limit cuts off what rare, costly shortages say, too high a one lets gradients explode. None for
            none.
        tensorboard_log: folder for TensorBoard, or None.

    Attributes:
        problem: the problem that is learnt.
        num_timesteps: transitions simulated so far, the environment's time steps.
        cost_scale: mean cost of a period in the latest iterations, the unit of cost in training.
        clock: CPU seconds of training so far.
        logger: last values of loss, cost, entropy, gradient norm.

    Raises:
        ValueError, TypeError: naming the parameter, its value and what is allowed.
    """

    name: ClassVar[str]
    SCALE_UPDATE: ClassVar[float] = 0.1
    networks: nn.ModuleDict

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
        with one_thread(self.device):
            self.cost_scale = self._initial_cost()

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
        """Regime (m,) and quantity (m,) of observations (m, n)."""

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
                    self._iterate()
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
        """Action of an observation (n,) or a batch (m, n), as in SB3; see ``actions.format_action``.

        Raises:
            ValueError: if the observation has another shape, is not finite, or its period is not in
                [0, horizon].
        """
        array = np.asarray(observation, dtype=np.float32)
        length = len(self.problem.observation_low)
        if array.ndim not in (1, 2) or array.shape[-1] != length:
            raise ValueError(
                f"observation of shape {array.shape} must have shape ({length},) or (m, {length})"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"observation={array[~np.isfinite(array).all(-1)]} must be finite")
        period = array[..., -1]
        if array.size and not (period.min() >= 0 and period.max() <= self.problem.horizon):
            raise ValueError(
                f"observation: period {period[(period < 0) | (period > self.problem.horizon)].flat[0]} "
                f"must be in [0, {self.problem.horizon}]"
            )
        with torch.no_grad(), one_thread(self.device):
            batch = torch.as_tensor(array.reshape(-1, length), device=self.device)
            regime, quantity = self.decide(batch, deterministic)
        action = format_action(regime.cpu().numpy(), quantity.cpu().numpy(), array.ndim == 2, episode_start)
        return action, state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint (weights and JSON, no pickle) that holds what is needed to go on training."""
        settings = {
            "agent": self.name,
            "settings": self.settings(),
            "problem": signature(self.problem),
            "device": self.device.type,
            "num_timesteps": self.num_timesteps,
            "iterations": self.iterations,
            "cost_scale": self.cost_scale,
            "progress": self.progress,
            "cpu_seconds": self.clock.elapsed,
        }
        tensors = training_tensors(self.networks, self.optimizer, self.generator)
        checkpoint.write(path, settings, {name: tensor.cpu().numpy() for name, tensor in tensors.items()})

    @classmethod
    def load(cls, path: str | os.PathLike[str], env: Any, device: str | torch.device = "cpu") -> Self:
        """The agent of a checkpoint, for an environment with the same observations, regimes and horizon.

        Costs, demand and the intervals of the regimes may differ: the policy is the one that was learnt, its
        quantities projected on the intervals of ``env``.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is damaged or foreign, holds another agent, or does not fit ``env``.
        """
        stored, arrays = checkpoint.read(path)
        problem, device = cls._supported(env), usable_device(device)
        if stored.get("agent") != cls.name:
            raise ValueError(
                f"{path} holds {stored.get('agent')!r}, not {cls.name!r}: load it with that class"
            )
        try:
            if stored["problem"] != signature(problem):
                raise ValueError(f"it was trained on {stored['problem']}, but env has {signature(problem)}")
            agent = cls(problem, device=device, **stored["settings"])
            agent._restore(stored, {name: torch.from_numpy(array) for name, array in arrays.items()})
        except KeyError as error:
            raise ValueError(f"{path} is damaged: it has no {error}") from error
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"{path} does not fit: {error}") from error
        return agent

    def _restore(self, stored: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self.num_timesteps = checks.integer("num_timesteps", stored["num_timesteps"], low=0)
        self.iterations = checks.integer("iterations", stored["iterations"], low=0)
        self.cost_scale = checks.number("cost_scale", stored["cost_scale"], low=0)
        self.progress = checks.number("progress", stored["progress"], low=0, high=1)
        self.clock = CpuClock(checks.number("cpu_seconds", stored["cpu_seconds"], low=0))
        self.clock.stop()
        restore_tensors(tensors, self.networks, self.optimizer, stepped=self.iterations > 0)
        if stored["device"] == self.device.type:
            self.generator.set_state(tensors["generator"])
        else:  # its state means nothing there
            self.generator.manual_seed(self.seed + self.num_timesteps)

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that make this agent again, but for ``env`` and ``device``."""
        return {name: getattr(self, name) for name in self._setting_names()}

    @classmethod
    def _setting_names(cls) -> list[str]:
        names = [
            name
            for base in cls.__mro__
            if issubclass(base, Agent)
            for name, parameter in inspect.signature(base).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        ]
        return [name for name in dict.fromkeys(names) if name != "device"]

    @classmethod
    def _supported(cls, env: Any) -> SingleItemInventory:
        problem = as_problem(env)
        if not isinstance(problem, SingleItemInventory):
            raise TypeError(f"{cls.name} supports SingleItemInventory problems, not {type(problem).__name__}")
        return problem

    def get_env(self) -> SingleItemInventory:
        """The problem; SB3's callbacks ask for it."""
        return self.problem

    def get_vec_normalize_env(self) -> None:  # noqa: B027
        """None: observations are never normalised outside the networks; SB3's callbacks ask."""

    def _iterate(self) -> None:
        """One iteration of training: simulate, back-propagate, step."""
        episodes = self.simulate(*self._draw(self.batch_size))
        loss = self.loss(episodes)
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
        self.num_timesteps += self.batch_size * self.problem.horizon
        self.iterations += 1
        cost = float(episodes.costs.detach().mean())
        self.cost_scale += self.SCALE_UPDATE * (max(cost, 1e-8) - self.cost_scale)
        self.logger.record("rollout/cost", cost * self.problem.horizon)
        self.logger.record("train/loss", float(loss.detach()))
        self.logger.record("train/gradient_norm", float(norm))

    def _draw(self, episodes: int) -> tuple[Any, Tensor]:
        """Fresh initial states (episodes,) and noise (episodes, horizon)."""
        shape = (episodes, self.problem.horizon + 1)
        uniforms = torch.rand(shape, generator=self.generator, device=self.device)
        return self.problem.initial_state(uniforms[:, 0]), self.problem.noise(uniforms[:, 1:])

    def _initial_cost(self) -> float:
        with torch.no_grad():
            costs = self.simulate(*self._draw(self.batch_size)).costs
        return max(float(costs.mean()), 1e-8)

    def _limit(self) -> float | None:
        """The limit on the gradient with respect to the stock of the loss in units of ``cost_scale``."""
        if self.state_gradient_limit is None:
            return None
        return self.state_gradient_limit / self.problem.level_scale

    def _progress(self, total: int | None, budget: float | None) -> float:
        steps = self.num_timesteps / total if total is not None else 0.0
        return min(1.0, max(steps, self.clock.elapsed / budget if budget is not None else 0.0))
