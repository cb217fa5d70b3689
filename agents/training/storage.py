"""An agent in a checkpoint: what is written, and how an agent is made from it."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

import torch

from jumpgym import HindsightProblem, as_problem

from . import checkpoint
from .allowance import allowance
from .budget import checked_spent
from .device import usable_device
from .engines import usable_engine
from .race import MEMBERS
from .training_state import signature, training_tensors


def save_agent(agent: Any, path: checkpoint.Target) -> None:
    """Write a checkpoint; see ``Agent.save``."""
    stored = {
        "agent": type(agent).__name__,
        "settings": asdict(agent.settings),
        "problem": signature(agent.problem),
        "device": agent.device.type,
        "num_timesteps": agent.num_timesteps,
        "iterations": agent.iterations,
        "cost_scale": agent.cost_scale,
        "progress": agent.progress,
        "cpu_seconds": agent.clock.elapsed,
        "engine": agent.requested_engine,
        "others": list(agent.others),
        "race": agent.race.stored(),
    }
    more, tensors = agent.stored_extra()
    tensors |= training_tensors(agent.networks, agent.optimizer, agent.generator)
    arrays = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
    checkpoint.write(path, {**stored, **more}, {**arrays, "key": agent.key, **agent.race.arrays()})


def load_agent(
    cls: type[Any],
    path: checkpoint.Target,
    env: Any,
    device: str | torch.device,
    engine: str | None,
) -> Any:
    """Return the agent of a checkpoint; see ``Agent.load``."""
    stored, arrays = checkpoint.read(path)
    problem, device = as_problem(env), usable_device(device)
    if stored.get("agent") != cls.__name__:
        raise ValueError(
            f"{path} holds {stored.get('agent')!r}, not {cls.__name__!r}: load it with that class"
        )
    try:
        if stored["problem"] != signature(problem):
            raise ValueError(f"it was trained on {stored['problem']}, but env has {signature(problem)}")
        if engine is None:
            engine = usable_engine(stored.get("engine", "auto"))
        with allowance(sum(array.size for array in arrays.values())):
            agent = cls(env, device=device, engine=engine, **stored["settings"])
        if "race" in stored:  # checkpoints of version 0.1.0 have none
            agent.race.restore(
                agent, stored["race"], arrays, same_device=stored["device"] == agent.device.type
            )
            agent.others = checked_spent("others", stored["others"])
        key = arrays.pop("key", None)
        tensors = {
            name: torch.from_numpy(array) for name, array in arrays.items() if not name.startswith(MEMBERS)
        }
        agent.restore(stored, tensors, key)
    except KeyError as error:
        raise ValueError(f"{path} is damaged: it has no {error}") from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not fit: {error}") from error
    return agent


def unpickled(cls: type[Any], data: bytes, problem: HindsightProblem, device: torch.device) -> Any:
    """Return the agent that ``Agent.__reduce__`` took apart."""
    return cls.load(io.BytesIO(data), problem, device)
