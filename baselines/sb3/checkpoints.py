"""Checkpoints of learners without pickle: weights, hyperparameters, and the state of the training."""

from __future__ import annotations

import os
from typing import Any

import torch

from jumpgym import checks
from jumpgym.agents.training import checkpoint
from jumpgym.agents.training.clock import CpuClock

from .budgeted import Budgeted
from .learners import make_learner
from .state import Arrays, SavedTraining, damage_reported, training_state

TRAINING = "training/"
"""Prefix of the names of all arrays that are not weights of the policy."""


def save(model: Budgeted, path: str | os.PathLike[str], name: str) -> None:
    """Write a checkpoint that ``load`` reads; SB3's own ``model.save`` uses pickle.

    Args:
        model: its training continues bit by bit if it is saved before it collects experience, see ``state``.
        path: file to write; ``.zip`` is added where it is missing.
        name: of the learner, one of ``learners.LEARNERS``.
    """
    if model.saved_training is None:
        settings: dict[str, Any] | None
        settings, arrays = training_state(model)
    else:  # it was loaded and not trained since
        _, settings, arrays = model.saved_training
    header = {
        "agent": name,  # the key of version 0.1.0
        "hyperparameters": model.hyperparameters,
        "num_timesteps": model.num_timesteps,
        "cpu_seconds": model.clock.elapsed,
    }
    if settings is not None:
        header["training"] = settings
    weights = {name: tensor.cpu().numpy() for name, tensor in model.policy.state_dict().items()}
    checkpoint.write(path, header, weights | {TRAINING + name: array for name, array in arrays.items()})


def load(
    path: str | os.PathLike[str], env: Any, name: str, settings: dict[str, Any], arrays: Arrays
) -> Budgeted:
    """The learner of a checkpoint.

    The state of its training is restored when training continues, since evaluation, which may use an
    environment with other parameters, does not need it.

    Args:
        path: of the checkpoint, for messages.
        env: environment id, environment or problem.
        name: of the learner, one of ``learners.LEARNERS``.
        settings, arrays: contents of the checkpoint, from ``checkpoint.read(path)``.

    Raises:
        ValueError: if the checkpoint is damaged, or does not fit ``env``.
        NotApplicable: if the learner is not made for ``env``.
    """
    if "hyperparameters" not in settings:
        raise ValueError(f"{path} is damaged: it has no 'hyperparameters'")
    model = make_learner(name, env, hyperparameters=settings["hyperparameters"])
    weights = {key: torch.from_numpy(a) for key, a in arrays.items() if not key.startswith(TRAINING)}
    try:
        model.policy.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"{path} does not fit the environment, or is damaged: its networks have other shapes"
        ) from error
    training_arrays = {key.removeprefix(TRAINING): a for key, a in arrays.items() if key.startswith(TRAINING)}
    with damage_reported(path):
        model.num_timesteps = checks.integer("num_timesteps", settings["num_timesteps"], low=0)
        model.saved_training = SavedTraining(os.fspath(path), settings.get("training"), training_arrays)
        if "training" in settings:
            model.clock = CpuClock(checks.number("cpu_seconds", settings["cpu_seconds"], low=0))
            model.clock.stop()
    return model
