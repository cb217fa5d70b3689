"""Noise of logged episodes: recovered, replayed, or refused where the log does not tell it."""

import contextlib

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
import torch
from suite import STATIONARY, as_action, every_environment, variant, with_variants

import jumpgym
from jumpgym.wrappers import BoxAction, DiscreteLevel

HORIZON = 12
RECOVERABLE = {"unmet_demand": "backlog", "horizon": HORIZON}
"""Under which every environment but MinInvestment tells its noise."""


def one_vehicle(env_id):
    """Parameters of MinInvestment, with which wealth tells the return if something is always held."""
    returns = scipy.stats.lognorm(0.2, loc=-1, scale=1.03)
    vehicle = {"returns": returns, "min_investment": 2.0, "entry_costs": 0.2, "initial_wealth": (20.0, 30.0)}
    return vehicle if "MinInvestment" in env_id else {}


def some_action(env, rng, period):
    """A random decision that often orders a little, sometimes nothing, and always invests."""
    layout = env.unwrapped.problem.layout
    regimes = rng.integers(0, layout.gates)
    if "min_investment" in env.unwrapped.problem.__dict__:
        regimes[:] = 1
    column = layout.columns(regimes)
    low, high = layout.low[column], layout.high[column]
    quantities = low + rng.uniform(0, 0.2, len(column)) * (high - low)
    return as_action(regimes, quantities.astype(np.float32))


def logged(env, seed=0, decide=some_action, noise=None):
    """Observations, actions, noise and rewards of an episode."""
    rng = np.random.default_rng(seed)
    observations = [env.reset(seed=seed, options=None if noise is None else {"noise": noise})[0]]
    actions, noises, rewards = [], [], []
    for period in range(HORIZON):
        actions.append(decide(env, rng, period))
        observation, reward, _, _, info = env.step(actions[-1])
        observations.append(observation)
        noises.append(info["noise"])
        rewards.append(reward)
    return observations, actions, np.array(noises), np.array(rewards)


def largest(observations):
    return max(1.0, float(np.abs(observations).max()))


@with_variants({}, {"lead_time": 2}, {"horizon": None})
def test_noise_of_every_environment_is_recovered_and_replays_the_episode(env_id, parameters):
    if "horizon" in parameters and env_id not in STATIONARY:
        pytest.skip("it needs an end")
    parameters = variant(env_id, **{**RECOVERABLE, **one_vehicle(env_id), **parameters})
    env = gym.make(env_id, **parameters)
    observations, actions, noise, rewards = logged(env)
    found = jumpgym.infer_noise(env, observations, actions)
    assert found.shape == noise.shape
    # Rounding of float32 observations; for returns, in relation to what was invested.
    np.testing.assert_allclose(found, noise, rtol=0, atol=3e-6 * largest(observations))
    *_, replayed = logged(env, decide=lambda env, rng, period: actions[period], noise=found)
    np.testing.assert_allclose(replayed, rewards, rtol=1e-5, atol=1e-5 * largest(observations))


@every_environment
def test_noise_of_other_actions_is_not_recovered(env_id):
    """The control of the test above: the error it allows is far below what another order makes."""
    env = gym.make(env_id, **variant(env_id, **{**RECOVERABLE, **one_vehicle(env_id)}))
    observations, actions, noise, _ = logged(env)
    shifted = [actions[-1], *actions[:-1]]
    found = None
    with contextlib.suppress(ValueError):  # where it is seen that the log does not fit
        found = jumpgym.infer_noise(env, observations, shifted)
    assert found is None or np.abs(found - noise).max() > 1e-3 * largest(observations)


def test_whole_demand_is_exact_after_rounding():
    env = gym.make("jumpgym/JointReplenishment-v0", horizon=HORIZON, lead_time=1)
    observations, actions, noise, _ = logged(env)
    np.testing.assert_array_equal(np.rint(jumpgym.infer_noise(env, observations, actions)), noise)


def test_another_policy_meets_the_recovered_noise():
    env = gym.make("jumpgym/SetupCost-v0", horizon=HORIZON, initial_inventory=(0, 60))
    observations, actions, noise, _ = logged(env)
    found = np.rint(jumpgym.infer_noise(env, observations, actions))
    again, _, met, _ = logged(env, decide=lambda env, rng, period: (1, [20.0]), noise=found)
    np.testing.assert_array_equal(met, noise)
    assert again[0].tolist() == observations[0].tolist()  # the same seed, the same start
    assert again[-1].tolist() != observations[-1].tolist()


@pytest.mark.parametrize("env_id", ["jumpgym/SetupCost-v0", "jumpgym/JointReplenishment-v0"])
def test_a_recorded_series_can_be_replayed_after_rounding(env_id):
    """The total of the only trace is the largest that the bounds allow; rounding must not exceed it."""
    items = jumpgym.as_problem(env_id).noise_shape
    for seed in range(8):
        trace = np.random.default_rng(seed).gamma(4.0, 5.0, (1, HORIZON, *items))
        env = gym.make(env_id, demand=trace, horizon=HORIZON)
        observations, actions, *_ = logged(env, seed)
        env.reset(options={"noise": jumpgym.infer_noise(env, observations, actions)})


@pytest.mark.parametrize("env_id", ["jumpgym/OrderSizeLeadTime-v0", "jumpgym/JointReplenishment-v0"])
def test_lost_sales_censor_demand(env_id):
    parameters = variant(env_id, unmet_demand="lost", horizon=HORIZON, initial_inventory=30.0)
    env = gym.make(env_id, **parameters)
    problem = env.unwrapped.problem
    passive = as_action(np.zeros(len(problem.layout.gates), int), np.zeros(len(problem.layout.quantity_gate)))
    observations, actions, noise, _ = logged(env, decide=lambda *_: passive)
    stock = np.array(observations)[:, : len(noise[0]) if noise.ndim > 1 else 1]
    first = int((stock[1:] == 0).any(axis=1).argmax())
    assert first > 0
    with pytest.raises(ValueError, match=rf"demand\[{first}.*\] is not determined.*Log the demand"):
        jumpgym.infer_noise(env, observations, actions)
    found = jumpgym.infer_noise(env, observations[: first + 1], actions[:first])
    np.testing.assert_allclose(found, noise[:first], atol=1e-4)


def test_a_budget_cuts_the_order_that_is_taken_into_account():
    env = gym.make("jumpgym/BudgetDiscount-v0", budget=20.0, unmet_demand="backlog", horizon=HORIZON)
    observations, actions, noise, _ = logged(env, decide=lambda *_: (3, [60.0]))
    np.testing.assert_allclose(jumpgym.infer_noise(env, observations, actions), noise, atol=1e-4)


def test_returns_of_what_is_not_held_are_not_told():
    env = gym.make("jumpgym/MinInvestment-v0", initial_wealth=30.0, horizon=HORIZON)
    observations, actions, *_ = logged(env, decide=lambda *_: ([1, 1], [4.0, 9.0]))
    with pytest.raises(ValueError, match=r"return\[0\] is not determined: several vehicles"):
        jumpgym.infer_noise(env, observations, actions)
    observations, actions, *_ = logged(env, decide=lambda *_: ([1, 0], [4.0, 0.0]))
    with pytest.raises(ValueError, match=r"return\[0, 1\] is not determined: nothing was invested"):
        jumpgym.infer_noise(env, observations, actions)


def test_vector_environments_give_an_episode_for_each_copy():
    envs = gym.make_vec(
        "jumpgym/CapacitatedLotSizing-v0", 3, vectorization_mode="vector_entry_point", horizon=HORIZON
    )
    rng = np.random.default_rng(0)
    observations, noises = [envs.reset(seed=1)[0]], []
    actions = [(rng.integers(0, 2, (3, 2)), rng.uniform(0, 14, (3, 2))) for _ in range(HORIZON)]
    for action in actions:
        observation, *_, info = envs.step(action)
        observations.append(observation)
        noises.append(info["noise"])
    found = jumpgym.infer_noise(envs, observations, actions)
    np.testing.assert_allclose(found, np.moveaxis(noises, 0, 1), atol=1e-4)
    envs.reset(options={"noise": found})
    broken = np.array(observations)
    broken[3:, 2, -1] += 1
    with pytest.raises(ValueError, match=r"observations\[3\] of episode 2 does not follow"):
        jumpgym.infer_noise(envs, broken, actions)


@pytest.mark.parametrize(
    ("wrap", "action"),
    [(BoxAction, np.array([1.0, -0.75])), (lambda env: DiscreteLevel(env, levels=[0.0, 30.0]), 1)],
)
def test_actions_of_a_wrapper_are_decoded(wrap, action):
    env = wrap(gym.make("jumpgym/SetupCost-v0", horizon=HORIZON))
    observations, actions, noise, _ = logged(env, decide=lambda *_: action)
    np.testing.assert_array_equal(np.rint(jumpgym.infer_noise(env, observations, actions)), noise)


def test_torch_states_of_a_problem():
    problem = jumpgym.as_problem("jumpgym/SwitchedLQR-v0")
    generator = torch.Generator().manual_seed(0)
    state = problem.initial_state(torch.rand((5, 2), generator=generator))
    noise = problem.noise(torch.rand((5, 20, 2), generator=generator))[:, 0]
    gate, quantity = torch.eye(2)[torch.tensor([0, 1, 1, 0, 1])], torch.randn((5, 2), generator=generator)
    following, _ = problem.step(state, gate, quantity, noise)
    found = problem.infer_noise(state, gate, quantity, following)
    torch.testing.assert_close(found, noise, atol=1e-5, rtol=0)


def test_states_of_observations():
    problem = jumpgym.as_problem(gym.make("jumpgym/JointReplenishment-v0", lead_time=3))
    observation = np.random.default_rng(0).uniform(0, 9, (4, 2, len(problem.observation_low)))
    state = problem.state_at(observation)
    assert state.pipeline.shape == (4, 2, 3, 2)
    np.testing.assert_array_equal(problem.observe(state), observation)


def test_logs_that_do_not_fit_are_refused():
    env = gym.make("jumpgym/SetupCost-v0", horizon=HORIZON)
    observations, actions, *_ = logged(env)
    with pytest.raises(ValueError, match=r"shape \(13, 2\) must have shape \(12, 2\).*one more than the 11"):
        jumpgym.infer_noise(env, observations, actions[:-1])
    with pytest.raises(ValueError, match="must have shape"):
        jumpgym.infer_noise(env, np.array(observations)[:, :1], actions)
    with pytest.raises(ValueError, match=r"regime=7 must be"):
        jumpgym.infer_noise(env, observations, [(7, [1.0]), *actions[1:]])
    hole = [*observations[:4], *observations[5:]]
    with pytest.raises(ValueError, match=r"observations\[4\] does not follow from observations\[3\]"):
        jumpgym.infer_noise(env, hole, actions[:-1])
    observations[2] = observations[2] * np.nan
    with pytest.raises(ValueError, match=r"observations\[2\] does not follow"):
        jumpgym.infer_noise(env, observations, actions)


def test_problems_that_do_not_say_how_are_named():
    class Silent(jumpgym.SingleItemInventory):
        infer_noise = jumpgym.HindsightProblem.infer_noise

    silent = Silent(jumpgym.as_problem("jumpgym/SetupCost-v0").regimes)
    with pytest.raises(
        NotImplementedError, match=r"Silent: infer_noise cannot recover the demand .*; log it"
    ):
        jumpgym.infer_noise(silent, np.zeros((2, 2)), [(0, [0.0])])
