"""The hindsight problem: the one mathematical object behind environments, agents and references."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from . import checks
from .layout import ActionLayout, CarriedOut
from .tracing import untraced


class NotApplicable(NotImplementedError, ValueError):
    """A method or a reference is not made for a problem; the message says why, and what to use instead.

    It is the one error that comparisons take for "does not apply" instead of for a failure. It is both a
    NotImplementedError and a ValueError, since callers of version 0.1.0 caught one of the two.
    """


class HindsightProblem(ABC):
    """A control problem over ``horizon`` periods with known cost and transition and exogenous noise.

    In each period the decision is hybrid: weights over the regimes of each gate (one-hot when the decision is
    hard), and quantities, one for each regime of the gate they belong to; ``layout`` says which and how they
    lie in flat arrays. All noise can be drawn before the first decision.

    All methods are written in the array API standard: they take and return arrays of NumPy or torch (any
    device, differentiable), with any leading batch axes, shown as ``...`` below.

    A subclass sets ``horizon``, ``layout`` and the bounds of the observation; the other attributes have
    defaults.

    Attributes:
        horizon: number of periods; None for an infinite horizon.
        discount: factor applied to the cost of each later period.
        layout: gates, quantities, and which gate enters which component of the cost.
        observation_low, observation_high: bounds of every observation, shape (n,).
        state_scale: order of magnitude of each entry of a state, in the order of the state, or None where no
            gradient passes or none is to be limited; by default none is.
        noise_shape: shape of a period's noise, without batch axes.
        start_shape: shape of the uniforms that ``initial_state`` takes, without batch axes.
        season: periods after which the distribution of noise repeats, or None; see ``phase``. With an
            infinite horizon, noise is drawn for whole seasons, of which the first begins with period 0.
        noise_name: display name of the noise.
        cost_kinds: names of the kinds of cost that ``itemised_step`` distinguishes.
        charted: entries of an observation that a chart shows; None for all but the period.
        thresholds: entries of an observation, and values at which optimal decisions jump because ``admit``
            admits more from there on, such as the money that a bracket takes: pairs (entry, value). The
            inputs of all networks say which are reached.
        boundaries: for each gate, where its regime changes along ``drivers``; None where it does not follow
            from the quantities.
        coupled: True if the gates must be chosen jointly, given the observation.
        item_entries: for a problem with items, which entries of an observation belong to each, shape
            (items, entries); None without items. The gates, quantities and first components of the cost are
            then those of the items, in order; before these gates and after these components are shared ones.
    """

    horizon: int | None
    discount: float = 1.0
    layout: ActionLayout
    observation_low: NDArray[np.float64]
    observation_high: NDArray[np.float64]
    state_scale: tuple[Any, ...] = ()
    noise_shape: tuple[int, ...] = ()
    start_shape: tuple[int, ...] = ()
    season: int | None = None
    noise_name: str = "noise"
    cost_kinds: tuple[str, ...] = ("cost",)
    charted: tuple[int, ...] | None = None
    thresholds: tuple[tuple[int, float], ...] = ()
    boundaries: tuple[NDArray[np.float64], ...] | None = None
    coupled: bool = True
    item_entries: NDArray[np.int64] | None = None

    @cached_property
    def item_parameters(self) -> NDArray[np.float64] | None:
        """Dimensionless parameters in which items differ, shape (items, parameters); None without items."""
        return None

    @property
    def item_loads(self) -> NDArray[np.float64] | None:
        """What ``observation_scale`` of each item takes of a capacity that items share, shape (items,).

        In units of that capacity; None if they share none.
        """
        return None

    @cached_property
    def observation_scale(self) -> NDArray[np.float64]:
        """Order of magnitude of each entry of an observation (n,), by which networks divide their inputs.

        That of the period is not used. By default the larger bound.
        """
        return np.maximum(np.maximum(np.abs(self.observation_low), np.abs(self.observation_high)), 1e-12)

    @cached_property
    def quantity_scale(self) -> NDArray[np.float64]:
        """Order of magnitude of the quantities (columns,), by which networks measure distances.

        By default the longest interval of each quantity.
        """
        layout = self.layout
        longest = np.maximum.reduceat(layout.high - layout.low, layout.quantity_start)
        return np.repeat(np.maximum(longest, 1e-12), [layout.gates[gate] for gate in layout.quantity_gate])

    @cached_property
    def observation_names(self) -> tuple[str, ...]:
        """Display name of each entry of an observation."""
        names = [f"observation {i}" for i in range(len(self.observation_low))]
        return tuple(names if self.horizon is None else [*names[:-1], "period"])

    @cached_property
    def quantity_names(self) -> tuple[str, ...]:
        """Display name of each quantity."""
        count = len(self.layout.quantity_gate)
        return ("quantity",) if count == 1 else tuple(f"quantity {j}" for j in range(count))

    @cached_property
    def regime_names(self) -> tuple[tuple[str, ...], ...]:
        """Display name of each regime of each gate; empty for a regime that needs no mention.

        ``regime_label`` combines the names of several gates.
        """
        return tuple(tuple(f"regime {k}" for k in range(regimes)) for regimes in self.layout.gates)

    @abstractmethod
    def initial_state(self, uniforms: Any) -> Any:
        """State before the first period, a NamedTuple of arrays, from uniforms (..., *start_shape)."""

    @abstractmethod
    def noise(self, uniforms: Any) -> Any:
        """Exogenous noise of all periods, from uniforms, both of shape (..., horizon, *noise_shape).

        A stationary problem takes any number of periods.
        """

    def with_past(self, state: Any, uniforms: Any) -> Any:
        """The state that knows what was recorded before the noise that these uniforms draw.

        By default the state as it is, since most states do not depend on the noise before them.

        Args:
            state: shape (...,), before the first period of the noise.
            uniforms: those that ``noise`` takes, shape (..., horizon, *noise_shape).
        """
        return state

    def begin(self, start: Any, uniforms: Any) -> tuple[Any, Any]:
        """Initial states and the noise of episodes.

        Args:
            start: the uniforms that ``initial_state`` takes, shape (..., *start_shape).
            uniforms: those that ``noise`` takes, shape (..., horizon, *noise_shape).
        """
        return self.with_past(self.initial_state(start), uniforms), self.noise(uniforms)

    def phase(self, state: Any) -> NDArray[np.int64]:
        """Periods of the season that have elapsed in a state of NumPy arrays, shape (...,)."""
        raise NotImplementedError(f"{type(self).__name__}: season={self.season} needs a method phase")

    @abstractmethod
    def step(self, state: Any, gate: Any, quantity: Any, noise: Any) -> tuple[Any, Any]:
        """One period: the next state, and the cost by component, shape (..., components).

        It is linear in the weights of each gate given the state, except for what ``admit`` cuts, and
        differentiable in the quantities.

        Args:
            state: as returned by ``initial_state`` or ``step``.
            gate: weights of the regimes, shape (..., options).
            quantity: each quantity in each regime of its gate, within its interval, shape (..., columns).
            noise: noise of this period, shape (..., *noise_shape).
        """

    def itemised_step(
        self, state: Any, gate: Any, quantity: Any, noise: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Simulate one period as ``step`` does, and also return the cost by kind, such as setup or holding.

        By default there is one kind, "cost". A problem that distinguishes kinds overrides this method and
        ``cost_kinds``.

        Args:
            state, gate, quantity, noise: as in ``step``.

        Returns:
            The next state and the cost by component, as ``step`` returns them; and for each of
            ``cost_kinds`` the cost of that kind: shape (..., items) if it arises for each item, otherwise
            shape (...,). The kinds add up to the cost. Income is a negative cost.
        """
        following, cost = self.step(state, gate, quantity, noise)
        return following, cost, {"cost": cost.sum(-1)}

    @abstractmethod
    def observe(self, state: Any) -> Any:
        """Observation of a state, shape (..., n); its last entry is the period unless the horizon is None."""

    def check_noise(self, noise: Any) -> NDArray[np.float64]:
        """``noise`` of shape (..., horizon, *noise_shape), if this problem admits it; else ValueError.

        By default all that is finite and of that shape.
        """
        return self.noise_array(noise)

    def infer_noise(self, state: Any, gate: Any, quantity: Any, following: Any) -> Any:
        """The noise (..., *noise_shape) under which a hard decision led from a state to the following one.

        It is the inverse of ``step`` with respect to the noise. Values that are impossible by a rounding
        error are moved to the nearest possible ones. ``jumpgym.infer_noise`` applies it to logged episodes,
        and checks that they fit the problem.

        Raises:
            ValueError: if a transition does not determine its noise, naming the first one.
            NotImplementedError: by default, for problems that do not say how to recover their noise.
        """
        raise NotImplementedError(
            f"{type(self).__name__}: infer_noise cannot recover the {self.noise_name} from a transition; "
            "log it, as info['noise'] of the environment, and replay it by reset(options={'noise': trace})"
        )

    def admit(self, state: Any, gate: Any, quantity: Any) -> tuple[Any, Any]:
        """Gate weights and quantities that are carried out where the state admits less than was chosen.

        ``step`` applies it itself; doing so twice changes nothing. By default everything is admitted.
        """
        return gate, quantity

    @property
    def admits_all(self) -> bool:
        """Whether every state admits every decision, so that ``admit`` changes nothing."""
        return type(self).admit is HindsightProblem.admit

    def carry_out(self, state: Any, regime: NDArray[np.int64], quantity: NDArray[np.float64]) -> CarriedOut:
        """What becomes of a hard decision: quantities are projected on their intervals, then admitted.

        With order multiples they are also rounded to them.

        Args:
            state: NumPy arrays with the batch axes of the decision.
            regime: of each gate, shape (..., G).
            quantity: shape (..., n).
        """
        layout = self.layout
        quantity = layout.project(regime, quantity)
        gate, columns = layout.flat(regime, quantity)
        if not self.admits_all:
            gate, columns = self.admit(state, gate, columns)
            regime, quantity = layout.chosen(gate, columns)
        return CarriedOut(regime, quantity, gate, columns)

    def carry_out_at(
        self, observation: NDArray[np.float64], regime: NDArray[np.int64], quantity: NDArray[np.float64]
    ) -> CarriedOut:
        """``carry_out`` in the state that an observation (..., n) shows."""
        return self.carry_out(None if self.admits_all else self.state_at(observation), regime, quantity)

    def state_at(self, observation: NDArray[np.float64]) -> Any:
        """States (...,) of observations (..., n), which list the entries of the state one after the other.

        The observations of a stationary problem leave out the period; it is 0.
        """
        batch = observation.shape[:-1]
        if self.horizon is None:
            observation = np.concatenate([observation, np.zeros((*batch, 1))], axis=-1)
        template = self.initial_state(np.zeros((*batch, *self.start_shape)))
        sizes = [int(np.prod(entry.shape[len(batch) :])) for entry in template]
        parts = np.split(observation, np.cumsum(sizes)[:-1], axis=-1)
        return type(template)(
            *(part.reshape(entry.shape) for part, entry in zip(parts, template, strict=True))
        )

    def quantity_from(self, observation: Any, output: Any) -> Any:
        """Quantities (..., columns), not yet projected, of network outputs (..., columns) of order 1.

        It says in which form a quantity is easiest to learn: for an inventory an order-up-to level. Outputs
        of 0 are a sensible first policy. Differentiable in both. By default -1 and 1 are the ends of the
        interval.
        """
        c = self.constants(output)
        return (c.low + c.high) / 2 + (c.high - c.low) / 2 * output

    def drivers(self, quantity: Any) -> Any:
        """For each gate what decides its regime if quantities (..., n) alone are given: (..., G).

        By default the quantities themselves, for gates with one quantity each.
        """
        return quantity

    def membership(self, quantity: Any) -> NDArray[np.int64]:
        """Regime (..., G) of each gate to which undecomposed quantities (..., n) belong.

        With order multiples it is that of the nearest multiples.
        """
        if self.boundaries is None:
            raise NotApplicable(
                f"{type(self).__name__}: the regime does not follow from the quantity; actions need both"
            )
        drivers = self.drivers(self.layout.rounded(np.asarray(quantity, dtype=np.float64)))
        return np.stack(
            [np.searchsorted(ends, drivers[..., g], side="left") for g, ends in enumerate(self.boundaries)],
            -1,
        )

    def noise_array(self, noise: Any) -> NDArray[np.float64]:
        """``noise`` as a finite array of shape (..., horizon, *noise_shape); else ValueError."""
        array = checks.real_array("noise", noise)
        periods = "1 or more" if self.horizon is None else self.horizon
        named = ", ".join(map(str, ("...", periods, *self.noise_shape)))
        trailing = array.shape[max(array.ndim - 1 - len(self.noise_shape), 0) :]
        fits = len(trailing) == 1 + len(self.noise_shape) and trailing[1:] == self.noise_shape
        if not fits or self.horizon not in (None, trailing[0]) or trailing[0] == 0:
            raise ValueError(f"noise of shape {array.shape} must have shape ({named})")
        if not np.all(np.isfinite(array)):
            raise ValueError("noise must be finite in every period")
        return array

    def constants(self, like: Any) -> Any:
        """The constant arrays in the library, dtype and device of ``like``, and ``xp``, its namespace.

        They are those given to the constructor, and ``low`` and ``high`` of the layout.
        """
        in_numpy = isinstance(like, (np.ndarray, np.generic))  # ``device`` is slow for single numbers
        key = (type(like), like.dtype, "cpu" if in_numpy else device(like))
        constants = self._constants.get(key)
        if constants is None:
            xp = array_namespace(like)
            with untraced(xp):
                arrays = {
                    name: xp.asarray(np.array(array), dtype=like.dtype, device=device(like))
                    for name, array in {**self._intervals, **self._arrays}.items()
                }
            constants = self._constants[key] = SimpleNamespace(xp=xp, **arrays)
        return constants

    @property
    def _intervals(self) -> dict[str, NDArray[np.float64]]:
        return {"low": self.layout.low, "high": self.layout.high}

    def __init__(self, arrays: dict[str, NDArray[np.float64]] | None = None) -> None:
        self._arrays = arrays or {}
        self._constants: dict[Any, SimpleNamespace] = {}

    def __repr__(self) -> str:
        gates = checks.shown(self.layout.gates)
        return f"{type(self).__name__}(gates={gates}, horizon={self.horizon}, discount={self.discount:g})"

    def __getstate__(self) -> dict[str, Any]:
        # The cache may hold modules and device tensors, which do not travel.
        return {**self.__dict__, "_constants": {}}
