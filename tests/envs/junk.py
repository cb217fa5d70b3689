"""Hostile inputs for the fuzz tests, a limit on their CPU time, and what a step that is in order returns."""

import contextlib
import copy
import datetime
import decimal
import fractions
import pathlib
import signal

import numpy as np
import pandas as pd
import pytest
import scipy.stats

HUGE = 2**70

THINGS = [
    None, True, "", "1", "nan", "no such file.csv", "nul\0.csv", ".", b"1", 1j, {}, {"regime": 0},
    {"regime": 0, "quantity": 1}, {1, 2}, (), [], [[]], [None], ["a", 1], [1.0, [2.0]],
    [[1.0, 2.0], [3.0]], [[1.0, [2.0]], [3.0, 4.0]], object(), int, len, range(2), slice(2), Ellipsis,
    pathlib.Path("no such file"), iter([1, 2]), bytearray(b"12"), np.ndarray(0),
    np.zeros((0, 2)), np.zeros((2, 0)), np.ones((2, 2, 2)), np.array([1 + 2j]), np.array(["1"]),
    np.array([None]), np.array([object()]), np.array(["2020"], dtype="datetime64[D]"),
    np.datetime64("NaT"), np.timedelta64(3, "D"), datetime.date(2020, 1, 1), np.ma.masked,
    np.ma.array([1.0], mask=[True]), decimal.Decimal("1.5"), decimal.Decimal("NaN"), decimal.Decimal("sNaN"),
    fractions.Fraction(1, 3), fractions.Fraction(10**400), pd.NA, pd.NaT, pd.Series([1.0, 2.0]),
    pd.Series(["a", None]), pd.DataFrame({"a": [1.0, None]}), pd.DataFrame(), np.rec.array([(1, 2.0)]),
    np.zeros(2, dtype=[("a", float)]), 10**400, -(10**400), [10**400], "lost", "\ud800",
]  # fmt: skip

NUMBERS = [
    0, -0.0, 1, 2, 3, -1, 20, 1000, 10**5, 10**7, 0.5, 1.5, 5e-324, 1e-300, 1e-9, 1e3, 1e6, 1e12, -1e12,
    1e13, 1e30, 1e38, 1e39, 1e300, HUGE, -HUGE, np.nan, np.inf, -np.inf, np.float32(2.5), np.float16(1.0),
    np.int8(1), np.uint64(2**63), np.array(1.0), np.array(2), np.bool_(True), False,
]  # fmt: skip

NOISE = [
    scipy.stats.poisson(3), scipy.stats.poisson(0), scipy.stats.norm(3, 1), scipy.stats.norm,
    scipy.stats.cauchy(), scipy.stats.pareto(0.5), scipy.stats.pareto(1.5), scipy.stats.lognorm(9),
    scipy.stats.lognorm(0.2), scipy.stats.uniform(0, 5), scipy.stats.uniform(0, np.nan),
    scipy.stats.uniform(0, 1e300), scipy.stats.gamma([1.0, 2.0]), scipy.stats.gamma(0.01),
    scipy.stats.bernoulli(0.5), scipy.stats.randint(0, 2), scipy.stats.randint(0, 10**9),
    scipy.stats.poisson(1e15), scipy.stats.multivariate_normal([0, 0]),
    scipy.stats.rv_discrete(values=([0, 2.5], [0.5, 0.5])),
    scipy.stats.rv_histogram(np.histogram([1, 2, 5])), [scipy.stats.poisson(3)] * 2,
    [scipy.stats.poisson(3), scipy.stats.gamma(2)], [scipy.stats.poisson(3), 1.0], np.ones((5, 50)),
    np.ones((5, 50, 2)), np.ones((60, 2)), np.full((5, 50), np.nan), -np.ones((5, 50)), np.ones(80),
    np.ones((3, 20)), np.ones((3, 10, 2)), np.full((60, 2), 1e300), np.full(80, 1e12),
]  # fmt: skip

LIMIT = 20.0
"""CPU seconds for one input: a thousand times what one takes, so that what needs more is taken as hanging."""


@contextlib.contextmanager
def no_hang(given, limit=LIMIT):
    """Fail, naming what was given, if the block takes more CPU seconds than the limit."""

    def stop(*_):
        pytest.fail(f"{given!r}: no end after {limit:g} CPU seconds")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def attempted(step, action):
    """What ``step`` returns for an action, and the text of its ValueError, empty if there is none."""
    with no_hang(action):
        try:
            return step(copy.copy(action)), ""
        except ValueError as error:
            return None, str(error)


def pick(rng, values):
    return values[rng.integers(len(values))]


def junk(rng, like=None):
    """Something that may or may not make sense in place of ``like``."""
    kind = rng.integers(10)
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
    if kind == 4:
        return pick(
            rng,
            [
                float(rng.uniform(0, 1e3)),
                int(rng.integers(-5, 60)),
                "".join(map(chr, rng.integers(0, 1000, 3))),
            ],
        )
    if kind == 5:
        return tuple(rng.uniform(-100, 100, 2).tolist())
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
        beyond = [-1, int(gates[which]), HUGE, -HUGE, 10**400]
        wrong: list = [*beyond, 0.5, -0.5, np.nan, np.inf, -np.inf, 1e300, None, "a"]
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


def carried_out(problem, state, action):
    """Regimes (G,) and quantities (n,) that the documented rules make of an accepted action in a state."""
    regimes, asked = (np.asarray(part).astype(np.float64).reshape(-1) for part in action)
    layout, regimes = problem.layout, regimes.astype(np.int64)
    columns = [
        int(start) + regimes[gate]
        for start, gate in zip(layout.quantity_start, layout.quantity_gate, strict=True)
    ]
    applied = np.clip(asked, layout.low[columns], layout.high[columns])
    gate, quantity = layout.flat(regimes, applied)
    return layout.chosen(*problem.admit(state, gate, quantity))


def all_finite(info):
    """Whether all numbers of an info are finite, also those of a dict in it."""
    values = [
        entry for value in info.values() for entry in (value.values() if isinstance(value, dict) else [value])
    ]
    return all(np.isfinite(np.asarray(value, dtype=np.float64)).all() for value in values)


def in_order(env, before, step):
    """Check all that a step from the state ``before`` returned."""
    observation, reward, terminated, truncated, info = step
    problem, layout = env.problem, env.problem.layout
    assert env.observation_space.contains(observation), observation
    assert type(reward) is float
    assert np.isfinite(reward)
    assert (type(terminated), truncated) == (bool, False)
    assert set(info) == {"regime", "quantity", "noise", "costs"}
    assert all_finite(info)
    low, high = env.action_space[1].low, env.action_space[1].high
    applied = np.atleast_1d(info["quantity"])
    assert applied.shape == low.shape
    assert np.all(applied >= low * (1 + 1e-6) - 1e-6)
    assert np.all(applied <= high * (1 + 1e-6) + 1e-6)
    gate, quantity = layout.flat(np.atleast_1d(info["regime"]), applied)
    _, costs = problem.step(before, gate, quantity, np.asarray(info["noise"]))
    assert costs.shape == (layout.credit.shape[1],)
    assert np.isfinite(costs).all()
    assert float(costs.sum()) == pytest.approx(-reward, rel=1e-9, abs=1e-9 * np.abs(costs).max())
