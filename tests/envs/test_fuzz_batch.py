"""Junk as actions of wrappers, and as actions and options of native batches."""

import pickle
import re
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from junk import (
    NUMBERS,
    all_finite,
    attempted,
    carried_out,
    in_order,
    junk,
    junk_action,
    mutated,
    no_hang,
    pick,
)
from suite import STATIONARY, class_of, defaults_of, every_environment

from jumpgym.wrappers import BoxAction, BoxQuantity, DictAction, DiscreteLevel, DiscreteQuantity

WRAPPERS = [BoxAction, BoxQuantity, DictAction, DiscreteLevel, DiscreteQuantity]
ACTIONS, BATCHES, RESETS = 40, 120, 40
"""Inputs for each environment; actions for each of its wrappers."""
COPIES = 3


def snapshot(env):
    """All that a step or reset may change, as bytes."""
    keys = ("_state", "_period", "_place", "_noise", "_over", "_np_random", "np_random")
    return pickle.dumps([getattr(env, key) for key in keys if hasattr(env, key)])


def junk_wrapped(rng, space):
    """An action of a wrapper's space, and whether it must be accepted (True), refused (False) or either."""
    sample, kind = space.sample(), rng.integers(4)
    if kind == 0:
        return junk(rng, sample if isinstance(sample, np.ndarray) else None), None
    if isinstance(space, spaces.Dict):
        action, allowed = junk_action(rng, spaces.Tuple((space["discrete"], space["continuous"])))
        if kind == 1 or not isinstance(action, (tuple, list)) or len(action) != 2:
            return {**sample, pick(rng, ["discrete", "continuous", "other"]): junk(rng)}, None
        return dict(zip(("discrete", "continuous"), action, strict=True)), allowed
    array = np.atleast_1d(np.array(sample, dtype=np.float64))
    if kind == 1:
        return mutated(rng, array), None
    if kind == 2:
        array[rng.integers(array.size)] = np.nan
        return (array if array.size > 1 or rng.random() < 0.5 else array[0]), False
    return pick(rng, [sample, array, array.tolist()]), True


def try_wrapped(env, observation, rng):
    """The next observation, or None if a junk action was refused."""
    action, allowed = junk_wrapped(rng, env.action_space)
    base = env.unwrapped
    before, state = snapshot(base), base._state
    step, refusal = attempted(env.step, action)
    if refusal:
        assert allowed is not True, f"{action!r} is refused: {refusal}"
        assert refusal.startswith("action"), f"{action!r}: {refusal}"
        assert snapshot(base) == before, f"{action!r} is refused, and changes something"
        return None
    assert allowed is not False, f"{action!r} is accepted"
    in_order(base, state, step)
    regimes, asked = env.decode(observation[None], env.view.batch_of_one(action))
    expected = carried_out(base.problem, state, (regimes[0], asked[0]))
    np.testing.assert_array_equal(np.atleast_1d(step[4]["regime"]), expected[0])
    np.testing.assert_array_equal(np.atleast_1d(step[4]["quantity"]), expected[1])
    return step[0]


def run_wrapped(env, rng, count):
    """How many of so many junk actions were accepted."""
    env.action_space.seed(0)
    observation, accepted = env.reset(seed=0)[0], 0
    for _ in range(count):
        if env.unwrapped._period == env.unwrapped.problem.horizon:
            observation, _ = env.reset()
        following = try_wrapped(env, observation, rng)
        if following is not None:
            observation, accepted = following, accepted + 1
    return accepted


@every_environment
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_any_action_of_a_wrapper_is_carried_out_or_refused_without_effect(env_id, wrapper):
    try:
        env = wrapper(class_of(env_id)())
    except NotImplementedError:
        assert env_id == "jumpgym/SwitchedLQR-v0"  # its regimes do not follow from the quantity
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Warning: converting a masked element to nan")  # NumPy, of a list
        accepted = run_wrapped(env, np.random.default_rng(0), ACTIONS)
    assert 0.1 * ACTIONS < accepted < 0.9 * ACTIONS


def junk_batch(rng, space, gates):
    """Actions of all copies, the row of the only bad one, and whether they must be accepted or refused."""
    regimes, asked = (np.array(part) for part in space.sample())
    asked, row, kind = asked.astype(np.float64), int(rng.integers(COPIES)), rng.integers(7)
    if kind == 0:
        asked[row, rng.integers(asked.shape[1])] = np.nan
        return (regimes, asked), row, False
    if kind == 1:
        gate = int(rng.integers(len(gates)))
        wrong = regimes.astype(np.float64).reshape(COPIES, -1)
        wrong[row, gate] = pick(rng, [-1, gates[gate], 0.5, np.nan, np.inf, -np.inf])
        return (wrong.reshape(regimes.shape), asked), row, False
    if kind == 2:
        few = int(rng.integers(COPIES))
        short = [(regimes[:few], asked), (regimes, asked[:few]), (regimes[:few], asked[:few])]
        more = [(np.concatenate([regimes, regimes]), np.concatenate([asked, asked]))]
        return (
            pick(
                rng,
                [*short, *more, (asked, regimes, 1), (asked,), list(zip(regimes[:few], asked, strict=False))],
            ),
            None,
            False,
        )
    if kind == 3:
        asked[row] = pick(rng, [-1.0, 1e300, np.inf, -np.inf, 0.0])
        pairs = list(zip(regimes, asked, strict=True))
        return pick(rng, [(regimes, asked), pairs, (regimes.tolist(), asked.tolist())]), None, True
    if kind == 4:
        return (junk(rng, regimes), asked), None, None
    if kind == 5:
        return (regimes, junk(rng, asked)), None, None
    return pick(rng, [junk(rng), [junk(rng)] * COPIES, {0: regimes, 1: asked}, (None, None)]), None, None


def batch_in_order(envs, step):
    """Check what a step of a batch returned."""
    observations, rewards, terminations, truncations, infos = step
    assert envs.observation_space.contains(observations)
    assert rewards.shape == terminations.shape == truncations.shape == (COPIES,)
    assert np.isfinite(rewards).all()
    keys = {"regime", "quantity", "noise", "costs"}
    assert set(infos) == keys | {f"_{key}" for key in keys}
    assert all_finite(infos)


def try_batch(envs, rng):
    """Whether junk actions were accepted."""
    actions, row, allowed = junk_batch(rng, envs.action_space, envs.problem.layout.gates)
    before = snapshot(envs)
    problem, state, over = envs.problem, envs._state, envs._over
    step, refusal = attempted(envs.step, actions)
    if refusal:
        assert allowed is not True, f"{actions!r} are refused: {refusal}"
        assert refusal.startswith("action" if row is None else f"action of environment {row}: "), refusal
        assert snapshot(envs) == before, f"{actions!r} are refused, and change something"
        return False
    assert allowed is not False, f"{actions!r} are accepted"
    batch_in_order(envs, step)
    if allowed and not over.any():
        pairs = actions if isinstance(actions, list) else list(zip(*actions, strict=True))
        for one, pair in enumerate(pairs):
            regimes, quantities = carried_out(problem, type(state)(*(field[one] for field in state)), pair)
            np.testing.assert_array_equal(np.atleast_1d(step[4]["regime"][one]), regimes)
            np.testing.assert_array_equal(np.atleast_1d(step[4]["quantity"][one]), quantities)
    return True


def make_batch(env_id, **parameters):
    envs = gym.make_vec(env_id, COPIES, vectorization_mode="vector_entry_point", **parameters).unwrapped
    envs.action_space.seed(0)
    envs.reset(seed=0)
    return envs


@every_environment
def test_any_actions_of_a_batch_are_carried_out_or_refused_without_effect(env_id):
    envs, rng = make_batch(env_id), np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Warning: converting a masked element to nan")  # NumPy, of a list
        accepted = sum(try_batch(envs, rng) for _ in range(BATCHES))
    assert 0.1 * BATCHES < accepted < 0.6 * BATCHES


def junk_reset(rng, problem):
    """Arguments of reset, and whether they must be accepted (True), be refused (False), or either (None)."""
    traces = problem.noise(rng.random((COPIES, problem.horizon or 256, *problem.noise_shape)))
    mask, kind = rng.random(COPIES) < 0.6, rng.integers(8)
    mask[rng.integers(COPIES)] = True
    if kind == 0:
        return {"options": {"noise": traces, "reset_mask": mask}}, True
    if kind == 1:
        traces.flat[rng.integers(traces.size)] = pick(rng, [np.nan, np.inf])
        return {"options": {"noise": traces}}, False
    if kind == 2:
        return {"options": {"noise": pick(rng, [traces[0], traces[:-1], traces[:, :0], traces[None]])}}, False
    if kind == 3:
        return {"options": {"noise": pick(rng, [junk(rng), mutated(rng, traces)])}}, None
    if kind == 4:
        wrong = [mask.tolist(), mask.astype(int), mask & False, mask[:-1], mask[None], None, "all", junk(rng)]
        return {"options": {"reset_mask": pick(rng, wrong)}}, False
    if kind == 5:
        return {"options": pick(rng, ["noise", 5, [1], {"nose": traces}, {"reset_mask", 1}])}, False
    if kind == 6:
        return {"seed": pick(rng, [-1, 0.5, "1", np.nan, [0.5] * COPIES, object()])}, False
    return {"options": {"reset_mask": mask}}, True


def try_reset(envs, rng):
    """Whether junk for the reset of a batch was accepted."""
    given, allowed = junk_reset(rng, envs.problem)
    before, refusal = snapshot(envs), ""
    with no_hang(given):
        try:
            observations, _ = envs.reset(**given)
        except (ValueError, TypeError, gym.error.Error) as error:
            refusal = str(error)
    if refusal:
        assert allowed is not True, f"{given} is refused: {refusal}"
        names = r"\b(noise|options?|reset_mask|demand|[Ss]eed|returns|cash_need)\b"
        assert re.search(names, refusal), f"{given}: {refusal}"
        assert snapshot(envs) == before, f"{given} is refused, and changes something"
        return False
    assert allowed is not False, f"{given} is accepted"
    assert envs.observation_space.contains(observations)
    batch_in_order(envs, envs.step(envs.action_space.sample()))
    return True


@every_environment
@pytest.mark.parametrize("endless", [False, True])
def test_any_reset_of_a_batch_begins_episodes_or_is_refused_without_effect(env_id, endless):
    if endless and env_id not in STATIONARY:
        return
    envs = make_batch(env_id, **({"horizon": None} if endless else {}))
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Warning: converting a masked element to nan")  # NumPy, of a list
        accepted = sum(try_reset(envs, rng) for _ in range(RESETS))
    assert 0.1 * RESETS < accepted < 0.9 * RESETS


@every_environment
def test_arguments_of_a_batch_are_checked_by_name(env_id):
    cls = type(gym.make_vec(env_id, 1, vectorization_mode="vector_entry_point").unwrapped)
    rng = np.random.default_rng(0)
    for _ in range(20):
        name = pick(rng, ["num_envs", "max_episode_steps", "autoreset_mode", "render_mode"])
        value = pick(rng, [*NUMBERS[:6], "x", "NextStep", None, np.nan, [1], {}, 1.5, np.ones(2)])
        if name == "num_envs" and value == 1000:
            value = -1000
        try:
            envs = cls(**{name: value})
        except (ValueError, TypeError) as error:
            assert name in str(error)  # noqa: PT017 (some are accepted)
            continue
        batch_size = envs.num_envs
        assert envs.reset(seed=0)[0].shape[0] == batch_size
        assert defaults_of(env_id).keys().isdisjoint({name})
