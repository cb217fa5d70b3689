"""Reinforce: its gradient against quadrature over the quantities, its decisions, save and load.

Two periods, two values of demand: all paths of gates and demands are enumerated, and the quantity of each
order runs over a grid, on which the midpoint rule integrates.
"""

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
import torch
import two_items

import jumpgym
from jumpgym.agents import MixedGradient, Reinforce
from jumpgym.agents.networks.gates import log_prob
from jumpgym.agents.training.training_state import training_tensors
from jumpgym.baselines import evaluate
from jumpgym.problems.setup_cost import setup_cost

FAMILIES = ("gaussian", "truncated_normal", "kumaraswamy")
EACH_FAMILY = pytest.mark.parametrize("quantity", FAMILIES)
SAMPLES, BATCH = 200_000, 2_000
GRID = {"gaussian": (-25.0, 55.0, 160), "truncated_normal": (0.0, 40.0, 100), "kumaraswamy": (0.0, 40.0, 100)}
"""Of quantities: ends, and cells between them."""
DEMANDS, CHANCES = (3.0, 9.0), (0.6, 0.4)


def tiny_problem():
    return setup_cost(
        fixed_cost=8,
        shortage_cost=4,
        demand=scipy.stats.rv_discrete(values=(DEMANDS, CHANCES)),
        horizon=2,
        max_order=40,
        discount=0.9,
    )


def agent_of(quantity, problem=None, cls=Reinforce, **settings):
    """An agent in float64 whose gates are far from certain, with wide distributions."""
    settings = {"hidden": (3,), "deviation": 0.4, "entropy_bonus": 0, "seed": 1, **settings}
    agent = cls(problem or tiny_problem(), quantity=quantity, **settings)
    agent.networks.double()
    agent.generator.manual_seed(2)
    with torch.no_grad():
        agent.policy.net[-1].weight.mul_(4)
    return agent


def state_of(agent):
    tensors = training_tensors(agent.networks, agent.optimizer, agent.generator)
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def flat_gradient(loss, agent):
    weights = list(agent.policy.parameters())
    return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, weights)])


def exact_gradient(agent):
    """Of the expected discounted cost: sums over gates and demands, integrals over quantities."""
    problem = agent.problem
    low, high, cells = GRID[agent.settings.quantity]
    width = (high - low) / cells
    orders = low + width * (torch.arange(cells, dtype=torch.float64) + 0.5)
    # A decision: nothing, or an order of a quantity of the grid.
    quantity = torch.cat([torch.zeros(1, dtype=torch.float64), orders])
    order = torch.arange(cells + 1) > 0
    step = torch.where(order, width, 1.0).double()
    first, second, *demand = (
        index.flatten()
        for index in torch.meshgrid(
            *(torch.arange(count) for count in (cells + 1, cells + 1, 2, 2)), indexing="ij"
        )
    )
    state = problem.initial_state(torch.zeros(len(first), dtype=torch.float64))
    observations, gates, quantities, total = [], [], [], 0.0
    for t, chosen in enumerate((first, second)):
        observations.append(problem.observe(state))
        gates.append(torch.nn.functional.one_hot(order[chosen].long(), 2).double())
        quantities.append(torch.stack([0 * quantity[chosen], quantity[chosen]], -1))
        noise = torch.tensor(DEMANDS, dtype=torch.float64)[demand[t]]
        state, cost = problem.step(state, gates[t], quantities[t].clamp(0, 40), noise)
        total = total + problem.discount**t * cost.sum(-1)
    chance = torch.tensor(CHANCES, dtype=torch.float64)
    weight = step[first] * step[second] * chance[demand[0]] * chance[demand[1]]
    path = agent.simulate(state, torch.zeros(len(first), 1, dtype=torch.float64))._replace(
        observations=torch.stack(observations), gates=torch.stack(gates), proposals=torch.stack(quantities)
    )
    probability = weight * agent.log_prob(path)[0].sum((0, -1)).exp()
    assert float(probability.sum().detach()) == pytest.approx(1, abs=2e-3)
    return flat_gradient((probability * total).sum(), agent)


def largest_z(agent, exact):
    """Largest |z| over the parameters of the mean of SAMPLES sampled gradients, against the exact one."""
    problem, gradients = agent.problem, []
    for _ in range(SAMPLES // BATCH):
        uniforms = torch.rand((BATCH, problem.horizon), generator=agent.generator, dtype=torch.float64)
        start = problem.initial_state(torch.zeros(BATCH, dtype=torch.float64))
        gradients.append(flat_gradient(agent.loss(agent.simulate(start, problem.noise(uniforms))), agent))
    samples = torch.stack(gradients)
    error = samples.std(0) / len(samples) ** 0.5
    return float(((samples.mean(0) - exact).abs() / error.clamp(min=1e-12)).max())


@pytest.mark.parametrize(
    ("quantity", "estimator"),
    [("gaussian", "reward_to_go"), ("truncated_normal", "leave_one_out"), ("kumaraswamy", "value")],
)
def test_unbiased_estimators_agree_with_quadrature(quantity, estimator):
    agent = agent_of(quantity, estimator=estimator)
    assert largest_z(agent, exact_gradient(agent)) < 4


class OfTheProjected(Reinforce):
    """Takes the log-probability of what was carried out in place of what was sampled."""

    def log_prob(self, episodes):
        return super().log_prob(episodes._replace(proposals=episodes.quantities))


class OfTheGate(Reinforce):
    """Leaves the quantity out of the log-probability."""

    def log_prob(self, episodes):
        logits, *_ = self.policy(episodes.observations, lambda logits: episodes.gates)
        return log_prob(logits, episodes.gates, self.problem.layout.gate_groups), logits


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (Reinforce, {"estimator": "gae", "gae_lambda": 0.0}),
        (OfTheProjected, {"estimator": "leave_one_out"}),
        (OfTheGate, {"estimator": "leave_one_out"}),
    ],
)
def test_biased_estimators_are_seen_to_be_biased(cls, settings):
    exact = exact_gradient(agent_of("gaussian", **settings))
    assert largest_z(agent_of("gaussian", cls=cls, **settings), exact) > 6


def test_no_gradient_passes_through_the_simulation():
    agent = agent_of("gaussian")
    state, noise = agent.start()
    episodes = agent.simulate(type(state)(*(entry.double() for entry in state)), noise.double())
    assert not any(tensor.requires_grad for tensor in (episodes.costs, episodes.proposals, episodes.logits))
    assert agent.loss(episodes).requires_grad


@EACH_FAMILY
def test_log_probability_is_of_the_gate_and_of_the_quantities_that_it_chose(quantity):
    """Two items: the second's quantity counts for the second's gate only, and "nothing" for none."""
    agent = agent_of(quantity, two_items.TwoItems(), hidden=(4,))
    state, noise = agent.start()
    episodes = agent.simulate(type(state)(*(entry.double() for entry in state)), noise.double())
    log_p, undecided = agent.log_prob(episodes)
    assert log_p.shape == undecided.shape == (*episodes.costs.shape[:2], 2)
    chosen = episodes.gates[..., agent.policy.quantities.option] > 0
    other = torch.where(chosen, episodes.proposals, episodes.proposals + 1)
    assert torch.equal(agent.log_prob(episodes._replace(proposals=other))[0], log_p)
    moved = episodes.proposals.clone()
    moved[..., 2:] += 0.01  # the columns of the second item
    changed = agent.log_prob(episodes._replace(proposals=moved))[0] != log_p
    assert not changed[..., 0].any()
    orders = episodes.gates[..., 2] == 0
    assert torch.equal(changed[..., 1], orders)


@EACH_FAMILY
def test_a_first_policy_orders_about_up_to_the_scale_whatever_the_largest_order(quantity):
    problem = setup_cost(max_order=5_000)
    agent = Reinforce(problem, quantity=quantity, hidden=(8,))
    observation = torch.tensor([[0.0, 3.0]]).expand(4_000, 2)
    regimes, orders = agent.decide(observation, deterministic=False)
    orders = orders[regimes[:, 0] == 1].detach()
    assert float(orders.median()) == pytest.approx(problem.level_scale, rel=0.15)
    assert 0.5 < float(orders.std()) / (0.2 * problem.level_scale) < 2


def test_the_deviation_falls_geometrically():
    spread = []
    agent = Reinforce(setup_cost(horizon=5), hidden=(4,), deviation=0.4, final_deviation=0.1)
    observation = torch.tensor([[0.0, 3.0]]).expand(4_000, 2)
    for progress in (0.0, 0.5, 1.0):
        agent.progress = progress
        regimes, orders = agent.decide(observation, deterministic=False)
        spread.append(float(orders[regimes[:, 0] == 1].detach().std()) / agent.problem.level_scale)
    assert spread == pytest.approx([0.4, 0.2, 0.1], rel=0.1)


@EACH_FAMILY
@pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)
def test_it_trains_decides_and_comes_back(quantity, env_id, tmp_path):
    env = gym.make(env_id, horizon=8)
    agent = Reinforce(env, quantity=quantity, batch_size=8, hidden=(8,), seed=1)
    before = state_of(agent)
    agent.learn(total_timesteps=4 * 8 * 8)
    after = evaluate(agent, env, episodes=32)
    assert np.isfinite(after.costs).all()
    assert all(state_of(agent)[name] != before[name] for name in before if "weight" in name)
    observation, _ = env.reset(seed=0)
    for deterministic in (True, False):
        action, _ = agent.predict(observation, deterministic=deterministic)
        assert action in env.action_space
    agent.save(tmp_path / "agent.zip")
    loaded = Reinforce.load(tmp_path / "agent.zip", env)
    np.testing.assert_array_equal(evaluate(loaded, env, episodes=32).costs, after.costs)


@EACH_FAMILY
def test_a_policy_keeps_its_own_scale_in_another_environment(quantity, tmp_path):
    problem = setup_cost(horizon=10, initial_inventory=(0, 40))
    Reinforce(problem, quantity=quantity, batch_size=8, hidden=(8,)).learn(800).save(tmp_path / "agent.zip")
    observations = np.stack([np.linspace(-30, 20, 50), np.arange(50) % 10], axis=-1)
    other = setup_cost(horizon=10, demand=scipy.stats.poisson(60), fixed_cost=1)
    first, second = (
        Reinforce.load(tmp_path / "agent.zip", env).predict(observations, deterministic=True)[0]
        for env in (problem, other)
    )
    assert np.array_equal(first[0], second[0])
    assert first[1] == pytest.approx(second[1], rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("horizon", [10, None])
@pytest.mark.parametrize(
    "settings",
    [{"quantity": family} for family in FAMILIES] + [{"estimator": "leave_one_out"}],
    ids=str,
)
def test_training_goes_on_from_a_checkpoint_bit_by_bit(settings, horizon, tmp_path):
    problem = setup_cost(horizon=horizon, initial_inventory=(0, 40))
    window = {} if horizon else {"window": 10}
    path, reports, again = tmp_path / "half.zip", [], []

    def save_at_half(agent):
        reports.append(dict(agent.logger.values))
        if agent.iterations == 3:
            agent.save(path)

    whole = Reinforce(problem, batch_size=8, hidden=(8,), seed=4, **window, **settings)
    whole.learn(6 * 80, callback=save_at_half)
    resumed = Reinforce.load(path, problem)
    resumed.learn(
        3 * 80,
        callback=lambda agent: again.append(dict(agent.logger.values)),
        reset_num_timesteps=False,
    )
    assert again == reports[3:]
    assert state_of(resumed) == state_of(whole)


@EACH_FAMILY
def test_it_learns(quantity):
    problem = setup_cost(horizon=5)
    agent = Reinforce(problem, quantity=quantity, batch_size=64, hidden=(8,), learning_rate=0.02)
    before = evaluate(agent, problem, episodes=256).mean
    agent.learn(60 * 5 * 64)
    assert evaluate(agent, problem, episodes=256).mean < 0.8 * before


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"quantity": "beta"}, ValueError, "quantity='beta' must be one of 'gaussian', 'truncated_normal'"),
        ({"estimator": "branching"}, ValueError, "estimator='branching' must be one of 'reward_to_go'"),
        ({"credit": "all"}, ValueError, "credit='all' must be one of 'components', 'total'"),
        ({"deviation": 0}, ValueError, r"deviation=0.0 must be a finite number in \[1e-06"),
        ({"final_deviation": -1}, ValueError, "final_deviation=-1.0 must be a finite number in"),
        ({"gae_lambda": 2}, ValueError, r"gae_lambda=2.0 must be a finite number in \[0, 1\]"),
        ({"cross_term": "off"}, TypeError, "Reinforce: unknown parameter cross_term='off'; allowed are"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        Reinforce(setup_cost(), **settings)


def test_the_checkpoint_of_another_agent_is_refused(tmp_path):
    problem = setup_cost(horizon=5)
    MixedGradient(problem, hidden=(4,)).save(tmp_path / "agent.zip")
    with pytest.raises(ValueError, match=r"agent\.zip holds 'MixedGradient', not 'Reinforce'"):
        Reinforce.load(tmp_path / "agent.zip", problem)
