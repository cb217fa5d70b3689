"""``validation_share``: what is held back, which policy is kept, and that checkpoints keep it."""

import io
import pickle

import numpy as np
import pytest
import torch

from jumpgym import JointReplenishmentEnv, SetupCostEnv
from jumpgym.agents import HPO, MixedGradient
from jumpgym.agents.training.held_out import REVIEWS, HeldOutRecords
from jumpgym.baselines import evaluate
from jumpgym.traces import Records

SERIES = np.random.default_rng(0).poisson(10, 60).astype(float)
SMALL = {"batch_size": 8, "hidden": (8,), "learning_rate": 0.02, "seed": 0, "engine": "torch"}


def records_env(horizon=5, series=SERIES, **parameters):
    return SetupCostEnv(demand=series, horizon=horizon, **parameters)


@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize("horizon", [5, None])
def test_no_window_of_the_training_shares_a_period_with_a_held_out_one(items, horizon):
    """Each period has a number of its own as demand, so that a window tells where it is."""
    series = np.arange(40.0)
    if items == 1:
        problem = records_env(horizon, series).problem
    else:
        problem = JointReplenishmentEnv(demand=np.stack([series, series], 1), horizon=horizon).problem
    held_out = HeldOutRecords(problem, 0.25, 5)
    shape = (4000, 5, *problem.noise_shape)
    uniforms = np.random.default_rng(1).random(shape, dtype=np.float32)
    uniforms[0] = np.nextafter(np.float32(1), np.float32(0))
    uniforms[1] = 0
    noise = problem.noise(held_out.training(uniforms))
    assert (noise.min(), noise.max()) == (0, 29)
    seen = []
    problem.step = lambda state, gate, quantity, noise: (
        seen.append(noise),
        (state, np.zeros((len(noise), 1))),
    )[1]
    nothing = np.zeros((1, len(problem.layout.gates)), int), np.zeros((1, len(problem.layout.quantity_gate)))
    held_out.costs(lambda seen: tuple(np.repeat(part, len(seen), 0) for part in nothing))
    windows = np.stack(seen, 1).reshape(len(seen[0]), 5, items)[..., 0]
    assert sorted(windows[windows[:, 0] >= 26, 0]) == list(range(30, 36))
    assert set(windows[windows[:, 0] < 30, -1]) == set(range(4, 30))


@pytest.mark.parametrize(
    ("kind", "engine"), [(MixedGradient, "torch"), (MixedGradient, "jax"), (HPO, "torch")]
)
def test_the_policy_that_costs_least_on_held_out_records_is_kept(kind, engine):
    env = records_env()
    agent = kind(env, **SMALL | {"engine": engine}, validation_share=0.3)
    costs = []

    def keep(agent):
        costs.append(agent.logger.values.get("validation/cost"))

    agent.learn(total_timesteps=40 * 30, callback=keep, callback_interval=1)
    different = [cost for k, cost in enumerate(costs) if k == 0 or cost != costs[k - 1]]
    assert 3 < len(different) <= REVIEWS + 1
    best = agent.validated
    assert best.cost == min(cost for cost in costs if cost is not None)
    earlier, later = records_env(series=SERIES[:42]), records_env(series=SERIES[42:])
    assert best.cost == pytest.approx(by_window(agent, later).mean(), rel=1e-5)
    assert best.training_cost == pytest.approx(by_window(agent, earlier).mean(), rel=1e-5)
    assert best.gap == best.cost - best.training_cost


def by_window(policy, env):
    """Costs of all windows of the records."""
    problem, windows = env.problem, len(env.problem.demand.first_periods)
    uniforms = np.zeros((windows, problem.horizon)) + ((np.arange(windows) + 0.5) / windows)[:, None]
    state, noise = problem.begin(np.zeros(windows), uniforms)
    total = np.zeros(windows)
    for period in range(problem.horizon):
        (regime, quantity), _ = policy.predict(problem.observe(state), deterministic=True)
        decision = problem.carry_out(state, np.reshape(regime, (-1, 1)), np.reshape(quantity, (-1, 1)))
        state, cost = problem.step(state, decision.gate, decision.columns, noise[:, period])
        total += cost.sum(-1)
    return total


def test_a_checkpoint_keeps_both_the_training_and_the_best_policy():
    env = records_env()
    straight = MixedGradient(env, **SMALL, validation_share=0.3)
    saved = {}

    def save(agent):
        if agent.iterations == 12:
            buffer = io.BytesIO()
            agent.save(buffer)
            saved["file"], saved["best"] = buffer, agent.validated.cost

    straight.learn(total_timesteps=40 * 24, callback=save)
    saved["file"].seek(0)
    resumed = MixedGradient.load(saved["file"], env)
    assert resumed.validated.cost == saved["best"]
    resumed.learn(total_timesteps=40 * 12, reset_num_timesteps=False)
    assert resumed.validated.cost == straight.validated.cost
    assert resumed.validated.num_timesteps == straight.validated.num_timesteps
    for one, other in zip(straight.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(one, other)
    copy = pickle.loads(pickle.dumps(straight))
    observations = [[float(stock), float(period)] for stock in range(-5, 30) for period in range(5)]
    expected, *others = (a.predict(observations, deterministic=True)[0] for a in (straight, resumed, copy))
    for found in others:
        np.testing.assert_array_equal(expected[0], found[0])
        np.testing.assert_array_equal(expected[1], found[1])


def test_what_was_learnt_with_held_out_records_acts_on_other_noise():
    agent = MixedGradient(records_env(), **SMALL, validation_share=0.3).learn(total_timesteps=80)
    buffer = io.BytesIO()
    agent.save(buffer)
    buffer.seek(0)
    elsewhere = MixedGradient.load(buffer, SetupCostEnv(horizon=5))
    assert evaluate(elsewhere, SetupCostEnv(horizon=5), 16).mean > 0
    with pytest.raises(ValueError, match="holds back recorded noise"):
        elsewhere.learn(total_timesteps=40)


@pytest.mark.parametrize(
    ("env", "share", "message"),
    [
        (
            SetupCostEnv(),
            0.2,
            "holds back recorded noise, and SingleItemInventory draws",
        ),
        (
            records_env(horizon=30),
            0.2,
            "into 48 and 12: each part must hold a window",
        ),
        (records_env(), 1.0, r"validation_share=1.0 must be a finite number in \[0, 0.9\]"),
        (SetupCostEnv(demand=Records(SERIES[:, None], ("A",)), horizon=50), 0.5, "into 30 and 30"),
    ],
)
def test_refusals(env, share, message):
    with pytest.raises(ValueError, match=message):
        MixedGradient(env, validation_share=share)


@pytest.mark.parametrize(("name", "setting"), [("restarts", 2), ("reheat", 0.4)])
def test_without_an_end_nothing_else_compares_policies_on_what_is_held_back(name, setting):
    message = rf"{name}={setting} compares policies on records that validation_share=0\.3 holds back"
    with pytest.raises(ValueError, match=message):
        MixedGradient(records_env(horizon=None), validation_share=0.3, **{name: setting})
