"""Inventory of several items: the state, its transition, its cost and its observation."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ..demand import ItemDemand
from .memory import Inventory, remembering


class ItemsState(NamedTuple):
    """State of an inventory of n items; every entry has the leading batch axes.

    Attributes:
        inventory: net stock of each item in units, negative when demand is backlogged; shape (..., n).
        pipeline: outstanding orders in units, row j arrives in j periods (0: in this one); shape (..., L, n),
            where L is the longest lead time. Items with a shorter one have 0 in later rows.
        period: elapsed periods; shape (...,).
    """

    inventory: Any
    pipeline: Any
    period: Any


RememberingItemsState = remembering(ItemsState)


class ItemsDynamics(Inventory):
    """How an inventory of n items evolves; see ``MultiItemInventory`` for the parameters.

    Attributes:
        items: number n of items.
        lead_time: the longest lead time of an item.
    """

    items: int
    demand: ItemDemand
    lead_time: int
    _common_lead_time: bool
    _units_cost: bool

    def initial_state(self, uniforms: Any) -> Any:
        """State before the first period, with nothing on order, from uniforms (..., n)."""
        c = self.constants(uniforms)
        shape = (*uniforms.shape[:-1], self.lead_time, self.items)
        pipeline = c.xp.zeros(shape, dtype=uniforms.dtype, device=device(uniforms))
        inventory, period = c.start_low + c.start_width * uniforms, 0.0 * uniforms[..., 0]
        if self.memory is None:
            return ItemsState(inventory, pipeline, period)
        return RememberingItemsState(inventory, pipeline, *self.memory.start(c, uniforms), period)

    def noise(self, uniforms: Any) -> Any:
        """Demand in units, shape (..., horizon, n), from uniforms of that shape."""
        # Period-major in memory, since simulations read one period of all episodes at a time.
        xp = array_namespace(uniforms)
        by_period = xp.moveaxis(self.demand.sample(uniforms), -2, 0)
        return xp.moveaxis(xp.reshape(xp.reshape(by_period, (-1,)), by_period.shape), 0, -2)

    def cut(self, capacity: Any, needed: Any) -> Any:
        """The factor ``min(1, capacity / needed)``, shape (...,), by which orders are cut to a capacity."""
        # In this form there is no 0/0, nor a branch not taken whose gradient is infinite.
        return capacity / self.divisor(self.constants(needed).xp.maximum(needed, capacity))

    def divisor(self, x: Any) -> Any:
        """``x``, which is at least 0, or 1 where it is 0."""
        xp = self.constants(x).xp
        return xp.where(x > 0, x, xp.ones_like(x))

    @abstractmethod
    def placed(self, gate: Any, quantity: Any) -> tuple[Any, Any]:
        """Weights (..., n) of the items that are ordered, and the orders (..., n) in units, cut to fit.

        Args:
            gate: weights of the regimes, shape (..., options).
            quantity: shape (..., columns).
        """

    def shared_costs(self, gate: Any) -> dict[str, Any]:
        """Costs (...,) by kind that no single item causes, in the order of their components; none by default.

        Args:
            gate: weights of the regimes, shape (..., options).
        """
        return {}

    def step(self, state: Any, gate: Any, quantity: Any, noise: Any) -> tuple[Any, Any]:
        """One period; see ``HindsightProblem.step``. ``noise`` is the demand of each item in units."""
        c, (weights, ordered) = self.constants(quantity), self.placed(gate, quantity)
        following, net, on_hand = self._after(c, state, ordered, noise)
        return following, self._cost(c, self.shared_costs(gate), weights, ordered, net, on_hand)

    def itemised_step(
        self, state: Any, gate: Any, quantity: Any, noise: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        """See ``HindsightProblem.itemised_step``; all kinds but those of ``shared_costs`` are by item."""
        c, (weights, ordered) = self.constants(quantity), self.placed(gate, quantity)
        following, net, on_hand = self._after(c, state, ordered, noise)
        shared = self.shared_costs(gate)
        by_kind = {
            **shared,
            "setup": c.item_costs * weights,
            "purchase": c.unit_costs * ordered,
            "holding": c.holding_cost * on_hand,
            "shortage": c.shortage_cost * (on_hand - net),
        }
        return following, self._cost(c, shared, weights, ordered, net, on_hand), by_kind

    def _cost(
        self, c: Any, shared: dict[str, Any], weights: Any, ordered: Any, net: Any, on_hand: Any
    ) -> Any:
        """Cost by component: of each item, then each of the shared costs."""
        # holding * max(net, 0) + shortage * max(-net, 0), with max(-net, 0) = max(net, 0) - net
        cost = c.holding_and_shortage * on_hand - c.shortage_cost * net
        if self._units_cost:
            cost = cost + c.unit_costs * ordered
        cost = cost + c.item_costs * weights
        if not shared:
            return cost
        return c.xp.concat([cost, *(amount[..., None] for amount in shared.values())], axis=-1)

    def _after(self, c: Any, state: Any, ordered: Any, demand: Any) -> tuple[Any, Any, Any]:
        """The next state, and net stock and stock on hand (..., n) after demand, of orders (..., n)."""
        inventory, pipeline, *_, period = state
        arrivals = ordered
        if not self._common_lead_time:
            under_way = c.xp.concat([pipeline, 0 * ordered[..., None, :]], axis=-2)
            under_way = under_way + ordered[..., None, :] * c.arrives_in
            arrivals, pipeline = under_way[..., 0, :], under_way[..., 1:, :]
        elif self.lead_time > 0:
            arrivals = pipeline[..., 0, :]
            pipeline = c.xp.concat([pipeline[..., 1:, :], ordered[..., None, :]], axis=-2)
        net = inventory + arrivals - demand
        on_hand = c.xp.maximum(net, c.zero)
        stock = net if self.unmet_demand == "backlog" else on_hand
        if self.memory is None:
            return ItemsState(stock, pipeline, period + 1), net, on_hand
        past = self.memory.after(c, state, demand)
        return RememberingItemsState(stock, pipeline, *past, period + 1), net, on_hand

    def observe(self, state: Any) -> Any:
        """Observation (..., n * (L + 1) + 1): net stocks, outstanding orders by arrival, elapsed periods.

        What the memory shows lies between the outstanding orders and the period.
        """
        inventory, pipeline, *_, period = state
        c = self.constants(period)
        xp = c.xp
        parts = [inventory]
        if self.lead_time > 0:
            parts.append(xp.reshape(pipeline, (*pipeline.shape[:-2], self.lead_time * self.items)))
        if self.memory is not None:
            parts += self.memory.observed(c, state)
        if self.horizon is not None:
            parts.append(period[..., None])
        return xp.concat(parts, axis=-1)

    def position(self, observation: Any) -> Any:
        """Inventory position of each item in units, (..., n): net stock and all its outstanding orders."""
        if self.lead_time == 0:
            return observation[..., : self.items]
        xp = array_namespace(observation)
        rows = (*observation.shape[:-1], self.lead_time + 1, self.items)
        return xp.sum(xp.reshape(observation[..., : rows[-2] * self.items], rows), axis=-2)
