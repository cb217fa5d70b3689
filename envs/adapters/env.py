"""A hindsight problem as a scalar Gymnasium environment."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import load_env_creator
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem
from .rendering import Trajectory, draw
from .views import TupleView

NOISE_OPTION = "noise"


def build_problem(
    make_problem: Callable[..., HindsightProblem], parameters: dict[str, Any]
) -> HindsightProblem:
    """Call ``make_problem``; an unknown keyword is refused with the list of the known ones."""
    _check_known(make_problem, parameters)
    return make_problem(**parameters)


def _check_known(make_problem: Callable[..., HindsightProblem], parameters: Mapping[str, Any]) -> None:
    known = inspect.signature(make_problem).parameters
    for name in parameters:
        if name not in known:
            raise TypeError(f"unknown parameter {name}={parameters[name]!r}; allowed are {', '.join(known)}")


def make_env(env_id: str, parameters: Mapping[str, Any]) -> gym.Env[Any, Any]:
    """``gym.make`` with parameters of the problem only, and with the environment's own errors.

    ``gym.make`` takes more, such as ``max_episode_steps``, which is no part of the problem, and wraps errors.

    Raises:
        TypeError, ValueError: naming the parameter, its value and what is allowed.
    """
    make: Any = load_env_creator(cast(str, gym.spec(env_id).entry_point))
    _check_known(make.make_problem, parameters)
    try:
        return gym.make(env_id, **parameters)
    except (OSError, TypeError, ValueError) as error:
        raise error.__cause__ or error from None


def check_options(
    options: Mapping[str, Any] | None, allowed: tuple[str, ...] = (NOISE_OPTION,)
) -> Mapping[str, Any]:
    """The options of ``reset``; an unknown key is refused, and what is no dict."""
    if not isinstance(options, (Mapping, NoneType)):
        raise TypeError(
            f"reset: options={options!r} must be a dict, such as {{{allowed[0]!r}: trace}}, or None"
        )
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


BLOCK = 256
"""Periods of noise that a stationary problem draws at once."""


def draw_noise(
    problem: HindsightProblem, rng: np.random.Generator, *batch: int, periods: int = BLOCK
) -> NDArray[np.float64]:
    """Noise (*batch, periods, *noise_shape): of the whole horizon, if there is one."""
    return problem.noise(rng.random((*batch, problem.horizon or periods, *problem.noise_shape)))


def cuts(problem: HindsightProblem) -> bool:
    """Whether the problem's states may admit less than was chosen."""
    return type(problem).admit is not HindsightProblem.admit


class HybridEnv(gym.Env[NDArray[np.float32], tuple[Any, NDArray[np.float32]]]):
    """A hindsight problem with actions (regime, quantity).

    Actions are ``Tuple(Discrete(K), Box((n,)))``, with several gates ``Tuple(MultiDiscrete, Box((n,)))``.
    Quantities are projected on the intervals of the regimes chosen. ``info`` tells what was carried out, the
    same keys at every step: ``"regime"``, ``"quantity"`` and ``"noise"``, numbers or arrays.

    A stationary problem (``horizon=None``) never terminates; ``gym.make``'s ``max_episode_steps`` truncates.

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
        self._view = TupleView(problem)
        self.action_space = self._view.space
        layout = problem.layout
        self._simple = len(layout.gates) == len(layout.quantity_gate) == 1
        self._cuts = cuts(problem)
        self._low, self._high = layout.low.tolist(), layout.high.tolist()
        self._one_hot = np.eye(layout.gates[0])
        self._state: Any = None
        self._period = 0
        self._trajectory = Trajectory()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw the initial state and the noise of the whole episode.

        Args:
            seed: seeds ``np_random``.
            options: ``{"noise": trace}`` replays a trace of shape (horizon, *noise_shape); of a stationary
                problem one of any length, after which noise is drawn again.

        Raises:
            ValueError, TypeError: for an unknown option, or one of the wrong shape or type; nothing changes.
        """
        problem, trace = self.problem, None
        checked = check_options(options)
        if NOISE_OPTION in checked:
            trace = problem.check_noise(checked[NOISE_OPTION])
            if trace.ndim != 1 + len(problem.noise_shape):
                expected = (len(trace) if problem.horizon is None else problem.horizon, *problem.noise_shape)
                raise ValueError(f"noise of shape {trace.shape} must have shape {expected}")
        super().reset(seed=seed)
        self._state = problem.initial_state(np.asarray(self.np_random.random(problem.start_shape)))
        drawn = draw_noise(problem, self.np_random)
        self._noise = drawn if trace is None else trace
        self._place = 0
        self._period = 0
        self._trajectory = Trajectory()
        return self.observation, {}

    def step(
        self, action: tuple[Any, NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Simulate one period; see the class for what an action is.

        Raises:
            ResetNeeded: before the first reset, or after the end of the episode.
            ValueError: if a regime is out of range, or a quantity is NaN or of the wrong shape.
        """
        problem, horizon = self.problem, self.problem.horizon
        before = self._state
        if before is None or (horizon is not None and self._period >= horizon):
            raise ResetNeeded(
                "step() before reset()" if before is None else "step() after the end: call reset()"
            )
        if self._place >= len(self._noise):
            self._noise, self._place = draw_noise(problem, self.np_random), 0
        parse = self._simple_action if self._simple else self._action
        regime, applied, gate, quantity = parse(action)
        if self._cuts:
            gate, quantity = problem.admit(before, gate, quantity)
            regime, applied = problem.layout.chosen(gate, quantity)
            if self._simple:
                regime, applied = regime.item(), applied.item()
            elif len(problem.layout.gates) == 1:
                regime = regime.item()
        noise = self._noise[self._place]
        self._state, costs = problem.step(before, gate, quantity, noise)
        self._place += 1
        self._period += 1
        cost = float(costs.sum())
        if self.render_mode is not None:
            self._trajectory.append(problem, before, regime, applied, noise, cost)
        info = {
            "regime": regime,
            "quantity": applied,
            "noise": noise.copy() if problem.noise_shape else float(noise),
        }
        return self.observation, -cost, self._period == horizon, False, info

    def render(self) -> Any:
        """The episode so far: text for ``"ansi"``, a uint8 chart (height, width, 3) for ``"rgb_array"``."""
        return draw(self.render_mode, self.problem, self._state, self._trajectory)

    @property
    def observation(self) -> NDArray[np.float32]:
        """The observation of the state now, of shape (n,); ResetNeeded before the first reset."""
        if self._state is None:
            raise ResetNeeded("the environment has no state before reset()")
        return self.problem.observe(self._state).astype(np.float32)

    def _action(self, action: Any) -> tuple[Any, Any, NDArray[np.float64], NDArray[np.float64]]:
        """Regimes and quantities applied, for people, and the flat gate weights and quantities."""
        layout = self.problem.layout
        regimes, asked = self._view.decode(None, self._as_batch(action))
        applied = layout.project(regimes, asked)
        gate, quantity = layout.flat(regimes[0], applied[0])
        return (regimes[0].item() if len(layout.gates) == 1 else regimes[0]), applied[0], gate, quantity

    def _as_batch(self, action: Any) -> Any:
        try:
            regime, quantity = action
            gates, count = len(self.problem.layout.gates), len(self.problem.layout.quantity_gate)
            regimes, asked = checks.array("regime", regime), checks.array("quantity", quantity)
            return regimes.reshape(1, gates), asked.reshape(1, count)
        except (TypeError, ValueError):
            raise ValueError(
                f"action={action!r} must be a pair (regime, quantity) of {self.action_space}"
            ) from None

    def _simple_action(self, action: Any) -> tuple[int, float, NDArray[np.float64], NDArray[np.float64]]:
        """The same with one gate and one quantity, without arrays where numbers are faster."""
        regime, asked = self._parse(action)
        applied = min(max(asked, self._low[regime]), self._high[regime])
        gate = self._one_hot[regime]
        return regime, applied, gate, applied * gate

    def _parse(self, action: Any) -> tuple[int, float]:
        try:
            regime, quantity = action
        except (TypeError, ValueError):
            raise ValueError(f"action={action!r} must be a pair (regime, quantity)") from None
        count = len(self._low)
        try:
            index = regime if type(regime) is int else np.asarray(regime).item()
            known = 0 <= index < count and index == int(index)
            # NumPy would drop the imaginary part, and the mask.
            if np.iscomplexobj(quantity) or np.ma.is_masked(quantity) or np.ma.is_masked(regime):
                raise TypeError
            asked = np.asarray(quantity, dtype=np.float64).item()
        except (TypeError, ValueError, ArithmeticError):
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
