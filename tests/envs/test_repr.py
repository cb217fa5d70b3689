import gymnasium as gym
import pytest

import jumpgym


@pytest.mark.parametrize("id", jumpgym.ENVIRONMENTS)
def test_environments_and_problems_say_what_they_are(id):
    env = gym.make(id, horizon=7).unwrapped
    assert repr(env) == f"{id.split('/')[1].removesuffix('-v0')}Env(horizon=7)"
    assert repr(env.problem).startswith(f"{type(env.problem).__name__}(gates=({env.problem.layout.gates[0]}")
    assert repr(env.problem).endswith("horizon=7, discount=1)")
    assert len(repr(env.problem)) < 200
