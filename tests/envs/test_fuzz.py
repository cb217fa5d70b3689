"""Junk as actions and as parameters: refused by name, or everything that follows is in order."""

import copy
import datetime
import decimal
import fractions
import re
import warnings

import numpy as np
import pandas as pd
import scipy.stats
from suite import class_of, defaults_of, every_environment

ACTIONS, PARAMETERS = 120, 120
"""Inputs for each environment; all environments have been through thousands, with other seeds."""

HUGE = 2**70


THINGS = [
    None, True, "", "1", "nan", "no such file.csv", b"1", 1j, {}, {"regime": 0}, {1, 2}, (), [], [[]],
    [None], ["a", 1], [1.0, [2.0]], [[1.0, 2.0], [3.0]], object(), int, len, range(2), slice(2), Ellipsis,
    np.ndarray(0), np.zeros((0, 2)), np.zeros((2, 0)), np.ones((2, 2, 2)), np.array([1 + 2j]),
    np.array(["1"]), np.array([None]), np.array([object()]), np.array(["2020"], dtype="datetime64[D]"),
    np.datetime64("NaT"), np.timedelta64(3, "D"), datetime.date(2020, 1, 1), np.ma.masked,
    np.ma.array([1.0], mask=[True]), decimal.Decimal("1.5"), decimal.Decimal("NaN"),
    fractions.Fraction(1, 3), pd.NA, pd.Series([1.0, 2.0]), pd.DataFrame({"a": [1.0, None]}),
    np.rec.array([(1, 2.0)]), 10**400, -(10**400),
]  # fmt: skip

NUMBERS = [
    0, -0.0, 1, 2, 3, -1, 20, 1000, 10**5, 10**7, 0.5, 1.5, 1e-300, 1e-9, 1e3, 1e6, 1e12, -1e12, 1e13, 1e30,
    1e38, 1e39, 1e300, HUGE, -HUGE, np.nan, np.inf, -np.inf, np.float32(2.5), np.float16(1.0), np.int8(1),
    np.uint64(2**63), np.array(1.0), np.array(2), np.bool_(True), False,
]  # fmt: skip

NOISE = [
    scipy.stats.poisson(3), scipy.stats.poisson(0), scipy.stats.norm(3, 1), scipy.stats.norm,
    scipy.stats.cauchy(), scipy.stats.pareto(0.5), scipy.stats.pareto(1.5), scipy.stats.lognorm(9),
    scipy.stats.lognorm(0.2), scipy.stats.uniform(0, 5), scipy.stats.uniform(0, np.nan),
    scipy.stats.gamma([1.0, 2.0]), scipy.stats.gamma(0.01), scipy.stats.bernoulli(0.5),
    scipy.stats.randint(0, 2), scipy.stats.multivariate_normal([0, 0]),
    scipy.stats.rv_discrete(values=([0, 2.5], [0.5, 0.5])),
    scipy.stats.rv_histogram(np.histogram([1, 2, 5])), [scipy.stats.poisson(3)] * 2,
    [scipy.stats.poisson(3), scipy.stats.gamma(2)], [scipy.stats.poisson(3), 1.0], np.ones((5, 50)),
    np.ones((5, 50, 2)), np.ones((60, 2)), np.full((5, 50), np.nan), -np.ones((5, 50)), np.ones(80),
    np.ones((3, 20)), np.ones((3, 10, 2)), np.full((60, 2), 1e300),
]  # fmt: skip


def pick(rng, values):
    return values[rng.integers(len(values))]


def junk(rng, like=None):
    """Something that may or may not make sense in place of ``like``."""
    kind = rng.integers(8)
    if isinstance(like, str) and kind > 3:
        return pick(rng, ["backlog", "lost", "log", "linear", "all_units", "incremental"])
    if isinstance(like, bool) and kind > 3:
        return not like
    if isinstance(like, int) and kind > 3:
        return max(int(like), 1) * int(rng.integers(5))
    if kind == 0:
        return pick(rng, THINGS)
    if kind == 1:
        return pick(rng, NUMBERS)
    if kind == 2:
        return pick(rng, NOISE)
    if kind == 3:
        return [junk(rng) if rng.random() < 0.2 else pick(rng, NUMBERS) for _ in range(rng.integers(5))]
    try:
        array = np.array(like, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.ones(rng.integers(1, 4))
    if not np.isfinite(array).all():
        array = np.ones(2)
    return mutated(rng, array)


def mutated(rng, array):
    """An array of numbers, changed in one way, perhaps as lists."""
    kind = rng.integers(10)
    if kind < 2:
        array = array * rng.uniform(0.3, 2.0)
    elif kind == 8:
        array = array * 10.0 ** rng.integers(-12, 13)
    elif kind == 9:
        array = array + rng.normal(size=array.shape) * 10.0 ** rng.integers(-3, 6)
    elif kind == 2 and array.size:
        array.flat[rng.integers(array.size)] = float(pick(rng, [-1, 0, 1, np.nan, np.inf, 1e12, 1e13]))
    elif kind == 3 and array.ndim:
        array = np.concatenate([array, array[: rng.integers(1, 3)]])
    elif kind == 4 and array.ndim:
        array = array[: rng.integers(len(array) + 1)]
    elif kind == 5:
        array = array[None]
    elif kind == 6 and array.ndim:
        array = array[::-1]
    else:
        array = array.astype(pick(rng, [np.int64, np.float32, np.bool_, object, str]))
    return pick(rng, [array, array.tolist(), tuple(array.tolist()) if array.ndim else array.tolist()])


def junk_action(rng, space):
    """An action, and whether it must be accepted (True), be refused (False), or either (None)."""
    regime, _ = space
    regimes, asked = (np.asarray(part) for part in space.sample())
    gates = np.atleast_1d(getattr(regime, "nvec", getattr(regime, "n", None)))
    which, column = rng.integers(gates.size), rng.integers(asked.size)
    kind = rng.integers(13)
    if kind < 4:  # anything where it must be a number of the right kind
        wrong: list = [
            -1,
            int(gates[which]),
            HUGE,
            -HUGE,
            0.5,
            -0.5,
            np.nan,
            np.inf,
            -np.inf,
            1e300,
            10**400,
            None,
            "a",
        ]
        flat = regimes.reshape(-1).tolist()
        flat[which] = pick(rng, wrong)
        return (flat if regimes.ndim or rng.random() < 0.5 else flat[0], asked), False
    if kind == 4:
        numbers = asked.astype(np.float64)
        numbers[column] = np.nan
        return (regimes, pick(rng, [numbers, numbers.tolist(), numbers.astype(np.float32)])), False
    if kind == 5:
        size = pick(rng, [asked.size + 1, 2 * asked.size, 0])
        return (regimes, np.zeros(size)), False
    if kind == 6:
        size = pick(rng, [gates.size + 1, 2 * gates.size, 0])
        return (np.zeros(size, dtype=np.int64), asked), False
    if kind < 9:  # any size of a number, which is projected
        numbers = asked.astype(np.float64)
        numbers[column] = pick(
            rng, [0.0, -0.0, 1e-320, -1.0, 1e6, 1e30, 1e39, 1e308, np.inf, -np.inf, -1e308]
        )
        return (regimes, pick(rng, [numbers, numbers.tolist(), tuple(numbers)])), True
    if kind == 9:  # the same numbers in other types
        cast = pick(rng, [np.int8, np.uint64, np.float32, np.int64, object])
        return [regimes.astype(cast), asked.astype(pick(rng, [np.float64, np.longdouble, object]))], True
    if kind == 10:
        return (junk(rng, regimes), asked), None
    if kind == 11:
        return (regimes, junk(rng, asked)), None
    return pick(
        rng, [junk(rng), [junk(rng)], (regimes,), (regimes, asked, 0), {0: regimes, 1: asked}, asked]
    ), None


def in_order(env, step):
    observation, reward, terminated, truncated, info = step
    assert env.observation_space.contains(observation), observation
    assert type(reward) is float
    assert np.isfinite(reward)
    assert (type(terminated), truncated) == (bool, False)
    assert set(info) == {"regime", "quantity", "noise"}
    assert all(np.isfinite(np.asarray(value, dtype=np.float64)).all() for value in info.values())
    low, high = env.action_space[1].low, env.action_space[1].high
    applied = np.atleast_1d(info["quantity"])
    assert applied.shape == low.shape
    assert np.all(applied >= low * (1 + 1e-6) - 1e-6)
    assert np.all(applied <= high * (1 + 1e-6) + 1e-6)


def try_action(env, rng):
    """Whether a junk action was accepted."""
    action, allowed = junk_action(rng, env.action_space)
    before, refusal = env.observation, ""
    try:
        step = env.step(copy.copy(action))
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert allowed is not True, f"{action!r} is refused: {refusal}"
        assert refusal.startswith("action"), refusal
        np.testing.assert_array_equal(env.observation, before)
        return False
    assert allowed is not False, f"{action!r} is accepted"
    in_order(env, step)
    return True


def try_parameters(cls, defaults, rng):
    """Whether junk for one or two parameters was accepted; they then take three steps."""
    chosen = rng.choice(list(defaults), size=rng.integers(1, 3), replace=False).tolist()
    parameters = {name: junk(rng, defaults[name]) for name in chosen}
    refusal = ""
    try:
        env = cls(**parameters)
    except (ValueError, TypeError) as error:
        refusal = str(error)
    if refusal:
        assert any(re.search(rf"\b{name}\b", refusal) for name in defaults), f"{parameters}: {refusal}"
        return False
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation), parameters
    for _ in range(3):
        step = env.step(env.action_space.sample())
        in_order(env, step)
        if step[2]:
            break
    return True


@every_environment
def test_any_action_is_carried_out_or_refused_without_effect(env_id):
    env, rng = class_of(env_id)(), np.random.default_rng(0)
    env.action_space.seed(0)
    env.reset(seed=0)
    accepted = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
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
        accepted = sum(try_parameters(cls, defaults, rng) for _ in range(PARAMETERS))
    assert 0 < accepted < PARAMETERS
