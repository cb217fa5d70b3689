"""Fitted Q: targets, search, actor, window and checkpoints; it reaches the optimum of a tiny problem."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
import torch

import jumpgym
from jumpgym.agents import NFQCA, AmortizedFittedQ, FittedQ
from jumpgym.agents.gradients.rollout import draw
from jumpgym.agents.q_learning.amortized_fitted_q import Window
from jumpgym.agents.q_learning.q_function import JointRegimes, minimize
from jumpgym.agents.training.training_state import training_tensors
from jumpgym.baselines import evaluate, solve
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.setup_cost import setup_cost

CLASSES = [FittedQ, AmortizedFittedQ, NFQCA]
EACH = pytest.mark.parametrize("cls", CLASSES)
TINY = setup_cost(
    horizon=3,
    fixed_cost=8.0,
    demand=scipy.stats.rv_discrete(values=([3, 9], [0.6, 0.4])),
    initial_inventory=(0, 10),
    max_order=40.0,
)
SMALL = setup_cost(
    horizon=3,
    fixed_cost=16.0,
    demand=scipy.stats.randint(0, 11),
    initial_inventory=(0, 10),
    max_order=40.0,
)


def new(cls=FittedQ, env=TINY, **settings):
    return cls(env, **{"batch_size": 8, "hidden": (8,), "seed": 4, **settings})


def randomised(agent, scale=1.0):
    """An agent whose q differs from 0 and from period to period."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*agent.networks.parameters(), agent.q.intercept):
            tensor += scale * torch.randn(tensor.shape, generator=generator)
    return agent


def gap(agent, problem):
    """Per cent above the optimum, on the same noise."""
    optimum = solve(problem)
    costs = [evaluate(policy, problem, episodes=4096).costs for policy in (agent, optimum)]
    return 100 * (costs[0] - costs[1]).mean() / optimum.expected_cost


@pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)
def test_levels_and_quantities_are_inverse_and_admissible(env_id):
    problem = gym.make(env_id).unwrapped.problem
    actions, layout = JointRegimes(problem), problem.layout
    generator = torch.Generator().manual_seed(0)
    observation = problem.observe(draw(problem, 64, problem.horizon, generator)[0])
    low, high = actions.interval(observation)
    assert (low <= high).all()
    regime = torch.randint(len(actions.one_hot), (64,), generator=generator)
    level = low + (high - low) * torch.rand(low.shape, generator=generator)
    level = level.take_along_dim(regime[:, None, None], 1)[:, 0]
    gates, quantities = actions.action(observation, regime, level)
    torch.testing.assert_close(actions.level(observation, gates, quantities), level, atol=1e-4, rtol=1e-4)
    chosen, quantity = layout.chosen(gates.numpy(), quantities.numpy())
    assert np.array_equal(chosen, actions.regimes[regime].numpy())
    expected = layout.flat(chosen, layout.project(chosen, quantity))
    assert np.array_equal(gates, expected[0])
    np.testing.assert_allclose(quantities, expected[1], rtol=1e-6)


@pytest.mark.parametrize("env", [TINY, "jumpgym/TruckCapacity-v0", "jumpgym/SwitchedLQR-v0"])
def test_the_search_finds_the_least_value_of_each_regime(env):
    agent = randomised(new(env=env), 0.3)
    observation = agent.problem.observe(agent.start()[0])
    values, levels = minimize(agent.q, observation)
    low, high = agent.actions.interval(observation)
    assert ((levels >= low) & (levels <= high)).all()
    torch.testing.assert_close(agent.q.each(observation, levels), values)
    fine = low + (high - low) * torch.linspace(0, 1, 4001)[:, None, None, None]
    least = agent.q.each(observation.expand(4001, -1, -1), fine).amin(0)
    spread = agent.q.each(observation, high) - least + agent.q.unit
    assert ((values - least) / spread).abs().max() < 0.01


def test_the_search_of_several_quantities_reaches_a_minimum_in_each_of_them():
    agent = randomised(new(env="jumpgym/JointReplenishment-v0"), 0.2)
    observation = agent.problem.observe(agent.start()[0])
    values, levels = minimize(agent.q, observation)
    low, high = agent.actions.interval(observation)
    for j in range(levels.shape[-1]):
        for share in torch.linspace(0, 1, 101):
            moved = levels.clone()
            moved[..., j] = low[..., j] + share * (high - low)[..., j]
            assert (agent.q.each(observation, moved) >= values - 0.05 * agent.q.unit).all()


@EACH
def test_targets_are_the_cost_and_the_discounted_value_that_follows(cls):
    problem = setup_cost(horizon=3, discount=0.5, initial_inventory=(0, 40))
    settings = {"exact_fraction": 1.0} if cls is AmortizedFittedQ else {}
    agent = randomised(new(cls, problem, **settings), 0.3)
    episodes = agent.simulate(*agent.start())
    targets = agent.targets(episodes)
    for t, episode in ((0, 1), (1, 5), (2, 2)):
        before, after = episodes.states[t], episodes.states[t + 1]
        demand = before.inventory[episode] + episodes.quantities[t, episode, 1] - after.inventory[episode]
        stock = after.inventory[episode]
        assert demand >= 0
        cost = 64 * episodes.gates[t, episode, 1] + torch.where(stock > 0, stock, -9 * stock)
        following = torch.zeros(())
        if t < 2:
            seen = problem.observe(after)[episode][None]
            if cls is NFQCA:
                low, high = agent.actions.interval(seen)
                following = agent.q.each(seen, agent.actor(seen).clamp(low, high)).min().detach()
            else:
                following = minimize(agent.q, seen)[0].min().detach()
        assert float(targets[t, episode]) == pytest.approx(float(cost + 0.5 * following), rel=1e-4)


def test_the_subset_of_algorithm_20_2_gets_the_exact_minimum_and_joins_the_window():
    agent = randomised(new(AmortizedFittedQ, exact_fraction=0.25), 0.3)
    with torch.no_grad():
        episodes = agent.simulate(*agent.start())
        policy = FittedQ.values(agent, episodes)
        mixed = agent.values(episodes)
        observation = episodes.observations[1]
        low, high = agent.actions.interval(observation)
        each = agent.q.each(observation, agent.actor(observation).clamp(low, high))
        own = each.gather(-1, agent.logits(observation).argmax(-1, keepdim=True))[:, 0]
    torch.testing.assert_close(policy[1], own)
    changed = (mixed != policy).sum()
    assert 0 < changed <= agent.exact == 6
    assert (mixed <= policy + 1e-4).all()
    reached = agent.minimizers.observations[0]
    values, levels = minimize(agent.q, reached)
    assert torch.equal(agent.minimizers.regimes[0], values.argmin(-1))
    assert torch.equal(agent.minimizers.levels[0], levels[torch.arange(6), values.argmin(-1)])


def test_the_window_keeps_the_latest_and_forgets():
    window, generator = Window(3, 2, 1, 1), torch.Generator().manual_seed(0)
    for iteration in range(7):
        number = torch.full((2, 1), float(iteration))
        window.push(number, torch.full((2,), iteration), number)
        observations, regimes, levels = window.sample(500, generator)
        expected = set(range(max(0, iteration - 2), iteration + 1))
        assert set(regimes.tolist()) == expected
        assert torch.equal(observations[:, 0], regimes.float())
        assert torch.equal(levels, observations)


def test_the_policy_follows_the_minimisers_of_the_window_only():
    agent = new(AmortizedFittedQ, window=0, policy_steps=200, learning_rate=0.02)
    size, observation = agent.exact, torch.tensor([5.0, 1.0])
    for regime, level in ((0, -0.5), (1, 0.5)):  # the second takes the place of the first
        agent.minimizers.push(
            observation.expand(size, 2), torch.full((size,), regime), torch.full((size, 1), level)
        )
    agent.improve(agent.simulate(*agent.start()))
    assert agent.logits(observation[None]).argmax() == 1
    assert float(agent.actor(observation)[1].detach()) == pytest.approx(0.5, abs=0.1)


def test_the_actor_descends_the_gradient_of_the_critic_but_not_out_of_the_interval():
    agent = randomised(new(NFQCA, "jumpgym/TruckCapacity-v0"), 0.3)
    agent.networks.double()
    observation = agent.problem.observe(agent.start()[0]).double()
    low, high = agent.actions.interval(observation)
    inside = high - low > 1e-6
    level, step = (low + high) / 2, 1e-5
    slope = agent.action_gradient(observation, level, low, high)
    above, below = (agent.q.each(observation, level + sign * step) for sign in (1, -1))
    expected = ((above - below) / (2 * step) / agent.q.unit)[..., None]
    torch.testing.assert_close(slope[inside], expected[inside], atol=1e-6, rtol=1e-5)
    assert not slope[~inside].any()
    for end, outwards in ((low - 1, 1), (high + 1, -1)):
        slope = agent.action_gradient(observation, end, low, high)
        assert not (slope * outwards > 0).any()
        assert (slope * outwards < 0)[inside].any()


def fitted(cls):
    """Learnt on a small problem in 40 iterations."""
    settings = {"hidden": (32, 32), "batch_size": 512, "learning_rate": 0.01, "fit_steps": 16}
    return cls(SMALL, seed=0, **settings).learn(40 * 512 * 3)


@EACH
def test_it_comes_near_the_exact_optimum_of_a_small_problem(cls):
    assert gap(fitted(cls), SMALL) < 2.5  # 0.7 to 1.0 were seen


def test_without_the_value_that_follows_it_does_not(monkeypatch):
    monkeypatch.setattr(NFQCA, "values", lambda self, episodes: torch.zeros_like(episodes.costs[..., 0]))
    assert gap(fitted(NFQCA), SMALL) > 5  # 10 was seen


def test_no_decision_depends_on_the_intercept():
    agent = randomised(new())
    observation = agent.problem.observe(agent.start()[0])
    before = agent.decide(observation, True)
    agent.q.intercept += 8.0
    after = agent.decide(observation, False)
    assert torch.equal(after[0], before[0])
    torch.testing.assert_close(after[1], before[1], atol=0.1, rtol=0)


@EACH
@pytest.mark.parametrize("saved_at", [1, 5])
def test_training_goes_on_from_a_checkpoint_bit_by_bit(cls, saved_at, tmp_path):
    iteration, settings = 8 * 3, {"window": 2} if cls is AmortizedFittedQ else {}

    def save(agent):
        if agent.iterations == saved_at:
            agent.save(tmp_path / "agent.zip")

    def state(agent):
        tensors = training_tensors(agent.networks, agent.optimizer, agent.generator)
        return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}

    whole = new(cls, **settings).learn(8 * iteration, callback=save)
    resumed = cls.load(tmp_path / "agent.zip", TINY)
    assert resumed.settings == whole.settings
    assert state(resumed) != state(whole)
    resumed.learn((8 - saved_at) * iteration, reset_num_timesteps=False)
    assert state(resumed) == state(whole)
    assert resumed.cost_scale == whole.cost_scale


@pytest.mark.parametrize(("env_id", "cls"), [*zip(jumpgym.ENVIRONMENTS, itertools.cycle(CLASSES))])
def test_every_environment_trains_and_decides(env_id, cls):
    """With one class each; all of them search and decide by the same code."""
    env = gym.make(env_id, horizon=8)
    agent = new(cls, env).learn(2 * 8 * 8)
    result = evaluate(agent, env, episodes=16)
    assert np.isfinite(result.costs).all()
    observation, _ = env.reset(seed=0)
    action, _ = agent.predict(observation)
    assert action in env.action_space


@EACH
def test_too_many_joint_regimes_are_refused(cls):
    problem = JointReplenishment(items=8, horizon=5)
    with pytest.raises(ValueError, match=r"have \d+; at most 256 are allowed; use MixedGradient or HPO"):
        cls(problem)


@EACH
def test_a_problem_without_an_end_is_refused(cls):
    with pytest.raises(ValueError, match="learns whole episodes, and this problem has horizon=None"):
        cls(setup_cost(horizon=None))


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (FittedQ, {"fit_steps": 0}, "fit_steps=0 must be an integer of at least 1"),
        (FittedQ, {"epsilon": 2}, r"epsilon=2.0 must be a finite number in \[0, 1\]"),
        (FittedQ, {"level_noise": -1}, "level_noise=-1.0 must be"),
        (AmortizedFittedQ, {"exact_fraction": 0}, "exact_fraction=0.0 must be"),
        (AmortizedFittedQ, {"window": -1}, "window=-1 must be an integer of at least 0"),
        (AmortizedFittedQ, {"policy_steps": 0}, "policy_steps=0 must be"),
        (AmortizedFittedQ, {"policy_batch": 0}, "policy_batch=0 must be"),
        (NFQCA, {"actor_steps": 0}, "actor_steps=0 must be an integer of at least 1"),
    ],
)
def test_bad_settings_are_refused(cls, settings, message):
    with pytest.raises(ValueError, match=message):
        new(cls, **settings)
