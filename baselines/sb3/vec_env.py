"""A batch of copies of a problem as a Stable-Baselines3 ``VecEnv``, and the network inputs for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor
from torch import Tensor

from jumpgym import HindsightProblem, NotApplicable, as_problem, checks
from jumpgym.adapters.action_spaces import check_space
from jumpgym.adapters.boxes import observation_box
from jumpgym.adapters.layers import time_limit
from jumpgym.adapters.noise_blocks import draw_uniforms
from jumpgym.adapters.options import NOISE_OPTION, check_options
from jumpgym.agents.networks.features import Features


class ProblemVecEnv(VecEnv):
    """``num_envs`` copies of a problem, stepped together by array operations.

    All episodes have the same number of periods, so the copies end and restart together. After the last
    period ``step`` returns the first observation of the next episode, as SB3 expects.
    ``set_options({"noise": trace})``, or one such dict per copy, replays traces of shape (periods,) in the
    next episode.

    Args:
        problem: a hindsight problem, an environment that has one, or an environment id.
        num_envs: number of copies, at least 1.
        view: the actions, as an ``ActionView`` of ``jumpgym.adapters.views``.
        seed: seed of the first episode.
        max_episode_steps: number of periods after which an episode of a problem without a horizon is
            truncated; None for that of ``problem``, if it is an environment made with one.

    Attributes:
        periods: number of periods of an episode.

    Raises:
        NotApplicable: if the problem has no horizon, and episodes have no limit either.
    """

    def __init__(
        self,
        problem: Any,
        num_envs: int,
        view: Any,
        seed: int | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.problem: HindsightProblem = as_problem(problem)
        limit = time_limit(problem) if max_episode_steps is None else max_episode_steps
        if self.problem.horizon is None and limit is None:
            raise NotApplicable(
                "horizon=None: SB3's learners need episodes that end; give a horizon, or make the "
                "environment with a limit, such as gym.make(..., horizon=None, max_episode_steps=200)"
            )
        self.periods: int = self.problem.horizon or checks.integer("max_episode_steps", limit, low=1)
        self.view = view
        self.render_mode = None
        num_envs = checks.integer("num_envs", num_envs, low=1)
        super().__init__(num_envs, observation_box(self.problem), view.space)
        self._rng = np.random.default_rng()
        self._actions: NDArray[Any] | None = None
        if seed is not None:
            self.seed(seed)

    def decode(self, observation: NDArray[np.float32], action: Any) -> tuple[Any, Any]:
        """Regimes (m, G) and quantities (m, n) of a batch of actions, for ``evaluate``."""
        return self.view.decode(observation, action)

    def reset(self) -> NDArray[np.float32]:
        """Start an episode in every copy: observations (num_envs, n)."""
        if self._seeds[0] is not None:
            # A stream of its own, so that ``evaluate`` with the same seed does not repeat the training noise.
            self._rng = np.random.default_rng(np.random.SeedSequence(self._seeds[0], spawn_key=(1,)))
        problem, copies = self.problem, self.num_envs
        of_start = self._rng.random((copies, *problem.start_shape))
        traces = [o[NOISE_OPTION] for o in self._options if NOISE_OPTION in check_options(o, (NOISE_OPTION,))]
        if traces:
            if len(traces) < copies:
                raise ValueError(f"option {NOISE_OPTION!r} must be given for all {copies} copies or none")
            self._state = problem.initial_state(of_start)
            self._noise = problem.check_noise(np.stack(traces))
            if self._noise.shape[1] != self.periods:
                raise ValueError(f"noise of {self._noise.shape[1]} periods must have {self.periods}")
        else:
            uniforms = draw_uniforms(problem, self._rng, copies, periods=self.periods)
            self._state, self._noise = problem.begin(of_start, uniforms)
        self._period = 0
        self._reset_seeds()
        self._reset_options()
        self._observation = self._observe()
        return self._observation

    def step_async(self, actions: NDArray[Any]) -> None:
        """Store the actions for ``step_wait``."""
        check_space(actions, self.action_space)
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.bool_], list[dict[str, Any]]]:
        """Simulate one period of every copy; the rewards are minus the cost."""
        problem = self.problem
        decision = problem.carry_out(self._state, *self.view.decode(self._observation, self._actions))
        self._state, costs = problem.step(
            self._state, decision.gate, decision.columns, self._noise[:, self._period]
        )
        rewards = -costs.sum(-1)
        self._period += 1
        done = self._period == self.periods
        self._observation = self._observe()
        regime, quantity = decision.regime, decision.quantity
        reported: tuple[Any, Any]
        if regime.shape[1] == quantity.shape[1] == 1:
            reported = (regime[:, 0].tolist(), quantity[:, 0].tolist())  # plain numbers
        else:
            reported = (regime, quantity)
        infos: list[dict[str, Any]] = [{"regime": r, "quantity": q} for r, q in zip(*reported, strict=True)]
        if done:
            for info, last in zip(infos, self._observation, strict=True):
                info["terminal_observation"] = last
                info["TimeLimit.truncated"] = problem.horizon is None
            self.reset()
        return self._observation, rewards, np.full(self.num_envs, done), infos

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the batch, once per index; all copies share it."""
        value = getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the batch; all copies share it, so it cannot be set for some of them only."""
        if sorted(self._get_indices(indices)) != list(range(self.num_envs)):
            raise ValueError(
                f"set_attr({attr_name!r}): indices={indices!r} must be all copies, which share attributes"
            )
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the problem, once per index."""
        method = getattr(self.problem, method_name)
        return [method(*method_args, **method_kwargs) for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """False for every copy: they have no Gymnasium wrappers."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """None for every copy; to render, use the scalar environment."""
        return [None] * self.num_envs

    def _observe(self) -> NDArray[np.float32]:
        return self.problem.observe(self._state).astype(np.float32)


class ScaledMonitor(VecMonitor):
    """``VecMonitor``, whose statistics are in units of cost, around rewards that are scaled for a learner.

    SB3's ``evaluate_policy`` and callbacks report the statistics, whereas the learner trains on the rewards.

    Args:
        venv: whose rewards are minus the cost.
        reward_scale: factor on the rewards.
    """

    def __init__(self, venv: ProblemVecEnv, reward_scale: float) -> None:
        super().__init__(venv)
        self.reward_scale = reward_scale

    def step_wait(self) -> Any:
        """See ``VecEnv.step_wait``; the rewards are float32."""
        observations, rewards, dones, infos = super().step_wait()
        return observations, (self.reward_scale * rewards).astype(np.float32), dones, infos


class ProblemFeatures(BaseFeaturesExtractor):
    """The network inputs of the package's own agents, ``Features``, as an SB3 features extractor.

    Args:
        observation_space: of the environment.
        problem: the observed problem.
    """

    def __init__(self, observation_space: Any, problem: Any) -> None:
        features = Features(problem)
        super().__init__(observation_space, features.dim)
        self.features = features

    def forward(self, observations: Tensor) -> Tensor:
        """Network inputs (batch, features_dim) of observations (batch, n)."""
        return self.features(observations)
