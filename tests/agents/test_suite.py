"""Every agent on every environment of the suite, out of the box."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import jumpgym
from jumpgym.agents import GumbelSoftmax, MixedGradient, SmoothedCost
from jumpgym.baselines import evaluate

AGENTS = {
    "mixed": (MixedGradient, {}),
    "mixed-gae": (MixedGradient, {"estimator": "gae", "cross_term": "off"}),
    "gumbel": (GumbelSoftmax, {}),
    "smoothed": (SmoothedCost, {}),
}


@pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)
@pytest.mark.parametrize("name", AGENTS)
def test_it_trains_decides_and_comes_back(name, env_id, tmp_path):
    cls, settings = AGENTS[name]
    env = gym.make(env_id, horizon=8)
    if name == "smoothed" and env.unwrapped.problem.boundaries is None:
        with pytest.raises(jumpgym.NotApplicable, match="do not follow from its quantities"):
            cls(env, **settings)
        return
    agent = cls(env, batch_size=8, hidden=(8,), seed=1, **settings)
    before = [parameter.detach().clone() for parameter in agent.networks["policy"].parameters()]
    agent.learn(total_timesteps=4 * 8 * 8)
    after = evaluate(agent, env, episodes=32)
    assert np.isfinite(after.costs).all()
    assert not all(map(torch.equal, before, agent.networks["policy"].parameters()))
    observation, _ = env.reset(seed=0)
    action, _ = agent.predict(observation, deterministic=True)
    assert action in env.action_space
    env.step(action)
    agent.save(tmp_path / "agent.zip")
    loaded = cls.load(tmp_path / "agent.zip", env)
    np.testing.assert_array_equal(evaluate(loaded, env, episodes=32).costs, after.costs)


TIGHT = {
    "CapacitatedLotSizing": {"capacity": 40.0},
    "JointReplenishment": {"truck_capacity": 20.0, "max_trucks": 1},
    "BudgetDiscount": {"budget": 60.0},
}
"""Environments whose resource is too small for what an untrained agent would like to order."""


@pytest.mark.parametrize("cls", [MixedGradient, GumbelSoftmax])
@pytest.mark.parametrize(("name", "parameters"), TIGHT.items(), ids=TIGHT)
def test_an_agent_advises_what_the_environment_carries_out(cls, name, parameters):
    env = gym.make(f"jumpgym/{name}-v0", horizon=10, **parameters)
    agent = cls(env, batch_size=8, hidden=(8,), seed=2)
    reduced = 0
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        terminated = False
        while not terminated:
            state = agent.generator.get_state()
            _, output = agent.decide(torch.as_tensor(observation)[None], deterministic=False)
            agent.generator.set_state(state)
            (regime, quantity), _ = agent.predict(observation)
            reduced += not np.allclose(output[0].detach(), quantity, atol=1e-3)
            observation, _, terminated, _, info = env.step((regime, quantity))
            np.testing.assert_allclose(info["quantity"], quantity, rtol=1e-5, atol=1e-3)
    assert reduced > 0
