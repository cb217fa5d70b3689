"""A hindsight problem as a scalar Gymnasium environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem
from .action_spaces import check_space
from .boxes import observation_box
from .decisions import Decision
from .infos import without_single_axes
from .named_views import make_view
from .noise_blocks import BLOCK, block_length, draw_noise, draw_uniforms, from_phase
from .options import NOISE_OPTION, STATE_OPTION, check_initial_state, check_options
from .registry import build_problem, warn_without_end
from .rendering import Trajectory, check_render_mode, draw

_total = np.add.reduce  # faster than ``sum`` for few numbers


def _is_masked(value: Any) -> bool:
    """``numpy.ma.is_masked``, which is slow for what has no mask."""
    return isinstance(value, np.ma.MaskedArray) and bool(np.ma.is_masked(value))


class HybridEnv(gym.Env[NDArray[np.float32], Any]):
    """A hindsight problem with actions (regime, quantity).

    Actions are ``Tuple(Discrete(K), Box((n,)))``, with several gates ``Tuple(MultiDiscrete, Box((n,)))``,
    unless ``action`` names another view of them, for libraries without Tuple actions.
    Quantities are projected on the intervals of the regimes chosen. ``info`` reports what was carried out,
    with the same keys at every step: ``"regime"``, ``"quantity"`` and ``"noise"``, NumPy scalars or arrays of
    fixed type and shape; and ``"costs"``, a dict with the cost of the period by kind, such as setup, holding
    and shortage (``problem.cost_kinds``), which add up to minus the reward.

    A stationary problem (``horizon=None``) never terminates; ``gym.make``'s ``max_episode_steps`` truncates.

    A subclass sets ``make_problem``, a function from keyword parameters to a ``HindsightProblem``; its
    docstring is the documentation of the environment.

    Args:
        config: parameters as a dict in place of keywords, as RLlib passes them; they take precedence.
        render_mode: ``"ansi"``, ``"rgb_array"`` or None.
        action: ``"tuple"``; ``"dict"``, ``"box"``, ``"quantity"``, ``"grid"`` or ``"levels"`` for the actions
            of ``DictAction``, ``BoxAction``, ``BoxQuantity``, ``DiscreteQuantity`` or ``DiscreteLevel`` of
            ``jumpgym.wrappers``, with their defaults.
        parameters: those of ``make_problem``.

    Attributes:
        problem: the hindsight problem that is simulated.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012 (declared by gym.Env)
    make_problem: Callable[..., HindsightProblem]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        # skrl recognises an environment by the direct bases of its class.
        if gym.Env not in cls.__bases__:
            cls.__bases__ = (*cls.__bases__, gym.Env)

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        /,
        *,
        render_mode: str | None = None,
        action: str = "tuple",
        **parameters: Any,
    ) -> None:
        if not isinstance(config, (Mapping, NoneType)):
            raise TypeError(
                f"{type(self).__name__}: {config!r} must be a dict of parameters; give one by its name"
            )
        parameters = {"render_mode": render_mode, "action": action, **parameters, **(config or {})}
        self.render_mode = check_render_mode(parameters.pop("render_mode"), self.metadata)
        action = parameters.pop("action")
        self.problem = problem = build_problem(type(self).make_problem, parameters)
        warn_without_end(problem.horizon)
        # As text, since a distribution may not pickle.
        self._given = {name: checks.shown(value) for name, value in parameters.items()}
        self.observation_space = observation_box(problem)
        self._view = make_view(action, problem)
        self.action_space = self._view.space
        layout = problem.layout
        self._pairs = action == "tuple"
        self._only_projects = problem.admits_all and layout.multiple is None
        self._single = self._pairs and len(layout.gates) == len(layout.quantity_gate) == 1
        self._low, self._high = layout.low.tolist(), layout.high.tolist()
        self._one_hot, self._indices = np.eye(layout.gates[0]), np.arange(layout.gates[0])
        self._spec: EnvSpec | None = None
        self._state: Any = None
        self._start: Any = None
        self._period = 0
        self._trajectory = Trajectory()

    def __repr__(self) -> str:
        parameters = ", ".join(f"{name}={value}" for name, value in self._given.items())
        return f"{type(self).__name__}({parameters})"

    @property
    def spec(self) -> EnvSpec | None:
        """What ``gym.make`` made the environment from; its ``max_episode_steps`` is the horizon.

        So ``TimeAwareObservation`` and others know how long episodes are. The end of the horizon is
        ``terminated`` all the same; where an environment is made again from a specification, Gymnasium adds
        its ``TimeLimit``, and the last step is both terminated and truncated.
        """
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        horizon = self.problem.horizon
        if spec is not None and spec.max_episode_steps is None and horizon is not None:
            spec = dataclasses.replace(spec, max_episode_steps=horizon)
        self._spec = spec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw the initial state and the noise of the whole episode.

        Args:
            seed: seeds ``np_random``.
            options: ``{"noise": trace}`` replays a trace of shape (horizon, *noise_shape); of a stationary
                problem one of any length, after which noise is drawn again. ``{"initial_state": state}``
                begins in a state, an observation of shape (n,); ``initial_state`` of an episode replays it.

        Raises:
            ValueError, TypeError: for an unknown option, or one of the wrong shape or type; nothing changes.
        """
        problem, trace, start = self.problem, None, None
        checked = check_options(options, (NOISE_OPTION, STATE_OPTION))
        if NOISE_OPTION in checked:
            trace = problem.check_noise(checked[NOISE_OPTION])
            if trace.ndim != 1 + len(problem.noise_shape):
                expected = (len(trace) if problem.horizon is None else problem.horizon, *problem.noise_shape)
                raise ValueError(f"noise of shape {trace.shape} must have shape {expected}")
        if STATE_OPTION in checked:
            start = problem.state_at(check_initial_state(problem, checked[STATE_OPTION]))
        super().reset(seed=seed)
        # Both are drawn in any case, so that later episodes do not depend on the options.
        start_uniforms = np.asarray(self.np_random.random(problem.start_shape))
        periods = block_length(problem, BLOCK)
        uniforms = draw_uniforms(problem, self.np_random, periods=periods)
        if trace is None:
            initial, drawn = problem.begin(start_uniforms, uniforms)
        else:  # nothing is known of what came before it
            initial = problem.initial_state(start_uniforms)
        self._state = self._start = initial if start is None else start
        self._noise = from_phase(problem, self._state, drawn) if trace is None else trace
        self._place = 0
        self._period = 0
        self._trajectory = Trajectory()
        return self.observation, {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
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
            drawn = draw_noise(problem, self.np_random, periods=block_length(problem, BLOCK))
            self._noise, self._place = from_phase(problem, before, drawn), 0
        regime, applied, gate, quantity = self._carry_out(before, action)
        noise = self._noise[self._place]
        self._state, costs, by_kind = problem.itemised_step(before, gate, quantity, noise)
        self._place += 1
        self._period += 1
        cost = costs.item() if costs.size == 1 else float(_total(costs))
        if self.render_mode is not None:
            self._trajectory.append(problem, before, regime, applied, noise, cost)
        info = {
            "regime": regime,
            "quantity": applied,
            "noise": noise.copy(),
            "costs": {kind: _total(cost) if cost.ndim else cost for kind, cost in by_kind.items()},
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
        observation: NDArray[np.float32] = self.problem.observe(self._state).astype(np.float32)
        return observation

    @property
    def initial_state(self) -> NDArray[np.float64]:
        """The state in which the episode began, (n,): its first observation, but in float64.

        ``reset(options={"initial_state": state, "noise": trace})`` replays an episode exactly.

        Raises:
            ResetNeeded: before the first reset.
        """
        if self._state is None:
            raise ResetNeeded("the environment has no state before reset()")
        observed: NDArray[np.float64] = self.problem.observe(self._start)
        return observed

    def decode(self, observation: Any, action: Any) -> Decision:
        """Regimes (m, G) and quantities (m, n) of a batch of actions; see ``ActionView.decode``."""
        return self._view.decode(observation, action)

    def _carry_out(self, state: Any, action: Any) -> tuple[Any, Any, Any, Any]:
        """What becomes of an action: as ``info`` shows it (2 values), and as ``step`` takes it (2 values)."""
        problem = self.problem
        if isinstance(action, np.ndarray):
            check_space(action, self.action_space)
        if not self._single:
            batch = self._as_batch(action) if self._pairs else self._view.batch_of_one(action)
            observation = self.observation[None] if self._view.needs_observation else None
            regimes, quantities = self._view.decode(observation, batch)
            result = problem.carry_out(state, regimes[0], quantities[0])
            return (*without_single_axes(problem.layout, result), result.gate, result.columns)
        regime, quantity = self._parse(action)
        if not self._only_projects:
            result = problem.carry_out(state, np.array([regime]), np.array([quantity]))
            return result.regime[0], result.quantity[0], result.gate, result.columns
        # As ``carry_out`` does, without arrays, which are slow for single numbers.
        applied = min(max(quantity, self._low[regime]), self._high[regime])
        gate = self._one_hot[regime]
        return self._indices[regime], np.float64(applied), gate, applied * gate

    def _as_batch(self, action: Any) -> Any:
        try:
            regime, quantity = action
            gates, count = len(self.problem.layout.gates), len(self.problem.layout.quantity_gate)
            regimes, quantities = checks.array("regime", regime), checks.array("quantity", quantity)
            return regimes.reshape(1, gates), quantities.reshape(1, count)
        except (TypeError, ValueError):
            raise ValueError(
                f"action={action!r} must be a pair (regime, quantity) of {self.action_space}"
            ) from None

    def _parse(self, action: Any) -> tuple[int, float]:
        try:
            regime, quantity = action
        except (TypeError, ValueError):
            raise ValueError(f"action={action!r} must be a pair (regime, quantity)") from None
        count = len(self._low)
        try:
            index = regime if type(regime) is int else np.asarray(regime).item()
            in_range = 0 <= index < count and index == int(index)
            # NumPy would drop the imaginary part, and the mask.
            if np.iscomplexobj(quantity) or _is_masked(quantity) or _is_masked(regime):
                raise TypeError
            units = np.asarray(quantity, dtype=np.float64).item()
        except (TypeError, ValueError, ArithmeticError):
            raise ValueError(
                f"action={action!r} must be one regime index and one quantity of shape (1,)"
            ) from None
        if not in_range:
            raise checks.unknown_index("regime", index, count)
        if units != units:
            raise checks.nan_quantity()
        return int(index), units
