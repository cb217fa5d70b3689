"""What all agents share: learn, predict, save, load."""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from jumpgym import SingleItemInventory, as_problem, checks
from jumpgym.actions import format_action

from . import checkpoint
from .clock import CpuClock
from .logger import Logger, ProgressBar
from .rollout import Rollout
from .schedules import cosine


class Agent(ABC):
    """An agent that differentiates through the problem it learns.

    One iteration of training simulates ``batch_size`` whole episodes on fresh noise, back-propagates one loss
    through them, and takes one Adam step. A subclass makes ``self.networks`` and gives the loss.

    Args:
        env: environment id, environment or problem.
        seed: of the networks' initialisation and of all noise.
        device: torch device of networks and simulation.
        batch_size: episodes in an iteration.
        learning_rate: of Adam at the start; annealed to 0 by a cosine over the training.
        hidden: widths of the hidden layers (tanh) of each network.
        max_grad_norm: bound on the norm of the gradient of the loss in units of ``cost_scale``.
        state_gradient_limit: bound on the gradient with respect to the stock, in units of ``cost_scale``
            per ``level_scale`` of the problem; see ``rollout``. None for none.
        tensorboard_log: folder for TensorBoard, or None.

    Attributes:
        problem: the problem that is learnt.
        num_timesteps: transitions simulated so far, the environment's time steps.
        cost_scale: mean cost of a period in the latest iterations, the unit of cost in training.
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
        state_gradient_limit: float | None = 30.0,
        tensorboard_log: str | None = None,
    ) -> None:
        problem = as_problem(env)
        if not isinstance(problem, SingleItemInventory):
            raise TypeError(
                f"{self.name} supports SingleItemInventory problems, not {type(problem).__name__}"
            )
        self.problem = problem
        self.seed = checks.integer("seed", seed, low=0)
        self.device = torch.device(device)
        self.batch_size = checks.integer("batch_size", batch_size, low=2)
        self.learning_rate = checks.number("learning_rate", learning_rate, low=0)
        self.hidden = [checks.integer("hidden", width, low=1) for width in hidden]
        self.max_grad_norm = checks.number("max_grad_norm", max_grad_norm, low=0)
        self.state_gradient_limit = (
            None
            if state_gradient_limit is None
            else checks.number("state_gradient_limit", state_gradient_limit, low=0)
        )
        self.tensorboard_log = tensorboard_log
        self.num_timesteps = 0
        self.iterations = 0
        self.progress = 0.0
        self.clock = CpuClock()
        self.logger = Logger()
        self.generator = torch.Generator(self.device).manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.networks = nn.ModuleDict(self.make_networks()).to(self.device)
        self.optimizer = torch.optim.Adam(self.networks.parameters(), lr=self.learning_rate)
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
                ``on_step`` is called once an iteration; or a list of these.
            log_interval: iterations between two writes to TensorBoard.
            reset_num_timesteps: False goes on from where the last training stopped, schedules included.
            progress_bar: show a bar.
            cpu_seconds: CPU time of this process to spend; callbacks can pause it by ``agent.clock.pause()``.

        Raises:
            ValueError: if neither limit is given.
            FloatingPointError: if the loss stops being finite.
        """
        if total_timesteps is None and cpu_seconds is None:
            raise ValueError("learn: give total_timesteps, cpu_seconds, or both")
        total = (
            checks.integer("total_timesteps", total_timesteps, low=1) if total_timesteps is not None else None
        )
        budget = checks.number("cpu_seconds", cpu_seconds, low=0) if cpu_seconds is not None else None
        if reset_num_timesteps:
            self.num_timesteps = self.iterations = 0
        elif total is not None:
            total += self.num_timesteps
        self.logger = Logger(self.tensorboard_log)
        listeners = _Callbacks(self, callback, total)
        bar = ProgressBar(progress_bar, self.name)
        self.clock = CpuClock()
        self.progress = self._progress(total, budget)
        going = True
        try:
            while going and self.progress < 1:
                self._iterate()
                self.progress = self._progress(total, budget)
                if self.iterations % log_interval == 0:
                    self.logger.dump(self.num_timesteps)
                    bar.update(self.progress, cost=f"{self.logger.values['rollout/cost']:.4g}")
                going = listeners.on_step()
        finally:
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
        """Action of an observation (n,) or a batch (m, n), as in SB3; see ``actions.format_action``."""
        array = np.asarray(observation, dtype=np.float32)
        length = len(self.problem.observation_low)
        if array.ndim not in (1, 2) or array.shape[-1] != length:
            raise ValueError(
                f"observation of shape {array.shape} must have shape ({length},) or (m, {length})"
            )
        with torch.no_grad():
            batch = torch.as_tensor(array.reshape(-1, length), device=self.device)
            regime, quantity = self.decide(batch, deterministic)
        action = format_action(regime.cpu().numpy(), quantity.cpu().numpy(), array.ndim == 2, episode_start)
        return action, state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint (weights and JSON, no pickle) that holds what is needed to go on training."""
        arrays = {
            f"networks/{name}": tensor.cpu().numpy() for name, tensor in self.networks.state_dict().items()
        }
        for index, slots in self.optimizer.state_dict()["state"].items():
            for name, tensor in slots.items():
                arrays[f"optimizer/{index}/{name}"] = tensor.cpu().numpy()
        arrays["generator"] = self.generator.get_state().numpy()
        settings = {
            "agent": self.name,
            "settings": self.settings(),
            "problem": self._signature(),
            "num_timesteps": self.num_timesteps,
            "iterations": self.iterations,
            "cost_scale": self.cost_scale,
            "progress": self.progress,
        }
        checkpoint.write(path, settings, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str], env: Any, device: str | torch.device = "cpu") -> Self:
        """The agent of a checkpoint, for an environment with the same observations and regimes.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is damaged or foreign, holds another agent, or does not fit ``env``.
        """
        stored, arrays = checkpoint.read(path)
        if stored.get("agent") != cls.name:
            raise ValueError(
                f"{path} holds {stored.get('agent')!r}, not {cls.name!r}: load it with that class"
            )
        try:
            agent = cls(env, device=device, **stored["settings"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} does not fit this version of {cls.name}: {error}") from error
        if stored["problem"] != agent._signature():
            raise ValueError(f"{path} was trained on {stored['problem']}, but env has {agent._signature()}")
        try:
            agent._restore(arrays)
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        agent.num_timesteps, agent.iterations = stored["num_timesteps"], stored["iterations"]
        agent.cost_scale, agent.progress = stored["cost_scale"], stored["progress"]
        return agent

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that make this agent again, but for ``env`` and ``device``."""
        names = [
            name
            for cls in type(self).__mro__
            if issubclass(cls, Agent)
            for name, parameter in inspect.signature(cls).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        ]
        return {name: getattr(self, name) for name in dict.fromkeys(names) if name != "device"}

    def get_env(self) -> SingleItemInventory:
        """The problem; SB3's callbacks ask for it."""
        return self.problem

    def get_vec_normalize_env(self) -> None:  # noqa: B027
        """None: observations are never normalised outside the networks; SB3's callbacks ask."""

    def _iterate(self) -> None:
        """One iteration of training: simulate, back-propagate, step."""
        episodes = self.simulate(*self._draw(self.batch_size))
        loss = self.loss(episodes)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"{self.name}: the loss is {float(loss)} after {self.num_timesteps} time steps"
            )
        self.optimizer.zero_grad()
        (loss / self.cost_scale).backward()
        norm = nn.utils.clip_grad_norm_(self.networks.parameters(), self.max_grad_norm)
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
        """The limit on state gradients in units of cost per unit of stock."""
        if self.state_gradient_limit is None or not hasattr(self, "cost_scale"):
            return None
        return self.state_gradient_limit * self.cost_scale / self.problem.level_scale

    def _progress(self, total: int | None, budget: float | None) -> float:
        steps = self.num_timesteps / total if total is not None else 0.0
        return min(1.0, max(steps, self.clock.elapsed / budget if budget else 0.0))

    def _signature(self) -> dict[str, Any]:
        problem = self.problem
        return {
            "observation": len(problem.observation_low),
            "regimes": len(problem.regimes),
            "horizon": problem.horizon,
        }

    def _restore(self, arrays: dict[str, Any]) -> None:
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        prefix = "networks/"
        self.networks.load_state_dict(
            {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        )
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer/"):
                _, index, slot = name.split("/")
                slots.setdefault(int(index), {})[slot] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.generator.set_state(tensors["generator"])


class _Callbacks:
    """Functions of the agent and SB3 callbacks, called once an iteration."""

    def __init__(self, agent: Agent, callback: Any, total_timesteps: int | None) -> None:
        items = callback if isinstance(callback, (list, tuple)) else [] if callback is None else [callback]
        self._agent = agent
        self._sb3 = [item for item in items if hasattr(item, "init_callback")]
        self._functions: list[Callable[[Agent], bool | None]] = [i for i in items if i not in self._sb3]
        for item in self._functions:
            if not callable(item):
                raise TypeError(f"callback={item!r} must be a function of the agent or an SB3 callback")
        for item in self._sb3:
            item.init_callback(agent)
            item.on_training_start({"total_timesteps": total_timesteps}, {})

    def on_step(self) -> bool:
        """False if any callback asks to stop."""
        answers = [function(self._agent) for function in self._functions]
        answers += [callback.on_step() for callback in self._sb3]
        return all(answer is not False for answer in answers)

    def close(self) -> None:
        for callback in self._sb3:
            callback.on_training_end()
