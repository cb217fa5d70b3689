"""A hindsight problem as a native Gymnasium vector environment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem
from .boxes import observation_box
from .copies import Copies
from .decisions import Decision
from .env import HybridEnv
from .infos import final_infos, where, with_masks, without_single_axes
from .named_views import make_view
from .noise_blocks import BLOCK, block_length, from_phase
from .options import (
    MASK_OPTION,
    NOISE_OPTION,
    STATE_OPTION,
    check_initial_state,
    check_mask,
    check_options,
)
from .registry import build_problem
from .rendering import Trajectory, check_render_mode, draw
from .streams import generators

Step = tuple[
    NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
]  # observations, rewards, terminations, truncations, infos


class HybridVectorEnv(Copies):
    """``num_envs`` copies of a hindsight problem, stepped together by array operations.

    Actions are pairs of regimes (num_envs,), with several gates (num_envs, G), and quantities (num_envs, n),
    unless ``action`` names another view of them. They are checked as in ``HybridEnv``; an error names the
    environment. ``info`` holds arrays (num_envs, ...) ``"regime"``, ``"quantity"`` and ``"noise"``, and
    ``"costs"``, a dict of arrays (num_envs,) by kind; for each key there is a mask ``"_key"`` of the
    environments that were stepped. The keys are the same at every step. A subclass sets ``make_problem``.

    Args:
        num_envs: number of copies, at least 1.
        render_mode: as in ``HybridEnv``; ``render`` returns a tuple with the frame or text of each copy.
        max_episode_steps: an episode is truncated after this many periods; None for never.
        autoreset_mode: what follows the end of an episode, a ``gymnasium.vector.AutoresetMode`` or its value.
            NEXT_STEP: the next step resets it and ignores its action. SAME_STEP: it is reset at once,
            and ``info["final_obs"]`` and ``info["final_info"]`` tell how it ended. DISABLED: nothing, until
            ``reset(options={"reset_mask": mask})``.
        action: the view of the actions, as in ``HybridEnv``; a batch of ``"box"`` is (num_envs, G + n).
        parameters: those of the environment.

    Attributes:
        problem: the hindsight problem that is simulated.
        autoreset_mode: as an ``AutoresetMode``.

    >>> import gymnasium as gym, jumpgym, numpy as np
    >>> envs = gym.make_vec("jumpgym/SetupCost-v0", 3, vectorization_mode="vector_entry_point")
    >>> observations, infos = envs.reset(seed=0)
    >>> actions = np.array([0, 1, 1]), np.array([[0.0], [30.0], [40.0]])
    >>> observations, rewards, terminations, truncations, infos = envs.step(actions)
    >>> infos["quantity"]
    array([ 0., 30., 40.])
    """

    metadata = {**HybridEnv.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012
    make_problem: Callable[..., HindsightProblem]

    def __init__(
        self,
        num_envs: int = 1,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        action: str = "tuple",
        **parameters: Any,
    ) -> None:
        self.num_envs = checks.integer("num_envs", num_envs, low=1)
        self.render_mode = check_render_mode(render_mode, self.metadata)
        modes = {mode.value: mode for mode in AutoresetMode}
        value = getattr(autoreset_mode, "value", autoreset_mode)
        self.autoreset_mode = modes[checks.choice("autoreset_mode", value, tuple(modes))]
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.problem = problem = build_problem(type(self).make_problem, parameters)
        self._max_episode_steps = math.inf
        if max_episode_steps is not None:
            self._max_episode_steps = checks.integer("max_episode_steps", max_episode_steps, low=1)

        self._view = make_view(action, problem)
        self.single_observation_space = observation_box(problem)
        self.single_action_space = self._view.space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._rows = np.arange(self.num_envs)
        self._streams: list[np.random.Generator] | None = None  # of each copy, if they were seeded one by one
        self._state: Any = None
        self._start: Any = None  # in which the episodes began
        self._noise: NDArray[np.float64]  # (periods, num_envs, *noise_shape)
        self._place: NDArray[np.int64]  # of each copy in its noise
        self._period: NDArray[np.int64]
        self._over: NDArray[np.bool_]
        self._trajectories: list[Trajectory]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw the initial states and the noise of whole episodes.

        Args:
            seed: a number seeds ``np_random``, from which all copies draw; with one copy that is as in the
                single environment. A list with a seed for each copy, or None for one that goes on, gives each
                copy random numbers of its own: those of a single environment with that seed. It is slower.
            options: ``{"noise": traces}`` replays traces of shape (num_envs, horizon, *noise_shape); of a
                stationary problem they may have any length, after which noise is drawn again;
                ``{"initial_state": states}`` begins in states (num_envs, n), see ``HybridEnv.reset``;
                ``{"reset_mask": mask}`` resets only the copies where the boolean array (num_envs,) is True.

        Raises:
            ValueError, TypeError: for an unknown option, or one of the wrong shape or type; nothing changes.
        """
        checked = check_options(options, (NOISE_OPTION, STATE_OPTION, MASK_OPTION))
        mask = check_mask(checked[MASK_OPTION], self.num_envs) if MASK_OPTION in checked else None
        if self._state is None and mask is not None and not mask.all():
            raise ResetNeeded("reset: the first reset must be of all environments, without reset_mask")
        noise = None
        if NOISE_OPTION in checked:
            noise = self.problem.check_noise(checked[NOISE_OPTION])
            whole = mask is None or bool(mask.all())
            periods = noise.shape[1] if whole and noise.ndim > 1 else len(self._noise)
            expected = (self.num_envs, periods, *self.problem.noise_shape)
            if noise.shape != expected:
                raise ValueError(f"noise of shape {noise.shape} must have shape {expected}")
        state = None
        if STATE_OPTION in checked:
            state = check_initial_state(self.problem, checked[STATE_OPTION], self.num_envs)
        mask = np.ones(self.num_envs, dtype=np.bool_) if mask is None else mask
        self._seed(seed, mask)
        self._restart(mask, noise, state)
        return self._observe(), {}

    def _seed(self, seed: int | Sequence[int | None] | None, mask: NDArray[np.bool_]) -> None:
        """Seed the batch, or with a list each copy of the mask."""
        if checks.is_vector(seed):
            seeded = generators(seed, self.num_envs)  # before anything changes
            streams = self._streams or self.np_random.spawn(self.num_envs)
            self._streams = [
                new if new is not None and chosen else old
                for new, old, chosen in zip(seeded, streams, mask, strict=True)
            ]
        elif seed is not None:
            super().reset(seed=cast(int, seed))
            self._streams = None

    def _uniforms(self, rows: NDArray[np.int64], *shape: int) -> NDArray[np.float64]:
        """Uniforms (len(rows), *shape) for the copies of these rows."""
        if self._streams is None:
            return self.np_random.random((len(rows), *shape))
        return np.stack([self._streams[row].random(shape) for row in rows])

    def _noise_uniforms(self, rows: NDArray[np.int64], periods: int) -> NDArray[np.float64]:
        """Uniforms of noise (len(rows), periods, *noise_shape): of the whole horizon, if there is one."""
        problem = self.problem
        drawn = problem.horizon or block_length(problem, periods)
        return self._uniforms(rows, drawn, *problem.noise_shape)

    def step(self, actions: Any) -> Step:
        """Simulate one period of every copy.

        Raises:
            ResetNeeded: before the first reset, or after the end of an episode if autoreset is disabled.
            ValueError: if an action is out of range, NaN or of the wrong shape.
        """
        if self._state is None:
            raise ResetNeeded("step() before reset()")
        over = self._over
        if self.autoreset_mode is AutoresetMode.DISABLED and over.any():
            raise ResetNeeded(
                f"step() after the end of environment {int(over.argmax())}: "
                'autoreset is disabled, call reset(options={"reset_mask": mask})'
            )
        observations = self._observe() if self._view.needs_observation else None
        regime, quantity = self._view.decode(observations, actions)
        if len(regime) != self.num_envs:
            raise ValueError(f"action: {len(regime)} actions for num_envs={self.num_envs} environments")

        problem, before = self.problem, self._state
        if problem.horizon is None:
            self._refill()
        result = problem.carry_out(before, regime, quantity)
        regime, quantity = without_single_axes(problem.layout, result)
        place = np.minimum(self._place, len(self._noise) - 1)  # those that are over have no noise left
        noise = self._flat_noise.take(place * self.num_envs + self._rows, axis=0)
        self._state, costs, by_kind = problem.itemised_step(before, result.gate, result.columns, noise)
        cost = costs.sum(axis=-1)
        self._place, self._period = self._place + 1, self._period + 1
        stepped = ~over
        if self.render_mode is not None:
            for row in np.flatnonzero(stepped):
                self._trajectories[row].append(
                    problem, _row(before, row), regime[row], quantity[row], noise[row], cost[row]
                )
        totals = {kind: amount.sum(-1) if amount.ndim > 1 else amount for kind, amount in by_kind.items()}
        reported = {"regime": regime, "quantity": quantity, "noise": noise, "costs": totals}
        if over.any():  # NEXT_STEP: their episodes begin now, in place of a step
            self._restart(over)
            cost[over] = 0.0
            reported = where(stepped, reported)

        terminations = self._period >= (problem.horizon or math.inf)
        truncations = self._period >= self._max_episode_steps
        self._over = terminations | truncations
        infos = with_masks(reported, stepped)
        observations = self._observe()
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._over.any():
            infos = final_infos(observations, infos, self._over)
            self._restart(self._over)
            observations = self._observe()
        return observations, -cost, terminations, truncations, infos

    def render(self) -> tuple[Any, ...] | None:
        """The episodes so far: a tuple with the text or the chart of each copy, see ``HybridEnv.render``."""
        if self.render_mode is None or self._state is None:
            return draw(self.render_mode, self.problem, self._state, Trajectory())
        return tuple(
            draw(self.render_mode, self.problem, _row(self._state, row), self._trajectories[row])
            for row in range(self.num_envs)
        )

    @property
    def initial_state(self) -> NDArray[np.float64]:
        """The states in which the episodes began, (num_envs, n), see ``HybridEnv.initial_state``."""
        if self._state is None:
            raise ResetNeeded("the environments have no state before reset()")
        observed: NDArray[np.float64] = self.problem.observe(self._start)
        return observed

    def decode(self, observation: Any, action: Any) -> Decision:
        """Regimes (m, G) and quantities (m, n) of a batch of actions; see ``ActionView.decode``."""
        return self._view.decode(observation, action)

    def _restart(
        self,
        mask: NDArray[np.bool_],
        noise: NDArray[np.float64] | None = None,
        state: NDArray[np.float64] | None = None,
    ) -> None:
        """Begin an episode in the copies of the mask.

        Args:
            mask: of the copies, (num_envs,).
            noise: of all copies, (num_envs, horizon, *noise_shape), if it is not to be drawn.
            state: the initial states of all copies, (num_envs, n), if they are not to be drawn.
        """
        problem, count, rows = self.problem, int(mask.sum()), np.flatnonzero(mask)
        start_uniforms = self._uniforms(rows, *problem.start_shape)
        if noise is None or self._streams:  # a single environment draws in any case
            periods = BLOCK if count == self.num_envs else len(self._noise)
            uniforms = self._noise_uniforms(rows, periods)
        if noise is None:
            start, drawn = problem.begin(start_uniforms, uniforms)
        else:  # nothing is known of what came before it
            start = problem.initial_state(start_uniforms)
        if state is not None:
            start = problem.state_at(state[mask])
        drawn = from_phase(problem, start, drawn, periods) if noise is None else noise[mask]
        if count == self.num_envs:
            self._state = self._start = start
            self._noise = np.ascontiguousarray(np.moveaxis(drawn, 0, 1))
            self._period, self._over = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
            self._place = np.zeros(count, dtype=np.int64)
        else:
            self._state, self._start = (
                type(start)(*(_replaced(*fields, mask) for fields in zip(old, start, strict=True)))
                for old in (self._state, self._start)
            )
            self._noise[:, mask] = np.moveaxis(drawn, 0, 1)
            self._period, self._over = np.where(mask, 0, self._period), self._over & ~mask
            self._place = np.where(mask, 0, self._place)
        if self.render_mode is not None:
            before = [Trajectory()] * self.num_envs if count == self.num_envs else self._trajectories
            self._trajectories = [Trajectory() if new else old for new, old in zip(mask, before, strict=True)]

    def _refill(self) -> None:
        """Draw new noise for the copies of a stationary problem that have used up theirs."""
        spent = self._place >= len(self._noise)
        if spent.any():
            periods = len(self._noise)
            drawn = self.problem.noise(self._noise_uniforms(np.flatnonzero(spent), periods))
            drawn = from_phase(self.problem, _row(self._state, spent), drawn, periods)
            self._noise[:, spent] = np.moveaxis(drawn, 0, 1)
            self._place = np.where(spent, 0, self._place)

    @property
    def _flat_noise(self) -> NDArray[np.float64]:
        return self._noise.reshape(-1, *self.problem.noise_shape)

    def _observe(self) -> NDArray[np.float32]:
        return self.problem.observe(self._state).astype(np.float32)


def _row(state: Any, row: Any) -> Any:
    return type(state)(*(field[row] for field in state))


def _replaced(field: NDArray[Any], new: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    field = field.copy()
    field[mask] = new
    return field
