"""The training state of a Stable-Baselines3 model, as JSON and arrays without pickle.

A model whose state was captured and restored continues its training bit by bit as if nothing had happened,
provided that the state was captured just before the model collects experience. At that moment the rollout
buffer is empty, all updates are finished, and the model has seen the latest observation of its environments.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from jumpgym import checks

Arrays = dict[str, NDArray[Any]]

COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_current_progress_remaining")
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def training_state(model: BaseAlgorithm) -> tuple[dict[str, Any], Arrays]:
    """Everything that training changes, except the weights of the policy.

    These are the optimizers, the counters, the environments, the replay buffer and the random number
    generators that SB3 uses: those of PyTorch and NumPy, which the whole process shares, and that of the
    action space. The statistics that SB3 only logs are left out.

    Args:
        model: trained in a ``ProblemVecEnv`` within a ``VecMonitor``.

    Returns:
        Settings that JSON can hold, and arrays by name.
    """
    optimizers = _optimizer_arrays(model)
    shared: Any = np.random.get_state(legacy=False)  # noqa: NPY002 (SB3 draws from it)
    settings = {
        "counters": {name: getattr(model, name) for name in COUNTERS},
        "optimizers": list(optimizers),
        "action_space": model.action_space.np_random.bit_generator.state,
        "numpy": {"has_gauss": shared["has_gauss"], "gauss": shared["gauss"], "pos": shared["state"]["pos"]},
    }
    arrays = {
        **optimizers,
        **{name: tensor.detach().cpu().numpy() for name, tensor in _variables(model).items()},
        "random/torch": torch.get_rng_state().numpy(),
        "random/numpy": shared["state"]["key"],
    }
    for part, (part_settings, part_arrays) in (
        ("environments", _environments(model)),
        ("replay", _replay(model)),
    ):
        settings[part] = part_settings
        arrays |= {f"{part}/{name}": array for name, array in part_arrays.items()}
    return settings, arrays


def restore_training(model: BaseAlgorithm, settings: dict[str, Any], arrays: Arrays) -> None:
    """Give a model the training state that ``training_state`` returned.

    Args:
        model: made with the same hyperparameters; its policy already has the weights of that moment.
        settings, arrays: as returned by ``training_state``.

    Raises:
        AttributeError, KeyError, RuntimeError, TypeError, ValueError: if the state is damaged, or does not
            belong to such a model.
    """
    _restore_optimizers(model, {name: arrays[name] for name in settings["optimizers"]})
    for name, tensor in _variables(model).items():
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(_checked(arrays, name, tensor.detach().cpu().numpy())))
    for name in COUNTERS:
        setattr(model, name, settings["counters"][name])
    _restore_environments(model, settings["environments"], arrays)
    _restore_replay(model, settings["replay"], arrays)
    model.action_space.np_random.bit_generator.state = settings["action_space"]
    shared = settings["numpy"]
    np.random.set_state(  # noqa: NPY002 (SB3 draws from it)
        {
            "bit_generator": "MT19937",
            "state": {"key": arrays["random/numpy"], "pos": shared["pos"]},
            "has_gauss": shared["has_gauss"],
            "gauss": shared["gauss"],
        }
    )
    torch.set_rng_state(torch.from_numpy(arrays["random/torch"]))


class SavedTraining(NamedTuple):
    """The training state of a checkpoint, to be restored when training continues.

    Attributes:
        path: of the checkpoint.
        settings: as returned by ``training_state``; None if the checkpoint holds only the policy.
        arrays: as returned by ``training_state``.
    """

    path: str
    settings: dict[str, Any] | None
    arrays: Arrays

    def restore(self, model: BaseAlgorithm) -> None:
        """Give a model this state.

        Raises:
            ValueError: if there is no state, it is damaged, or it does not belong to such a model.
        """
        if self.settings is None:
            raise ValueError(
                f"{self.path} holds the weights of the policy only, as checkpoints of early versions of "
                "jumpgym do: it can be evaluated, but its training cannot continue; train a new model"
            )
        with damage_reported(self.path):
            restore_training(model, self.settings, self.arrays)


@contextmanager
def damage_reported(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the errors of reading a damaged checkpoint into a ValueError that names the file."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{path} is damaged: it has no {error}") from error
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged, or its training is of another environment: {error}") from error


def _checked(arrays: Arrays, name: str, current: NDArray[Any]) -> NDArray[Any]:
    """The stored array, if it has the shape and type of the model's current one.

    Without the check, assigning it would silently broadcast and convert.
    """
    array = arrays[name]
    if (array.shape, array.dtype) != (current.shape, current.dtype):
        raise ValueError(
            f"{name} has dtype {array.dtype} and shape {array.shape}; it must have {current.dtype} and "
            f"{current.shape}"
        )
    return array


def _optimizers(model: BaseAlgorithm) -> dict[str, torch.optim.Optimizer]:
    """The optimizers, by the names that SB3 gives them."""
    names = [name for name in model.get_parameters() if name.endswith("optimizer")]
    return {name: attrgetter(name)(model) for name in names}


def _variables(model: BaseAlgorithm) -> dict[str, torch.Tensor]:
    """Trained tensors that belong to no network: the entropy coefficient of SAC."""
    return {name: attrgetter(name)(model) for name in model._get_torch_save_params()[1]}


def _optimizer_arrays(model: BaseAlgorithm) -> Arrays:
    return {
        f"{name}/{index}/{slot}": np.asarray(value)
        for name, optimizer in _optimizers(model).items()
        for index, slots in optimizer.state_dict()["state"].items()
        for slot, value in slots.items()
    }


def _restore_optimizers(model: BaseAlgorithm, arrays: Arrays) -> None:
    for name, optimizer in _optimizers(model).items():
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, array in arrays.items():
            optimizer_name, index, slot = key.rsplit("/", 2)
            if optimizer_name == name:
                if array.ndim > 0:  # load_state_dict does not check shapes
                    _checked(arrays, key, parameters[int(index)].detach().cpu().numpy())
                state.setdefault(int(index), {})[slot] = torch.from_numpy(array)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _environments(model: BaseAlgorithm) -> tuple[dict[str, Any], Arrays]:
    monitor: Any = model.get_env()
    batch = monitor.venv
    settings = {
        "begun": model._last_obs is not None,
        "seeds": batch._seeds,
        "random": batch._rng.bit_generator.state,
        "episodes": monitor.episode_count,
    }
    if not settings["begun"]:
        return settings, {}
    arrays = {f"state/{name}": np.asarray(entry) for name, entry in batch._state._asdict().items()}
    arrays |= {
        "noise": batch._noise,
        "starts": np.asarray(model._last_episode_starts),
        "returns": monitor.episode_returns,
        "lengths": monitor.episode_lengths,
    }
    return {**settings, "period": batch._period}, arrays


def _restore_environments(model: BaseAlgorithm, settings: dict[str, Any], arrays: Arrays) -> None:
    monitor: Any = model.get_env()
    batch = monitor.venv
    if settings["begun"]:
        monitor.reset()  # creates the arrays with which the stored ones are compared
        current = batch._state._asdict()
        state = {name: arrays[f"environments/state/{name}"] for name in current}
        for name, entry in state.items():
            if entry.shape != np.shape(current[name]):  # types may change within an episode
                raise ValueError(f"the state's {name} has shape {entry.shape}, not {np.shape(current[name])}")
        batch._state = type(batch._state)(**state)
        batch._noise = _checked(arrays, "environments/noise", batch._noise)
        batch._period = checks.integer("period", settings["period"], low=0, high=batch.periods - 1)
        batch._observation = model._last_obs = batch._observe()
        no_starts = np.zeros(batch.num_envs, dtype=bool)
        model._last_episode_starts = _checked(arrays, "environments/starts", no_starts)
        for name in ("returns", "lengths"):
            totals = getattr(monitor, f"episode_{name}")
            setattr(monitor, f"episode_{name}", _checked(arrays, f"environments/{name}", totals))
    batch._seeds = settings["seeds"]
    batch._rng.bit_generator.state = settings["random"]
    monitor.episode_count = settings["episodes"]


def _replay(model: BaseAlgorithm) -> tuple[dict[str, Any], Arrays]:
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return {}, {}
    arrays = {name: getattr(buffer, name)[: buffer.size()] for name in REPLAY}
    return {"position": buffer.pos, "full": buffer.full}, arrays


def _restore_replay(model: BaseAlgorithm, settings: dict[str, Any], arrays: Arrays) -> None:
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return
    buffer.pos = checks.integer("position", settings["position"], low=0, high=buffer.buffer_size - 1)
    buffer.full = checks.choice("full", settings["full"], (False, True))
    for name in REPLAY:
        entries = getattr(buffer, name)[: buffer.size()]
        entries[:] = _checked(arrays, f"replay/{name}", entries)
