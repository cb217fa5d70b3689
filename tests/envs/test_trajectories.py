"""The same trajectory by every way to simulate, and by a simulation written out by hand."""

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
import torch

HORIZON, BATCH = 12, 5

# Written anew, for each environment: parameters, and the interval and the fixed cost of a regime.
CASES = {
    "SetupCost": (
        {"fixed_cost": 30.0, "max_order": 60.0},
        lambda k: ((0, 60.0), 30.0) if k else ((0, 0), 0.0),
    ),
    "MinOrder": (
        {"min_order": 25.0, "fixed_cost": 5.0, "max_order": 60.0},
        lambda k: ((25.0, 60.0), 5.0) if k else ((0, 0), 0.0),
    ),
    "TruckCapacity": (
        {"truck_capacity": 12.5, "truck_cost": 20.0, "max_trucks": 3},
        lambda k: ((12.5 * max(k - 1, 0), 12.5 * k), 20.0 * k),
    ),
}

every_case = pytest.mark.parametrize(
    ("name", "lead_time", "unmet"),
    [(name, lead_time, unmet) for name in CASES for lead_time in (0, 2) for unmet in ("backlog", "lost")],
)


def parameters_of(name, lead_time, unmet):
    return {
        **CASES[name][0],
        "unit_cost": 0.5,
        "holding_cost": 1.5,
        "shortage_cost": 7.0,
        "demand": scipy.stats.gamma(4, scale=4),
        "unmet_demand": unmet,
        "lead_time": lead_time,
        "initial_inventory": 11.0,
        "horizon": HORIZON,
    }


def by_hand(name, lead_time, unmet, regimes, quantities, demands):
    """Costs (horizon,) and observations (horizon + 1, n) of one episode, in plain Python."""
    stock, pipeline, costs, observations = 11.0, [0.0] * lead_time, [], []
    for period in range(HORIZON + 1):
        observations.append([stock, *pipeline, period])
        if period == HORIZON:
            return costs, observations
        (low, high), fixed = CASES[name][1](regimes[period])
        order = min(max(float(quantities[period]), low), high)
        pipeline.append(order)
        stock += pipeline.pop(0) - demands[period]
        costs.append(fixed + 0.5 * order + (1.5 * stock if stock > 0 else -7.0 * stock))
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


@every_case
def test_gradient_of_a_rollout_inside_a_regime(name, lead_time, unmet):
    problem = gym.make(f"jumpgym/{name}-v0", **parameters_of(name, lead_time, unmet)).unwrapped.problem
    regimes, _, noise = decisions(problem, seed=1)
    low, high = problem.regimes.low[regimes], problem.regimes.high[regimes]
    inside = low + (high - low) * np.random.default_rng(2).uniform(0.2, 0.8, regimes.shape)
    gates = np.eye(len(problem.regimes))[regimes]

    def total(quantities):
        state, cost = problem.initial_state(0 * quantities[:, 0]), 0
        for t in range(HORIZON):
            gate = gates[:, t] if isinstance(quantities, np.ndarray) else torch.as_tensor(gates[:, t])
            now = noise[:, t] if isinstance(quantities, np.ndarray) else torch.tensor(noise[:, t])
            state, costs = problem.step(state, gate, quantities[:, t, None] * gate, now)
            cost = cost + costs.sum()
        return cost

    leaf = torch.tensor(inside, requires_grad=True)
    total(leaf).backward()
    step = 1e-5
    for i, t in np.argwhere(regimes > 0)[::3]:
        nudge = np.zeros_like(inside)
        nudge[i, t] = step
        slope = (total(inside + nudge) - total(inside - nudge)) / (2 * step)
        assert leaf.grad[i, t].item() == pytest.approx(slope, abs=1e-4)
    assert (leaf.grad.numpy()[regimes > 0] != 0).any()


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
