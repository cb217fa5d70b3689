"""Speed of the Stable-Baselines3 side, on one thread: ``python tests/benchmarks/bench_sb3.py``."""

import time

import numpy as np
import torch

from jumpgym import as_problem
from jumpgym.adapters.grid_views import LevelGridView
from jumpgym.adapters.views import BoxLevelView
from jumpgym.baselines.ppo import make_ppo
from jumpgym.baselines.sb3.vec_env import ProblemVecEnv


def vec_env_rate(view: type, num_envs: int = 64, steps: int = 3000) -> float:
    """Environment steps per CPU second of a ``ProblemVecEnv``, actions given."""
    problem = as_problem("jumpgym/SetupCost-v0")
    env = ProblemVecEnv(problem, num_envs, view(problem), seed=0)
    env.action_space.seed(0)
    actions = [np.array([env.action_space.sample() for _ in range(num_envs)]) for _ in range(50)]
    env.reset()
    start = time.process_time()
    for step in range(steps):
        env.step(actions[step % 50])
    return steps * num_envs / (time.process_time() - start)


def training_rate(name: str, seconds: float = 5.0) -> float:
    """Training steps per CPU second of a PPO baseline."""
    model = make_ppo(name, "jumpgym/SetupCost-v0", seed=0)
    model.learn(cpu_seconds=seconds)
    return model.num_timesteps / seconds


if __name__ == "__main__":
    torch.set_num_threads(1)
    for view in (BoxLevelView, LevelGridView):
        print(f"SB3 VecEnv, 64 copies, {view.__name__:13s}  {vec_env_rate(view):12,.0f} steps/s")
    for name in ("ppo-gate", "ppo-level"):
        print(f"training, {name:9s}                   {training_rate(name):12,.0f} steps/s")
