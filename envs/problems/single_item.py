"""Single-item inventory over a regime table."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from .. import checks
from ..demand import ROUNDING, STATIONARY_PERIODS, Demand, as_demand
from ..layout import ActionLayout
from ..regimes import RegimeTable
from .memory import Inventory, check_season, remembering


class InventoryState(NamedTuple):
    """State of a single-item inventory; every entry has the leading batch axes.

    Attributes:
        inventory: net stock in units, negative when demand is backlogged; shape (...,).
        pipeline: outstanding orders in units, entry j arrives in j periods (0: in this one); shape (..., L).
        period: elapsed periods; shape (...,).
    """

    inventory: Any
    pipeline: Any
    period: Any


RememberingInventoryState = remembering(InventoryState)


class SingleItemInventory(Inventory):
    """Inventory of one item whose orders fall into regimes.

    In each period: an order is placed; what is due arrives (an order with lead time 0 at once); demand
    occurs; ``holding_cost * max(x, 0) + shortage_cost * max(-x, 0)`` is charged on the net stock ``x`` that
    is left. With ``unmet_demand="lost"`` the stock is then cut at 0.

    Args:
        regimes: the regimes of the order quantity.
        holding_cost: per unit in stock at the end of a period.
        shortage_cost: per unit backlogged at the end of a period, or per unit lost.
        demand: a frozen ``scipy.stats`` distribution, a list of one for each period, or traces, see
            ``jumpgym.demand.as_demand``; None for ``scipy.stats.poisson(20)``.
        unmet_demand: "backlog" or "lost".
        initial_inventory: units in stock before the first period, or a pair (low, high) to draw from
            uniformly.
        horizon: number of periods; None for an infinite-horizon problem, whose observations leave the
            period out.
        discount: factor in (0, 1] applied to the cost of each later period.
        demand_history: number of past demands in the state and the observation, see ``DemandMemory``.
        season: periods of the season, whose phase is then in the state and the observation; a list of so many
            distributions repeats. None for no season.
        order_multiple: orders are multiples of it, such as a case pack, in units: the nearest one in the
            regime is ordered, and gradients pass through the rounding. None: any quantity.

    Raises:
        ValueError, TypeError: naming the parameter, its value and what is allowed.
    """

    quantity_names = ("order",)
    noise_name = "demand"
    charted = (0,)

    def __init__(
        self,
        regimes: RegimeTable,
        *,
        holding_cost: float = 1.0,
        shortage_cost: float = 9.0,
        demand: Any = None,
        unmet_demand: str = "backlog",
        initial_inventory: float | tuple[float, float] = 0.0,
        horizon: int | None = 50,
        discount: float = 1.0,
        demand_history: int = 0,
        season: int | None = None,
        order_multiple: float | None = None,
    ) -> None:
        self.regimes = regimes = regimes.in_multiples(order_multiple)
        self.order_multiple = regimes.order_multiple
        self._fixed_pays_for_units = bool(regimes.paid_for_units.any())
        self.holding_cost = checks.number("holding_cost", holding_cost, low=0)
        self.shortage_cost = checks.number("shortage_cost", shortage_cost, low=0)
        self.unmet_demand = checks.choice("unmet_demand", unmet_demand, ("backlog", "lost"))
        self.horizon = checks.horizon(horizon)
        self.discount = checks.discount(discount)
        season = check_season(season)
        self.demand: Demand = as_demand(
            scipy.stats.poisson(20) if demand is None else demand, self.horizon, season
        )
        checks.number("demand: its largest value", self.demand.max, low=0)
        self.remember(demand_history, season)
        self.initial_inventory = checks.interval(
            "initial_inventory", initial_inventory, low=0.0 if unmet_demand == "lost" else -checks.LARGEST
        )

        self.max_lead_time = int(regimes.lead_time.max())
        max_order = float(regimes.high.max())
        # An order of each lead time above j can arrive in j periods, placed in different periods.
        largest = {int(time): regimes.high[regimes.lead_time == time].max() for time in regimes.lead_time}
        pipeline = np.array(
            [sum(high for time, high in largest.items() if time > j) for j in range(self.max_lead_time)]
        )
        start_low, start_high = self.initial_inventory
        lowest = 0.0 if unmet_demand == "lost" else start_low - self.demand.max_total
        highest = start_high + (self.horizon or STATIONARY_PERIODS) * max_order
        period = [] if self.horizon is None else [float(self.horizon)]
        self.observation_low = np.concatenate([[lowest], 0 * pipeline, 0 * np.array(period)])
        self.observation_high = np.concatenate([[highest], pipeline, period])
        self.observation_names = (
            "stock",
            *(f"arrives in {delay}" for delay in range(self.max_lead_time)),
            *("period" for _ in period),
        )
        multiple = None if self.order_multiple is None else np.full(len(regimes), self.order_multiple)
        self.layout = ActionLayout((len(regimes),), (0,), regimes.least, regimes.largest, multiple=multiple)
        self.boundaries = (regimes.boundaries,)
        self.regime_names = (regimes.names,)
        self.cost_kinds = (regimes.fixed_kind, "purchase", "holding", "shortage")
        self.observation_scale = np.full(len(self.observation_low), self.level_scale)
        self.quantity_scale = np.full(len(regimes), self.level_scale)
        self.state_scale = (self.level_scale, self.level_scale, None)
        self.observe_memory(1 + self.max_lead_time)
        super().__init__(
            {
                **self.memory_arrays,
                "fixed_cost": regimes.fixed_cost,
                "paid_for_units": regimes.paid_for_units,
                "unit_cost": regimes.unit_cost,
                "every_regime": np.ones(len(regimes)),
                "arrives_in": np.eye(self.max_lead_time + 1)[regimes.lead_time],
                "zero": np.zeros(()),
            }
        )

    def initial_state(self, uniforms: Any) -> Any:
        """State before the first period, with nothing on order, from uniforms (...,)."""
        xp = array_namespace(uniforms)
        low, high = self.initial_inventory
        shape = (*uniforms.shape, self.max_lead_time)
        pipeline = xp.zeros(shape, dtype=uniforms.dtype, device=device(uniforms))
        inventory, period = low + (high - low) * uniforms, 0.0 * uniforms
        if self.memory is None:
            return InventoryState(inventory, pipeline, period)
        past = self.memory.start(self.constants(uniforms), uniforms)
        return RememberingInventoryState(inventory, pipeline, *past, period)

    def noise(self, uniforms: Any) -> Any:
        """Demand in units, shape (..., horizon), from uniforms of that shape."""
        # Period-major in memory, since simulations read one period of all episodes at a time.
        xp = array_namespace(uniforms)
        by_period = xp.moveaxis(self.demand.sample(uniforms), -1, 0)
        return xp.moveaxis(xp.reshape(xp.reshape(by_period, (-1,)), by_period.shape), 0, -1)

    def step(self, state: Any, gate: Any, quantity: Any, noise: Any) -> tuple[Any, Any]:
        """One period; see ``HindsightProblem.step``. ``noise`` is the demand in units."""
        following, fixed, units, net, on_hand = self._period(state, gate, quantity, noise)
        return following, self._cost(fixed, units, net, on_hand)

    def itemised_step(
        self, state: Any, gate: Any, quantity: Any, noise: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        """See ``HindsightProblem.itemised_step``; the kinds are fixed, purchase, holding and shortage."""
        following, fixed, units, net, on_hand = self._period(state, gate, quantity, noise)
        cost = self._cost(fixed, units, net, on_hand)
        if self._fixed_pays_for_units:
            part = gate @ self.constants(quantity).paid_for_units
            fixed, units = fixed - part, units + part
        by_kind = {
            self.regimes.fixed_kind: fixed,
            "purchase": units,
            "holding": self.holding_cost * on_hand,
            "shortage": self.shortage_cost * (on_hand - net),
        }
        return following, cost, by_kind

    def _cost(self, fixed: Any, units: Any, net: Any, on_hand: Any) -> Any:
        # holding * max(net, 0) + shortage * max(-net, 0), with max(-net, 0) = max(net, 0) - net
        stock_cost = (self.holding_cost + self.shortage_cost) * on_hand - self.shortage_cost * net
        return (fixed + units + stock_cost)[..., None]

    def _period(self, state: Any, gate: Any, quantity: Any, noise: Any) -> tuple[Any, Any, Any, Any, Any]:
        """The next state, fixed cost, cost of the units, and net stock and stock on hand after demand."""
        c = self.constants(quantity)
        inventory, pipeline, *_, period = state
        ordered = gate * (quantity if self.order_multiple is None else self.regimes.rounded(quantity))
        if self.max_lead_time == 0:
            arrivals = ordered @ c.every_regime
        else:
            nothing = 0 * pipeline[..., :1]
            under_way = c.xp.concat([pipeline, nothing], axis=-1) + ordered @ c.arrives_in
            arrivals, pipeline = under_way[..., 0], under_way[..., 1:]
        net = inventory + arrivals - noise
        on_hand = c.xp.maximum(net, c.zero)
        stock = net if self.unmet_demand == "backlog" else on_hand
        if self.memory is None:
            following: Any = InventoryState(stock, pipeline, period + 1)
        else:
            following = RememberingInventoryState(
                stock, pipeline, *self.memory.after(c, state, noise), period + 1
            )
        return following, gate @ c.fixed_cost, ordered @ c.unit_cost, net, on_hand

    def observe(self, state: Any) -> Any:
        """Observation (..., L + 2): net stock, outstanding orders by arrival, elapsed periods.

        What the memory shows lies between the outstanding orders and the period.
        """
        inventory, pipeline, *_, period = state
        c = self.constants(period)
        xp = c.xp
        if self.memory is not None:
            parts = [inventory[..., None], pipeline, *self.memory.observed(c, state)]
            return xp.concat(parts if self.horizon is None else [*parts, period[..., None]], axis=-1)
        if self.horizon is None:
            return xp.concat([inventory[..., None], pipeline], axis=-1)
        if self.max_lead_time == 0:
            return xp.stack([inventory, period], axis=-1)
        return xp.concat([inventory[..., None], pipeline, period[..., None]], axis=-1)

    def position(self, observation: Any) -> Any:
        """Inventory position in units, net stock and all outstanding orders, of observations (..., n)."""
        if self.max_lead_time == 0:
            return observation[..., 0]
        stocks = observation[..., : self.max_lead_time + 1]
        return array_namespace(observation).sum(stocks, axis=-1)

    def quantity_from(self, observation: Any, output: Any) -> Any:
        """Orders (..., K) up to levels ``level_scale * (1 + output)``; see ``HindsightProblem``."""
        return self.level_scale * (1 + output) - self.position(observation)[..., None]

    @functools.cached_property
    def economic_order_quantity(self) -> float:
        """The order, in units, of the lowest cost per period if demand were constant.

        In each regime it is ``sqrt(2 * fixed_cost * demand / h)``, with ``h = holding_cost * shortage_cost /
        (holding_cost + shortage_cost)``, clipped to the interval of the regime, to at least the demand of one
        period, and at most that of all; the best regime wins. See Zipkin (2000), Foundations of Inventory
        Management, section 3.
        """
        mean, regimes = self.demand.mean, self.regimes
        if mean == 0:
            return 0.0
        costs = self.holding_cost + self.shortage_cost
        holding = self.holding_cost * self.shortage_cost / costs if costs > 0 else 0.0
        with np.errstate(all="ignore"):  # a holding cost or a demand near 0 gives infinite orders and rates
            unbounded = np.nan_to_num(np.sqrt(2 * regimes.fixed_cost * mean / holding), nan=0.0)
            order = np.clip(
                unbounded,
                np.maximum(regimes.low, mean),
                np.minimum(regimes.high, mean * (self.horizon or np.inf)),
            )
            rate = (regimes.fixed_cost / order + regimes.unit_cost) * mean + holding * order / 2
        # A regime that cannot keep up with demand is no way to run the system, unless there is no other.
        able = order >= min(mean, float(order.max()))
        return float(order[able][np.nan_to_num(rate[able], nan=0.0).argmin()])

    @functools.cached_property
    def level_scale(self) -> float:
        """Order of magnitude of sensible order-up-to levels, in units; greater than 0.

        Mean demand until an order placed in the next period has arrived, plus the economic order quantity.
        """
        scale = (self.max_lead_time + 1) * self.demand.mean + self.economic_order_quantity
        return scale if scale > 0 else 1.0

    def check_noise(self, noise: Any) -> NDArray[np.float64]:
        """Demand of shape (..., horizon) to be replayed; finite, not negative, within the bounds."""
        demand = self.noise_array(noise)
        if np.any(demand < 0):
            raise ValueError("noise: demand must be at least 0 in every period")
        if np.any(demand.sum(axis=-1) > self.demand.max_total * (1 + ROUNDING)):
            raise ValueError(
                f"noise: a total demand of {demand.sum(axis=-1).max():g} exceeds {self.demand.max_total:g}, "
                "the most that the bounds of the observation allow"
            )
        return demand


def single_item(
    **defaults: Any,
) -> Callable[[Callable[..., RegimeTable]], Callable[..., SingleItemInventory]]:
    """Decorate a function from its own keywords to a regime table: it then returns the inventory problem.

    The function also takes the keywords of ``SingleItemInventory``, which its signature shows.

    Args:
        defaults: what replaces the defaults of ``SingleItemInventory``.
    """
    shared = [
        parameter.replace(default=defaults.get(name, parameter.default))
        for name, parameter in inspect.signature(SingleItemInventory).parameters.items()
        if name != "regimes"
    ]

    def decorate(make_regimes: Callable[..., RegimeTable]) -> Callable[..., SingleItemInventory]:
        specific = inspect.signature(make_regimes).parameters

        @functools.wraps(make_regimes)
        def make_problem(**parameters: Any) -> SingleItemInventory:
            regimes = make_regimes(**{name: parameters.pop(name) for name in specific if name in parameters})
            return SingleItemInventory(regimes, **{**defaults, **parameters})

        signature = inspect.Signature([*specific.values(), *shared], return_annotation=SingleItemInventory)
        make_problem.__signature__ = signature  # type: ignore[attr-defined]
        return make_problem

    return decorate
