"""``demand_history`` and ``season``: what the observation shows, before, in and between episodes."""

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import scipy.stats as st
from suite import INVENTORIES, active, passive

from jumpgym import JointReplenishmentEnv, SetupCostEnv
from jumpgym.testing import check_hybrid_env, check_problem
from jumpgym.traces import Records

WEEK = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0])
"""Demand of the days of a week; no two neighbouring pairs are alike."""

every_inventory = pytest.mark.parametrize("env_id", INVENTORIES)


def entries(problem, observation, start):
    """The entries of an observation whose names begin so."""
    shown = [k for k, name in enumerate(problem.observation_names) if name.startswith(start)]
    return np.asarray(observation)[..., shown]


def phase_in(problem, observation):
    sine, cosine = np.moveaxis(entries(problem, observation, "season"), -1, 0)
    return np.round(np.arctan2(sine, cosine) / (2 * np.pi) * problem.season).astype(int) % problem.season


@every_inventory
@pytest.mark.parametrize("horizon", [6, None])
def test_the_history_is_what_was_drawn_and_the_phase_counts(env_id, horizon):
    env = gym.make(env_id, demand_history=2, season=4, horizon=horizon, max_episode_steps=6)
    problem = env.unwrapped.problem
    observation, _ = env.reset(seed=1)
    mean = np.atleast_1d(problem.demand.mean)
    past = [mean, mean]
    for period in range(6):
        shown = np.concatenate(past[:-3:-1])
        np.testing.assert_allclose(entries(problem, observation, "demand"), shown, rtol=1e-6)
        assert phase_in(problem, observation) == period % 4
        state = env.unwrapped._state
        again = problem.state_at(problem.observe(state))
        for name, entry in again._asdict().items():
            if name != "period" or horizon:
                np.testing.assert_allclose(entry, getattr(state, name), atol=1e-9)
        action = active(problem) if period % 2 else passive(problem)
        observation, _, _, _, info = env.step(action)
        past.append(np.atleast_1d(info["noise"]))


@every_inventory
def test_costs_and_noise_are_those_without_a_memory(env_id):
    plain, remembering = (gym.make(env_id, **memory) for memory in ({}, {"demand_history": 3, "season": 5}))
    for env in (plain, remembering):
        env.reset(seed=3)
    for period in range(8):
        action = (active if period % 3 == 0 else passive)(plain.unwrapped.problem)
        _, reward, *_, info = plain.step(action)
        _, other, *_, seen = remembering.step(action)
        assert reward == other
        np.testing.assert_array_equal(info["noise"], seen["noise"])


def test_problems_with_a_memory_conform():
    memory = {"demand_history": 2, "season": 3, "horizon": 5}
    check_problem(JointReplenishmentEnv(lead_time=1, **memory).problem)
    check_hybrid_env(gym.make("jumpgym/BudgetDiscount-v0", **memory, disable_env_checker=True))


def windows(problem, count=200):
    """Observations before the first period, and the noise, of episodes drawn at random."""
    rng = np.random.default_rng(0)
    length = problem.horizon or 2 * problem.season
    uniforms = rng.random((count, length, *problem.noise_shape))
    state, noise = problem.begin(rng.random((count, *problem.start_shape)), uniforms)
    return problem.observe(state), noise


@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize("split", [False, True])
def test_windows_of_records_know_the_demand_before_them_and_their_date(items, split):
    dates = pd.date_range("2024-01-03", periods=40, freq="D")
    values = np.arange(40.0)[:, None] + 100 * np.arange(items)
    records = Records(values, tuple("AB"[:items]), dates)
    first = 0
    if split:
        _, records = records.split(date=dates[25])
        first = 25
    make = SetupCostEnv if items == 1 else JointReplenishmentEnv
    problem = make(demand=records, demand_history=3, season=7, horizon=5).problem
    observation, noise = windows(problem)
    start = noise.reshape(len(noise), 5, items)[:, 0, 0].astype(int)
    assert start.min() == first
    np.testing.assert_array_equal(phase_in(problem, observation), (dates.day_of_week[start] - 3) % 7)
    shown = entries(problem, observation, "demand").reshape(len(start), 3, items)
    before = start[:, None] - np.arange(1, 4)
    for item in range(items):
        expected = np.where(before >= 0, before + 100 * item, problem.demand.mean if items == 1 else np.nan)
        if items == 2:
            expected = np.where(before >= 0, expected, problem.demand.mean[item])
        np.testing.assert_allclose(shown[..., item], expected)


def test_episodes_given_one_by_one_have_no_past():
    problem = SetupCostEnv(
        demand=np.arange(12.0).reshape(4, 3), demand_history=2, season=2, horizon=3
    ).problem
    observation, _ = windows(problem)
    assert np.all(entries(problem, observation, "demand") == 5.5)
    assert np.all(phase_in(problem, observation) == 0)


def test_records_of_months_and_without_dates_begin_where_the_calendar_says():
    months = Records(np.ones((30, 1)), ("A",), pd.date_range("2023-03-01", periods=30, freq="MS"))
    assert months.phase(12) == 2
    assert months.split(share=0.5)[1].phase(12) == (2 + 15) % 12
    assert Records(np.ones((10, 1)), ("A",)).split(share=0.5)[1].phase(3) == 2


@pytest.mark.parametrize("first_day", [0, 5])
def test_infinite_records_repeat_whole_seasons(first_day):
    """A series that begins and ends amid a week is never cut between Sunday and Monday."""
    dates = pd.date_range("2024-01-04", periods=40, freq="D")[first_day:]  # 1970 began on a Thursday
    weekday = (dates.day_of_week.to_numpy() - 3) % 7
    problem = SetupCostEnv(
        demand=Records(WEEK[weekday][:, None], ("A",), dates), season=7, horizon=None
    ).problem
    observation, noise = windows(problem, 50)
    assert np.all(phase_in(problem, observation) == 0)
    np.testing.assert_array_equal(noise, np.tile(WEEK, (50, 2)))


def periodic(**parameters):
    demand = [float(units) for units in WEEK[:-1]] + [st.randint(2, 3)]
    return {"demand": demand, "season": 7, "horizon": None, **parameters}


@pytest.mark.parametrize("mode", ["scalar", "batch"])
def test_a_list_of_distributions_repeats_without_an_end(mode):
    """Over several blocks of noise, after a replayed trace, and from the middle of a season."""
    if mode == "scalar":
        env = gym.make("jumpgym/SetupCost-v0", max_episode_steps=600, **periodic())
        action = (0, [0.0])
    else:
        env = gym.make_vec("jumpgym/SetupCost-v0", 2, vectorization_mode="vector_entry_point", **periodic())
        action = (np.zeros(2, int), np.zeros((2, 1)))
    problem = env.unwrapped.problem
    for begin, trace in ((0, 0), (3, 0), (5, 5)):
        observation, _ = env.reset(seed=0)
        for _ in range(begin):
            observation, *_ = env.step(action)
        noise = np.full((trace,) if mode == "scalar" else (2, trace), 7.0)
        options = {"initial_state": observation} | ({"noise": noise} if trace else {})
        observation, _ = env.reset(options=options)
        for period in range(300):
            phase = (begin + period) % 7
            assert np.all(phase_in(problem, observation) == phase)
            observation, _, _, _, info = env.step(action)
            assert np.all(info["noise"] == (7.0 if period < trace else WEEK[phase]))


def test_a_season_repeats_up_to_a_finite_horizon():
    problem = JointReplenishmentEnv(demand=[list(range(7)), st.poisson(5)], season=7, horizon=10, items=2)
    noise = windows(problem.problem)[1]
    assert np.all(noise[:, :, 0] == np.arange(10) % 7)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"demand_history": -1}, "demand_history=-1 must be an integer in"),
        ({"demand_history": 1.5}, "demand_history=1.5 must be an integer"),
        ({"season": 1}, "season=1 must be an integer in"),
        (
            {"season": 4, "horizon": None, "demand": [st.poisson(5)] * 3},
            "needs a finite horizon, or season=3",
        ),
        ({"season": 4, "horizon": 6, "demand": [st.poisson(5)] * 3}, "horizon=6 entries, or season=4"),
        (
            {"season": 4, "horizon": None, "demand": np.ones(3)},
            "season=4: with horizon=None the records must",
        ),
    ],
)
def test_refusals(parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        SetupCostEnv(**parameters)
