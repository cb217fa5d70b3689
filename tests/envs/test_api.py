"""Every registered environment, as Gymnasium and Stable-Baselines3 see it."""

import json
import pickle
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_checker import data_equivalence as equal
from stable_baselines3.common.env_checker import check_env as check_env_sb3
from suite import (
    COSTS_ONLY,
    ENVIRONMENTS,
    LAGGED_AND_LOST,
    STATIONARY,
    active,
    as_action,
    defaults_of,
    every_environment,
    flat,
    passive,
    regimes_of,
    variant,
    with_variants,
)

import jumpgym
from jumpgym.adapters.noise_blocks import BLOCK
from jumpgym.wrappers import BoxAction

ONE_QUANTITY = [i for i in ENVIRONMENTS if len(jumpgym.as_problem(i).layout.quantity_gate) == 1]
SEVERAL_GATES = [i for i in ENVIRONMENTS if len(jumpgym.as_problem(i).layout.gates) > 1]
TWO_CONTROLS = {"B": [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]}

ROOMY = {
    "jumpgym/JointReplenishment-v0": {"truck_capacity": 60.0, "max_order": 30.0},
    "jumpgym/CapacitatedLotSizing-v0": {"setup_times": [2.0, 0.0]},
    "jumpgym/BudgetDiscount-v0": {"budget": 1e4},
    "jumpgym/MinInvestment-v0": {"initial_wealth": 1e4},
}
"""Parameters under which what is chosen is carried out, but where ``fits`` says no."""


def fits(problem, regimes, quantities):
    """Whether nothing is cut in the first period with the parameters of ``ROOMY``."""
    if isinstance(problem, jumpgym.JointReplenishment):
        return regimes[0] > 0 or not regimes[1:].any()
    if isinstance(problem, jumpgym.CapacitatedLotSizing):
        return quantities.sum() + regimes @ problem.setup_times <= problem.capacity
    return True


def rollout(env, steps, seed):
    env.action_space.seed(seed)
    outputs = [env.reset(seed=seed)]
    for _ in range(steps):
        outputs.append(env.step(env.action_space.sample()))
        if outputs[-1][2]:
            outputs.append(env.reset())
    return outputs


def run_fresh(code):
    """Run in a process that has imported nothing."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@every_environment
def test_gymnasium_check_env(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*symmetric and normalized")  # our quantities are in units
        check_env(gym.make(env_id, render_mode="ansi").unwrapped)


@with_variants({}, LAGGED_AND_LOST)
def test_sb3_check_env_on_the_box_view(env_id, parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env_sb3(BoxAction(gym.make(env_id, **parameters)))


@every_environment
def test_two_rollouts_with_one_seed_are_equal_and_others_differ(env_id):
    first, second, other = (rollout(gym.make(env_id), 50, seed) for seed in (3, 3, 4))
    assert all(equal(a, b, exact=True) for a, b in zip(first, second, strict=True))
    assert not equal(first[1], other[1])
    env = gym.make(env_id)
    env.reset(seed=3)
    noise = env.step(passive(env.unwrapped.problem))[4]["noise"]
    env.reset(seed=4)
    assert not np.array_equal(noise, env.step(passive(env.unwrapped.problem))[4]["noise"])


@every_environment
def test_the_horizon_terminates_and_observations_stay_in_bounds(env_id):
    env = gym.make(env_id, **variant(env_id, horizon=7, lead_time=1, demand=scipy.stats.gamma(0.5, scale=40)))
    env.action_space.seed(0)
    observation, info = env.reset(seed=0)
    assert info == {}
    for period in range(1, 8):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert observation[-1] == period
        assert type(reward) is float
        assert reward <= 0 or env_id not in COSTS_ONLY
        assert (terminated, truncated) == (period == 7, False)
        assert set(info) == {"regime", "quantity", "noise", "costs"}


@pytest.mark.parametrize("env_id", STATIONARY)
@pytest.mark.parametrize("lead_time", [0, 2])
def test_without_a_horizon_it_goes_on(env_id, lead_time):
    env = gym.make(env_id, **variant(env_id, horizon=None, lead_time=lead_time))
    problem = env.unwrapped.problem
    with_period = gym.make(env_id, **variant(env_id, lead_time=lead_time)).observation_space
    assert env.observation_space.shape == (with_period.shape[0] - 1,)
    env.action_space.seed(0)
    trace = problem.noise(np.random.default_rng(0).random((3, *problem.noise_shape)))
    env.reset(seed=0, options={"noise": trace})
    noise = []
    for _ in range(2 * BLOCK + 5):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        noise.append(info["noise"])
        assert env.observation_space.contains(observation)
        assert np.isfinite(reward)
        assert (terminated, truncated) == (False, False)
    np.testing.assert_array_equal(noise[:3], trace)
    drawn = np.array(noise[3:])
    assert not np.array_equal(drawn[:BLOCK], drawn[BLOCK : 2 * BLOCK])  # no block is used again
    limited = gym.make(env_id, horizon=None, max_episode_steps=2)
    limited.reset(seed=0)
    assert [limited.step(passive(limited.unwrapped.problem))[2:4] for _ in range(2)] == [
        (False, False),
        (False, True),
    ]


@pytest.mark.parametrize("env_id", sorted(set(ENVIRONMENTS) - set(STATIONARY)))
def test_others_need_a_horizon(env_id):
    with pytest.raises(TypeError, match="horizon=None must be an integer"):
        gym.make(env_id, horizon=None)


@every_environment
def test_returned_arrays_are_not_reused(env_id):
    env = gym.make(env_id)
    action = active(env.unwrapped.problem)
    first = [env.reset(seed=0), env.step(action)]
    kept = pickle.loads(pickle.dumps(first))
    for _ in range(3):
        env.step(action)
    assert equal(first, kept, exact=True)


@every_environment
def test_pickling_before_and_after_a_step_keeps_the_future(env_id):
    env = gym.make(env_id)
    action = active(env.unwrapped.problem)
    pickle.loads(pickle.dumps(env))
    env.reset(seed=1)
    env.step(action)
    copy = pickle.loads(pickle.dumps(env))
    for _ in range(5):
        assert equal(env.step(action), copy.step(action), exact=True)
    assert equal(env.reset(), copy.reset(), exact=True)


@every_environment
def test_specification_travels_through_json(env_id):
    def is_json(value):
        try:
            json.dumps(value)
        except TypeError:
            return False
        return True

    plain = {name: value for name, value in defaults_of(env_id).items() if is_json(value)}
    assert len(plain) >= len(defaults_of(env_id)) - 1  # all but the noise
    changed = variant(env_id, shortage_cost=19.0, lead_time=1, horizon=9, discount=0.9)
    spec = BoxAction(gym.make(env_id, **{**plain, **changed})).spec
    again = gym.make(EnvSpec.from_json(spec.to_json()))
    assert isinstance(again, BoxAction)
    assert (again.unwrapped.problem.horizon, again.unwrapped.problem.discount) == (9, 0.9)
    direct = BoxAction(gym.make(env_id, **changed))
    assert again.observation_space == direct.observation_space
    for step, expected in zip(rollout(again, 12, 5), rollout(direct, 12, 5), strict=True):
        if (
            len(expected) == 5 and expected[2]
        ):  # Gymnasium's TimeLimit, from the specification, truncates as well
            expected = (*expected[:3], True, expected[4])
        assert equal(step, expected, exact=True)


def test_make_without_an_import_in_a_fresh_process():
    first, *others = (
        f"e = gymnasium.make('{prefix}{env_id}'); e.reset(); e.action_space.seed(0); "
        f"print('{env_id}', e.step(e.action_space.sample())[4])"
        for prefix, env_id in zip(["jumpgym:", *[""] * 99], jumpgym.ENVIRONMENTS, strict=False)
    )
    lines = run_fresh("\n".join(["import gymnasium", first, *others])).splitlines()
    for env_id, line in zip(jumpgym.ENVIRONMENTS, lines, strict=True):
        assert line.startswith(f"{env_id} {{'regime': ")


def test_importing_the_package_imports_nothing_that_takes_long():
    """Of these, environments whose demand has a distribution import scipy.stats only."""
    code = (
        "import sys, jumpgym, jumpgym.wrappers; print(*sys.modules)\n"
        "for name in jumpgym.ENVIRONMENTS: jumpgym.as_problem(name)\n"
        "print(*sys.modules); jumpgym.traces.read, jumpgym.demand.episodes"
    )
    slow = {"torch", "stable_baselines3", "matplotlib", "pandas", "scipy.stats"}
    imported, with_problems = (slow & set(part.split()) for part in run_fresh(code).splitlines())
    assert (imported, with_problems) == (set(), {"scipy.stats"})


@every_environment
def test_an_unknown_keyword_is_named_with_those_allowed(env_id):
    message = (
        r"got an unexpected keyword argument 'horizons'=3; did you mean horizon\? allowed are "
        + ", ".join(defaults_of(env_id))
    )
    with pytest.raises(TypeError, match=message):
        gym.make(env_id, horizons=3)
    with pytest.raises(TypeError, match=message):
        gym.make_vec(env_id, 2, vectorization_mode="vector_entry_point", horizons=3)


@every_environment
def test_step_outside_an_episode(env_id):
    env = gym.make(env_id, horizon=1)
    still = passive(env.unwrapped.problem)
    with pytest.raises(ResetNeeded, match="before reset"):
        env.step(still)
    env.reset(seed=0)
    env.step(still)
    with pytest.raises(ResetNeeded, match="after the end"):
        env.step(still)


def assert_refused(env, action, message):
    before, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    np.testing.assert_array_equal(env.unwrapped.observation, before)


@pytest.mark.parametrize("env_id", ONE_QUANTITY)
@pytest.mark.parametrize(
    ("action", "message"),
    [
        ((99, [1.0]), r"regime=99 must be an integer in \[0, \d\]"),
        ((-1, [1.0]), r"regime=-1 must be an integer"),
        ((0.5, [1.0]), r"regime=0\.5 must be an integer"),
        ((float("nan"), [1.0]), r"regime=nan must be an integer"),
        ((float("inf"), [1.0]), r"regime=inf must be an integer"),
        (("one", [1.0]), r"action=\('one', \[1\.0\]\) must be one regime index"),
        (([0, 1], [1.0]), "must be one regime index and one quantity"),
        ((1, [1.0, 2.0]), "must be one regime index and one quantity"),
        ((1, ["much"]), "must be one regime index and one quantity"),
        ((1, [float("nan")]), "quantity is NaN"),
        ((1, None), "quantity is NaN"),
        (1, r"action=1 must be a pair \(regime, quantity\)"),
        (None, r"action=None must be a pair"),
        ((1, [1.0], 2), "must be a pair"),
    ],
)
def test_a_bad_action_is_refused_and_changes_nothing(env_id, action, message):
    assert_refused(gym.make(env_id), action, message)


@pytest.mark.parametrize(
    ("env_id", "parameters"),
    [*((i, {}) for i in SEVERAL_GATES), ("jumpgym/SwitchedLQR-v0", TWO_CONTROLS)],
)
def test_a_bad_action_of_several_gates_or_quantities_is_refused(env_id, parameters):
    env = gym.make(env_id, **parameters)
    _, quantity = passive(env.unwrapped.problem)
    counts = env.unwrapped.problem.layout.gates
    with_nan = np.append(quantity[1:], np.nan)
    for gate, count in enumerate(counts):
        name = rf"regime {gate}" if len(counts) > 1 else "regime"
        for value in (7, -1, 0.5, np.nan, np.inf):
            regimes = np.zeros(len(counts))
            regimes[gate] = value
            number = np.format_float_positional(value, trim="0") if np.isfinite(value) else str(value)
            message = rf"action: {name}=({number}) must be an integer in \[0, {count - 1}\]"
            assert_refused(env, (regimes, quantity), message)
    zeros = np.zeros(len(counts), dtype=int)
    pair = r"must be a pair \(regime, quantity\) of Tuple\("
    for action, message in (
        ((zeros, with_nan), "action: quantity is NaN"),
        ((zeros, quantity[1:]), pair),
        ((zeros, np.append(quantity, 0.0)), pair),
        ((np.append(zeros, 0), quantity), pair),
        ((["x"] * len(counts), quantity), "action: regime=.* must be numbers"),
        ((zeros, ["much"] * len(quantity)), "action: quantity=.* must be numbers"),
        (zeros, pair),
        (None, r"action=None must be a pair"),
        ((zeros, quantity, 2), "must be a pair"),
    ):
        assert_refused(env, action, message)


@every_environment
def test_a_quantity_outside_its_regime_is_projected_and_reported(env_id):
    env = gym.make(env_id, **ROOMY.get(env_id, {}))
    problem, seen = env.unwrapped.problem, set()
    layout = problem.layout
    for regimes in regimes_of(problem):
        column = layout.columns(regimes)
        low, high = layout.low[column], layout.high[column]
        inside = low + 0.3 * (high - low)
        for asked, expected in (
            (low - 5.0, low),
            (np.full(len(low), -np.inf), low),
            (np.full(len(low), 1e9), high),
            (np.full(len(low), np.inf), high),
            (inside, inside),
        ):
            env.reset(seed=0)
            told = env.step((regimes, asked))[4]
            if fits(problem, regimes, expected):
                seen.add(tuple(regimes))
                assert flat(told["regime"]) == regimes.tolist()
                assert flat(told["quantity"]) == pytest.approx(expected.tolist(), rel=1e-12)
            else:
                assert np.all(np.array(flat(told["quantity"])) <= expected)
                assert sum(flat(told["quantity"])) < expected.sum() or not np.any(expected)
            env.reset(seed=0)
            scalar = flat(env.step(as_action(regimes, asked))[4]["quantity"])
            assert scalar == flat(told["quantity"])
    assert len(seen) > len(regimes_of(problem)) / 2


OUT_OF_BOUNDS = {
    "jumpgym/LoanBrackets-v0": r"cash needs must lie in \[",
    "jumpgym/MinInvestment-v0": "returns must lie between",
    "jumpgym/SwitchedLQR-v0": r"the disturbances must lie within \+-",
}


@every_environment
def test_the_noise_option_replays_a_trace(env_id):
    env = gym.make(env_id, horizon=4)
    problem = env.unwrapped.problem
    trace = problem.noise(np.random.default_rng(5).random((4, *problem.noise_shape)))
    env.reset(seed=0, options={"noise": trace.tolist()})
    still = passive(problem)
    np.testing.assert_array_equal([env.step(still)[4]["noise"] for _ in range(4)], trace)
    spoilt = trace.copy()
    spoilt[1] = np.nan
    for noise, message in (
        (trace[:2], r"noise of shape \(2,.*\) must have shape"),
        (np.stack([trace, trace]), r"noise of shape \(2, 4.*\) must have shape \(4,"),
        (spoilt, "must be finite"),
        (0 * trace - 1e9, OUT_OF_BOUNDS.get(env_id, "at least 0")),
        (0 * trace + 1e9, OUT_OF_BOUNDS.get(env_id, "exceeds")),
    ):
        with pytest.raises(ValueError, match=message):
            env.reset(options={"noise": noise})
    with pytest.raises(ValueError, match="unknown option 'trace'; allowed are 'noise'"):
        env.reset(options={"trace": trace})
