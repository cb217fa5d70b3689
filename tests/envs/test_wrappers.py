"""Views of the action, and the wrappers that show them."""

import pickle
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import PPO
from suite import (
    ENVIRONMENTS,
    LAGGED_AND_LOST,
    as_action,
    every_environment,
    flat,
    regimes_of,
    variant,
    with_variants,
)

from jumpgym.adapters.grids import order_levels, order_quantities
from jumpgym.problems.min_order import min_order
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity
from jumpgym.wrappers import BoxAction, BoxQuantity, DictAction, DiscreteLevel, DiscreteQuantity

WRAPPERS = [BoxAction, BoxQuantity, DictAction, DiscreteLevel, DiscreteQuantity]

every_wrapper = pytest.mark.parametrize("wrapper", WRAPPERS)
NO_MEMBERSHIP = "jumpgym/SwitchedLQR-v0"
"""Its regimes do not follow from the quantity, so only actions with both make sense."""
DECOMPOSED = [BoxAction, DictAction]
IN_UNITS = partial(BoxAction, normalize=False)


def batch(space, actions):
    """A list of actions with a leading axis, as ``decode`` takes them."""
    if isinstance(space, spaces.Dict):
        return {key: np.stack([action[key] for action in actions]) for key in space}
    return np.stack(actions)


@every_wrapper
@with_variants({}, LAGGED_AND_LOST)
def test_wrapper_and_batched_decode_agree(env_id, parameters, wrapper):
    plain = gym.make(env_id, **parameters)
    if env_id == NO_MEMBERSHIP and wrapper not in DECOMPOSED:
        message = "SwitchedLQR: the regime does not follow from the quantity; actions need both"
        with pytest.raises(NotImplementedError, match=message):
            wrapper(plain)
        return
    env = wrapper(gym.make(env_id, **parameters))
    layout = env.unwrapped.problem.layout
    env.action_space.seed(1)
    observations, actions, steps = [env.reset(seed=1)[0]], [], []
    for _ in range(9):
        actions.append(env.action_space.sample())
        steps.append(env.step(actions[-1]))
        observations.append(steps[-1][0])
    regimes, quantities = env.decode(np.array(observations[:-1]), batch(env.action_space, actions))
    assert (regimes.shape, regimes.dtype) == ((9, len(layout.gates)), np.int64)
    assert (quantities.shape, quantities.dtype) == ((9, len(layout.quantity_gate)), np.float64)
    assert len(np.unique(np.round(quantities, 6))) > 3
    plain.reset(seed=1)
    for regime, quantity, (observation, reward, *_, info) in zip(regimes, quantities, steps, strict=True):
        again, plain_reward, *_, told = plain.step(as_action(regime, quantity))
        np.testing.assert_allclose(again, observation, rtol=1e-6)
        assert plain_reward == pytest.approx(reward, rel=1e-9)
        assert flat(told["regime"]) == flat(info["regime"])
        assert flat(told["quantity"]) == pytest.approx(flat(info["quantity"]), rel=1e-9)


@every_environment
def test_box_and_dict_reach_every_pair(env_id):
    box, mapping = BoxAction(gym.make(env_id), normalize=False), DictAction(gym.make(env_id))
    unit = BoxAction(gym.make(env_id))
    layout = box.unwrapped.problem.layout
    regime = np.array(regimes_of(box.unwrapped.problem))
    column = layout.columns(regime)
    quantity = (0.6 * layout.low[column] + 0.4 * layout.high[column]).reshape(len(regime), -1)
    gate = regime if len(layout.gates) > 1 else regime[:, 0]
    low, high = box.action_space.low.astype(float), box.action_space.high.astype(float)
    for env, action in (
        (box, np.column_stack([regime + 0.4, quantity])),
        (box, np.column_stack([regime - 0.4, quantity])),
        (unit, 2 * (np.column_stack([regime, quantity]) - low) / (high - low) - 1),
        (mapping, {"discrete": gate, "continuous": quantity}),
    ):
        found = env.decode(None, action)
        np.testing.assert_array_equal(found[0], regime)
        np.testing.assert_allclose(found[1], quantity, rtol=1e-6)
    assert (high[: len(layout.gates)] + 1).tolist() == list(layout.gates)
    np.testing.assert_array_equal(low[len(layout.gates) :], layout.quantity_low.astype(np.float32))
    np.testing.assert_array_equal(high[len(layout.gates) :], layout.quantity_high.astype(np.float32))


@every_environment
def test_normalised_actions_reach_both_ends_exactly(env_id):
    env = BoxAction(gym.make(env_id))
    layout = env.unwrapped.problem.layout
    assert env.action_space == spaces.Box(-1.0, 1.0, (len(layout.gates) + len(layout.quantity_gate),))
    ends = np.stack([env.action_space.low, env.action_space.high, 1.0000001 * env.action_space.high])
    regimes, quantities = env.decode(None, ends)
    last = np.array(layout.gates) - 1
    np.testing.assert_array_equal(regimes, [0 * last, last, last])
    np.testing.assert_array_equal(
        quantities, [layout.quantity_low, layout.quantity_high, layout.quantity_high]
    )
    if env_id != NO_MEMBERSHIP:
        only = BoxQuantity(gym.make(env_id))
        assert only.action_space == spaces.Box(-1.0, 1.0, (len(layout.quantity_gate),))
        np.testing.assert_array_equal(only.decode(None, ends[:, len(layout.gates) :])[1], quantities)


@every_environment
def test_a_gaussian_of_unit_width_tries_every_regime(env_id):
    """Untrained policies of PPO are such Gaussians; in indices and units nearly all of it is cut off."""
    env = BoxAction(gym.make(env_id))
    sampled = np.clip(np.random.default_rng(0).standard_normal((4000, *env.action_space.shape)), -1.0, 1.0)
    regimes, quantities = env.decode(None, sampled)
    layout = env.unwrapped.problem.layout
    for gate, count in enumerate(layout.gates):
        assert np.bincount(regimes[:, gate], minlength=count).min() > 0.5 * 4000 / count
    middle = (layout.quantity_low + layout.quantity_high) / 2
    width = layout.quantity_high - layout.quantity_low
    np.testing.assert_allclose((quantities.mean(0) - middle) / width, 0, atol=0.03)


def test_a_model_of_the_other_form_is_refused(tmp_path):
    in_units, normalised = (BoxAction(gym.make("jumpgym/SetupCost-v0"), normalize=n) for n in (False, True))
    PPO("MlpPolicy", in_units, n_steps=8, batch_size=8).save(tmp_path / "model.zip")
    with pytest.raises(ValueError, match="Action spaces do not match"):
        PPO.load(tmp_path / "model.zip", env=normalised)


@pytest.mark.parametrize("env_id", sorted(set(ENVIRONMENTS) - {NO_MEMBERSHIP}))
def test_an_undecomposed_quantity_that_some_regime_admits_is_asked_for_as_it_is(env_id):
    env = BoxQuantity(gym.make(env_id), normalize=False)
    problem = env.unwrapped.problem
    layout = problem.layout
    for regimes in regimes_of(problem):
        column = layout.columns(regimes)
        inside = layout.low[column] + 0.37 * (layout.high[column] - layout.low[column])
        found, quantity = env.decode(None, inside[None])
        np.testing.assert_array_equal(quantity[0], inside)
        np.testing.assert_allclose(layout.project(found, quantity)[0], inside, rtol=1e-12)
        owned = sorted(set(layout.quantity_gate))  # the regime of a gate without quantities is free
        unlike = [g for g in owned if found[0][g] != regimes[g]]
        assert all(layout.low[column[j]] == layout.high[column[j]] for j in unlike)


def test_an_undecomposed_quantity_belongs_to_the_regime_that_holds_it():
    env = BoxQuantity(gym.make("jumpgym/MinOrder-v0", min_order=30.0), normalize=False)
    for asked, regime, applied in ((0.0, 0, 0.0), (14.0, 0, 0.0), (16.0, 1, 30.0), (70.0, 1, 70.0)):
        env.reset(seed=0)
        info = env.step(np.array([asked]))[4]
        assert (info["regime"], info["quantity"]) == (regime, applied)


def test_levels_lift_the_position_and_never_below_it():
    env = DiscreteLevel(
        gym.make("jumpgym/SetupCost-v0", lead_time=2, initial_inventory=10.0), levels=[-5, 40, 70.5]
    )
    env.reset(seed=0, options={"noise": np.full(50, 4.0)})
    assert env.step(1)[4]["quantity"] == 30.0  # from a position of 10 to 40
    assert env.step(2)[4]["quantity"] == 34.5  # from 40 - 4, all of it under way, to 70.5
    info = env.step(1)[4]
    assert (info["regime"], info["quantity"]) == (0, 0.0)


@every_wrapper
def test_specification_and_pickling(wrapper):
    parameters = {
        DiscreteLevel: {"levels": np.array([0.0, 9.0])},
        DiscreteQuantity: {"quantities": [0, 9.0]},
        BoxQuantity: {"normalize": False},
    }
    env = wrapper(gym.make("jumpgym/SetupCost-v0"), **parameters.get(wrapper, {}))
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    copy = pickle.loads(pickle.dumps(env))
    env.action_space.seed(0)
    action = env.action_space.sample()
    for other in (again, copy):
        assert type(other) is wrapper
        assert other.action_space == env.action_space
        env.reset(seed=2)
        other.reset(seed=2)
        assert env.step(action)[1] == other.step(action)[1]


@pytest.mark.parametrize(
    ("wrapper", "action", "message"),
    [
        (BoxAction, [np.nan, 1.0], "action: regime=nan must be an integer in"),
        (BoxAction, [1.0, 30.0], r"action: column 1 is 30, but normalised actions lie in \[-1, 1\]: clip it"),
        (BoxAction, [-np.inf, 1.0], "action: column 0 is -inf, but normalised"),
        (IN_UNITS, [1.6, 1.0], r"action: regime=2\.0 must be an integer in \[0, 1\]"),
        (BoxAction, [1.0, np.nan], "quantity is NaN"),
        (BoxAction, [1.0], r"action of shape \(1, 1\) must have shape \(m, 2\)"),
        (BoxAction, "order", "action='order' must be numbers"),
        (BoxQuantity, [np.nan], "quantity is NaN"),
        (BoxQuantity, [30.0], "action: column 0 is 30, but normalised"),
        (BoxQuantity, [1.0, 2.0], r"quantity of shape \(1, 2\) must have shape"),
        (DictAction, {"discrete": 5, "continuous": [1.0]}, "regime=5 must be an integer"),
        (DictAction, {"discrete": 1}, "must be a dict of regimes, 'discrete', and quant"),
        (DictAction, (1, [1.0]), "must be a dict of regimes"),
        (DiscreteQuantity, 41, r"index=41\.0 must be an integer in \[0, 40\]"),
        (DiscreteLevel, -1, r"index=-1\.0 must be an integer in"),
        (DiscreteLevel, 0.5, r"index=0\.5 must be an integer in"),
        (DiscreteLevel, None, "index=nan must be an integer in"),
    ],
)
def test_bad_actions(wrapper, action, message):
    env = wrapper(gym.make("jumpgym/SetupCost-v0"))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)


@pytest.mark.parametrize(
    ("wrapper", "action", "message"),
    [
        (IN_UNITS, [1.0, np.nan, 1.0, 5.0, 5.0], r"action: regime 1=nan must be an integer in \[0, 1\]"),
        (BoxAction, [1.0, 1.0, 1.0, 5.0, 1.0], "action: column 3 is 5, but normalised"),
        (IN_UNITS, [1.0, 7.2, 1.0, 5.0, 5.0], r"action: regime 1=7\.0 must be an integer in \[0, 1\]"),
        (IN_UNITS, [4.0, 1.0, 1.0, 5.0, 5.0], r"action: regime 0=4\.0 must be an integer in \[0, 3\]"),
        (IN_UNITS, [1.0, 1.0, 1.0, 5.0, np.nan], "quantity is NaN"),
        (BoxAction, [1.0, 1.0, 1.0, 5.0], r"action of shape \(1, 4\) must have shape \(m, 5\): 3 regimes"),
        (BoxQuantity, [0.5, np.nan], "quantity is NaN"),
        (BoxQuantity, [5.0], r"quantity of shape \(1, 1\) must have shape \(m, 2\)"),
        (DictAction, {"discrete": [1, 7, 0], "continuous": [5.0, 5.0]}, "regime 1=7 must be an integer"),
        (DictAction, {"discrete": 1, "continuous": [5.0, 5.0]}, r"regime of shape \(1,\) must have shape"),
        (DictAction, {"discrete": [1, 1, 0]}, "must be a dict of regimes, 'discrete', and quant"),
        (DiscreteQuantity, [0, 99], r"index 1=99\.0 must be an integer in \[0, 4\d\]"),
        (DiscreteQuantity, [0], r"index of shape \(1, 1\) must have shape \(m, 2\)"),
        (DiscreteLevel, [-1, 0], r"index 0=-1\.0 must be an integer in \[0, 40\]"),
    ],
)
def test_bad_actions_of_several_gates(wrapper, action, message):
    env = wrapper(gym.make("jumpgym/JointReplenishment-v0"))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)


@every_wrapper
def test_step_before_reset(wrapper):
    env = wrapper(gym.make("jumpgym/SetupCost-v0"))
    with pytest.raises(ResetNeeded, match="before reset"):
        env.step(env.action_space.sample())


@pytest.mark.parametrize(
    ("wrapper", "grid", "message"),
    [
        (DiscreteQuantity, [], r"quantities=\[\] must be a list of finite numbers in ascending order"),
        (DiscreteQuantity, [0, 5, 5], "without repetition"),
        (DiscreteQuantity, [0, 1e4], r"must lie in \[0, 200\]"),
        (DiscreteQuantity, [-1, 5], r"must lie in \[0, 200\]"),
        (DiscreteLevel, [0, float("nan")], "levels=.* must be a list of finite numbers"),
        (DiscreteLevel, ["low"], "levels=.* must be numbers"),
    ],
)
def test_bad_grids(wrapper, grid, message):
    with pytest.raises(ValueError, match=message):
        wrapper(gym.make("jumpgym/SetupCost-v0"), grid)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([[0, 5]], "quantities: 1 grids must be 2, one for each quantity"),
        ([[0, 5], [0, 50]], r"quantities=\[0\.0, 50\.0\] must lie in \[0, 30\]"),
        ([[0, 5], [5, 0]], r"quantities=\[5, 0\] must be a list of finite numbers in ascending order"),
    ],
)
def test_bad_grids_of_several_quantities(grid, message):
    with pytest.raises(ValueError, match=message):
        DiscreteQuantity(gym.make("jumpgym/JointReplenishment-v0"), grid)


def test_grids_of_several_quantities():
    env = DiscreteQuantity(gym.make("jumpgym/JointReplenishment-v0"), [[0, 4, 8], [0, 6]])
    assert env.action_space.nvec.tolist() == [3, 2]
    env.reset(seed=0)
    info = env.step([2, 1])[4]
    assert info["regime"].tolist() == [2, 1, 1]  # 14 units need two trucks of 10
    assert info["quantity"].tolist() == [8.0, 6.0]


def test_normalize_is_true_or_false():
    for wrapper in (BoxAction, BoxQuantity):
        with pytest.raises(ValueError, match="normalize='no' must be one of False, True"):
            wrapper(gym.make("jumpgym/SetupCost-v0"), normalize="no")


def test_wrappers_stand_on_the_hybrid_action_only():
    for env in (BoxAction(gym.make("jumpgym/SetupCost-v0")), gym.make("CartPole-v1")):
        with pytest.raises(
            TypeError, match=r"DictAction needs a jumpgym environment with actions \(regime, quantity\)"
        ):
            DictAction(env)


def test_economic_order_quantity_is_the_textbook_one():
    # Without a shortage it is Harris's sqrt(2 K d / h); a shortage cost of 9 h lengthens it by sqrt(10 / 9).
    harris = np.sqrt(2 * 64 * 20 / 1.0)
    assert setup_cost(fixed_cost=64, shortage_cost=1e9).economic_order_quantity == pytest.approx(
        harris, rel=1e-6
    )
    assert setup_cost(fixed_cost=64).economic_order_quantity == pytest.approx(harris * np.sqrt(10 / 9))
    assert setup_cost(fixed_cost=64, max_order=30.0).economic_order_quantity == 30.0
    assert min_order(min_order=150.0).economic_order_quantity == 150.0
    assert truck_capacity(truck_capacity=25.0, truck_cost=1e4).economic_order_quantity % 25.0 == 0


@pytest.mark.parametrize(
    ("mean", "fixed_cost", "best"),  # best (s, S) by Zheng and Federgruen (1991); the last by scaling
    [(10, 64, 40), (20, 64, 62), (50, 64, 108), (75, 64, 86), (2000, 6400, 6200)],
)
def test_default_grids_hold_good_levels_at_any_scale(mean, fixed_cost, best):
    demand = scipy.stats.poisson(mean) if mean < 2000 else scipy.stats.gamma(20, scale=mean / 20)
    problem = setup_cost(demand=demand, fixed_cost=fixed_cost, max_order=1e5)
    (levels,) = order_levels(problem)
    spacing = np.diff(levels[1:]).max()
    assert np.abs(levels - best).min() <= spacing <= 0.12 * best
    assert levels[-1] <= 4 * best  # and wastes little
    assert levels[0] == problem.observation_low[0]
    assert len(levels) <= 41


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.0, 5e3),
    st.floats(0.0, 1e4),
    st.floats(0.0, 10.0),
    st.floats(0.0, 1e5),
    st.integers(0, 3),
    st.booleans(),
)
def test_default_grids_are_valid_for_any_problem(mean, fixed_cost, holding, max_order, lead_time, whole):
    demand = scipy.stats.poisson(mean) if whole else scipy.stats.gamma(2, scale=mean / 2 + 1e-6)
    problem = setup_cost(
        demand=demand, fixed_cost=fixed_cost, holding_cost=holding, max_order=max_order, lead_time=lead_time
    )
    (quantities,), (levels,) = order_quantities(problem), order_levels(problem)
    for grid in (quantities, levels):
        assert np.isfinite(grid).all()
        assert (np.diff(grid) > 0).all()
    assert quantities[0] == 0
    assert quantities[-1] <= max_order


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
@pytest.mark.parametrize("lead_time", [0, 2])
def test_default_grids_of_every_environment(env_id, lead_time):
    problem = gym.make(env_id, **variant(env_id, lead_time=lead_time)).unwrapped.problem
    layout = problem.layout
    grids = order_quantities(problem)
    assert len(grids) == len(order_levels(problem)) == len(layout.quantity_gate)
    for grid in (*grids, *order_levels(problem)):
        assert np.isfinite(grid).all()
        assert (np.diff(grid) > 0).all()
        assert len(grid) <= 41 + 2 * len(layout.low)
    bounds = zip(layout.quantity_start, np.append(layout.quantity_start[1:], len(layout.low)), strict=True)
    for grid, (first, last) in zip(grids, bounds, strict=True):
        assert 0.0 in grid
        low, high = layout.low[first:last], layout.high[first:last]
        assert ((grid[:, None] >= low) & (grid[:, None] <= high)).any(axis=1).all()  # some regime admits each
        assert set(low[low <= grid[-1]]).issubset(grid) or env_id == NO_MEMBERSHIP
        assert len(grid) > 8 or (low == high).all()


def test_quantity_grid_holds_the_ends_of_the_regimes():
    (trucks,) = order_quantities(truck_capacity(truck_capacity=14.5))
    assert {0.0, 14.5, 29.0, 43.5}.issubset(trucks)
    (least,) = order_quantities(min_order(min_order=33.5))
    assert {0.0, 33.5}.issubset(least)
    assert not ((least > 0) & (least < 33.5)).any()
