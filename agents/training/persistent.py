"""Saving and loading of agents."""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem, checks

from . import checkpoint
from .clock import CpuClock
from .device import usable_device
from .training_state import restore_tensors, signature, training_tensors


class Persistent(ABC):
    """An agent whose settings are its keyword arguments, and attributes of the same names.

    Args:
        env: what is learnt.
        device: torch device.
        **settings: all else.
    """

    name: ClassVar[str]
    problem: HindsightProblem
    device: torch.device
    seed: int
    networks: nn.ModuleDict
    optimizer: torch.optim.Adam
    generator: torch.Generator
    num_timesteps: int
    iterations: int
    cost_scale: float
    progress: float
    clock: CpuClock

    @abstractmethod
    def __init__(self, env: Any, *, device: str | torch.device = "cpu", **settings: Any) -> None: ...

    @classmethod
    @abstractmethod
    def _supported(cls, env: Any) -> HindsightProblem:
        """The problem of an environment; TypeError if the agent cannot learn it."""

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
        """The agent of a checkpoint, for an environment with the same observations, layout and horizon.

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
            if issubclass(base, Persistent)
            for name, parameter in inspect.signature(base).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        ]
        return [name for name in dict.fromkeys(names) if name != "device"]
