"""The same trajectory by every way to simulate, and by a simulation written out by hand."""

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
import torch
from suite import (
    ENVIRONMENTS,
    LAGGED_AND_LOST,
    SINGLE_ITEM,
    as_action,
    flat,
    variant,
    with_variants,
)

from jumpgym import ENVIRONMENTS as PACKAGED

HORIZON, BATCH = 12, 5

# Written anew, for each environment: parameters; and of a regime the interval, the fixed and the unit cost,
# and the lead time if it is not that of all.
CASES = {
    "SetupCost": (
        {"fixed_cost": 30.0, "max_order": 60.0, "unit_cost": 0.5},
        lambda k: ((0, 60.0), 30.0, 0.5, None) if k else ((0, 0), 0.0, 0.0, None),
    ),
    "MinOrder": (
        {"min_order": 25.0, "fixed_cost": 5.0, "max_order": 60.0, "unit_cost": 0.5},
        lambda k: ((25.0, 60.0), 5.0, 0.5, None) if k else ((0, 0), 0.0, 0.0, None),
    ),
    "TruckCapacity": (
        {"truck_capacity": 12.5, "truck_cost": 20.0, "max_trucks": 3, "unit_cost": 0.5},
        lambda k: ((12.5 * max(k - 1, 0), 12.5 * k), 20.0 * k, 0.5, None),
    ),
    "QuantityDiscount": (
        {"breakpoints": (20.0, 35.0), "unit_costs": (3.0, 2.0, 1.5), "fixed_cost": 4.0, "max_order": 60.0},
        lambda k: [
            ((0, 0), 0.0, 0.0, None),
            ((0, 20.0), 4.0, 3.0, None),
            ((20.0, 35.0), 4.0, 2.0, None),
            ((35.0, 60.0), 4.0, 1.5, None),
        ][k],
    ),
    "FreeShipping": (
        {"shipping_fee": 15.0, "free_from": 30.0, "max_order": 60.0, "unit_cost": 0.5},
        lambda k: [
            ((0, 0), 0.0, 0.0, None),
            ((0, 30.0), 15.0, 0.5, None),
            ((30.0, 60.0), 0.0, 0.5, None),
        ][k],
    ),
    "OrderSizeLeadTime": (
        {"breakpoints": (20.0,), "fixed_cost": 4.0, "max_order": 60.0, "unit_cost": 0.5},
        lambda k: [
            ((0, 0), 0.0, 0.0, None),
            ((0, 20.0), 4.0, 0.5, 0),
            ((20.0, 60.0), 4.0, 0.5, 1),
        ][k],
    ),
}

every_case = pytest.mark.parametrize(
    ("name", "lead_time", "unmet"),
    [(name, lead_time, unmet) for name in CASES for lead_time in (0, 2) for unmet in ("backlog", "lost")],
)


def parameters_of(name, lead_time, unmet):
    return variant(
        f"jumpgym/{name}-v0",
        **CASES[name][0],
        holding_cost=1.5,
        shortage_cost=7.0,
        demand=scipy.stats.gamma(4, scale=4),
        unmet_demand=unmet,
        lead_time=lead_time,  # with lead times by size: also one period more
        initial_inventory=11.0,
        horizon=HORIZON,
    )


def by_hand(name, lead_time, unmet, regimes, quantities, demands):
    """Costs (horizon,) and observations (horizon + 1, n) of one episode, in plain Python."""
    longest = lead_time + (name == "OrderSizeLeadTime")
    stock, pipeline, costs, observations = 11.0, [0.0] * longest, [], []
    for period in range(HORIZON + 1):
        observations.append([stock, *pipeline, period])
        if period == HORIZON:
            return costs, observations
        (low, high), fixed, unit, longer = CASES[name][1](regimes[period])
        order = min(max(float(quantities[period]), low), high)
        pipeline.append(0.0)
        pipeline[lead_time + (longer or 0)] += order
        stock += pipeline.pop(0) - demands[period]
        costs.append(fixed + unit * order + (1.5 * stock if stock > 0 else -7.0 * stock))
        if unmet == "lost" and stock < 0:
            stock = 0.0
    return None


def decisions(problem, seed=0):
    """Regimes and quantities, also outside the intervals, and noise; each (batch, horizon)."""
    rng = np.random.default_rng(seed)
    regimes = rng.integers(len(problem.regimes), size=(BATCH, HORIZON))
    quantities = rng.uniform(-10.0, 70.0, size=(BATCH, HORIZON)).astype(np.float32)
    return regimes, quantities, problem.noise(rng.random((BATCH, HORIZON)))


def by_problem(problem, regimes, quantities, noise, library):
    """Costs (batch, horizon) and observations (batch, horizon + 1, n) by ``problem.step``."""
    xp = torch if library is torch else np
    as_array = (lambda a: torch.as_tensor(np.ascontiguousarray(a))) if library is torch else np.asarray
    applied = problem.regimes.project(regimes, quantities.astype(np.float64))
    gates = np.eye(len(problem.regimes))[regimes]
    state = problem.initial_state(as_array(np.zeros(BATCH)))
    costs, observations = [], [problem.observe(state)]
    for t in range(HORIZON):
        gate = as_array(gates[:, t])
        state, cost = problem.step(state, gate, gate * as_array(applied[:, t, None]), as_array(noise[:, t]))
        costs.append(cost.sum(-1))
        observations.append(problem.observe(state))
    return np.asarray(xp.stack(costs, 1)), np.asarray(xp.stack(observations, 1))


@every_case
def test_every_simulation_agrees_with_one_by_hand(name, lead_time, unmet):
    env_id, parameters = f"jumpgym/{name}-v0", parameters_of(name, lead_time, unmet)
    env = gym.make(env_id, **parameters)
    problem = env.unwrapped.problem
    regimes, quantities, noise = decisions(problem)
    expected = [
        by_hand(name, lead_time, unmet, *episode) for episode in zip(regimes, quantities, noise, strict=True)
    ]
    costs = np.array([costs for costs, _ in expected])
    observations = np.array([observations for _, observations in expected])
    assert (costs > 0).any()

    for library in (np, torch):
        found_costs, found_observations = by_problem(problem, regimes, quantities, noise, library)
        np.testing.assert_allclose(found_costs, costs, rtol=1e-12)
        np.testing.assert_allclose(found_observations, observations, rtol=1e-12, atol=1e-12)

    for i in range(BATCH):
        found = [env.reset(options={"noise": noise[i]})[0]]
        for t in range(HORIZON):
            observation, reward, terminated, _, info = env.step(
                (int(regimes[i, t]), quantities[i, t : t + 1])
            )
            assert reward == pytest.approx(-costs[i, t], rel=1e-12)
            assert info["noise"] == noise[i, t]
            assert terminated == (t == HORIZON - 1)
            found.append(observation)
        np.testing.assert_allclose(found, observations[i], rtol=1e-6, atol=1e-5)

    envs = gym.make_vec(env_id, BATCH, vectorization_mode="vector_entry_point", **parameters)
    found = [envs.reset(options={"noise": noise})[0]]
    for t in range(HORIZON):
        observation, rewards, terminations, truncations, infos = envs.step(
            (regimes[:, t], quantities[:, t, None])
        )
        np.testing.assert_allclose(rewards, -costs[:, t], rtol=1e-12)
        np.testing.assert_array_equal(infos["noise"], noise[:, t])
        assert (terminations == (t == HORIZON - 1)).all()
        assert not truncations.any()
        found.append(observation)
    np.testing.assert_allclose(np.stack(found, 1), observations, rtol=1e-6, atol=1e-5)


def test_every_front_of_a_single_item_is_among_the_cases():
    assert {f"jumpgym/{name}-v0" for name in CASES} == set(SINGLE_ITEM) & set(PACKAGED)


OTHERS = [i for i in ENVIRONMENTS if i not in SINGLE_ITEM]  # by hand in test files of their own


@with_variants({}, LAGGED_AND_LOST, environments=OTHERS)
def test_every_simulation_agrees(env_id, parameters):
    parameters = {**parameters, "horizon": HORIZON}
    env, rng = gym.make(env_id, **parameters), np.random.default_rng(0)
    problem, layout = env.unwrapped.problem, env.unwrapped.problem.layout
    noise = problem.noise(rng.random((BATCH, HORIZON, *problem.noise_shape)))
    envs = gym.make_vec(env_id, BATCH, vectorization_mode="vector_entry_point", **parameters)
    envs.reset(seed=3, options={"noise": noise})
    start = envs.unwrapped._state
    regimes = rng.integers(0, layout.gates, (HORIZON, BATCH, len(layout.gates)))
    share = rng.uniform(-0.2, 1.2, (HORIZON, BATCH, len(layout.quantity_gate)))
    column = layout.columns(regimes)
    top = np.minimum(layout.high, layout.low + 2 * problem.quantity_scale)
    asked = layout.low[column] + share * (top - layout.low)[column]

    def simulate(as_array):
        state, costs, observations = type(start)(*map(as_array, start)), [], []
        for t in range(HORIZON):
            gate, quantity = layout.flat(regimes[t], layout.project(regimes[t], asked[t]))
            state, cost = problem.step(state, as_array(gate), as_array(quantity), as_array(noise[:, t]))
            costs.append(np.asarray(cost.sum(-1)))
            observations.append(np.asarray(problem.observe(state)))
        return np.array(costs), np.array(observations)

    costs, observations = simulate(np.asarray)
    torch_costs, torch_observations = simulate(lambda array: torch.tensor(np.ascontiguousarray(array)))
    size = np.abs(observations).max(axis=(0, 1))
    np.testing.assert_allclose(torch_costs, costs, rtol=1e-10, atol=1e-10 * np.abs(costs).max())
    np.testing.assert_allclose(torch_observations / size, observations / size, rtol=1e-10, atol=1e-12)
    told = []
    for t in range(HORIZON):
        regime = regimes[t] if len(layout.gates) > 1 else regimes[t, :, 0]
        observation, rewards, terminations, _, infos = envs.step((regime, asked[t]))
        np.testing.assert_allclose(rewards, -costs[t], rtol=1e-12)
        np.testing.assert_array_equal(observation, observations[t].astype(np.float32))
        assert terminations.all() == terminations.any() == (t == HORIZON - 1)
        told.append(infos)
    for i in range(BATCH):
        env.reset(options={"noise": noise[i]})
        env.unwrapped._state = type(start)(*(entry[i] for entry in start))
        for t in range(HORIZON):
            observation, reward, terminated, _, info = env.step(as_action(regimes[t, i], asked[t, i]))
            assert reward == pytest.approx(-costs[t, i], rel=1e-10, abs=1e-10 * np.abs(costs).max())
            np.testing.assert_allclose(observation / size, observations[t, i] / size, rtol=1e-6, atol=1e-6)
            assert info.pop("costs") == pytest.approx(
                {kind: amounts[i] for kind, amounts in told[t]["costs"].items() if kind[0] != "_"}, abs=1e-6
            )
            for key in info:
                assert flat(info[key]) == pytest.approx(flat(told[t][key][i]), rel=1e-10, abs=1e-10)
            assert terminated == (t == HORIZON - 1)


@with_variants({}, LAGGED_AND_LOST)
def test_gradient_of_a_rollout_inside_the_regimes(env_id, parameters):
    problem = gym.make(env_id, **{**parameters, "horizon": HORIZON}).unwrapped.problem
    layout, rng = problem.layout, np.random.default_rng(1)
    start = problem.initial_state(rng.random((BATCH, *problem.start_shape)))
    noise = problem.noise(rng.random((BATCH, HORIZON, *problem.noise_shape)))
    regimes = rng.integers(0, layout.gates, (BATCH, HORIZON, len(layout.gates)))
    column = layout.columns(regimes)
    top = np.minimum(layout.high, layout.low + 2 * problem.quantity_scale)
    share = rng.uniform(0.2, 0.8, column.shape)
    inside = layout.low[column] + share * (top - layout.low)[column]
    gates, quantities = layout.flat(regimes, inside)

    def total(quantities):
        as_array = np.asarray if isinstance(quantities, np.ndarray) else torch.tensor
        state, cost = type(start)(*(as_array(np.ascontiguousarray(entry)) for entry in start)), 0
        for t in range(HORIZON):
            state, costs = problem.step(state, as_array(gates[:, t]), quantities[:, t], as_array(noise[:, t]))
            cost = cost + costs.sum()
        return cost

    leaf = torch.tensor(quantities, requires_grad=True)
    total(leaf).backward()
    assert torch.isfinite(leaf.grad).all()
    chosen = gates[..., layout.option_of_column] * (top > layout.low) > 0
    checked = rng.permutation(np.argwhere(chosen))[:25]
    for place in map(tuple, checked):
        step = 1e-6 * problem.quantity_scale[place[-1]]
        slopes = []
        for sign in (1, -1):
            nudged = quantities.copy()
            nudged[place] += sign * step
            slopes.append(sign * total(nudged))
        slope = sum(slopes) / (2 * step)
        scale = abs(total(quantities)) / problem.quantity_scale[place[-1]]
        assert leaf.grad[place].item() == pytest.approx(slope, rel=1e-4, abs=1e-6 * scale)
    if chosen.any():  # where orders are whole pallets there is no quantity to choose
        assert (leaf.grad.numpy()[chosen] != 0).mean() > 0.1


def test_step_is_linear_in_the_gate():
    problem = gym.make("jumpgym/TruckCapacity-v0").unwrapped.problem
    state = problem.initial_state(np.zeros(1))
    quantities, demand = np.array([[0.0, 10.0, 20.0, 30.0, 50.0]]), np.array([0.0])
    weights = np.array([[0.1, 0.2, 0.3, 0.25, 0.15]])
    costs, stocks = [], []
    for k in range(5):
        after, cost = problem.step(state, np.eye(5)[[k]], quantities, demand)
        costs.append(cost[0, 0] - after.inventory[0] * problem.holding_cost)
        stocks.append(after.inventory[0])
    after, cost = problem.step(state, weights, quantities, demand)
    assert after.inventory[0] == pytest.approx(weights[0] @ stocks)
    assert cost[0, 0] - after.inventory[0] * problem.holding_cost == pytest.approx(weights[0] @ costs)
