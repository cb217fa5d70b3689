import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv

from jumpgym.baselines.sb3.hybrid_distribution import Hybrid
from jumpgym.baselines.sb3.hybrid_policy import HybridActorCriticPolicy
from jumpgym.layout import ActionLayout

# One gate of three regimes with two quantities; and two gates of 3 and 2 regimes with a quantity each, and a
# third gate without.
ONE = ActionLayout((3,), (0, 0), np.zeros(6), np.ones(6))
SEVERAL = ActionLayout((3, 2, 2), (0, 1), np.zeros(5), np.ones(5))
ACTIVE = {ONE: [0, 1, 1, 0, 1, 1], SEVERAL: [0, 1, 1, 0, 1]}


class ToyEnv(gym.Env):
    """One step: regime 2 pays 3 - |quantity - (1, -1)|^2, regime 1 pays 1, regime 0 nothing."""

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = spaces.Tuple((spaces.Discrete(3), spaces.Box(-2.0, 2.0, (2,), np.float32)))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        regime, quantity = action
        reward = [0.0, 1.0, 3.0 - float(((quantity - np.array([1.0, -1.0])) ** 2).sum())][regime]
        return np.zeros(1, np.float32), reward, True, False, {}


class TupleAsBox(gym.ActionWrapper):
    """Any ``Tuple(Discrete(K), Box((n,)))`` as one Box."""

    def __init__(self, env):
        super().__init__(env)
        regime, quantity = env.action_space
        low, high = np.append(0.0, quantity.low), np.append(regime.n - 1.0, quantity.high)
        self.action_space = spaces.Box(low.astype(np.float32), high.astype(np.float32))

    def action(self, action):
        return round(float(action[0])), action[1:]


@pytest.fixture(autouse=True)
def _samples_are_always_the_same():
    torch.manual_seed(0)


@pytest.fixture(params=[ONE, SEVERAL], ids=["one gate", "several gates"])
def hybrid(request):
    layout = request.param
    generator = torch.Generator().manual_seed(0)
    random = lambda size: torch.randn((4, size), generator=generator, dtype=torch.float64)  # noqa: E731
    columns = len(layout.low)
    active = torch.tensor(ACTIVE[layout], dtype=torch.float64)
    return Hybrid(layout, random(layout.options), random(columns), random(columns).exp(), active)


def other(hybrid):
    return Hybrid(hybrid.layout, hybrid.logits.flip(0), hybrid.loc + 0.5, hybrid.scale * 1.3, hybrid.active)


@pytest.fixture
def model():
    return PPO(
        HybridActorCriticPolicy,
        DummyVecEnv([lambda: TupleAsBox(ToyEnv())] * 16),
        n_steps=16,
        batch_size=64,
        learning_rate=0.01,
        seed=0,
        device="cpu",
        policy_kwargs={"active": ACTIVE[ONE], "net_arch": [16]},
    )


def test_probabilities_sum_to_one():
    quantity = torch.linspace(-9, 9, 1801, dtype=torch.float64)
    layout = ActionLayout((3,), (0,), np.zeros(3), np.ones(3))
    logits, scale, active = map(torch.tensor, ([0.3, -1.0, 0.5], [1.0, 0.5, 1.5], [0.0, 1.0, 1.0]))
    hybrid = Hybrid(layout, logits, torch.zeros(3), scale, active)
    total = hybrid.log_prob(torch.tensor([0.0, 0.0])).exp()
    for regime in (1, 2):
        events = torch.stack([torch.full_like(quantity, regime), quantity], dim=-1)
        total = total + torch.trapezoid(hybrid.log_prob(events).exp(), quantity)
    assert total.item() == pytest.approx(1.0, abs=1e-5)


def test_entropy_is_minus_the_mean_log_probability(hybrid):
    log_prob = hybrid.log_prob(hybrid.sample((200_000,)))
    error = log_prob.std(0) / log_prob.shape[0] ** 0.5
    assert torch.all((-log_prob.mean(0) - hybrid.entropy()).abs() < 4 * error)


def test_kl_is_registered(hybrid):
    q = other(hybrid)
    events = hybrid.sample((200_000,))
    difference = hybrid.log_prob(events) - q.log_prob(events)
    kl = torch.distributions.kl_divergence(hybrid, q)
    assert torch.all((difference.mean(0) - kl).abs() < 4 * difference.std(0) / len(events) ** 0.5)
    assert torch.allclose(
        torch.distributions.kl_divergence(hybrid, hybrid), torch.zeros(4, dtype=torch.float64)
    )


def test_kl_refuses_other_active_regimes(hybrid):
    q = Hybrid(hybrid.layout, hybrid.logits, hybrid.loc, hybrid.scale, torch.ones_like(hybrid.active))
    with pytest.raises(ValueError, match="active regimes"):
        torch.distributions.kl_divergence(hybrid, q)


def test_samples_follow_the_gate_and_the_quantity(hybrid):
    events = hybrid.sample((100_000,))
    layout = hybrid.layout
    for gate, (start, regimes) in enumerate(zip(layout.gate_start, layout.gates, strict=True)):
        for regime in range(regimes):
            chosen = events[..., gate] == regime
            assert torch.allclose(chosen.double().mean(0), hybrid.probs[:, start + regime], atol=0.01)
    for quantity, (start, gate) in enumerate(zip(layout.quantity_start, layout.quantity_gate, strict=True)):
        chosen = events[:, 0, gate] == 1
        sample = events[chosen, 0, len(layout.gates) + quantity]
        error = float(hybrid.scale[0, start + 1]) / len(sample) ** 0.5
        assert float(sample.mean()) == pytest.approx(float(hybrid.loc[0, start + 1]), abs=5 * error)


def test_quantity_changes_no_log_probability_when_the_gate_is_off(hybrid):
    gates, size = len(hybrid.layout.gates), hybrid.event_shape[0]
    off, on = torch.zeros(4, size, dtype=torch.float64), torch.ones(4, size, dtype=torch.float64)
    moved = torch.tensor([0.0] * gates + [5.0, -3.0])
    assert torch.equal(hybrid.log_prob(off), hybrid.log_prob(off + moved))
    assert not torch.isclose(hybrid.log_prob(on), hybrid.log_prob(on + moved)).any()


def test_first_ratio_is_one(model):
    model.learn(0)
    model.collect_rollouts(model.env, _no_callback(model), model.rollout_buffer, model.n_steps)
    for batch in model.rollout_buffer.get(64):
        _, log_prob, _ = model.policy.evaluate_actions(batch.observations, batch.actions)
        assert torch.allclose((log_prob - batch.old_log_prob).exp(), torch.ones(64), atol=1e-5)


def _no_callback(model):
    return model._init_callback(None)


def test_network_works_at_unit_scale():
    env = TupleAsBox(ToyEnv())
    policy = HybridActorCriticPolicy(
        env.observation_space,
        env.action_space,
        lambda _: 1e-3,
        quantity_offset=[30.0] * 3 + [-4.0] * 3,
        quantity_scale=10.0,
        log_std_init=-1.0,
    )
    distribution = policy.get_distribution(torch.zeros(1, 1)).distribution
    assert torch.allclose(distribution.loc[0, [0, 3]], torch.tensor([30.0, -4.0]), atol=0.5)
    assert torch.allclose(distribution.scale, torch.full((1, 6), 10 * np.exp(-1.0)))


def test_learns_a_foreign_environment_and_loads(model, tmp_path):
    model.learn(2560)
    mean, _ = evaluate_policy(model, model.get_env(), n_eval_episodes=1, deterministic=True)
    assert mean > 2.5
    model.save(tmp_path / "model.zip")
    loaded = PPO.load(tmp_path / "model.zip", device="cpu")
    observation = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    first, second = (m.predict(observation, deterministic=True)[0] for m in (model, loaded))
    assert np.array_equal(first, second)
    assert np.all(first[:, 0] == 2)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Discrete(3), "must be a Box"),
        (spaces.Box(0.0, 2.0, (1,)), "must be a Box"),
        (spaces.Box(np.array([1.0, 0.0]), np.array([2.0, 1.0]), dtype=np.float64), "first column"),
        (spaces.Box(np.array([0.0, 0.0]), np.array([1.5, 1.0]), dtype=np.float64), "first column"),
        (spaces.Box(np.array([0.0, 0.0]), np.array([1.0, np.inf]), dtype=np.float64), "bounded"),
    ],
)
def test_refuses_other_action_spaces(space, message):
    with pytest.raises(ValueError, match=message):
        HybridActorCriticPolicy(ToyEnv.observation_space, space, lambda _: 1e-3)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"active": [True]}, r"active=\[True\] must have 6 entries"),
        ({"gates": [2]}, r"shows gates \[3\] and 2 quantities, not gates=\[2\]"),
        ({"gates": [3, 2]}, "first 2 columns must run from 0"),
        ({"quantity_gate": [0]}, r"not gates=None and quantity_gate=\[0\]"),
    ],
)
def test_refuses_keywords_that_do_not_fit(keywords, message):
    env = TupleAsBox(ToyEnv())
    with pytest.raises(ValueError, match=message):
        HybridActorCriticPolicy(env.observation_space, env.action_space, lambda _: 1e-3, **keywords)
