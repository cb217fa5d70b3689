"""Parameters that make no sense are refused by name; all others give an environment that works."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from suite import SINGLE_ITEM, defaults_of, every_environment

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
    [(i, *case) for i in jumpgym.ENVIRONMENTS for case in COMMON if case[0].keys() <= defaults_of(i).keys()],
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


hostile = st.one_of(
    st.floats(),
    st.floats(0.0, 1e3),
    st.integers(-5, 60),
    st.integers(),
    st.text(max_size=3),
    st.none(),
    st.booleans(),
    st.lists(st.floats(), max_size=3),
    st.tuples(st.floats(-100.0, 100.0), st.floats(-100.0, 100.0)),
    st.sampled_from([np.float32(2.5), np.int64(3), np.nan, 1j, b"x", {}, object(), np.ones((2, 50))]),
)


@every_environment
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_any_value_is_refused_by_name_or_works(env_id, data):
    names = data.draw(st.lists(st.sampled_from([*defaults_of(env_id)]), min_size=1, max_size=2, unique=True))
    parameters = {name: data.draw(hostile, label=name) for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refusal = ""
        try:
            env = gym.make(env_id, **parameters)
        except (ValueError, TypeError) as error:
            refusal = str(error)
        if refusal:
            assert any(name in refusal for name in defaults_of(env_id)), refusal
            return
        env.action_space.seed(0)
        observation, _ = env.reset(seed=0)
        for _ in range(3):
            assert env.observation_space.contains(observation)
            observation, reward, terminated, _, _ = env.step(env.action_space.sample())
            assert np.isfinite(reward)
            assert reward <= 0 or env_id not in SINGLE_ITEM
            if terminated:
                break
