"""Junk as actions, parameters and options of reset: refused by name, or all that follows is in order.

10,800 actions and parameter sets over all environments; others, with other seeds, have gone through the same
functions. The fuzz tests of wrappers and batches are in test_fuzz_batch.py.
"""

import pickle
import re
import warnings

import gymnasium as gym
import numpy as np
import pytest
from junk import NOISE, attempted, carried_out, in_order, junk, junk_action, mutated, no_hang, pick
from suite import SINGLE_ITEM, STATIONARY, class_of, defaults_of, every_environment

ACTIONS, PARAMETERS, RESETS = 450, 450, 60
"""Inputs for each environment."""


def snapshot(env):
    """All that a step or reset may change, as bytes."""
    changing = (env._state, env._period, env._place, env._noise, env._trajectory.periods, env.np_random)
    return pickle.dumps(changing)


def try_action(env, rng):
    """Whether a junk action was accepted."""
    action, allowed = junk_action(rng, env.action_space)
    before, state = snapshot(env), env._state
    step, refusal = attempted(env.step, action)
    if refusal:
        assert allowed is not True, f"{action!r} is refused: {refusal}"
        assert refusal.startswith("action"), refusal
        assert snapshot(env) == before, f"{action!r} is refused, and changes something"
        return False
    assert allowed is not False, f"{action!r} is accepted"
    in_order(env, state, step)
    regimes, quantities = carried_out(env.problem, state, action)
    np.testing.assert_array_equal(np.atleast_1d(step[4]["regime"]), regimes)
    np.testing.assert_array_equal(np.atleast_1d(step[4]["quantity"]), quantities)
    return True


def junk_parameters(rng, defaults):
    """Junk for one to three parameters."""
    chosen = rng.choice(list(defaults), size=min(rng.integers(1, 4), len(defaults)), replace=False).tolist()
    return {name: junk(rng, defaults[name]) for name in chosen}


def try_parameters(cls, defaults, rng):
    """Whether junk for some parameters was accepted; the environment must then work."""
    parameters, refusal = junk_parameters(rng, defaults), ""
    with no_hang(parameters):
        try:
            env = cls(render_mode="ansi", **parameters)
        except (ValueError, TypeError) as error:
            refusal = str(error)
        if refusal:
            assert any(re.search(rf"\b{name}\b", refusal) for name in defaults), f"{parameters}: {refusal}"
            return False
        try:
            works(env, costs_only=cls.__name__ in COSTS_ONLY)
        except Exception as error:
            raise AssertionError(f"{parameters} are accepted, but: {error!r}") from error
    return True


COSTS_ONLY = {class_of(env_id).__name__ for env_id in SINGLE_ITEM}


def works(env, costs_only):
    """Three steps, a rendering and a pickled copy that steps alike."""
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation), observation
    for _ in range(3):
        twin, before, action = pickle.loads(pickle.dumps(env)), env._state, env.action_space.sample()
        step, again = env.step(action), twin.step(action)
        in_order(env, before, step)
        assert step[1] <= 0 or not costs_only
        np.testing.assert_array_equal(again[0], step[0])
        assert again[1] == step[1]
        if step[2]:
            break
    shown = env.render()
    assert shown.count("\n") == env._period + 2
    assert "nan" not in shown


@every_environment
def test_any_action_is_carried_out_or_refused_without_effect(env_id):
    env, rng = class_of(env_id)(), np.random.default_rng(0)
    env.action_space.seed(0)
    env.reset(seed=0)
    accepted = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Warning: converting a masked element to nan")  # NumPy, of a list
        for _ in range(ACTIONS):
            if env._period == env.problem.horizon:
                env.reset()
            accepted += try_action(env, rng)
    assert 0.2 * ACTIONS < accepted < 0.6 * ACTIONS  # both were tried


@every_environment
def test_any_parameter_works_or_is_refused_by_name(env_id):
    cls, defaults, rng = class_of(env_id), defaults_of(env_id), np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Warning: converting a masked element to nan")  # NumPy, of a list
        accepted = sum(try_parameters(cls, defaults, rng) for _ in range(PARAMETERS))
    assert 0.05 * PARAMETERS < accepted < 0.6 * PARAMETERS


def junk_reset(rng, problem):
    """Arguments of reset, and whether they must be accepted (True), be refused (False), or either (None)."""
    shape = (problem.horizon or 9, *problem.noise_shape)
    trace = problem.noise(rng.random(shape))
    kind = rng.integers(8)
    if kind == 0:
        return {"options": {"noise": pick(rng, [trace, trace.tolist(), trace.astype(np.longdouble)])}}, True
    if kind == 1:
        trace.flat[rng.integers(trace.size)] = pick(rng, [np.nan, np.inf, -np.inf])
        return {"options": {"noise": trace}}, False
    if kind == 2:
        other = pick(
            rng, [trace[:-1], trace[None], trace[..., None], trace[:0], np.zeros(()), trace.ravel()[:-1]]
        )
        return {"options": {"noise": other}}, (None if problem.horizon is None else False)
    if kind == 3:
        return {"options": {"noise": junk(rng)}}, None
    if kind == 4:
        return {"options": {"noise": mutated(rng, trace)}}, None
    if kind == 5:
        return {"options": {"noise": pick(rng, NOISE)}}, None
    if kind == 6:
        return {
            "options": pick(rng, ["noise", 5, [("noise", trace)], {"nose": trace}, {1: 2}, {"noise", 1}])
        }, False
    return {"seed": pick(rng, [-1, 0.5, "1", np.nan, -(2**70), [1], 1j, object(), b"1"])}, False


def try_reset(env, rng):
    """Whether junk for reset was accepted."""
    given, allowed = junk_reset(rng, env.problem)
    before, refusal = snapshot(env), ""
    with no_hang(given):
        try:
            observation, info = env.reset(**given)
        except (ValueError, TypeError, gym.error.Error) as error:
            refusal = str(error)
    if refusal:
        assert allowed is not True, f"{given} is refused: {refusal}"
        assert re.search(r"\b(noise|option|options|demand|[Ss]eed|returns|cash_need)\b", refusal), (
            f"{given}: {refusal}"
        )
        assert snapshot(env) == before, f"{given} is refused, and changes something"
        return False
    assert allowed is not False, f"{given} is accepted"
    assert env.observation_space.contains(observation)
    assert info == {}
    state = env._state
    in_order(env, state, env.step(env.action_space.sample()))
    return True


@every_environment
@pytest.mark.parametrize("endless", [False, True])
def test_any_reset_begins_an_episode_or_is_refused_without_effect(env_id, endless):
    if endless and env_id not in STATIONARY:
        return
    env = class_of(env_id)(**({"horizon": None} if endless else {}))
    rng = np.random.default_rng(0)
    env.action_space.seed(0)
    env.reset(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Warning: converting a masked element to nan")  # NumPy, of a list
        accepted = sum(try_reset(env, rng) for _ in range(RESETS))
    assert 0.05 * RESETS < accepted < 0.9 * RESETS


def test_what_hangs_fails():
    def forever():
        with no_hang({"horizon": 1}, 0.05):
            while True:
                pass

    with pytest.raises(pytest.fail.Exception, match=r"\{'horizon': 1\}: no end after 0\.05 CPU seconds"):
        forever()
