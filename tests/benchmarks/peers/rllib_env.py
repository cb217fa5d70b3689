"""jumpgym's native batch as RLlib steps it, and RLlib's policy as ``evaluate`` reads it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from ray.rllib.core.columns import Columns
from ray.rllib.utils.spaces.space_utils import unsquash_action

from jumpgym import HindsightProblem
from jumpgym.adapters.grids import order_quantities
from jumpgym.adapters.views import BoxLevelView, TupleView
from jumpgym.agents.networks.features import Features

QUANTITY, LEVEL = "quantity", "order-up-to level"
"""What the Box entry of the Tuple action stands for."""


class Actions:
    """``Tuple(Discrete, Box)`` actions, and the environment's own that they stand for.

    Args:
        problem: with one gate and one quantity.
        meaning: ``QUANTITY``, in units, over the range that the package's PPO baselines use; or ``LEVEL``,
            dimensionless over [-1, 1], for orders up to ``level_scale * (1 + level)``.
    """

    def __init__(self, problem: HindsightProblem, meaning: str) -> None:
        self.meaning = meaning
        gate, _ = TupleView(problem).space
        grid = order_quantities(problem)[0]
        low, high = (-1.0, 1.0) if meaning == LEVEL else (grid[0], grid[-1])
        self.space = spaces.Tuple((gate, spaces.Box(low, high, (1,), np.float32)))
        self._levels = BoxLevelView(problem)

    def decode(self, observation: NDArray[np.float32], regime: Any, box: Any) -> tuple[Any, Any]:
        """Regimes (m,) and quantities (m, 1) in units, of the two parts (m,) and (m, 1) of actions."""
        if self.meaning == QUANTITY:
            return regime, box
        columns = np.concatenate([np.reshape(regime, (-1, 1)), box], axis=1)
        regimes, quantity = self._levels.decode(observation, columns)
        return regimes[:, 0], quantity.astype(np.float32)


class RLlibBatch(VectorWrapper):
    """A native batch with the inputs of the package's agents, scaled rewards and without infos.

    Args:
        envs: the native batch, which must reset in the next step, as RLlib expects.
        meaning: see ``Actions``.
        reward_scale: factor on the rewards.
    """

    def __init__(self, envs: Any, meaning: str, reward_scale: float) -> None:
        super().__init__(envs)
        problem = envs.unwrapped.problem
        self.actions, self._features, self._scale = (
            Actions(problem, meaning),
            Features(problem),
            reward_scale,
        )
        self.single_action_space = self.actions.space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (self._features.dim,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._observation: NDArray[np.float32]

    def reset(self, **keywords: Any) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """See ``gymnasium.vector.VectorEnv``."""
        self._observation, _ = self.env.reset(**keywords)
        return inputs(self._features, self._observation), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """See ``gymnasium.vector.VectorEnv``; ``actions`` is a pair of arrays (m,) and (m, 1)."""
        decision = self.actions.decode(self._observation, *actions)
        self._observation, reward, terminated, truncated, _ = self.env.step(decision)
        return inputs(self._features, self._observation), reward * self._scale, terminated, truncated, {}


class RLlibPolicy:
    """The deterministic policy of an RLlib module, with the batched ``predict`` of ``evaluate``.

    Args:
        module: a PPO ``RLModule`` trained on an ``RLlibBatch``.
        problem: what it was trained on.
        meaning: see ``Actions``.
    """

    def __init__(self, module: Any, problem: HindsightProblem, meaning: str) -> None:
        self._module, self._features = module, Features(problem)
        self._actions = Actions(problem, meaning)

    def predict(self, observation: NDArray[np.float32], deterministic: bool = True) -> tuple[Any, None]:
        """Regimes (m,) and quantities (m, 1): the most probable regime, and the mean of the Gaussian."""
        if not deterministic:
            raise ValueError("deterministic=False: only the deterministic policy is evaluated")
        observation = np.asarray(observation, dtype=np.float32)
        batch = {Columns.OBS: torch.from_numpy(inputs(self._features, observation))}
        with torch.no_grad():
            outputs = self._module.forward_inference(batch)[Columns.ACTION_DIST_INPUTS]
        distribution = self._module.get_inference_action_dist_cls().from_logits(outputs)
        parts = tuple(part.numpy() for part in distribution.to_deterministic().sample())
        regime, box = unsquash_action(parts, tuple(self._actions.space.spaces))
        return self._actions.decode(observation, regime, box.reshape(-1, 1)), None


def inputs(features: Features, observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """Network inputs (m, dim) of observations (m, n)."""
    return features(torch.from_numpy(observation)).numpy()


def make_batch(env: str, num_envs: int, meaning: str, reward_scale: float) -> RLlibBatch:
    """The native batch of an environment as RLlib steps it."""
    envs = gym.make_vec(env, num_envs, vectorization_mode="vector_entry_point")
    return RLlibBatch(envs, meaning, reward_scale)
