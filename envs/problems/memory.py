"""What a policy may know of demand beside the stocks: the last demands, and the phase of the season."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from .. import checks
from ..demand import from_stocks
from ..noise.periods import PeriodNoise
from ..problem import HindsightProblem
from ..tracing import index_dtype

MAX_HISTORY = 1_000
"""Most periods of past demand in an observation."""

MAX_SEASON = 10_000
"""Most periods of a season."""


def remembering(state: type[Any]) -> type[Any]:
    """Return the type of a state that also has the entries ``history`` and ``phase`` of a ``DemandMemory``.

    Args:
        state: a named tuple whose last entry is the period; these entries come before it.
    """
    *entries, period = state._fields
    fields = [*entries, "history", "phase", period]
    return namedtuple(f"Remembering{state.__name__}", fields, module=state.__module__)


class DemandMemory:
    """The entries ``history`` and ``phase`` of a state, and how an observation shows them.

    ``history`` holds the last k demands in units, the latest first; shape (..., k), or (..., k, n) with n
    items. ``phase`` counts the periods of the season that have elapsed, from 0 to ``season - 1``; shape
    (...,). Without a season it is 0. An observation shows the history, period by period, and the sine and the
    cosine of ``2 pi phase / season``.

    Before an episode whose demand is drawn from distributions, every demand is taken to have been its mean:
    this carries no information, and takes no random numbers. A window of records knows the demands recorded
    before it, also those in an earlier part of the records if they were split; where nothing is recorded, the
    mean takes their place. Episodes that are given one by one have no past.

    Args:
        demand: the demand of the problem, of one item or of several.
        demand_history: number k of past demands, at least 0.
        season: periods of the season, at least 2, or None.

    Attributes:
        low, high, scale: bounds and order of magnitude of the entries of an observation; shape (entries,).
        arrays: constants for ``HindsightProblem.constants``.
    """

    def __init__(self, demand: Any, demand_history: int, season: int | None) -> None:
        self.length, self.season, self.demand = demand_history, season, demand
        mean, largest = (np.asarray(bound, dtype=np.float64) for bound in (demand.mean, demand.max_total))
        self._item_axes = (slice(None),) * mean.ndim
        self.arrays: dict[str, NDArray[np.float64]] = {"expected_history": self._expected()}
        self._replay = getattr(demand, "replay", None)
        if self._replay is not None and self._replay.rolling:
            past = self._before()
            self.arrays["past"] = np.concatenate([past, self._replay.series])
            largest = np.maximum(largest, past.max(axis=0, initial=0.0))
        cycle = 0 if season is None else 2
        count = demand_history * mean.size
        self.low = np.concatenate([np.zeros(count), -np.ones(cycle)])
        self.high = np.concatenate([np.tile(largest.ravel(), demand_history), np.ones(cycle)])
        scale = np.where(mean > 0, mean, 1.0).ravel()
        self.scale = np.concatenate([np.tile(scale, demand_history), np.ones(cycle)])

    def names(self, items: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """What to call the entries of an observation, of one item or of items with these names."""
        labels = ("demand",) if items is None else tuple(f"demand of {item}" for item in items)
        past = tuple(f"{label} {ago + 1} ago" for ago in range(self.length) for label in labels)
        return past if self.season is None else (*past, "season sine", "season cosine")

    def start(self, c: Any, uniforms: Any) -> tuple[Any, Any]:
        """History and phase before the first period, in the batch axes of uniforms (...,) or (..., n).

        Args:
            c: ``HindsightProblem.constants``.
            uniforms: those that ``initial_state`` takes.
        """
        nothing = 0.0 * uniforms
        phase = nothing[(..., 0)] if self._item_axes else nothing
        return c.expected_history + nothing[(..., None, *self._item_axes)], phase

    def after(self, c: Any, state: Any, demand: Any) -> tuple[Any, Any]:
        """History and phase after a period with this demand, (...,) or (..., n)."""
        history = state.history
        if self.length > 0:
            kept = history[(..., slice(None, -1), *self._item_axes)]
            axis = -1 - len(self._item_axes)
            history = c.xp.concat([demand[(..., None, *self._item_axes)], kept], axis=axis)
        if self.season is None:
            return history, state.phase
        return history, c.xp.remainder(state.phase + 1, self.season)

    def observed(self, c: Any, state: Any) -> list[Any]:
        """What an observation shows, as arrays (..., entries) to be joined."""
        history = state.history
        if self._item_axes:
            history = c.xp.reshape(history, (*history.shape[:-2], history.shape[-2] * history.shape[-1]))
        if self.season is None:
            return [history]
        angle = state.phase * (2 * np.pi / self.season)
        return [history, c.xp.stack([c.xp.sin(angle), c.xp.cos(angle)], axis=-1)]

    def with_past(self, c: Any, state: Any, uniforms: Any) -> Any:
        """See ``HindsightProblem.with_past``."""
        replay = self._replay
        if replay is None or not replay.rolling:
            return state
        first = replay.first_period(uniforms)
        xp = array_namespace(uniforms)
        if self.season is not None:
            phase = (first + replay.phase_of_first) % self.season
            state = state._replace(phase=xp.astype(phase, uniforms.dtype))
        ago = xp.asarray(np.arange(self.length), dtype=index_dtype(xp), device=device(uniforms))
        row = first[..., None] + (self.length - 1) - ago
        items = c.past.shape[1:]
        past = xp.take(c.past, xp.reshape(row, (-1,)), axis=0)
        return state._replace(history=xp.reshape(past, (*row.shape, *items)))

    def flat(self, observation: NDArray[np.float64], tail: int) -> NDArray[np.float64]:
        """Observations (..., m) with the phase in place of the two entries that encode it.

        Args:
            observation: see ``HindsightProblem.state_at``.
            tail: number of entries after those of the memory.
        """
        end = observation.shape[-1] - tail
        if self.season is None:
            start, phase = end, np.zeros(observation.shape[:-1])
        else:
            start = end - 2
            turn = np.arctan2(observation[..., start], observation[..., start + 1]) / (2 * np.pi)
            phase = np.round(turn * self.season) % self.season
        return np.concatenate([observation[..., :start], phase[..., None], observation[..., end:]], axis=-1)

    def _expected(self) -> NDArray[np.float64]:
        """Mean demand of the periods before the first, the latest first; shape (k,) or (k, n)."""
        noises = self.demand.items if self._item_axes else [self.demand]
        means = [[_mean_before(noise, ago + 1) for noise in noises] for ago in range(self.length)]
        expected = np.array(means, dtype=np.float64).reshape(self.length, len(noises))
        return expected if self._item_axes else expected[:, 0]

    def _before(self) -> NDArray[np.float64]:
        """Demand of the k periods before the first recorded one, in order of time; (k,) or (k, n)."""
        past = np.array(self.arrays["expected_history"][::-1])
        recorded = None if self.demand.records is None else self.demand.records.before
        if recorded is not None and self.length > 0:
            recorded = recorded[-self.length :]
            past[self.length - len(recorded) :] = recorded if self._item_axes else recorded[:, 0]
        return past


class Inventory(HindsightProblem):
    """An inventory, whose state may remember demand; a subclass calls ``remember``.

    Attributes:
        demand: the demand.
        unmet_demand: "backlog" or "lost".
        demand_history: number of past demands in the state.
        memory: of the demand, or None if neither ``demand_history`` nor ``season`` was given.
    """

    demand: Any
    unmet_demand: str
    demand_history: int
    memory: DemandMemory | None

    def remember(self, demand_history: int, season: int | None) -> None:
        """Set ``memory``. The attribute ``demand`` must be set before, and ``season`` checked.

        Raises:
            ValueError, TypeError: see ``DemandMemory``.
        """
        self.demand_history = checks.integer("demand_history", demand_history, low=0, high=MAX_HISTORY)
        self.season = season
        remembers = self.demand_history > 0 or season is not None
        self.memory = DemandMemory(self.demand, self.demand_history, season) if remembers else None

    @property
    def memory_arrays(self) -> dict[str, NDArray[np.float64]]:
        """The constants of the memory, for the constructor of ``HindsightProblem``."""
        return {} if self.memory is None else self.memory.arrays

    def observe_memory(self, at: int, items: tuple[str, ...] | None = None) -> None:
        """Insert the entries of the memory into bounds, scales and names of an observation, and of a state.

        Args:
            at: index of the first of these entries in an observation.
            items: names of the items, if there are several.
        """
        if self.memory is None:
            return
        for name in ("low", "high", "scale"):
            entries = getattr(self, f"observation_{name}")
            setattr(self, f"observation_{name}", np.insert(entries, at, getattr(self.memory, name)))
        names = self.observation_names
        self.observation_names = (*names[:at], *self.memory.names(items), *names[at:])
        self.state_scale = (*self.state_scale[:-1], None, None, self.state_scale[-1])

    def infer_noise(self, state: Any, gate: Any, quantity: Any, following: Any) -> Any:
        """Demand in units; see ``HindsightProblem.infer_noise``, and ``demand.from_stocks``."""
        at_hand = self.step(state, gate, quantity, 0.0 * state.inventory)[0].inventory
        return from_stocks(at_hand, following.inventory, self.unmet_demand == "lost")

    def with_past(self, state: Any, uniforms: Any) -> Any:
        """See ``HindsightProblem.with_past``: windows of records know the demands before them."""
        if self.memory is None:
            return state
        return self.memory.with_past(self.constants(uniforms), state, uniforms)

    def phase(self, state: Any) -> NDArray[np.int64]:
        """See ``HindsightProblem.phase``."""
        return np.asarray(state.phase).astype(np.int64)

    def state_at(self, observation: NDArray[np.float64]) -> Any:
        """See ``HindsightProblem.state_at``."""
        if self.memory is not None:
            observation = self.memory.flat(observation, tail=0 if self.horizon is None else 1)
        return super().state_at(observation)


def check_season(season: Any) -> int | None:
    """``season`` if it is None or a number of periods, at least 2; otherwise raise, naming it."""
    return None if season is None else checks.integer("season", season, low=2, high=MAX_SEASON)


def _mean_before(noise: Any, ago: int) -> float:
    """Mean demand of one item so many periods before the first."""
    if isinstance(noise, PeriodNoise) and noise.repeats:
        return float(noise.periods[-ago % len(noise.periods)].mean)
    return float(noise.mean)
