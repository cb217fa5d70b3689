"""Inventory of several items: what environments with shared trucks or a shared machine have in common."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from .. import checks
from ..checks import MAX_HORIZON
from ..demand import ROUNDING, STATIONARY_PERIODS, ItemDemand, as_item_demand
from ..layout import ActionLayout
from ..noise.items import item_records
from ..regimes import MAX_LEAD_TIME
from .item_parameters import compact, economic_cycles, integer_per_item, number_of_items, per_item
from .items_dynamics import ItemsDynamics
from .memory import check_season
from .multiples import check_multiple, largest_multiples
from .starting_stock import stock_ends

QUANTILES = 20
"""Quantiles of demand in each period of the horizon from which its deviation is computed."""

TINY = np.finfo(np.float64).tiny
"""Least number to divide by."""


class MultiItemInventory(ItemsDynamics):
    """Inventory of n items, each with a gate "nothing" or "order" and a quantity; subclasses couple them.

    In each period: orders are placed, and cut to what the subclass admits; what is due arrives (with lead
    time 0 at once); demand occurs; for each item ``holding_cost * max(x, 0) + shortage_cost * max(-x, 0)`` is
    charged on the net stock ``x`` that is left. With ``unmet_demand="lost"`` the stock is then cut at 0.

    A parameter of the items is a number for all of them, or a vector with an entry for each.

    Args:
        items: number of items; None to infer it from the vectors given, else ``ITEMS``.
        item_costs: a pair: the name of the parameter in the subclass, and its value, the cost of ordering an
            item in a period, whatever the quantity.
        more: further parameters of the items, by name; they become attributes of shape (n,).
        holding_cost: per unit in stock at the end of a period.
        shortage_cost: per unit backlogged at the end of a period, or per unit lost.
        unit_costs: per unit ordered.
        demand: a frozen ``scipy.stats`` distribution for all items, a sequence of n of them, each of which
            may be a list of one for each period, or traces (episodes, horizon, n), see
            ``jumpgym.demand.as_item_demand``; None for Poisson demand with means 6, 3, 6, 3, ...
        unmet_demand: "backlog" or "lost".
        lead_time: periods until an order arrives; 0: before the demand of its period. A number or one for
            each item.
        initial_inventory: units at the start: a number, an array (n,), or a pair (low,
            high) of such to draw from uniformly, each item for itself; or a list of n pairs, one per item. A
            tuple or list of two numbers is a pair.
        horizon: number of periods; None for an infinite-horizon problem, whose observations leave the
            period out.
        discount: factor in (0, 1] applied to the cost of each later period.
        demand_history: number of past demands in the state and the observation, see ``DemandMemory``.
        season: periods of the season, whose phase is then in the state and the observation; a list of so many
            distributions for an item repeats. None for no season.
        order_multiple: orders are multiples of it, such as a case pack, in units: the nearest ones are
            ordered, and gradients pass through the rounding; what does not fit is rounded down, see
            ``jumpgym.problems.multiples.packed``. A number or one for each item. None: any quantity.

    Attributes:
        lead_time: the longest lead time of an item.
        lead_times: the lead time of each item, shape (n,).

    Raises:
        ValueError, TypeError: naming the parameter, its value and what is allowed.
    """

    noise_name = "demand"
    cost_kinds: tuple[str, ...] = ("setup", "purchase", "holding", "shortage")

    def __init__(
        self,
        items: int | None,
        item_costs: tuple[str, Any],
        more: Mapping[str, Any],
        *,
        holding_cost: float | Sequence[float] = 1.0,
        shortage_cost: float | Sequence[float] = 9.0,
        unit_costs: float | Sequence[float] = 0.0,
        demand: Any = None,
        unmet_demand: str = "backlog",
        lead_time: int | Sequence[int] = 0,
        initial_inventory: Any = 0.0,
        horizon: int | None = 50,
        discount: float = 1.0,
        demand_history: int = 0,
        season: int | None = None,
        order_multiple: float | Sequence[float] | None = None,
    ) -> None:
        vectors = {
            item_costs[0]: item_costs[1],
            "unit_costs": unit_costs,
            "holding_cost": holding_cost,
            "shortage_cost": shortage_cost,
            **more,
        }
        if order_multiple is not None:
            vectors["order_multiple"] = order_multiple
        demand = item_records(demand, "demand", low=0.0)
        self.items = number_of_items(items, {**vectors, "lead_time": lead_time}, demand)
        self.noise_shape = self.start_shape = (self.items,)
        self.item_costs: NDArray[np.float64]
        self.unit_costs: NDArray[np.float64]
        self.holding_cost: NDArray[np.float64]
        self.shortage_cost: NDArray[np.float64]
        self.order_multiple: NDArray[np.float64] | None = None
        for name, value in vectors.items():
            setattr(self, name, per_item(name, value, self.items))
        if self.order_multiple is not None and np.any(self.order_multiple == 0):
            raise ValueError(f"order_multiple={checks.shown(order_multiple)} must be greater than 0")
        self._units_cost = bool(self.unit_costs.any())
        self.item_costs = getattr(self, item_costs[0])
        self.unmet_demand = checks.choice("unmet_demand", unmet_demand, ("backlog", "lost"))
        self.lead_times = integer_per_item("lead_time", lead_time, self.items, MAX_LEAD_TIME)
        self.lead_time = int(self.lead_times.max())
        self._common_lead_time = bool(np.all(self.lead_times == self.lead_time))
        self.horizon = checks.horizon(horizon)
        self.discount = checks.discount(discount)
        if demand is None:
            kinds = scipy.stats.poisson(6), scipy.stats.poisson(3)
            demand = [kinds[item % 2] for item in range(self.items)]
        season = check_season(season)
        self.demand: ItemDemand = as_item_demand(demand, self.items, self.horizon, season)
        checks.number("demand: its largest value", float(self.demand.max.max()), low=0)
        self.remember(demand_history, season)
        self.initial_inventory = self._start(initial_inventory)

    def __init_subclass__(cls) -> None:
        """Let the signature show the shared keywords in place of ``**shared``."""
        specific = list(inspect.signature(cls.__init__).parameters.values())[1:-1]
        common = list(inspect.signature(MultiItemInventory.__init__).parameters.values())[4:]
        cls.__signature__ = inspect.Signature([*specific, *common])  # type: ignore[attr-defined]

    @property
    def item_names(self) -> tuple[str, ...]:
        """Names of the items: those of the columns of recorded demand, else "item 1", "item 2", ..."""
        return self.demand.names or tuple(f"item {i + 1}" for i in range(self.items))

    def _start(self, initial_inventory: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lowest = 0.0 if self.unmet_demand == "lost" else -checks.LARGEST
        ends = stock_ends(initial_inventory, self.items)
        low, high = (per_item("initial_inventory", end, self.items, lowest) for end in ends)
        if np.any(low > high):
            raise ValueError(
                f"initial_inventory={checks.shown(initial_inventory)} must be a pair (low, high), low <= "
                "high; for one stock per item give an array, such as numpy.array([6, 4]), for one range per "
                "item pairs, such as [(0, 6), (0, 4)]"
            )
        return low, high

    def _arrange(
        self,
        max_order: NDArray[np.float64],
        credit: NDArray[Any],
        arrays: dict[str, NDArray[np.float64]],
        shared_gate: tuple[int, NDArray[np.float64]] | None = None,
    ) -> None:
        """Set layout, bounds, scales and constants; the last thing that a subclass does to construct itself.

        Args:
            max_order: largest order of each item, in units, shape (n,).
            credit: see ``ActionLayout``.
            arrays: constants of the subclass.
            shared_gate: number of regimes of a gate before those of the items, and its boundaries.
        """
        items, low, high = self.items, *self.initial_inventory
        multiples = self.order_multiple
        if multiples is not None:
            for item, pair in enumerate(zip(multiples, max_order, strict=True)):
                check_multiple(f"order_multiple[{item}]", *pair)
            max_order = largest_multiples(max_order, multiples)
        self.max_order = max_order
        mean = self.demand.mean
        order = np.clip(mean * np.minimum(self.cycles, self.horizon or MAX_HORIZON), mean, max_order)
        scale = (self.lead_times + 1) * mean + order
        self.level_scale = np.where(scale > 0, scale, 1.0)
        lowest = np.zeros(items) if self.unmet_demand == "lost" else low - self.demand.max_total
        under_way = np.arange(self.lead_time)[:, None] < self.lead_times
        pipeline = np.where(under_way, max_order, 0.0).ravel()
        period = [] if self.horizon is None else [float(self.horizon)]
        highest = high + (self.horizon or STATIONARY_PERIODS) * max_order
        self.observation_low = np.concatenate([lowest, 0 * pipeline, 0 * np.array(period)])
        self.observation_high = np.concatenate([highest, pipeline, period])
        self.charted = tuple(range(items))
        rows = self.lead_time + 1 + self.demand_history
        self.item_entries = np.arange(items)[:, None] + items * np.arange(rows)
        named = self.demand.names or tuple(map(str, range(1, items + 1)))
        self.observation_names = (
            *(f"stock {name}" for name in named),
            *(f"{item} arrives in {delay}" for delay in range(self.lead_time) for item in self.item_names),
            *("period" for _ in period),
        )
        self.quantity_names = tuple(f"order {name}" for name in named)
        self.regime_names = tuple(("", item) for item in self.item_names)
        self.observation_scale = np.concatenate([np.tile(self.level_scale, self.lead_time + 1), period])
        self.quantity_scale = np.repeat(self.level_scale, 2)
        self.state_scale = (self.level_scale, self.level_scale, None)
        self.observe_memory(items * (self.lead_time + 1), self.item_names)
        before = [] if shared_gate is None else [shared_gate]
        self.layout = ActionLayout(
            (*(regimes for regimes, _ in before), *(2,) * items),
            range(len(before), len(before) + items),
            np.zeros(2 * items),
            np.stack([0 * max_order, max_order], -1).ravel(),
            credit,
            None if multiples is None else np.repeat(multiples, 2),
        )
        self.boundaries = (*(ends for _, ends in before), *(np.zeros(1),) * items)
        super().__init__(
            {
                "ones": np.ones(items),
                "zero": np.zeros(()),
                "item_costs": compact(self.item_costs),
                "unit_costs": compact(self.unit_costs),
                "holding_cost": compact(self.holding_cost),
                "shortage_cost": compact(self.shortage_cost),
                "holding_and_shortage": compact(self.holding_cost + self.shortage_cost),
                "start_low": low,
                "start_width": high - low,
                "level_scale": self.level_scale[:, None],
                "is_order": np.array([0.0, 1.0]),
                "multiples": np.ones(items) if multiples is None else multiples,
                "arrives_in": np.arange(self.lead_time + 1)[:, None] == self.lead_times,
                **self.memory_arrays,
                **arrays,
            }
        )

    @property
    def cycles(self) -> NDArray[np.float64]:
        """Periods between orders of each item, shape (n,), that cost least if demand were constant."""
        return economic_cycles(0.0, self.item_costs, self.holding_rate)

    @property
    def holding_rate(self) -> NDArray[np.float64]:
        """Cost per period and squared cycle, times two, of each item if demand were constant, shape (n,).

        The mean demand times ``holding_cost * shortage_cost / (holding_cost + shortage_cost)``, see Zipkin
        (2000), Foundations of Inventory Management, section 3.
        """
        costs = self.holding_cost + self.shortage_cost
        return self.demand.mean * self.holding_cost * self.shortage_cost / np.where(costs > 0, costs, 1.0)

    @cached_property
    def item_parameters(self) -> NDArray[np.float64]:
        """Dimensionless parameters in which the items differ, shape (n, 5).

        Mean and standard deviation of demand in units of ``level_scale``; the critical ratio; ``1 / (1 +
        cycles)``; the holding rate in units of its mean. The deviation is that of evenly spaced quantiles. If
        lead times differ there is a sixth parameter, the lead time in units of the longest one.
        """
        periods = self.horizon or STATIONARY_PERIODS
        quantiles = (np.arange(QUANTILES * periods) + 0.5) / (QUANTILES * periods)
        uniforms = np.broadcast_to(quantiles.reshape(-1, periods, 1), (QUANTILES, periods, self.items))
        deviation = self.demand.sample(np.array(uniforms)).std((0, 1))
        costs, rate = self.holding_cost + self.shortage_cost, self.holding_rate
        parameters = [
            self.demand.mean / self.level_scale,
            deviation / self.level_scale,
            self.shortage_cost / np.where(costs > 0, costs, 1.0),
            1 / (1 + self.cycles),
            rate / max(rate.mean(), TINY),
        ]
        if not self._common_lead_time:
            parameters.append(self.lead_times / self.lead_time)
        return np.stack(parameters, -1)

    def quantity_from(self, observation: Any, output: Any) -> Any:
        """Orders (..., 2 n) up to ``level_scale * (1 + output)``; 0 in the regime "nothing"."""
        c = self.constants(output)
        pairs = c.xp.reshape(output, (*output.shape[:-1], self.items, 2))
        order = (c.level_scale * (1 + pairs) - self.position(observation)[..., None]) * c.is_order
        return c.xp.reshape(order, output.shape)

    def check_noise(self, noise: Any) -> NDArray[np.float64]:
        """Demand of shape (..., horizon, n) to be replayed; finite, not negative, within the bounds."""
        demand = self.noise_array(noise)
        if np.any(demand < 0):
            raise ValueError("noise: demand must be at least 0 in every period")
        total = demand.sum(axis=-2).reshape(-1, self.items).max(axis=0, initial=0.0)
        over = total > self.demand.max_total * (1 + ROUNDING)
        if np.any(over):
            item = int(over.argmax())
            called = repr(self.demand.names[item]) if self.demand.names else str(item)
            raise ValueError(
                f"noise: a total demand of {total[item]:g} of item {called} exceeds "
                f"{self.demand.max_total[item]:g}, the most that the bounds of the observation allow"
            )
        return demand
