"""A hindsight problem as a scalar Gymnasium environment."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from . import checks
from .problem import HindsightProblem
from .rendering import Trajectory, draw
from .views import TupleView

NOISE_OPTION = "noise"


def build_problem(
    make_problem: Callable[..., HindsightProblem], parameters: dict[str, Any]
) -> HindsightProblem:
    """Call ``make_problem``; an unknown keyword is refused with the list of the known ones."""
    known = inspect.signature(make_problem).parameters
    for name in parameters:
        if name not in known:
            raise TypeError(f"unknown parameter {name}={parameters[name]!r}; allowed are {', '.join(known)}")
    return make_problem(**parameters)


def check_options(
    options: dict[str, Any] | None, allowed: tuple[str, ...] = (NOISE_OPTION,)
) -> dict[str, Any]:
    """The options of ``reset``; an unknown key is refused."""
    for key in options or {}:
        if key not in allowed:
            raise ValueError(f"reset: unknown option {key!r}; allowed are {', '.join(map(repr, allowed))}")
    return options or {}


def observation_box(problem: HindsightProblem) -> spaces.Box[np.float32]:
    """The space of observations, finite float32."""
    return spaces.Box(
        problem.observation_low.astype(np.float32),
        problem.observation_high.astype(np.float32),
        dtype=np.float32,
    )


def check_render_mode(render_mode: str | None, metadata: dict[str, Any]) -> str | None:
    """``render_mode``, if it is None or one of those in ``metadata``."""
    allowed = metadata["render_modes"]
    if render_mode is not None and render_mode not in allowed:
        raise ValueError(f"render_mode={render_mode!r} must be one of {allowed}")
    return render_mode


class HybridEnv(gym.Env[NDArray[np.float32], tuple[Any, NDArray[np.float32]]]):
    """A hindsight problem with actions (regime, quantity).

    A subclass sets ``make_problem``, a function from keyword parameters to a ``HindsightProblem``; its
    docstring is the documentation of the environment.

    Attributes:
        problem: the hindsight problem that is simulated.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012 (declared by gym.Env)
    make_problem: Callable[..., HindsightProblem]

    def __init__(self, render_mode: str | None = None, **parameters: Any) -> None:
        self.render_mode = check_render_mode(render_mode, self.metadata)
        self.problem = problem = build_problem(type(self).make_problem, parameters)
        self.observation_space = observation_box(problem)
        self.action_space = TupleView(problem).space
        self._low, self._high = problem.regimes.low.tolist(), problem.regimes.high.tolist()
        self._one_hot = np.eye(len(problem.regimes))
        self._state: Any = None
        self._period = 0
        self._trajectory = Trajectory()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw the initial state and the noise of the whole episode.

        Args:
            seed: seeds ``np_random``.
            options: ``{"noise": trace}`` replays a trace of shape (horizon,).
        """
        super().reset(seed=seed)
        options = check_options(options)
        self._state = self.problem.initial_state(np.asarray(self.np_random.random()))
        drawn = self.problem.noise(self.np_random.random(self.problem.horizon))
        if NOISE_OPTION in options:
            drawn = self.problem.check_noise(options[NOISE_OPTION])
            if drawn.ndim != 1:
                raise ValueError(f"noise of shape {drawn.shape} must have shape ({self.problem.horizon},)")
        self._noise = drawn
        self._period = 0
        self._trajectory = Trajectory()
        return self.observation, {}

    def step(
        self, action: tuple[Any, NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Simulate one period; see the class for what an action is.

        Raises:
            ResetNeeded: before the first reset, or after the end of the episode.
            ValueError: if the regime is out of range, or the quantity is NaN or of the wrong shape.
        """
        period = self._period
        if self._state is None or period >= self.problem.horizon:
            raise ResetNeeded(
                "step() before reset()" if self._state is None else "step() after the end: call reset()"
            )
        regime, asked = self._parse(action)
        applied = min(max(asked, self._low[regime]), self._high[regime])
        gate = self._one_hot[regime]
        noise = self._noise[period]
        stock = self._state
        self._state, costs = self.problem.step(self._state, gate, applied * gate, noise)
        self._period = period + 1
        cost = float(costs.sum())
        if self.render_mode is not None:
            self._trajectory.append(stock, regime, applied, noise, cost, self._state)
        info = {"regime": regime, "quantity": applied, "noise": float(noise)}
        return self.observation, -cost, self._period >= self.problem.horizon, False, info

    def render(self) -> Any:
        """The episode so far: text for ``"ansi"``, a uint8 chart (height, width, 3) for ``"rgb_array"``."""
        return draw(self.render_mode, self.problem, self._state, self._trajectory)

    @property
    def observation(self) -> NDArray[np.float32]:
        """The observation of the state now, of shape (n,); ResetNeeded before the first reset."""
        if self._state is None:
            raise ResetNeeded("the environment has no state before reset()")
        return self.problem.observe(self._state).astype(np.float32)

    def _parse(self, action: Any) -> tuple[int, float]:
        try:
            regime, quantity = action
        except (TypeError, ValueError):
            raise ValueError(f"action={action!r} must be a pair (regime, quantity)") from None
        count = len(self._low)
        try:
            index = regime if type(regime) is int else np.asarray(regime).item()
            known = 0 <= index < count and index == int(index)
            asked = np.asarray(quantity, dtype=np.float64).item()
        except (TypeError, ValueError):
            raise ValueError(
                f"action={action!r} must be one regime index and one quantity of shape (1,)"
            ) from None
        if not known:
            raise checks.unknown_index("regime", index, count)
        if asked != asked:
            raise checks.nan_quantity()
        return int(index), asked


def as_problem(env: Any) -> HindsightProblem:
    """The hindsight problem of a problem, an environment (scalar or vector), or an environment id.

    Raises:
        TypeError: if the environment carries no hindsight problem.
    """
    if isinstance(env, HindsightProblem):
        return env
    if isinstance(env, str):
        env = gym.make(env)
    problem = getattr(getattr(env, "unwrapped", env), "problem", None)
    if not isinstance(problem, HindsightProblem):
        raise TypeError(f"{env!r} must be a jumpgym environment, its id, or a HindsightProblem")
    return cast(HindsightProblem, problem)
