"""FreeShipping: small orders pay a shipping fee, large ones do not."""

from __future__ import annotations

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..regimes import RegimeTable, brackets
from .single_item import single_item


@single_item()
def free_shipping(
    *,
    shipping_fee: float = 25.0,
    free_from: float = 60.0,
    unit_cost: float = 0.0,
    lead_time: int = 0,
    max_order: float = 200.0,
) -> RegimeTable:
    """The problem of ``jumpgym/FreeShipping-v0``; see ``FreeShippingEnv`` for the parameters."""
    shipping_fee = checks.number("shipping_fee", shipping_fee, low=0)
    max_order = checks.number("max_order", max_order, low=0)
    free_from = checks.number("free_from", free_from, low=0)
    if not 0 < free_from < max_order:
        raise ValueError(
            f"free_from={free_from:g} must be greater than 0 and less than max_order={max_order:g}"
        )
    return brackets(
        [free_from],
        max_order,
        breakpoint_in="upper",
        fixed_cost=[shipping_fee, 0.0],
        unit_cost=[unit_cost] * 2,
        lead_time=[lead_time] * 2,
        fixed_kind="shipping",
    )


class FreeShippingEnv(HybridEnv):
    """
    ## Description
    A warehouse holds one item. An order below `free_from` units pays a shipping fee, a larger one pays
    none, so the cost jumps up at an order of 0 and down at `free_from`. The question is when a small order
    is urgent enough to pay for, and when to fill it up or to wait until a free one is worth while.

    An order of exactly `free_from` is free. On the defaults the best policy that ignores the jumps,
    ordering up to the best constant level in every period, costs 19 % more than the optimum; the best (s,
    S) policy, which knows of the fee but not that large orders are free of it, 12 % more.

    In a period: the order is placed; what is due arrives (with lead time 0 at once); demand occurs; stock or
    shortage is charged.

    ## Action Space
    `Tuple(Discrete(3), Box(0, max_order, (1,), float32))`

    | Num | Regime | Quantity is projected on | Cost |
    |-----|--------|--------------------------|------|
    | 0 | order nothing | 0 | 0 |
    | 1 | pay for shipping | [0, free_from) | shipping_fee + unit_cost * quantity |
    | 2 | free shipping | [free_from, max_order] | unit_cost * quantity |

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

    `info["costs"]` holds the cost of the period by kind: shipping, purchase, holding and shortage.

    ## Starting State
    `initial_inventory` units in stock (drawn uniformly if it is a pair), nothing on order.

    ## Episode End
    Terminated after `horizon` periods; never with `horizon=None`. There is no truncation.

    ## Arguments
    | Name | Default | Meaning |
    |------|---------|---------|
    | `shipping_fee` | 25.0 | cost of an order below `free_from` |
    | `free_from` | 60.0 | least order without the fee, in units |
    | `unit_cost` | 0.0 | cost per unit ordered |
    | `holding_cost` | 1.0 | cost per unit in stock at the end of a period |
    | `shortage_cost` | 9.0 | cost per unit backlogged at the end of a period, or lost |
    | `demand` | `poisson(20)` | units per period: a distribution, a list of one per period, or traces |
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
    >>> env = gym.make("jumpgym/FreeShipping-v0", free_from=40.0)
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((2, [35.0]))
    >>> print(info["regime"], info["quantity"])
    2 40.0

    ## References
    - B. Zhou, M. N. Katehakis and Y. Zhao (2009), Managing stochastic inventory systems with free shipping
      option, European Journal of Operational Research 196(1).

    ## Version History
    - v0: first version.
    """

    make_problem = staticmethod(free_shipping)


class FreeShippingVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/FreeShipping-v0``."""

    make_problem = staticmethod(free_shipping)
