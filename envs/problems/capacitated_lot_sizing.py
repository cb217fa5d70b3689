"""CapacitatedLotSizing: several items are made on one machine that must be set up for each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from .multiples import packed
from .several_items import MultiItemInventory


class CapacitatedLotSizing(MultiItemInventory):
    """The problem of ``jumpgym/CapacitatedLotSizing-v0``; see ``CapacitatedLotSizingEnv`` for the parameters.

    A gate for each item: "nothing" or "set up". The cost has a component for each item; since setups and
    production of one item take the time of the others, every gate enters every component.

    ``admit`` cuts what does not fit the time left after the setups: all lots are multiplied by ``time left /
    time needed``, so that they keep their proportions and gradients pass. If the setups alone exceed the
    capacity nothing is made, but they are paid.
    """

    def __init__(
        self,
        *,
        items: int | None = None,
        setup_costs: float | Sequence[float] = 10.0,
        setup_times: float | Sequence[float] = 2.0,
        unit_times: float | Sequence[float] = 1.0,
        capacity: float = 16.0,
        **shared: Any,
    ) -> None:
        self.setup_costs: NDArray[np.float64]
        self.setup_times: NDArray[np.float64]
        self.unit_times: NDArray[np.float64]
        vectors = {"setup_times": setup_times, "unit_times": unit_times}
        super().__init__(items, ("setup_costs", setup_costs), vectors, **shared)
        self.capacity = checks.number("capacity", capacity, low=0)
        if np.any(self.unit_times == 0):
            raise ValueError(f"unit_times={self.unit_times.tolist()} must be greater than 0")
        if np.any(self.setup_times >= self.capacity):
            raise ValueError(
                f"setup_times={self.setup_times.tolist()} must be less than capacity={self.capacity:g}, or "
                "the item can never be made"
            )
        with np.errstate(over="ignore"):  # infinity is refused
            largest = (self.capacity - self.setup_times) / self.unit_times
        checks.number("capacity / unit_times", float(largest.max()))
        self._arrange(
            largest,
            np.ones((self.items, self.items)),
            {
                "setup_times": self.setup_times,
                "unit_times": self.unit_times,
                "capacity": np.array(self.capacity),
            },
        )

    @cached_property
    def item_parameters(self) -> NDArray[np.float64]:
        """Those of every item, see ``MultiItemInventory``, and the shares of the time that it needs.

        They are those of a setup, and of the mean demand of a period, of the capacity.
        """
        shares = np.stack([self.setup_times, self.unit_times * self.demand.mean], -1) / self.capacity
        return np.concatenate([super().item_parameters, shares], -1)

    @property
    def item_loads(self) -> NDArray[np.float64]:
        """Share of the machine's time that ``level_scale`` of each item takes, shape (n,)."""
        loads: NDArray[np.float64] = self.unit_times * self.level_scale / self.capacity
        return loads

    def placed(self, gate: Any, quantity: Any) -> tuple[Any, Any]:
        """Weights (..., n) of the setups, and the lots (..., n); see ``MultiItemInventory.placed``."""
        setup = gate[..., 1::2]
        return setup, setup * self._produced(setup, quantity[..., 1::2])

    def admit(self, state: Any, gate: Any, quantity: Any) -> tuple[Any, Any]:
        """Lots cut to the time that setups leave; the setups are carried out as chosen."""
        c = self.constants(quantity)
        setup = gate[..., 1::2]
        produced = self._produced(setup, quantity[..., 1::2]) * c.xp.astype(setup > 0, gate.dtype)
        lots = c.xp.stack([quantity[..., ::2], produced], axis=-1)
        return gate, c.xp.reshape(lots, quantity.shape)

    def _produced(self, setup: Any, quantity: Any) -> Any:
        """Lots (..., n) from weights of setups and quantities (..., n), cut to the time that setups leave."""
        c = self.constants(quantity)
        free_time = c.xp.maximum(c.capacity - setup @ c.setup_times, c.zero)
        needed = (setup * quantity) @ c.unit_times
        produced = quantity * self.cut(free_time, needed)[..., None]
        if self.order_multiple is None:
            return produced
        return packed(setup, quantity, produced, c.multiples, c.unit_times, free_time)


class CapacitatedLotSizingEnv(HybridEnv):
    """
    ## Description
    One machine makes several items to stock. In each period it may be set up for any of them; a setup takes
    money and time, and production takes more of the same time. Cost and feasible set jump where a lot becomes
    positive: making a little of everything in every period spends the capacity on setups.

    In a period: the machine is set up and lots are made; what is due arrives (with lead time 0 at once);
    demand occurs; stock or shortage is charged.

    With the defaults the best policy that ignores the jumps, making each item up to the best level in every
    period, costs 30.3 % more than the optimum.

    ## Action Space
    `Tuple(MultiDiscrete([2, ..., 2]), Box(0, (capacity - setup_times) / unit_times, (n,), float32))`

    | Regime of gate i | Quantity of item i is projected on | Cost |
    |------------------|------------------------------------|------|
    | 0: not made | 0 | 0 |
    | 1: set up | [0, (capacity - setup_times) / unit_times] | setup_costs + unit_costs * quantity |

    An item that is made takes `setup_times + unit_times * quantity` of the machine's time. What does not fit
    the time left after all setups is cut: all lots are multiplied by `time left / time needed`. If the setups
    alone exceed the capacity nothing is made, but they are paid. With `order_multiple` the nearest multiples
    are made if they fit; else what is cut is rounded down, and the time that this leaves is filled with
    multiples of the items that lost most.

    A regime index out of range, a NaN or a wrong shape is a `ValueError`. `info["quantity"]` is the lots
    that were made, `info["regime"]` the setups, `info["noise"]` the demand.

    ## Observation Space
    `Box(float32, (n * (1 + longest lead_time) + 1,))`

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 ... n - 1 | net stock of each item, units | initial - most demand | initial + horizon * largest lot |
    | n ... | units of each item that arrive in 0 periods, then in 1, ... | 0 | largest lot, or 0, see below |
    | last | elapsed periods; left out without a horizon | 0 | horizon |

    With `demand_history` the last demands (of all items, the latest first) are shown before the elapsed
    periods, and with `season` after them the sine and the cosine of the phase of the season.

    Where lead times differ, items with a shorter one have 0 in the later rows.

    ## Rewards
    Minus the cost of the period: for each item, with `x` its net stock after demand (negative: backlog),
    `setup_costs * [set up] + unit_costs * quantity + holding_cost * max(x, 0) + shortage_cost * max(-x, 0)`.
    With `unmet_demand="lost"` the stock is cut at 0 after that. Rewards are not discounted; `discount` is the
    factor that agents and references apply.

    `info["costs"]` holds the cost of the period by kind: setup, purchase, holding and shortage.

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
    | `setup_costs` | 10.0 | cost of setting up the machine for an item |
    | `setup_times` | 2.0 | time that a setup takes, less than the capacity |
    | `unit_times` | 1.0 | time to make a unit, greater than 0 |
    | `capacity` | 16.0 | time of the machine in a period |
    | `holding_cost` | 1.0 | cost per unit in stock at the end of a period |
    | `shortage_cost` | 9.0 | cost per unit backlogged at the end of a period, or lost |
    | `unit_costs` | 0.0 | cost per unit made |
    | `demand` | None | a distribution, n (each maybe a list by period), or traces; None: see below |
    | `unmet_demand` | `"backlog"` | what happens to unmet demand: `"backlog"` or `"lost"` |
    | `lead_time` | 0 | periods until a lot arrives; a number, or one for each item |
    | `initial_inventory` | 0.0 | units at the start: a number, an array (n,), or a pair (low, high) of such |
    | `horizon` | 50 | number of periods, or None for an infinite horizon |
    | `discount` | 1.0 | factor in (0, 1] on the cost of each later period |
    | `demand_history` | 0 | number of past demands in the observation, the latest first |
    | `season` | None | periods of the season, whose phase the observation shows as sine and cosine |
    | `order_multiple` | None | orders are multiples of it, in units, such as a case pack; None: any |

    The default demand is Poisson with means 6, 3, 6, 3, ... The default capacity is for two items; it does
    not grow with `items`.

    >>> import gymnasium as gym, jumpgym
    >>> env = gym.make("jumpgym/CapacitatedLotSizing-v0", setup_times=[3.0, 1.0])
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step(([1, 1], [10.0, 5.0]))
    >>> info["quantity"].tolist()
    [8.0, 4.0]

    ## References
    - W. W. Trigeiro, L. J. Thomas and J. O. McClain (1989), Capacitated lot sizing with setup times,
      Management Science 35(3).

    ## Version History
    - v0: first version.
    """

    make_problem = staticmethod(CapacitatedLotSizing)


class CapacitatedLotSizingVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/CapacitatedLotSizing-v0``."""

    make_problem = staticmethod(CapacitatedLotSizing)
