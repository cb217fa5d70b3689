"""QuantityDiscount: larger orders have a lower price per unit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..regimes import RegimeTable, brackets, per_bracket
from .single_item import single_item


@single_item(demand="nbinom(5, 0.2)")
def quantity_discount(
    *,
    breakpoints: Sequence[float] = (30.0, 60.0),
    unit_costs: Sequence[float] = (3.0, 2.5, 2.0),
    schedule: str = "all_units",
    fixed_cost: float = 0.0,
    lead_time: int = 0,
    max_order: float = 200.0,
) -> RegimeTable:
    """The problem of ``jumpgym/QuantityDiscount-v0``; see ``QuantityDiscountEnv`` for the parameters."""
    prices = [
        checks.number("unit_costs", c, low=0) for c in per_bracket("unit_costs", unit_costs, breakpoints)
    ]
    if any(larger > smaller for smaller, larger in pairwise(prices)):
        raise ValueError(f"unit_costs={tuple(prices)} must not increase: larger orders have a discount")
    checks.choice("schedule", schedule, ("all_units", "incremental"))
    fixed_cost = checks.number("fixed_cost", fixed_cost, low=0)
    # What the units below the bracket cost more than the bracket's price.
    savings = -np.diff(prices) * [checks.number("breakpoints", b) for b in breakpoints]
    offsets = np.cumsum([0.0, *savings]) if schedule == "incremental" else np.zeros(len(prices))
    return brackets(
        breakpoints,
        max_order,
        breakpoint_in="upper",
        fixed_cost=fixed_cost + offsets,
        unit_cost=prices,
        lead_time=[lead_time] * len(prices),
        paid_for_units=offsets,
    )


class QuantityDiscountEnv(HybridEnv):
    """
    ## Description
    A warehouse holds one item whose supplier gives a discount on large orders. With `schedule="all_units"`
    the lower price holds for all units of the order, so its cost falls at a breakpoint: a few units more
    may cost less, and a small need is either left, or filled up to the breakpoint. With `"incremental"` it
    holds for the units above the breakpoint only, so the cost bends but does not jump.

    An order of exactly a breakpoint has the lower price. On the defaults the best policy that ignores the
    jump, ordering up to the best constant level in every period, costs 8.3 % more than the optimum; the
    best (s, S) policy 7.4 % more.

    In a period: the order is placed; what is due arrives (with lead time 0 at once); demand occurs; stock or
    shortage is charged.

    ## Action Space
    `Tuple(Discrete(len(unit_costs) + 1), Box(0, max_order, (1,), float32))`

    | Num | Regime | Quantity is projected on | Cost |
    |-----|--------|--------------------------|------|
    | 0 | order nothing | 0 | 0 |
    | k = 1, 2, ... | bracket k | [breakpoints[k - 2], breakpoints[k - 1]) | see below |

    The first bracket starts at 0, the last ends with `max_order`. An order q in bracket k costs
    `fixed_cost + unit_costs[k - 1] * q`; with incremental discounts `fixed_cost` and, for each unit, the
    price of the bracket that the unit lies in.

    A regime index out of range, a NaN or a wrong shape is a `ValueError`. `info["quantity"]` is the
    quantity that was applied, `info["regime"]` the regime, `info["noise"]` the demand.

    ## Observation Space
    `Box(float32, (2 + lead_time,))`

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | net stock, units (negative: backlog) | initial - most demand | initial + horizon * max_order |
    | 1 ... lead_time | units that arrive in 0, 1, ... periods | 0 | max_order |
    | last | elapsed periods | 0 | horizon |

    With `demand_history` the last demands are shown before the elapsed periods, the latest first, and with
    `season` after them the sine and the cosine of the phase of the season.

    With `horizon=None` the last entry is left out, and the bounds of the stock hold for 1,000,000 periods.

    ## Rewards
    Minus the cost of the period, with `x` the net stock after demand: the cost of the order, and
    `holding_cost * max(x, 0) + shortage_cost * max(-x, 0)`. With `unmet_demand="lost"` the stock is cut at 0
    after that. Rewards are not discounted; `discount` is the factor that agents and references apply.

    `info["costs"]` holds the cost of the period by kind: setup, purchase, holding and shortage.

    ## Starting State
    `initial_inventory` units in stock (drawn uniformly if it is a pair), nothing on order.

    ## Episode End
    Terminated after `horizon` periods; never with `horizon=None`. There is no truncation.

    ## Arguments
    | Name | Default | Meaning |
    |------|---------|---------|
    | `breakpoints` | (30.0, 60.0) | least order of each better price, ascending, in units |
    | `unit_costs` | (3.0, 2.5, 2.0) | price per unit in each bracket; must not increase |
    | `schedule` | `"all_units"` | `"all_units"` or `"incremental"` |
    | `fixed_cost` | 0.0 | cost of an order, whatever its size |
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
    | `max_order` | 200.0 | largest order, in units |

    Traces are an array (episodes, horizon), a pandas DataFrame, or the path of a CSV file with a header line.

    >>> import gymnasium as gym, jumpgym
    >>> env = gym.make("jumpgym/QuantityDiscount-v0", breakpoints=(50.0,), unit_costs=(2.0, 1.5))
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((2, [45.0]))
    >>> print(info["regime"], info["quantity"])
    2 50.0

    ## References
    - G. Hadley and T. M. Whitin (1963), Analysis of Inventory Systems: both schedules.
    - E. L. Porteus (1971), On the optimality of generalized (s, S) policies, Management Science 17(7):
      incremental discounts.

    ## Version History
    - v0: first version.
    """

    make_problem = staticmethod(quantity_discount)


class QuantityDiscountVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/QuantityDiscount-v0``."""

    make_problem = staticmethod(quantity_discount)
