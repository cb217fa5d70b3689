"""JointReplenishment: several items share trucks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..regimes import truck_names
from .item_parameters import economic_cycles
from .multiples import largest_multiples, packed, to_multiples
from .several_items import MultiItemInventory


class JointReplenishment(MultiItemInventory):
    """The problem of ``jumpgym/JointReplenishment-v0``; see ``JointReplenishmentEnv`` for the parameters.

    Gates: the number of trucks, then for each item "nothing" or "order". The cost has a component for each
    item and, last, one for the trucks. The number of trucks enters all components; the gate of an item
    enters the item's own component and that of the trucks. Where trucks are short, an order also takes room
    from the other items. Credit by components neglects this effect, so it is an approximation there.

    ``admit`` cuts what does not fit the trucks: all orders are multiplied by ``capacity / total``, so that
    they keep their proportions and gradients pass. With ``full_trucks`` the remaining room is filled with the
    ordered items, in proportion to their mean demand; if no item is ordered, the trucks travel empty. With 0
    trucks nothing is ordered, whatever the items' gates say, and no item cost is due.
    """

    cost_kinds = ("trucks", "setup", "purchase", "holding", "shortage")

    def __init__(
        self,
        *,
        items: int | None = None,
        item_costs: float | Sequence[float] = 10.0,
        truck_capacity: float = 10.0,
        truck_cost: float = 15.0,
        max_trucks: int | None = None,
        full_trucks: bool = False,
        max_order: float | Sequence[float] | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(
            items, ("item_costs", item_costs), {} if max_order is None else {"max_order": max_order}, **shared
        )
        self.truck_cost = checks.number("truck_cost", truck_cost, low=0)
        self.full_trucks = checks.choice("full_trucks", full_trucks, (True, False))
        unlimited = isinstance(truck_capacity, (float, np.floating)) and truck_capacity == np.inf
        self.truck_capacity = np.inf if unlimited else checks.number("truck_capacity", truck_capacity, low=0)
        if self.truck_capacity == 0:
            raise ValueError("truck_capacity=0 must be greater than 0")
        if max_trucks is None:
            max_trucks = 1 if unlimited else 3
        self.max_trucks = checks.integer("max_trucks", max_trucks, low=1, high=1000)
        if unlimited and (self.max_trucks > 1 or self.full_trucks):
            raise ValueError(
                f"truck_capacity=inf: one truck carries everything, so max_trucks={max_trucks} must be 1 and "
                f"full_trucks={full_trucks} False"
            )
        self._check_multiples()
        checks.number("max_trucks * truck_cost", self.max_trucks * self.truck_cost)
        largest = self._largest_order(max_order is not None)
        trucks = np.arange(self.max_trucks + 1, dtype=np.float64)
        loads = 0 * trucks if unlimited else self.truck_capacity * trucks
        # A total between two loads belongs to the larger one; if only full trucks go, to the nearer one.
        ends = loads[:-1] + 0.5 * loads[1] * self.full_trucks
        identity = np.eye(self.items + 1, dtype=bool)
        mean = self.demand.mean
        self._arrange(
            largest,
            np.vstack([np.ones(self.items + 1), identity[:-1] + identity[-1]]),
            {
                "truck_costs": self.truck_cost * trucks,
                "loads": loads,
                "fill": np.where(mean > 0, mean, 1.0),
            },
            shared_gate=(len(trucks), ends),
        )
        self.regime_names = (tuple(truck_names(self.max_trucks)), *self.regime_names)

    def _check_multiples(self) -> None:
        """Raise ValueError unless every number of trucks can carry multiples of every item."""
        multiples = self.order_multiple
        if multiples is None or self.truck_capacity == np.inf:
            return
        if np.any(multiples > self.truck_capacity):
            raise ValueError(
                f"order_multiple={checks.shown(multiples.tolist())} must be at most "
                f"truck_capacity={self.truck_capacity:g}: a truck must hold one of each item"
            )
        fills = largest_multiples(np.full(self.items, self.truck_capacity), multiples)
        if self.full_trucks and (np.ptp(multiples) > 0 or fills[0] != self.truck_capacity):
            raise ValueError(
                f"order_multiple={checks.shown(multiples.tolist())} with full_trucks must be one number for "
                f"all items, of which truck_capacity={self.truck_capacity:g} is a multiple, so that they can "
                "fill a truck"
            )

    def _largest_order(self, given: bool) -> NDArray[np.float64]:
        if self.truck_capacity == np.inf:
            cycles = np.minimum(self.cycles, self.horizon or checks.MAX_HORIZON)
            return self.max_order if given else np.ceil(self.demand.mean * (10 + 2 * cycles))
        loads = checks.number("max_trucks * truck_capacity", self.max_trucks * self.truck_capacity)
        if not given:
            return np.full(self.items, loads)
        if self.full_trucks and np.any(self.max_order < loads):
            raise ValueError(
                f"max_order={self.max_order.tolist()} must be at least {loads:g}, all trucks, if full_trucks"
            )
        return self.max_order

    @property
    def coupled(self) -> bool:  # type: ignore[override]
        """Whether trucks cost or hold anything: if not, each item is a problem of its own."""
        return self.truck_cost > 0 or self.truck_capacity < np.inf

    @cached_property
    def item_parameters(self) -> NDArray[np.float64]:
        """Those of every item, see ``MultiItemInventory``, and the share of a truck that a period fills."""
        filled = self.demand.mean / self.truck_capacity
        return np.concatenate([super().item_parameters, filled[:, None]], -1)

    @property
    def item_loads(self) -> NDArray[np.float64] | None:
        """Trucks that ``level_scale`` of each item fills, shape (n,); None without a capacity."""
        return self.level_scale / self.truck_capacity if self.truck_capacity < np.inf else None

    @property
    def cycles(self) -> NDArray[np.float64]:
        """Periods between orders of each item, shape (n,), that cost least if demand were constant.

        The cost of the trucks lengthens them only until each order fills a truck; beyond that it is one per
        unit.
        """
        alone = economic_cycles(0.0, self.item_costs, self.holding_rate)
        joint = economic_cycles(self.truck_cost, self.item_costs, self.holding_rate)
        total = self.demand.mean.sum()
        return np.maximum(alone, np.minimum(joint, self.truck_capacity / total if total > 0 else np.inf))

    def placed(self, gate: Any, quantity: Any) -> tuple[Any, Any]:
        """Weights (..., n) and orders (..., n) of the items; see ``MultiItemInventory.placed``."""
        trucks = gate[..., : self.max_trucks + 1]
        active = gate[..., self.max_trucks + 2 :: 2] * (1 - trucks[..., :1])
        return active, active * self._loaded(trucks, active, quantity[..., 1::2])

    def shared_costs(self, gate: Any) -> dict[str, Any]:
        """The cost of the trucks, shape (...,)."""
        return {"trucks": gate[..., : self.max_trucks + 1] @ self.constants(gate).truck_costs}

    def admit(self, state: Any, gate: Any, quantity: Any) -> tuple[Any, Any]:
        """What fits the trucks chosen: no items ordered without a truck, and orders cut to the capacity."""
        c = self.constants(quantity)
        trucks, first = gate[..., : self.max_trucks + 1], self.max_trucks + 1
        chosen = gate[..., first + 1 :: 2] * c.xp.astype(trucks[..., :1] < 1, gate.dtype)
        active = chosen * (1 - trucks[..., :1])
        order = self._loaded(trucks, active, quantity[..., 1::2]) * c.xp.astype(chosen > 0, gate.dtype)
        pairs = c.xp.stack([gate[..., first::2] + gate[..., first + 1 :: 2] - chosen, chosen], axis=-1)
        orders = c.xp.stack([quantity[..., ::2], order], axis=-1)
        return (
            c.xp.concat([trucks, c.xp.reshape(pairs, (*gate.shape[:-1], 2 * self.items))], axis=-1),
            c.xp.reshape(orders, quantity.shape),
        )

    def _loaded(self, trucks: Any, active: Any, quantity: Any) -> Any:
        """Orders (..., n), of the weights (..., n) of the items, cut or filled to fit the trucks chosen."""
        if self.truck_capacity == np.inf:
            multiples = self.constants(quantity).multiples
            return quantity if self.order_multiple is None else to_multiples(quantity, multiples)
        c = self.constants(quantity)
        capacity = trucks @ c.loads
        total = (active * quantity) @ c.ones
        loaded = quantity * self.cut(capacity, total)[..., None]
        if self.full_trucks:
            room = c.xp.maximum(capacity - total, c.zero)
            demand = active @ c.fill
            periods = c.xp.where(demand > 0, room, c.zero) / self.divisor(demand)
            loaded = loaded + c.fill * periods[..., None]
        if self.order_multiple is None:
            return loaded
        return packed(active, quantity, loaded, c.multiples, c.ones, capacity, self.full_trucks)

    def drivers(self, quantity: Any) -> Any:
        """The total, then the quantity of each item: (..., n + 1) of (..., n); see ``HindsightProblem``."""
        c = self.constants(quantity)
        return c.xp.concat([(quantity @ c.ones)[..., None], quantity], axis=-1)


class JointReplenishmentEnv(HybridEnv):
    """
    ## Description
    A warehouse holds several items that come in shared trucks. In each period it orders some number of
    trucks, each at the same cost however little it carries, and chooses which items they carry; each item
    that is ordered costs a further fixed amount. The cost jumps with each truck and with each item, so the
    questions are when a truck pays, and which items that are not yet urgent should travel with it.

    In a period: the orders are placed; what is due arrives (with lead time 0 at once); demand occurs; stock
    or shortage is charged.

    With the defaults the best policy that ignores the jumps, ordering each item up to the best level in every
    period, costs 35.9 % more than the optimum.

    ## Action Space
    `Tuple(MultiDiscrete([max_trucks + 1, 2, ..., 2]), Box(0, max_order, (n,), float32))`

    | Gate | Regime | Quantity of item i is projected on | Cost |
    |------|--------|------------------------------------|------|
    | 0 | 0: nothing is ordered, whatever the items' gates say | 0 | 0 |
    | 0 | k = 1, 2, ...: k trucks | | k * truck_cost |
    | i = 1 ... n | 0: item i is not ordered | 0 | 0 |
    | i = 1 ... n | 1: item i is ordered | [0, max_order] | item_costs + unit_costs * quantity |

    What does not fit the trucks chosen is cut: all quantities are multiplied by `k * truck_capacity / total`.
    With `full_trucks` quantities that leave room are raised, by an equal number of periods of mean demand of
    the items ordered, until the trucks are full; if no item is ordered the trucks travel empty, and are paid.
    With `order_multiple` the nearest multiples are ordered if they fit the trucks; else what is cut is
    rounded down, and the room that this leaves is filled with multiples of the items that lost most.

    A regime index out of range, a NaN or a wrong shape is a `ValueError`. `info["quantity"]` is the
    quantities that were applied, `info["regime"]` the regimes, `info["noise"]` the demand.

    ## Observation Space
    `Box(float32, (n * (1 + longest lead_time) + 1,))`

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 ... n - 1 | net stock of each item, units | initial - most demand | initial + horizon * max_order |
    | n ... | units of each item that arrive in 0 periods, then in 1, ... | 0 | max_order, or 0, see below |
    | last | elapsed periods; left out without a horizon | 0 | horizon |

    With `demand_history` the last demands (of all items, the latest first) are shown before the elapsed
    periods, and with `season` after them the sine and the cosine of the phase of the season.

    Where lead times differ, items with a shorter one have 0 in the later rows.

    ## Rewards
    Minus the cost of the period: `truck_cost * trucks`, and for each item, with `x` its net stock after
    demand (negative: backlog),
    `item_costs * [ordered] + unit_costs * quantity + holding_cost * max(x, 0) + shortage_cost * max(-x, 0)`.
    With `unmet_demand="lost"` the stock is cut at 0 after that. Rewards are not discounted; `discount` is the
    factor that agents and references apply.

    `info["costs"]` holds the cost of the period by kind: trucks, setup, purchase, holding and shortage.

    ## Starting State
    `initial_inventory` units in stock (drawn uniformly, each item for itself, if it is a pair), nothing under
    way.

    ## Episode End
    Terminated after `horizon` periods; never if it is None. There is no truncation.

    ## Arguments
    An argument of the items is a number for all of them or a vector with one entry for each.

    | Name | Default | Meaning |
    |------|---------|---------|
    | `items` | None | number of items; None: as many as vectors or records have, else 2 |
    | `item_costs` | 10.0 | cost of ordering an item, whatever the quantity |
    | `truck_capacity` | 10.0 | units that a truck carries; `inf`: no limit |
    | `truck_cost` | 15.0 | cost of a truck, whatever its load |
    | `max_trucks` | None | most trucks in a period, at most 1,000; None: 3, or 1 if the capacity is inf |
    | `full_trucks` | False | only full trucks |
    | `max_order` | None | largest order of an item, see below |
    | `holding_cost` | 1.0 | cost per unit in stock at the end of a period |
    | `shortage_cost` | 9.0 | cost per unit backlogged at the end of a period, or lost |
    | `unit_costs` | 0.0 | cost per unit ordered |
    | `demand` | None | a distribution, n (each maybe a list by period), or traces; None: see below |
    | `unmet_demand` | `"backlog"` | what happens to unmet demand: `"backlog"` or `"lost"` |
    | `lead_time` | 0 | periods until an order arrives; a number, or one for each item |
    | `initial_inventory` | 0.0 | units at the start: a number, an array (n,), or a pair (low, high) of such |
    | `horizon` | 50 | number of periods, or None for an infinite horizon |
    | `discount` | 1.0 | factor in (0, 1] on the cost of each later period |
    | `demand_history` | 0 | number of past demands in the observation, the latest first |
    | `season` | None | periods of the season, whose phase the observation shows as sine and cosine |
    | `order_multiple` | None | orders are multiples of it, in units, such as a case pack; None: any |

    The default demand is Poisson with means 6, 3, 6, 3, ... The default largest order is the load of all
    trucks; without a limit on trucks, the mean demand of 10 periods and two economic order cycles.
    `truck_capacity=inf` is the classical joint replenishment problem, with `truck_cost` for any order.

    >>> import gymnasium as gym, jumpgym
    >>> env = gym.make("jumpgym/JointReplenishment-v0", item_costs=[5.0, 10.0, 20.0], truck_capacity=12.0)
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step(([2, 1, 0, 1], [20.0, 0.0, 12.0]))
    >>> info["quantity"].tolist()
    [15.0, 0.0, 9.0]

    ## References
    - J. L. Balintfy (1964), On a basic class of multi-item inventory problems, Management Science 10(2).
    - A. Federgruen, H. Groenevelt and H. C. Tijms (1984), Coordinated replenishments in a multi-item
      inventory system with compound Poisson demands, Management Science 30(3).
    - G. P. Kiesmüller (2009), A multi-item periodic replenishment policy with full truckloads, International
      Journal of Production Economics 118(1).
    - N. Vanvuchelen, J. Gijsbrechts and R. Boute (2020), Use of proximal policy optimization for the joint
      replenishment problem, Computers in Industry 119.

    ## Version History
    - v0: first version.
    """

    make_problem = staticmethod(JointReplenishment)


class JointReplenishmentVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/JointReplenishment-v0``."""

    make_problem = staticmethod(JointReplenishment)
