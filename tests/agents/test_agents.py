"""Every agent on every environment: training, predictions, reproducibility, bad settings."""

import math
import pickle
from dataclasses import FrozenInstanceError, asdict

import gymnasium as gym
import numpy as np
import pytest
import torch

from jumpgym.agents import GumbelSoftmax, MixedGradient, SmoothedCost
from jumpgym.problems.setup_cost import setup_cost

SETUP, MIN_ORDER, TRUCKS = IDS = [
    "jumpgym/SetupCost-v0",
    "jumpgym/MinOrder-v0",
    "jumpgym/TruckCapacity-v0",
]

AGENTS = {
    **{
        f"mixed-{advantage}-{cross_term}": (MixedGradient, {"estimator": advantage, "cross_term": cross_term})
        for advantage in ("leave_one_out", "value", "gae")
        for cross_term in ("full", "off")
    },
    "mixed-raw": (MixedGradient, {"quantity_head": "raw"}),
    "gumbel-guarded": (GumbelSoftmax, {}),
    "gumbel-plain": (GumbelSoftmax, {"form": "plain"}),
    "gumbel-straight-through": (GumbelSoftmax, {"straight_through": True}),
    "gumbel-fixed": (GumbelSoftmax, {"temperature": 0.5, "temperature_decay": 0}),
    "smoothed": (SmoothedCost, {}),
}
EVERY_AGENT = pytest.mark.parametrize(("cls", "settings"), AGENTS.values(), ids=AGENTS.keys())
EACH_CLASS = pytest.mark.parametrize("cls", [MixedGradient, GumbelSoftmax, SmoothedCost])


def learnt(cls, env=SETUP, iterations=3, **settings):
    agent = cls(env, batch_size=8, hidden=(8,), **settings)
    return agent.learn(iterations * 8 * agent.problem.horizon)


def weights(agent):
    return torch.cat([p.detach().flatten() for p in agent.networks.parameters()])


@EVERY_AGENT
@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("variant", [{}, {"lead_time": 2}, {"unmet_demand": "lost"}], ids=str)
def test_training_is_finite_and_decisions_are_admissible(cls, settings, env_id, variant):
    env = gym.make(env_id, horizon=10, **variant)
    problem = env.unwrapped.problem
    losses = []
    agent = cls(env, batch_size=8, hidden=(8,), **settings)
    before = weights(agent).clone()
    agent.learn(3 * 8 * 10, callback=lambda agent: losses.append(agent.logger.values["train/loss"]))
    assert len(losses) == 3
    assert np.isfinite(losses).all()
    assert not torch.equal(weights(agent), before)

    stock = np.random.default_rng(0).uniform(-150, 150, (200, len(problem.observation_low)))
    stock[:, 1:-1] = np.abs(stock[:, 1:-1])
    stock[:, -1] = np.arange(200) % 11
    for deterministic in (True, False):
        (regime, quantity), _ = agent.predict(stock, deterministic=deterministic)
        assert regime.shape == (200,)
        assert quantity.shape == (200, 1)
        assert ((regime >= 0) & (regime < len(problem.regimes))).all()
        assert (quantity[:, 0] >= problem.regimes.low[regime]).all()
        assert (quantity[:, 0] <= problem.regimes.high[regime]).all()
    observation, _ = env.reset(seed=0)
    action, state = agent.predict(observation)
    assert state is None
    assert action in env.action_space
    assert env.step(action)[-1]["quantity"] == action[1].item()


@EVERY_AGENT
def test_predictions_of_one_many_and_stable_baselines_agree(cls, settings):
    agent = learnt(cls, TRUCKS, **settings)
    observations = np.array([[-40.0, 3.0], [0.0, 0.0], [55.0, 49.0]], dtype=np.float32)
    (regimes, quantities), _ = agent.predict(observations, deterministic=True)
    again, _ = agent.predict(observations, deterministic=True)
    assert np.array_equal(regimes, again[0])
    assert np.array_equal(quantities, again[1])
    many, _ = agent.predict(observations, None, np.ones(3, dtype=bool), deterministic=True)
    assert isinstance(many, list)
    for row, (regime, quantity) in enumerate(many):
        single, _ = agent.predict(observations[row], deterministic=True)
        assert single[0] == regime == regimes[row]
        assert type(single[0]) is int
        assert single[1].shape == quantity.shape == (1,)
        assert single[1].dtype == np.float32
        assert single[1] == pytest.approx(quantities[row], rel=1e-5, abs=1e-4)
        assert quantity == quantities[row]


@EACH_CLASS
@pytest.mark.parametrize(
    ("observation", "message"),
    [
        ([1.0, 2.0, 3.0], r"observation of shape \(3,\) must have shape \(2,\) or \(m, 2\)"),
        (1.0, r"observation of shape \(\)"),
        (np.zeros((1, 1, 2)), r"observation of shape \(1, 1, 2\)"),
        ([math.nan, 1.0], "observation=.*nan.* must be finite"),
        ([[0.0, 1.0], [math.inf, 1.0]], "observation=.*inf.* must be finite"),
        ([0.0, 51.0], r"period 51.0 must be in \[0, 50\]"),
        ([[0.0, 1.0], [0.0, -1.0]], r"period -1.0 must be in \[0, 50\]"),
    ],
)
def test_bad_observations_are_refused(cls, observation, message):
    with pytest.raises(ValueError, match=message):
        cls(SETUP, batch_size=2, hidden=(2,)).predict(observation)


@EVERY_AGENT
def test_training_is_reproducible_bit_by_bit(cls, settings):
    first, second = (weights(learnt(cls, seed=5, **settings)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, weights(learnt(cls, seed=6, **settings)))


@EACH_CLASS
def test_noise_and_weights_do_not_depend_on_the_global_random_state(cls):
    torch.manual_seed(1)
    agent = cls(SETUP, batch_size=4, hidden=(4,), seed=3)
    first, second = agent.start()[1], agent.start()[1]
    assert not torch.equal(first, second)
    torch.manual_seed(2)
    again = cls(SETUP, batch_size=4, hidden=(4,), seed=3)
    assert torch.equal(weights(again), weights(agent))
    assert torch.equal(again.start()[1], first)


@EACH_CLASS
def test_global_random_state_and_threads_are_left_alone(cls):
    threads = torch.get_num_threads()
    during = []
    torch.set_num_threads(2)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    try:
        agent = cls(SETUP, batch_size=4, hidden=(4,))
        agent.learn(4 * 50, callback=lambda _: during.append(torch.get_num_threads()))
        agent.predict([0.0, 0.0])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert during == [1]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SETUP,
        lambda: gym.make(SETUP),
        lambda: gym.make(SETUP).unwrapped,
        lambda: gym.wrappers.RecordEpisodeStatistics(gym.make(SETUP)),
        lambda: gym.make_vec(SETUP, num_envs=2, vectorization_mode="vector_entry_point"),
        lambda: gym.make(SETUP).unwrapped.problem,
    ],
    ids=["id", "env", "unwrapped", "wrapped", "vector", "problem"],
)
def test_an_agent_takes_whatever_carries_the_problem(make):
    assert torch.equal(weights(learnt(MixedGradient, make(), 1)), weights(learnt(MixedGradient, SETUP, 1)))


@EACH_CLASS
@pytest.mark.parametrize("env", ["CartPole-v1", object(), None])
def test_a_foreign_environment_is_refused(cls, env):
    with pytest.raises(TypeError, match="must be a jumpgym environment"):
        cls(env)


@pytest.mark.parametrize(
    ("cls", "settings", "error", "message"),
    [
        (MixedGradient, {"batch_size": 1}, ValueError, r"batch_size=1 must be an integer in \[2, "),
        (MixedGradient, {"batch_size": 2.5}, TypeError, "batch_size=2.5 must be an integer"),
        (MixedGradient, {"learning_rate": math.nan}, ValueError, "learning_rate=nan must be a finite number"),
        (MixedGradient, {"learning_rate": "3e-3"}, TypeError, "learning_rate='3e-3' must be a number"),
        (MixedGradient, {"hidden": 64}, TypeError, "hidden=64 must be a sequence"),
        (MixedGradient, {"hidden": (64, 0)}, ValueError, r"hidden=0 must be an integer in \[1, "),
        (MixedGradient, {"seed": -1}, ValueError, r"seed=-1 must be an integer in \[0"),
        (MixedGradient, {"seed": 2**64}, ValueError, "seed=18446744073709551616 must be an integer in"),
        (MixedGradient, {"gae_lambda": 2}, ValueError, r"gae_lambda=2.0 must be a finite number in \[0, 1\]"),
        (MixedGradient, {"cross_term": "on"}, ValueError, "cross_term='on' must be one of 'full', 'off'"),
        (MixedGradient, {"estimator": "q"}, ValueError, "estimator='q' must be one of 'total_cost'"),
        (
            MixedGradient,
            {"quantity_head": "s"},
            ValueError,
            "quantity_head='s' must be one of 'problem', 'bounded', 'raw'",
        ),
        (MixedGradient, {"credit": "all"}, ValueError, "credit='all' must be one of 'components', 'total'"),
        (MixedGradient, {"entropy_bonus": -1}, ValueError, "entropy_bonus=-1.0 must be"),
        (
            MixedGradient,
            {"window": 10},
            ValueError,
            "window=10 is for problems with an infinite horizon; this one",
        ),
        (
            MixedGradient,
            {"branch_window": 5},
            ValueError,
            "branch_window=5 belongs to the estimator 'branching'",
        ),
        (
            MixedGradient,
            {"estimator": "branching", "branch_window": 51},
            ValueError,
            "branch_window=51 is longer than the 50 periods .*None follows branches to the end",
        ),
        (
            MixedGradient,
            {"estimator": "enumeration"},
            ValueError,
            "choices of the gates in each of 50 periods",
        ),
        (MixedGradient, {"device": "warp"}, ValueError, "device='warp' must be a device .* such as cpu"),
        (GumbelSoftmax, {"device": "xpu:7"}, ValueError, "device='xpu:7' must be a device"),
        (
            GumbelSoftmax,
            {"temperature": 0},
            ValueError,
            "temperature=0 is the hard gate, .*: use Mixed",
        ),
        (GumbelSoftmax, {"form": "bare"}, ValueError, "form='bare' must be one of 'guarded', 'plain'"),
        (GumbelSoftmax, {"straight_through": "no"}, ValueError, "straight_through='no' must be one of False"),
        (SmoothedCost, {"steepness": -1}, ValueError, "steepness=-1.0 must be a finite number"),
        (SmoothedCost, {"state_gradient_limit": math.inf}, ValueError, "state_gradient_limit=inf must be"),
        (
            MixedGradient,
            {"learning_rat": 1},
            TypeError,
            "MixedGradient: unknown parameter learning_rat=1; allowed are .*learning_rate.*cross_term",
        ),
        (
            SmoothedCost,
            {"temperature": 1},
            TypeError,
            "SmoothedCost: unknown parameter temperature=1; allowed are env, .*, steepness",
        ),
    ],
)
def test_bad_settings_are_refused(cls, settings, error, message):
    with pytest.raises(error, match=message):
        cls(SETUP, **settings)


@EACH_CLASS
def test_settings_make_the_same_agent_again(cls):
    agent = cls(SETUP, seed=3, batch_size=4, hidden=(4, 2), state_gradient_limit=None)
    assert torch.equal(weights(cls(SETUP, **asdict(agent.settings))), weights(agent))
    assert agent.settings.hidden == (4, 2)
    with pytest.raises(FrozenInstanceError):
        agent.settings.seed = 4


def test_the_policy_does_not_depend_on_the_unit_of_money():
    """Adam in units of the cost scale: the same decisions in cents as in euros."""
    probe = np.stack([np.linspace(-40, 80, 100), np.full(100, 10.0)], axis=-1)
    orders = []
    for unit in (1, 64):  # a power of two, so that rounding is the same
        problem = setup_cost(fixed_cost=64 * unit, holding_cost=unit, shortage_cost=9 * unit)
        agent = learnt(MixedGradient, problem, iterations=10)
        seen = torch.tensor(probe, dtype=torch.float32)
        orders.append(agent.policy(seen, lambda logits: logits)[2].detach())
    assert torch.allclose(*orders, atol=1e-2)


def test_the_entropy_bonus_keeps_the_gate_undecided():
    entropies = [
        learnt(MixedGradient, iterations=30, learning_rate=0.02, entropy_bonus=bonus, reheat=0).logger.values[
            "train/entropy"
        ]
        for bonus in (0, 1000)
    ]
    assert entropies[0] < 0.6 < 0.65 < entropies[1]


def test_a_diverging_training_stops_and_keeps_the_weights():
    agent = MixedGradient(SETUP, batch_size=4, hidden=(4,))
    agent.learn(4 * 50)
    before = weights(agent).clone()
    agent.cost_scale = math.nan
    with pytest.raises(FloatingPointError, match="MixedGradient: after 200 time steps the loss is"):
        agent.learn(4 * 50, reset_num_timesteps=False)
    assert torch.equal(weights(agent), before)


def test_problems_of_agents_pickle_after_training():
    agent = learnt(MixedGradient, iterations=1)
    assert pickle.loads(pickle.dumps(agent.problem)).horizon == agent.problem.horizon
