"""What a learner of ``sb3.py`` needs to go on training bit by bit, as JSON and arrays: no pickle.

A learner can be saved so while it is at rest, which it is before it collects experience: then its rollout
buffer is empty, all of its updates are done, and its observation is that of its environments.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from jumpgym import checks
from jumpgym.agents.training.clock import CpuClock

if TYPE_CHECKING:
    from .budgeted import Budgeted

Arrays = dict[str, NDArray[Any]]

TRAINING = "training/"
"""How the names of the arrays begin that are no weights of the policy."""

COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_current_progress_remaining")
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class Stored(NamedTuple):
    """The training state in a checkpoint that was loaded, which waits for the training to go on.

    Attributes:
        path: of the checkpoint.
        settings, arrays: see ``training_state``; settings are None where the checkpoint has no such state.
    """

    path: str
    settings: dict[str, Any] | None
    arrays: Arrays


def contents(name: str, model: Budgeted) -> tuple[dict[str, Any], Arrays]:
    """Settings and arrays of a checkpoint: weights of the policy, hyperparameters and training state.

    Args:
        name: of the learner, one of ``sb3.LEARNERS``.
        model: at rest, or else its training goes on, but not bit by bit.
    """
    settings, arrays = training_state(model)
    head = {
        "agent": name,
        "hyperparameters": model.hyperparameters,
        "num_timesteps": model.num_timesteps,
        "cpu_seconds": model.clock.elapsed,
    }
    if settings is not None:
        head["training"] = settings
    weights = {name: tensor.cpu().numpy() for name, tensor in model.policy.state_dict().items()}
    return head, weights | {TRAINING + name: array for name, array in arrays.items()}


def load_contents(
    model: Budgeted, path: str | os.PathLike[str], settings: dict[str, Any], arrays: Arrays
) -> None:
    """Give an untrained model the weights of a checkpoint, and what it needs to go on where that stopped.

    The training state waits until the model is trained: evaluation, perhaps in an environment that differs,
    needs none of it. Checkpoints of older versions have none, see ``resume``.

    Args:
        model: made with the hyperparameters of the checkpoint.
        path: of the checkpoint, for messages.
        settings, arrays: see ``contents``.

    Raises:
        ValueError: if they do not fit the model.
    """
    weights = {name: torch.from_numpy(a) for name, a in arrays.items() if not name.startswith(TRAINING)}
    try:
        model.policy.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"{path} does not fit the environment, or is damaged: its networks have other shapes"
        ) from error
    with _blamed_on(path):
        model.num_timesteps = checks.integer("num_timesteps", settings["num_timesteps"], low=0)
        rest = {n.removeprefix(TRAINING): a for n, a in arrays.items() if n.startswith(TRAINING)}
        model.stored = Stored(os.fspath(path), settings.get("training"), rest)
        if "training" in settings:
            model.clock = CpuClock(checks.number("cpu_seconds", settings["cpu_seconds"], low=0))
            model.clock.stop()


def training_state(model: Budgeted) -> tuple[dict[str, Any] | None, Arrays]:
    """All that training changes but the weights of the policy: settings that JSON can hold, and arrays.

    That is optimizers, counters, environments, replay buffer, and the random numbers that SB3 draws from:
    those of PyTorch and NumPy, which the process shares, and those of the action space. SB3's statistics for
    its log are not part of it. Of a model that was loaded and not trained since, it is what was loaded: the
    settings are None where the checkpoint had none.
    """
    if model.stored is not None:
        return model.stored.settings, model.stored.arrays
    optimizers = _optimizer_arrays(model)
    variables = {name: tensor.detach().cpu().numpy() for name, tensor in _variables(model).items()}
    shared: Any = np.random.get_state(legacy=False)  # noqa: NPY002 (SB3 draws from it)
    settings = {
        "counters": {name: getattr(model, name) for name in COUNTERS},
        "optimizers": list(optimizers),
        "action_space": model.action_space.np_random.bit_generator.state,
        "numpy": {"has_gauss": shared["has_gauss"], "gauss": shared["gauss"], "pos": shared["state"]["pos"]},
    }
    arrays = {
        **optimizers,
        **variables,
        "random/torch": torch.get_rng_state().numpy(),
        "random/numpy": shared["state"]["key"],
    }
    for part, state in (("environments", _environments(model)), ("replay", _replay(model))):
        settings[part] = state[0]
        arrays |= {f"{part}/{name}": array for name, array in state[1].items()}
    return settings, arrays


def restore(model: Budgeted, settings: dict[str, Any], arrays: Arrays) -> None:
    """Give a model what ``training_state`` returned; its weights are those of the same moment already.

    Raises:
        AttributeError, KeyError, RuntimeError, TypeError, ValueError: if they are not of such a model.
    """
    _restore_optimizers(model, {name: arrays[name] for name in settings["optimizers"]})
    for name, tensor in _variables(model).items():
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(_like(arrays, name, tensor.detach().cpu().numpy())))
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


def resume(model: Budgeted) -> None:
    """Have a model go on where it stopped: restore what waits for that.

    Raises:
        ValueError: if its checkpoint holds no training state, or one that is damaged or does not fit.
    """
    if model.stored is None:
        return
    path, settings, arrays = model.stored
    if settings is None:
        raise ValueError(
            f"{path} holds the weights of the policy only, as checkpoints of older versions of jumpgym do: "
            "it can be evaluated, but its training cannot go on; train a new model"
        )
    with _blamed_on(path):
        restore(model, settings, arrays)
    model.stored = None


@contextmanager
def _blamed_on(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{path} is damaged: it has no {error}") from error
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged, or its training is of another environment: {error}") from error


def _like(arrays: Arrays, name: str, own: NDArray[Any]) -> NDArray[Any]:
    """An array, which must be as the model's own; assignments would broadcast and convert silently."""
    array = arrays[name]
    if (array.shape, array.dtype) != (own.shape, own.dtype):
        raise ValueError(f"{name} is {array.dtype}{array.shape}, not {own.dtype}{own.shape}")
    return array


def _optimizers(model: Budgeted) -> dict[str, torch.optim.Optimizer]:
    """The optimizers, by the names that SB3 gives them."""
    names = [name for name in model.get_parameters() if name.endswith("optimizer")]
    return {name: _attribute(model, name) for name in names}


def _variables(model: Budgeted) -> dict[str, torch.Tensor]:
    """What is trained but in no network: the entropy coefficient of SAC."""
    return {name: _attribute(model, name) for name in model._get_torch_save_params()[1]}


def _attribute(model: Budgeted, name: str) -> Any:
    value: Any = model
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _optimizer_arrays(model: Budgeted) -> Arrays:
    return {
        f"{name}/{index}/{slot}": np.asarray(value)
        for name, optimizer in _optimizers(model).items()
        for index, slots in optimizer.state_dict()["state"].items()
        for slot, value in slots.items()
    }


def _restore_optimizers(model: Budgeted, arrays: Arrays) -> None:
    for name, optimizer in _optimizers(model).items():
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, array in arrays.items():
            owner, index, slot = key.rsplit("/", 2)
            if owner == name:
                if array.ndim > 0:  # load_state_dict does not check
                    _like(arrays, key, parameters[int(index)].detach().cpu().numpy())
                state.setdefault(int(index), {})[slot] = torch.from_numpy(array)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _environments(model: Budgeted) -> tuple[dict[str, Any], Arrays]:
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


def _restore_environments(model: Budgeted, settings: dict[str, Any], arrays: Arrays) -> None:
    monitor: Any = model.get_env()
    batch = monitor.venv
    if settings["begun"]:
        monitor.reset()  # so that the arrays can be compared with its own
        own = batch._state._asdict()
        state = {name: arrays[f"environments/state/{name}"] for name in own}
        for name, entry in state.items():
            if entry.shape != np.shape(own[name]):  # types may change in an episode
                raise ValueError(f"the state's {name} has shape {entry.shape}, not {np.shape(own[name])}")
        batch._state = type(batch._state)(**state)
        batch._noise = _like(arrays, "environments/noise", batch._noise)
        batch._period = checks.integer("period", settings["period"], low=0, high=batch.problem.horizon - 1)
        batch._observation = model._last_obs = batch._observe()
        none = np.zeros(batch.num_envs, dtype=bool)
        model._last_episode_starts = _like(arrays, "environments/starts", none)
        for name in ("returns", "lengths"):
            own_array = getattr(monitor, f"episode_{name}")
            setattr(monitor, f"episode_{name}", _like(arrays, f"environments/{name}", own_array))
    batch._seeds = settings["seeds"]
    batch._rng.bit_generator.state = settings["random"]
    monitor.episode_count = settings["episodes"]


def _replay(model: Budgeted) -> tuple[dict[str, Any], Arrays]:
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return {}, {}
    arrays = {name: getattr(buffer, name)[: buffer.size()] for name in REPLAY}
    return {"position": buffer.pos, "full": buffer.full}, arrays


def _restore_replay(model: Budgeted, settings: dict[str, Any], arrays: Arrays) -> None:
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return
    buffer.pos = checks.integer("position", settings["position"], low=0, high=buffer.buffer_size - 1)
    buffer.full = checks.choice("full", settings["full"], (False, True))
    for name in REPLAY:
        own = getattr(buffer, name)[: buffer.size()]
        own[:] = _like(arrays, f"replay/{name}", own)
