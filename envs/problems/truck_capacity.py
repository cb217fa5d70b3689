"""TruckCapacity: the next truck costs as much as a full one."""

from __future__ import annotations

import numpy as np

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..regimes import RegimeTable, truck_names
from .single_item import single_item


@single_item(demand="nbinom(5, 0.2)")
def truck_capacity(
    *,
    truck_capacity: float = 20.0,
    truck_cost: float = 30.0,
    max_trucks: int = 4,
    unit_cost: float = 0.0,
    lead_time: int = 0,
) -> RegimeTable:
    """The problem of ``jumpgym/TruckCapacity-v0``; see ``TruckCapacityEnv`` for the parameters."""
    truck_capacity = checks.number("truck_capacity", truck_capacity, low=0)
    if truck_capacity == 0:
        raise ValueError("truck_capacity=0 must be greater than 0")
    truck_cost = checks.number("truck_cost", truck_cost, low=0)
    max_trucks = checks.integer("max_trucks", max_trucks, low=1, high=1000)
    for name, value in (("truck_capacity", truck_capacity), ("truck_cost", truck_cost)):
        checks.number(f"max_trucks * {name}", max_trucks * value, low=0)
    trucks = np.arange(max_trucks + 1)
    return RegimeTable(
        low=truck_capacity * np.maximum(trucks - 1, 0),
        high=truck_capacity * trucks,
        fixed_cost=truck_cost * trucks,
        unit_cost=[unit_cost] * len(trucks),
        lead_time=[lead_time] * len(trucks),
        names=truck_names(max_trucks),
        fixed_kind="trucks",
    )


class TruckCapacityEnv(HybridEnv):
    """
    ## Description
    A warehouse holds one item that comes by truck. In each period it orders some number of truckloads, the
    last of which may be partly filled; each truck costs the same, however little it carries. The cost jumps
    where one more truck is needed, so the question is not only when to order, but whether a partial truck is
    worth it. On the defaults the best policy that ignores the jump, ordering up to the best constant level in
    every period, costs 22 % more than the optimum.

    In a period: the order is placed; what is due arrives (with lead time 0 at once); demand occurs; stock or
    shortage is charged.

    ## Action Space
    `Tuple(Discrete(max_trucks + 1), Box(0, max_trucks * truck_capacity, (1,), float32))`

    | Num | Regime | Quantity is projected on | Cost |
    |-----|--------|--------------------------|------|
    | 0 | order nothing | 0 | 0 |
    | k = 1, 2, ... | k trucks | truck_capacity * [k - 1, k] | k * truck_cost + unit_cost * quantity |

    A regime index out of range, a NaN or a wrong shape is a `ValueError`. `info["quantity"]` is the
    quantity that was applied, `info["regime"]` the regime, `info["noise"]` the demand.

    ## Observation Space
    `Box(float32, (2 + lead_time,))`

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | net stock, units (negative: backlog) | initial - most demand | initial + horizon * most trucks |
    | 1 ... lead_time | units that arrive in 0, 1, ... periods | 0 | max_trucks * truck_capacity |
    | last | elapsed periods | 0 | horizon |

    With `demand_history` the last demands are shown before the elapsed periods, the latest first, and with
    `season` after them the sine and the cosine of the phase of the season.

    ## Rewards
    Minus the cost of the period, with `x` the net stock after demand:
    `truck_cost * trucks + unit_cost * quantity + holding_cost * max(x, 0) + shortage_cost * max(-x, 0)`.
    With `unmet_demand="lost"` the stock is cut at 0 after that. Rewards are not discounted; `discount` is the
    factor that agents and references apply.

    `info["costs"]` holds the cost of the period by kind: trucks, purchase, holding and shortage.

    ## Starting State
    `initial_inventory` units in stock (drawn uniformly if it is a pair), nothing on order.

    ## Episode End
    Terminated after `horizon` periods; never with `horizon=None`. There is no truncation.

    ## Arguments
    | Name | Default | Meaning |
    |------|---------|---------|
    | `truck_capacity` | 20.0 | units that a truck carries |
    | `truck_cost` | 30.0 | cost of a truck, whatever its load |
    | `max_trucks` | 4 | most trucks in a period, at most 1,000 |
    | `unit_cost` | 0.0 | cost per unit ordered |
    | `holding_cost` | 1.0 | cost per unit in stock at the end of a period |
    | `shortage_cost` | 9.0 | cost per unit backlogged at the end of a period, or lost |
    | `demand` | `nbinom(5, 0.2)` | units per period: a distribution, a list of one per period, or traces |
    | `unmet_demand` | `"backlog"` | what happens to unmet demand: `"backlog"` or `"lost"` |
    | `lead_time` | 0 | periods until an order arrives |
    | `initial_inventory` | 0.0 | units in stock before the first period: a number, or a pair (low, high) |
    | `horizon` | 50 | number of periods, or None for an infinite horizon |
    | `discount` | 1.0 | factor in (0, 1] on the cost of each later period |
    | `demand_history` | 0 | number of past demands in the observation, the latest first |
    | `season` | None | periods of the season, whose phase the observation shows as sine and cosine |
    | `order_multiple` | None | orders are multiples of it, in units, the nearest in their regime; None: any |

    Traces are an array, a pandas DataFrame, or the path of a CSV file with a header line.

    >>> import gymnasium as gym, jumpgym, scipy.stats
    >>> env = gym.make("jumpgym/TruckCapacity-v0", truck_capacity=10.0, demand=scipy.stats.poisson(12))
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((3, [25.0]))
    >>> print(info["regime"], info["quantity"])
    3 25.0

    ## References
    - S. A. Lippman (1969), Optimal inventory policy with multiple set-up costs, Management Science 16(1).
    - O. Alp, W. T. Huh and T. Tan (2014), Inventory control with multiple setup costs, Manufacturing &
      Service Operations Management 16(1).

    ## Version History
    - v0: first version.
    """

    make_problem = staticmethod(truck_capacity)


class TruckCapacityVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/TruckCapacity-v0``."""

    make_problem = staticmethod(truck_capacity)
