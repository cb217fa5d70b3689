"""Parameters, options and actions that make no sense, and the errors that name them; see test_fuzz.py."""

import copy
import decimal

import gymnasium as gym
import numpy as np
import pytest
from suite import ENVIRONMENTS, defaults_of

import jumpgym

SETUP, MIN_ORDER, TRUCKS = "jumpgym/SetupCost-v0", "jumpgym/MinOrder-v0", "jumpgym/TruckCapacity-v0"


COMMON = [
    ({"holding_cost": -1}, ValueError, r"holding_cost=-1\.0 must be a finite number in \[0, 1e\+12\]"),
    ({"holding_cost": "1"}, TypeError, r"holding_cost(\[0\])?='1' must be a number, not str"),
    ({"shortage_cost": float("nan")}, ValueError, "shortage_cost=nan must be a finite number"),
    ({"unit_cost": -0.1}, ValueError, r"unit_cost=-0\.1 must be"),
    ({"unit_cost": None}, TypeError, "unit_cost=None must be a number"),
    (
        {"unmet_demand": "backorder"},
        ValueError,
        "unmet_demand='backorder' must be one of 'backlog', 'lost'",
    ),
    ({"lead_time": -1}, ValueError, r"lead_time=-1 must be an integer in \[0, 1000\]"),
    ({"lead_time": 1.0}, TypeError, r"lead_time=1\.0 must be an integer, not float"),
    ({"lead_time": 5000}, ValueError, "lead_time=5000 must be an integer in"),
    ({"horizon": 0}, ValueError, "horizon=0 must be an integer"),
    ({"horizon": True}, TypeError, "horizon=True must be an integer"),
    ({"discount": 0}, ValueError, r"discount=0 must be a number in \(0, 1\]"),
    ({"discount": 1.5}, ValueError, r"discount=1\.5 must be a finite number in \[0, 1\]"),
    (
        {"initial_inventory": (3, 2)},
        ValueError,
        r"initial_inventory=\(3, 2\) must be a pair \(low, high\)",
    ),
    (
        {"initial_inventory": (1, 2, 3)},
        ValueError,
        r"initial_inventory(=\(1, 2, 3\) must be a number or a pair| has 3 entries, it must be)",
    ),
    ({"initial_inventory": -1, "unmet_demand": "lost"}, ValueError, r"initial_inventory=-1\.0 must be"),
]


@pytest.mark.parametrize(
    ("env_id", "parameters", "error", "message"),
    [(i, *case) for i in ENVIRONMENTS for case in COMMON if case[0].keys() <= defaults_of(i).keys()],
)
def test_common_parameters(env_id, parameters, error, message):
    with pytest.raises(error, match=message):
        gym.make(env_id, **parameters)


@pytest.mark.parametrize(
    ("env_id", "parameters", "error", "message"),
    [
        (SETUP, {"fixed_cost": -64}, ValueError, r"fixed_cost=-64\.0 must be"),
        (SETUP, {"max_order": -1}, ValueError, r"max_order=-1\.0 must be"),
        (SETUP, {"max_order": float("inf")}, ValueError, "max_order=inf must be a finite number"),
        (
            MIN_ORDER,
            {"min_order": 201, "max_order": 200},
            ValueError,
            "min_order=201 must not exceed max_order=200",
        ),
        (MIN_ORDER, {"min_order": float("nan")}, ValueError, "min_order=nan must be"),
        (TRUCKS, {"truck_capacity": 0}, ValueError, "truck_capacity=0 must be greater than 0"),
        (TRUCKS, {"truck_cost": -1}, ValueError, r"truck_cost=-1\.0 must be"),
        (TRUCKS, {"max_trucks": 0}, ValueError, r"max_trucks=0 must be an integer in \[1, 1000\]"),
        (TRUCKS, {"truck_cost": 9e11}, ValueError, r"max_trucks \* truck_cost=3600000000000\.0 must be"),
        (TRUCKS, {"max_trucks": 2.5}, TypeError, r"max_trucks=2\.5 must be an integer"),
    ],
)
def test_own_parameters(env_id, parameters, error, message):
    with pytest.raises(error, match=message):
        gym.make(env_id, **parameters)


def test_an_unknown_render_mode():
    with pytest.raises(ValueError, match=r"render_mode='human' must be one of \['ansi', 'rgb_array'\]"):
        jumpgym.SetupCostEnv(render_mode="human")


def snapshot(env):
    """An observation and what a step would return."""
    return env.observation.tolist(), copy.deepcopy(env).step(env.action_space.sample())[1]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (5, TypeError, r"reset: options=5 must be a dict, such as \{'noise': trace\}, or None"),
        ("noise", TypeError, "reset: options='noise' must be a dict"),
        ({"trace": [1.0]}, ValueError, "reset: unknown option 'trace'; allowed are 'noise'"),
        ({"noise": "x"}, ValueError, "noise='x' must be numbers"),
        ({"noise": object()}, ValueError, "noise=<object .*> must be numbers"),
        ({"noise": [10**400] * 50}, ValueError, "noise=.* must be numbers"),
        ({"noise": np.ones(49)}, ValueError, r"noise of shape \(49,\) must have shape \(\.\.\., 50\)"),
        ({"noise": np.full(50, np.nan)}, ValueError, "noise must be finite"),
        (
            {"noise": np.ma.array(np.ones(50), mask=True)},
            ValueError,
            "(?s)noise=.* must be numbers: entries are masked",
        ),
    ],
)
def test_a_reset_that_is_refused_changes_nothing(options, error, message):
    env = jumpgym.SetupCostEnv()
    env.reset(seed=0)
    for _ in range(2):
        env.action_space.seed(0)
        before = snapshot(env)
        with pytest.raises(error, match=message):
            env.reset(seed=1, options=options)
        env.action_space.seed(0)
        assert snapshot(env) == before
        env.step((1, [30.0]))


def make_batch(**parameters):
    return gym.make_vec(SETUP, 2, vectorization_mode="vector_entry_point", **parameters)


def test_the_first_reset_of_a_batch_takes_a_mask_of_all_with_noise():
    envs, traces = make_batch(), np.full((2, 50), 4.0)
    envs.reset(options={"noise": traces, "reset_mask": np.array([True, True])})
    assert envs.step((np.zeros(2, int), np.zeros((2, 1))))[4]["noise"].tolist() == [4.0, 4.0]


def test_noise_of_no_periods_is_refused():
    for env, shape in ((jumpgym.SetupCostEnv(horizon=None), (0,)), (make_batch(horizon=None), (2, 0))):
        with pytest.raises(ValueError, match=r"must have shape \(\.\.\., 1 or more\)"):
            env.reset(options={"noise": np.ones(shape)})


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (([[0], [0, 1]], [[1.0], [1.0]]), r"action: regime=\[\[0\], \[0, 1\]\] must be numbers"),
        (([0, 1], np.ma.array([[1.0], [1.0]], mask=[[0], [1]])), "action: quantity=.*entries are masked"),
    ],
)
def test_actions_of_a_batch_that_are_no_arrays_are_refused_by_name(actions, message):
    envs = make_batch()
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        envs.step(actions)


@pytest.mark.parametrize("env_id", [SETUP, "jumpgym/JointReplenishment-v0"])
def test_a_quantity_that_is_masked_is_refused(env_id):
    env = gym.make(env_id).unwrapped
    env.reset(seed=0)
    regimes, asked = env.action_space.sample()
    with pytest.raises(ValueError, match="action="):
        env.step((regimes, np.ma.array(asked, mask=True)))


@pytest.mark.parametrize("env_id", [SETUP, "jumpgym/MinInvestment-v0"])
def test_a_signalling_nan_is_refused_as_an_action(env_id):
    env = gym.make(env_id).unwrapped
    env.reset(seed=0)
    regimes, asked = env.action_space.sample()
    bad = decimal.Decimal("sNaN")
    for action in ((bad, asked), (regimes, [bad] * len(asked)), ([bad] * np.size(regimes), asked)):
        with pytest.raises(ValueError, match="action"):
            env.step(action)


@pytest.mark.filterwarnings("error")
def test_costs_and_times_next_to_nothing_do_not_overflow_with_a_warning():
    assert jumpgym.JointReplenishmentEnv(holding_cost=1e-300, item_costs=1e12).problem.horizon
    with pytest.raises(ValueError, match="capacity / unit_times=inf must be a finite number"):
        jumpgym.CapacitatedLotSizingEnv(unit_times=1e-320)
