"""The example on the page of the environments of an environment of one's own."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from jumpgym import as_problem
from jumpgym.agents import MixedGradient
from jumpgym.baselines import evaluate
from jumpgym.baselines.ppo import make_ppo
from jumpgym.testing import check_hybrid_env

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def example():
    import sys

    sys.path.insert(0, str(ROOT / "tests" / "examples"))
    import generator

    yield generator
    sys.path.pop(0)


def test_it_is_what_the_page_shows():
    assert (ROOT / "tests" / "examples" / "generator.py").read_text() in (
        ROOT / "envs" / "README.md"
    ).read_text()


def test_it_conforms():
    check_hybrid_env("Generator-v0", least=3.0)


def test_its_batch_and_its_gradient_follow():
    envs = gym.make_vec("Generator-v0", 3, vectorization_mode="vector_entry_point", horizon=5)
    envs.reset(seed=0)
    _, rewards, *_, info = envs.step((np.array([0, 1, 1]), np.array([[9.0], [0.5], [4.0]])))
    assert info["quantity"].tolist() == [0.0, 2.0, 4.0]
    assert (rewards[1:] <= -np.array([7.0, 9.0])).all()  # start-up and fuel
    problem = as_problem("Generator-v0")
    quantity = torch.tensor([0.0, 5.0], requires_grad=True)
    state = problem.initial_state(torch.tensor(0.0))
    _, costs = problem.step(state, torch.tensor([0.0, 1.0]), quantity, torch.tensor(6.0))
    costs.sum().backward()
    assert quantity.grad.tolist() == [0.0, 1.0 - 10.0]  # fuel, less what is unserved


def test_its_cost_is_of_one_kind():
    env = gym.make("Generator-v0")
    env.reset(seed=0)
    _, reward, *_, info = env.step((1, [5.0]))
    assert info["costs"] == {"cost": -reward}


def test_agents_learn_it():
    env = gym.make("Generator-v0")
    always, never = (evaluate(Constant(gate), env, episodes=512).mean for gate in (1, 0))
    agent = MixedGradient(env, seed=0).learn(total_timesteps=120_000)
    ppo = make_ppo("ppo-gate", env, seed=0).learn(total_timesteps=50_000)
    for learner, within in ((agent, agent.problem), (ppo, ppo.get_env())):
        assert evaluate(learner, within, episodes=512).mean < 0.9 * min(always, never)


class Constant:
    """Runs at 4 kWh an hour, or not at all."""

    def __init__(self, gate):
        self.gate = gate

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return (np.full(len(observation), self.gate), np.full((len(observation), 1), 4.0)), state
