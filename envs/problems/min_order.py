"""MinOrder: the supplier takes no small orders."""

from __future__ import annotations

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..regimes import RegimeTable
from .single_item import single_item


@single_item()
def min_order(
    *,
    min_order: float = 40.0,
    fixed_cost: float = 32.0,
    unit_cost: float = 0.0,
    lead_time: int = 0,
    max_order: float = 200.0,
) -> RegimeTable:
    """The problem of ``jumpgym/MinOrder-v0``; see ``MinOrderEnv`` for the parameters."""
    max_order = checks.number("max_order", max_order, low=0)
    min_order = checks.number("min_order", min_order, low=0)
    if min_order > max_order:
        raise ValueError(f"min_order={min_order:g} must not exceed max_order={max_order:g}")
    return RegimeTable(
        low=[0, min_order],
        high=[0, max_order],
        fixed_cost=[0, fixed_cost],
        unit_cost=[0, unit_cost],
        lead_time=[lead_time, lead_time],
    )


class MinOrderEnv(HybridEnv):
    """
    ## Description
    A warehouse holds one item whose supplier takes no order below a minimum: in each period it orders
    nothing, or at least `min_order` units. The set of orders has a gap, so a small need is either left or
    overfilled. A good policy orders max(min_order, S - x) once the stock x has fallen to s (Zhou et al.); the
    optimal one has no simple form (Zhao and Katehakis).

    On the defaults the best policy that ignores the jump, ordering up to the best constant level in every
    period, costs only 3 % more than the optimum, since what it asks for below half the minimum falls to
    nothing; with `min_order=25` it is 14 %.

    In a period: the order is placed; what is due arrives (with lead time 0 at once); demand occurs; stock or
    shortage is charged.

    ## Action Space
    `Tuple(Discrete(2), Box(0, max_order, (1,), float32))`

    | Num | Regime | Quantity is projected on | Cost |
    |-----|--------|--------------------------|------|
    | 0 | order nothing | 0 | 0 |
    | 1 | order | [min_order, max_order] | fixed_cost + unit_cost * quantity |

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

    ## Rewards
    Minus the cost of the period, with `x` the net stock after demand:
    `fixed_cost * [regime 1] + unit_cost * quantity + holding_cost * max(x, 0) + shortage_cost * max(-x, 0)`.
    With `unmet_demand="lost"` the stock is cut at 0 after that. Rewards are not discounted; `discount` is the
    factor that agents and references apply.

    `info["costs"]` holds the cost of the period by kind: setup, purchase, holding and shortage.

    ## Starting State
    `initial_inventory` units in stock (drawn uniformly if it is a pair), nothing on order.

    ## Episode End
    Terminated after `horizon` periods; never with `horizon=None`. There is no truncation.

    ## Arguments
    | Name | Default | Meaning |
    |------|---------|---------|
    | `min_order` | 40.0 | smallest order that the supplier takes, at most `max_order` |
    | `fixed_cost` | 32.0 | cost of an order, whatever its size |
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

    Traces are an array, a pandas DataFrame, or the path of a CSV file with a header line.

    >>> import gymnasium as gym, jumpgym, scipy.stats
    >>> env = gym.make("jumpgym/MinOrder-v0", min_order=16.0, demand=scipy.stats.gamma(4, scale=2))
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((1, [5.0]))
    >>> print(info["regime"], info["quantity"])
    1 16.0

    ## References
    - Y. Zhao and M. N. Katehakis (2006), On the structure of optimal ordering policies for stochastic
      inventory systems with minimum order quantity, Probability in the Engineering and Informational Sciences
      20(2).
    - B. Zhou, Y. Zhao and M. N. Katehakis (2007), Effective control policies for stochastic inventory systems
      with a minimum order quantity and linear costs, International Journal of Production Economics 106(2).

    ## Version History
    - v0: first version.
    """

    make_problem = staticmethod(min_order)


class MinOrderVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/MinOrder-v0``."""

    make_problem = staticmethod(min_order)
