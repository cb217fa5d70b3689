"""Agents, SB3, the optimum and hindsight on problems that remember demand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st
import torch

from jumpgym import JointReplenishmentEnv, NotApplicable, SetupCostEnv
from jumpgym.agents import MixedGradient
from jumpgym.baselines import evaluate, hindsight_cost, solve
from jumpgym.baselines.evaluation import draw
from jumpgym.baselines.ppo import make_ppo
from jumpgym.simulation import CompiledRollout

WEEK = [2.0, 14.0, 2.0, 2.0]
PERIODIC = {"demand": [*WEEK[:3], st.randint(2, 3)], "season": 4, "horizon": None}
FREE = {"fixed_cost": 0.0, "max_order": 20.0}
"""Without a setup cost it is best to order the next demand, if it is known."""


@pytest.mark.parametrize("engine", ["torch", "jax"])
def test_windows_go_on_in_the_phase_in_which_the_last_ones_ended(engine):
    """Records that begin and end amid a season; each window knows the demand before it in the records."""
    series = np.tile(WEEK, 9)[3:-2]
    env = SetupCostEnv(demand=series, season=4, demand_history=3, horizon=None, **FREE)
    agent = MixedGradient(env, seed=0, engine=engine, batch_size=8, hidden=(4,), window=4)
    for iteration in range(1, 3):
        agent.learn(total_timesteps=32, reset_num_timesteps=False)
        assert agent.windows is not None
        assert agent.iterations == iteration
        np.testing.assert_array_equal(agent.windows.state.phase, np.zeros(8))
        np.testing.assert_array_equal(agent.windows.state.history, np.tile(series[3::-1][:3], (8, 1)))
        state, noise = agent.start()
        np.testing.assert_array_equal(noise, np.tile(series[:4], (8, 1)))
        assert state.history.shape == (8, 3)


def test_an_agent_learns_from_the_history_what_comes_next():
    """Records alternate between 0 and 8, and episodes begin at either; the last demand tells the next."""
    series = np.tile([0.0, 8.0], 60)
    costs = {}
    for history in (0, 1):
        env = SetupCostEnv(demand=series, demand_history=history, horizon=6, **FREE)
        agent = MixedGradient(env, engine="torch", seed=0, batch_size=16, hidden=(16,), learning_rate=0.03)
        costs[history] = evaluate(agent.learn(total_timesteps=6 * 16 * 100), env, episodes=64).mean
    assert costs[1] < 0.5 * costs[0]


def test_the_optimum_ignores_the_memory_of_independent_demand():
    plain = SetupCostEnv(demand=[st.poisson(3), st.poisson(9)] * 3, horizon=6, fixed_cost=10.0)
    season = {"season": 2, "demand": [st.poisson(3), st.poisson(9)], "demand_history": 2}
    remembering = SetupCostEnv(horizon=6, fixed_cost=10.0, **season)
    costs = [evaluate(solve(env.problem), env, 64).costs for env in (plain, remembering)]
    np.testing.assert_array_equal(*costs)
    bounds = [hindsight_cost(env.problem, draw(env.problem, 8, 0)[1]) for env in (plain, remembering)]
    np.testing.assert_array_equal(*bounds)


@pytest.mark.parametrize("make", [SetupCostEnv, JointReplenishmentEnv])
def test_what_is_not_markov_is_refused_by_name(make):
    demand = [PERIODIC["demand"], 3] if make is JointReplenishmentEnv else PERIODIC["demand"]
    with pytest.raises(NotApplicable, match=r"a season that repeats without an end \(horizon=None\)"):
        solve(make(**PERIODIC | {"demand": demand}).problem)
    records = np.ones((9, 2)) if make is JointReplenishmentEnv else np.ones(9)
    with pytest.raises(NotApplicable, match="traces are not supported"):
        solve(make(demand=records, demand_history=1, horizon=4).problem)


def test_windows_are_whole_seasons():
    with pytest.raises(ValueError, match="window=50 must be a multiple of season=4"):
        MixedGradient(SetupCostEnv(**PERIODIC), window=50)


def test_ppo_and_compiled_rollouts_run_with_a_memory():
    env = JointReplenishmentEnv(demand=np.arange(60.0).reshape(30, 2), demand_history=2, season=3, horizon=4)
    action, _ = make_ppo("ppo-gate", env, seed=0).predict(env.reset(seed=0)[0])
    assert action.shape == (5,)
    problem = env.problem
    uniforms = np.random.default_rng(0).random((16, 4, 2))
    state, noise = problem.begin(np.zeros((16, 2)), uniforms)
    order = jnp.asarray(np.concatenate(problem.layout.flat(np.ones((16, 3), int), np.full((16, 2), 5.0)), -1))
    split = problem.layout.options
    rollout = CompiledRollout(env, lambda seen: (order[:, :split], order[:, split:]))
    costs = rollout.replay(state, noise)
    total = 0.0
    for period in range(4):
        state, cost = problem.step(
            state, np.asarray(order[:, :split]), np.asarray(order[:, split:]), noise[:, period]
        )
        total = total + cost.sum(-1)
    np.testing.assert_allclose(costs, total, rtol=1e-5)
    in_torch, _ = problem.begin(torch.zeros(16, 2), torch.tensor(uniforms))
    in_jax, _ = jax.jit(problem.begin)(jnp.zeros((16, 2)), jnp.asarray(uniforms))
    expected, _ = problem.begin(np.zeros((16, 2)), uniforms)
    for entries in zip(expected, in_torch, in_jax, strict=True):
        np.testing.assert_allclose(entries[1], entries[0], atol=1e-6)
        np.testing.assert_allclose(entries[2], entries[0], atol=1e-6)
