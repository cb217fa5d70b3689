"""The environment of training, as SB3's callbacks ask for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem
from jumpgym.adapters.boxes import observation_box
from jumpgym.adapters.views import TupleView


class Copies:
    """Copies of a problem, with what SB3's callbacks use of a ``VecEnv``.

    An iteration of training simulates whole episodes at once. To callbacks it counts as one step of
    ``num_envs`` copies, so that what SB3 derives from ``num_envs`` holds: the progress bar, the number of
    episodes, frequencies in time steps divided by ``num_envs``. The copies can be reset, not stepped.

    Args:
        problem: the problem.
        num_envs: number of transitions of an iteration.
    """

    render_mode = None

    def __init__(self, problem: HindsightProblem, num_envs: int) -> None:
        self.problem = problem
        self.num_envs = num_envs
        self.observation_space = observation_box(problem)
        self.action_space = TupleView(problem).space

    def reset(self) -> NDArray[np.float32]:
        """First observations of new episodes, shape (num_envs, n)."""
        uniforms = np.random.default_rng().random((self.num_envs, *self.problem.start_shape))
        observation: NDArray[np.float32] = self.problem.observe(self.problem.initial_state(uniforms)).astype(
            np.float32
        )
        return observation

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute, which all copies share, once per copy."""
        return [getattr(self, attr_name)] * self.num_envs

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """False for every copy: they have no wrappers."""
        return [False] * self.num_envs
