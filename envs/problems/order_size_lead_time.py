"""OrderSizeLeadTime: larger orders take longer to arrive."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..regimes import MAX_LEAD_TIME, RegimeTable, brackets, per_bracket
from .single_item import single_item


@single_item(demand="poisson(10)")
def order_size_lead_time(
    *,
    breakpoints: Sequence[float] = (8.0,),
    lead_times: Sequence[int] = (1, 3),
    fixed_cost: float = 10.0,
    unit_cost: float = 0.0,
    max_order: float = 100.0,
) -> RegimeTable:
    """The problem of ``jumpgym/OrderSizeLeadTime-v0``; see ``OrderSizeLeadTimeEnv`` for the parameters."""
    periods = [
        checks.integer("lead_times", periods, low=0, high=MAX_LEAD_TIME)
        for periods in per_bracket("lead_times", lead_times, breakpoints)
    ]
    if any(larger < smaller for smaller, larger in pairwise(periods)):
        raise ValueError(
            f"lead_times={tuple(periods)} must not decrease: a larger order would arrive before a "
            "smaller one that was placed at the same time"
        )
    count = len(periods)
    return brackets(
        breakpoints,
        max_order,
        breakpoint_in="lower",
        fixed_cost=[fixed_cost] * count,
        unit_cost=[unit_cost] * count,
        lead_time=periods,
    )


class OrderSizeLeadTimeEnv(HybridEnv):
    """
    ## Description
    A warehouse holds one item whose supplier delivers small orders sooner than large ones, so the
    transition jumps where one more unit makes the order late. Small orders alone may not keep up with
    demand, or cost too much; a small order may overtake a large one that is still outstanding. So a
    decision depends on the inventory position, and on how much of it arrives soon.

    An order of exactly a breakpoint has the shorter lead time. On the defaults the best policy that ignores
    the jump, ordering up to the best constant level in every period, costs 31 % more than the optimum;
    the best (s, S) policy 11 % more.

    In a period: the order is placed; what is due arrives (with lead time 0 at once); demand occurs; stock or
    shortage is charged.

    ## Action Space
    `Tuple(Discrete(len(lead_times) + 1), Box(0, max_order, (1,), float32))`

    | Num | Regime | Quantity is projected on | Arrives in | Cost |
    |-----|--------|--------------------------|------------|------|
    | 0 | order nothing | 0 | | 0 |
    | k = 1, 2, ... | bracket k | (breakpoints[k - 2], breakpoints[k - 1]] | lead_times[k - 1] | see below |

    The first bracket starts at 0, the last ends with `max_order`. An order costs
    `fixed_cost + unit_cost * quantity`.

    A regime index out of range, a NaN or a wrong shape is a `ValueError`. `info["quantity"]` is the
    quantity that was applied, `info["regime"]` the regime, `info["noise"]` the demand.

    ## Observation Space
    `Box(float32, (2 + max(lead_times),))`

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | net stock, units (negative: backlog) | initial - most demand | initial + horizon * max_order |
    | 1 ... max(lead_times) | units that arrive in 0, 1, ... periods | 0 | max_order |
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
    | `breakpoints` | (8.0,) | largest order of each shorter lead time, ascending, in units |
    | `lead_times` | (1, 3) | periods until an order of each bracket arrives; must not decrease |
    | `fixed_cost` | 10.0 | cost of an order, whatever its size |
    | `unit_cost` | 0.0 | cost per unit ordered |
    | `holding_cost` | 1.0 | cost per unit in stock at the end of a period |
    | `shortage_cost` | 9.0 | cost per unit backlogged at the end of a period, or lost |
    | `demand` | `poisson(10)` | units per period: a distribution, a list of one per period, or traces |
    | `unmet_demand` | `"backlog"` | what happens to unmet demand: `"backlog"` or `"lost"` |
    | `initial_inventory` | 0.0 | units in stock before the first period: a number, or a pair (low, high) |
    | `horizon` | 50 | number of periods, or None for an infinite horizon |
    | `discount` | 1.0 | factor in (0, 1] on the cost of each later period |
    | `demand_history` | 0 | number of past demands in the observation, the latest first |
    | `season` | None | periods of the season, whose phase the observation shows as sine and cosine |
    | `order_multiple` | None | orders are multiples of it, in units, the nearest in their regime; None: any |
    | `max_order` | 100.0 | largest order, in units |

    Traces are an array (episodes, horizon), a pandas DataFrame, or the path of a CSV file with a header line.

    >>> import gymnasium as gym, jumpgym
    >>> env = gym.make("jumpgym/OrderSizeLeadTime-v0", breakpoints=(11.0,), lead_times=(0, 2))
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((2, [30.0]))
    >>> observation[1:3].tolist()
    [0.0, 30.0]

    ## References
    - A. S. Whittemore and S. C. Saunders (1977), Optimal inventory under stochastic demand with two supply
      options, SIAM Journal on Applied Mathematics 32(2): two lead times without brackets.
    - S. Veeraraghavan and A. Scheller-Wolf (2008), Now or later: a simple policy for effective dual sourcing
      in capacitated systems, Operations Research 56(4).

    ## Version History
    - v0: first version.
    """

    make_problem = staticmethod(order_size_lead_time)


class OrderSizeLeadTimeVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/OrderSizeLeadTime-v0``."""

    make_problem = staticmethod(order_size_lead_time)
