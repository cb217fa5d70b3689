"""The checks of ``jumpgym.testing.check_hybrid_env``; each yields a line for each broken convention."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence

from ..problem import HindsightProblem

STEPS = 50
"""Most steps of an episode that a check takes."""


def conformance_faults(env: gym.Env[Any, Any], skip_render: bool) -> list[str]:
    """The conventions that an environment breaks, each with what to do; see ``check_hybrid_env``."""
    faults = list(_spaces(env))
    if faults:  # the other checks take actions from the spaces
        return faults
    checks: list[Callable[[gym.Env[Any, Any]], Iterator[str]]] = [
        _steps, _seeds, _projection, _bad_actions, _order_of_calls, _pickling, _noise_option, _gymnasium,
    ]  # fmt: skip
    if not skip_render:
        checks.append(_rendering)
    for check in checks:
        try:
            faults += check(env)
        except Exception as error:  # an environment may fail in any way; its author needs all faults
            faults.append(f"{check.__name__[1:]}: {type(error).__name__}: {error}")
    return faults


def _spaces(env: gym.Env[Any, Any]) -> Iterator[str]:
    action, observation = env.action_space, env.observation_space
    if not isinstance(action, spaces.Tuple) or len(action) != 2:
        yield f"action_space={action}: make it Tuple((Discrete or MultiDiscrete, Box))"
        return
    regime, quantity = action
    if not isinstance(regime, (spaces.Discrete, spaces.MultiDiscrete)) or np.any(np.asarray(regime.start)):
        yield f"action_space[0]={regime}: make it Discrete(K) or MultiDiscrete([K, ...]), flat, starting at 0"
    elif isinstance(regime, spaces.MultiDiscrete) and regime.nvec.ndim != 1:
        yield f"action_space[0]={regime}: make it flat"
    for name, box, shape in (
        ("action_space[1]", quantity, "(n,)"),
        ("observation_space", observation, "(n,)"),
    ):
        if not isinstance(box, spaces.Box) or box.dtype != np.float32 or len(box.shape) != 1:
            yield f"{name}={box}: make it a float32 Box of shape {shape}"
        elif not (np.isfinite(box.low).all() and np.isfinite(box.high).all()):
            yield f"{name}={box}: give it finite bounds"


def _rollout(env: gym.Env[Any, Any], seed: int) -> list[Any]:
    """Everything that ``reset`` and up to ``STEPS`` steps return; the actions are always the same."""
    env.action_space.seed(0)
    returned: list[Any] = [env.reset(seed=seed)]
    for _ in range(STEPS):
        returned.append(env.step(env.action_space.sample()))
        if returned[-1][2] or returned[-1][3]:
            break
    return returned


def _steps(env: gym.Env[Any, Any]) -> Iterator[str]:
    _, *steps = _rollout(env, 0)
    if any(one[0] is other[0] for one, other in pairwise(steps)):
        yield "step returns the same observation array twice: return a fresh one at each step"
    if any(not env.observation_space.contains(step[0]) for step in steps):
        yield "an observation is outside observation_space: widen its bounds, or return float32 of its shape"
    if any(not isinstance(step[1], (float, np.floating)) or not np.isfinite(step[1]) for step in steps):
        yield "a reward is not a finite float: return minus the cost of the period as a float"
    if any(not isinstance(flag, bool) for step in steps for flag in step[2:4]):
        yield "terminated or truncated is not a bool: return Python's True or False"
    keys = [set(step[4]) for step in steps]
    if any(other != keys[0] for other in keys):
        yield "the keys of info differ between steps: return the same keys at every step"
    if not {"regime", "quantity"} <= keys[0]:
        yield "info lacks 'regime' or 'quantity': report what was applied"
    for key in sorted(keys[0]):
        yield from _values(f"info[{key!r}]", [step[4][key] for step in steps])
    problem = getattr(env.unwrapped, "problem", None)
    if isinstance(problem, HindsightProblem):
        yield from _costs(problem.cost_kinds, steps)


def _values(name: str, values: list[Any]) -> Iterator[str]:
    """What is wrong with an entry of ``info`` at all steps."""
    if all(isinstance(value, dict) for value in values):
        for key in values[0]:
            yield from _values(f"{name}[{key!r}]", [value.get(key) for value in values])
    elif any(np.asarray(value).dtype.kind not in "biuf" for value in values):
        yield f"{name} is neither a number nor an array nor a dict of them: leave it out"
    elif not all(isinstance(value, (np.generic, np.ndarray)) for value in values):
        yield f"{name} is a plain Python number: return a NumPy scalar, such as numpy.float64"
    elif len({(value.dtype, value.shape) for value in values}) > 1:
        yield f"{name} changes its type or shape: return the same ones at every step"


def _costs(kinds: tuple[str, ...], steps: list[Any]) -> Iterator[str]:
    for _, reward, _, _, info in steps:
        costs = info.get("costs", {})
        if set(costs) != set(kinds):
            yield f"info['costs'] has the keys {list(costs)}: make them those of cost_kinds={kinds}"
            return
        amounts = [float(amount) for amount in costs.values()]
        if not np.isclose(sum(amounts), -reward, rtol=1e-9, atol=1e-9 * sum(map(abs, amounts))):
            yield f"info['costs'] add up to {sum(amounts):g}, but the cost is {-reward:g}: mend itemised_step"
            return


def _seeds(env: gym.Env[Any, Any]) -> Iterator[str]:
    first = _rollout(env, 1)
    np.random.seed(5)  # noqa: NPY002 (an environment must not draw from it)
    if not data_equivalence(first, _rollout(env, 1)):
        yield "two episodes with the same seed differ: draw all randomness from self.np_random"
    if data_equivalence([step[0] for step in first], [step[0] for step in _rollout(env, 2)]):
        yield "episodes with different seeds are equal: call super().reset(seed=seed) and use self.np_random"


def _projection(env: gym.Env[Any, Any]) -> Iterator[str]:
    regime, quantity = _parts(env)
    for regimes in _some_regimes(regime):
        for requested in (quantity.low - 1, quantity.high + 1):
            env.reset(seed=0)
            applied = np.atleast_1d(env.step((regimes, requested.astype(np.float32)))[4]["quantity"])
            if applied.shape != quantity.shape:
                yield f"info['quantity'] has shape {applied.shape}: make it a number or {quantity.shape}"
                return
            if np.any(applied < quantity.low - 1e-6) or np.any(applied > quantity.high * (1 + 1e-6) + 1e-6):
                yield (
                    f"regime {regimes} applies the quantity {applied} outside the Box: project quantities "
                    "on the interval of the regime"
                )
    env.reset(seed=0)
    largest = np.array([regime.n - 1]) if isinstance(regime, spaces.Discrete) else regime.nvec - 1
    try:
        env.step((largest, quantity.low))
    except Exception as error:
        yield f"the regime {largest!r} as an array is refused ({error}): accept regime indices as arrays"


def _parts(env: gym.Env[Any, Any]) -> tuple[Any, Any]:
    space: Any = env.action_space
    return space[0], space[1]


def _some_regimes(space: Any) -> list[Any]:
    if isinstance(space, spaces.Discrete):
        return list(range(int(space.n)))
    return [space.nvec * 0, space.nvec - 1]


def _bad_actions(env: gym.Env[Any, Any]) -> Iterator[str]:
    regime, quantity = _parts(env)
    good, beyond = (
        (0, int(regime.n)) if isinstance(regime, spaces.Discrete) else (regime.nvec * 0, regime.nvec)
    )
    cases: dict[str, Any] = {
        "a regime index that is too large": (beyond, quantity.low),
        "a regime index of -1": (np.asarray(good) - 1, quantity.low),
        "a regime index of 0.5": (np.asarray(good) + 0.5, quantity.low),
        "a NaN quantity": (good, np.full(quantity.shape, np.nan, dtype=np.float32)),
        "a quantity of the wrong shape": (good, np.zeros(quantity.shape[0] + 1, dtype=np.float32)),
        "a regime without a quantity": good,
    }
    for name, action in cases.items():
        env.reset(seed=0)
        try:
            env.step(action)
        except ValueError as error:
            if not str(error):
                yield f"{name} is refused without a message: name the field, its value and what is allowed"
        except Exception as error:
            yield f"{name} raises {type(error).__name__} ({error}): raise a ValueError that names the field"
        else:
            yield f"{name} is accepted: raise a ValueError that names the field, value and what is allowed"


def _order_of_calls(env: gym.Env[Any, Any]) -> Iterator[str]:
    env.reset(seed=0)
    for _ in range(100_000):
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            break
    else:
        return  # infinite horizon
    if terminated:
        try:
            env.step(env.action_space.sample())
        except ResetNeeded:
            pass
        except Exception as error:
            yield f"step() after the end raises {type(error).__name__}: raise gymnasium.error.ResetNeeded"
        else:
            yield "step() after the end goes on: raise gymnasium.error.ResetNeeded"
    problem = getattr(env.unwrapped, "problem", None)
    if problem is not None and problem.horizon is not None and not terminated:
        yield "the end of the horizon is truncated: it is part of the problem, so make it terminated"


def _pickling(env: gym.Env[Any, Any]) -> Iterator[str]:
    env.reset(seed=0)
    env.action_space.seed(0)
    action = env.action_space.sample()
    *_, terminated, truncated, _ = env.step(action)
    if terminated or truncated:
        env.reset(seed=0)
    copy = pickle.loads(pickle.dumps(env))
    if not data_equivalence(copy.step(action), env.step(action)):
        yield "a pickled copy steps differently: keep all state in picklable attributes"


def _noise_option(env: gym.Env[Any, Any]) -> Iterator[str]:
    problem = getattr(env.unwrapped, "problem", None)
    if problem is None:
        return
    shape = (problem.horizon or STEPS, *problem.noise_shape)
    trace = problem.noise(np.random.default_rng(0).random(shape))
    action = env.action_space.sample()
    replayed = []
    for seed in (0, 1):
        env.reset(seed=seed, options={"noise": trace})
        replayed.append(np.asarray(env.step(action)[4].get("noise", np.nan)))
    if not np.array_equal(replayed[0], replayed[1]) or not np.allclose(replayed[0], trace[0]):
        yield 'reset(options={"noise": trace}) does not replay the trace: use it in place of drawn noise'


def _gymnasium(env: gym.Env[Any, Any]) -> Iterator[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped, skip_render_check=True)
    # Quantities are in units; and check_env makes the environment again, without the limit on its steps.
    expected = "symmetric and normalized", "horizon=None without max_episode_steps"
    for warning in caught:
        if not any(text in str(warning.message) for text in expected):
            yield f"Gymnasium's check_env warns: {str(warning.message).strip()}"


def _rendering(env: gym.Env[Any, Any]) -> Iterator[str]:
    metadata = env.unwrapped.metadata
    if not {"ansi", "rgb_array"} <= set(metadata.get("render_modes", ())):
        yield 'metadata["render_modes"] lacks "ansi" or "rgb_array": add them'
        return
    if not metadata.get("render_fps"):
        yield 'metadata lacks "render_fps": add it'
    if env.spec is None:
        return
    for mode in ("ansi", "rgb_array"):
        shown = gym.make(env.spec, render_mode=mode)
        shown.reset(seed=0)
        shown.step(shown.action_space.sample())
        picture: Any = shown.render()
        if mode == "ansi" and not (isinstance(picture, str) and picture):
            yield f'render() in mode "ansi" returns {picture!r}: return a text'
        if mode == "rgb_array" and not (
            isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
        ):
            yield 'render() in mode "rgb_array" must return an image (height, width, 3) of uint8'
        shown.close()
