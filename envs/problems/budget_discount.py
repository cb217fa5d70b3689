"""BudgetDiscount: large orders are cheaper, but the money for them must have been saved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..demand import STATIONARY_PERIODS, Demand, as_demand
from ..layout import ActionLayout
from ..regimes import RegimeTable, brackets, per_bracket
from ..tracing import straight_through
from .memory import Inventory, check_season, remembering
from .single_item import InventoryState, SingleItemInventory

ROUNDING = 1e-6
"""Relative shortfall of money that is taken as rounding: a bracket that exhausts the budget is admitted."""


class BudgetState(NamedTuple):
    """State of the problem; every entry has the leading batch axes.

    Attributes:
        inventory: net stock in units, negative when demand is backlogged; shape (...,).
        pipeline: outstanding orders in units, entry j arrives in j periods (0: in this one); shape (..., L).
        money: money that orders can be paid from now; shape (...,).
        period: elapsed periods; shape (...,).
    """

    inventory: Any
    pipeline: Any
    money: Any
    period: Any


RememberingBudgetState = remembering(BudgetState)


class BudgetDiscount(Inventory):
    """One item with all-units discounts, bought from a budget that is part of the state.

    Stock, arrivals, demand and its costs are those of ``SingleItemInventory``. A purchase is paid at once out
    of the money left, and is no cost beside; ``income`` is added after each period. What the money does not
    pay for is cut, see ``admit``.

    Args: see ``BudgetDiscountEnv``.

    Attributes:
        brackets: regime 0, no order, and the brackets, with their unit costs.
        stock: the inventory without its money: a problem in which orders cost nothing.

    Raises:
        ValueError, TypeError: naming the parameter, its value and what is allowed.
    """

    quantity_names = ("order",)
    noise_name = "demand"
    cost_kinds = ("holding", "shortage", "leftover")

    def __init__(
        self,
        *,
        budget: float = 40.0,
        breakpoints: Sequence[float] = (20.0, 40.0),
        unit_costs: Sequence[float] = (1.0, 0.9, 0.8),
        income: float = 8.0,
        leftover_value: float = 0.0,
        holding_cost: float = 0.1,
        shortage_cost: float = 2.0,
        demand: Any = None,
        unmet_demand: str = "lost",
        lead_time: int = 0,
        initial_inventory: float | tuple[float, float] = 0.0,
        horizon: int | None = 50,
        discount: float = 1.0,
        max_order: float = 80.0,
        demand_history: int = 0,
        season: int | None = None,
        order_multiple: float | None = None,
    ) -> None:
        self.brackets = _brackets(breakpoints, unit_costs, lead_time, max_order).in_multiples(order_multiple)
        self.order_multiple = self.brackets.order_multiple
        self.budget = checks.number("budget", budget, low=0)
        self.income = checks.number("income", income, low=0)
        self.leftover_value = checks.number("leftover_value", leftover_value, low=0)
        prices = self.brackets.unit_cost
        season = check_season(season)
        horizon = checks.horizon(horizon)
        demand = as_demand(scipy.stats.poisson(10) if demand is None else demand, horizon, season)
        inventory: dict[str, Any] = {
            "holding_cost": holding_cost,
            "shortage_cost": shortage_cost,
            "demand": demand,
            "unmet_demand": unmet_demand,
            "initial_inventory": initial_inventory,
            "horizon": horizon,
            "discount": discount,
            "order_multiple": order_multiple,
        }
        self.stock = SingleItemInventory(_priced(self.brackets, 0 * prices), **inventory)
        self.horizon, self.discount = self.stock.horizon, self.stock.discount
        self.demand: Demand = demand
        self.remember(demand_history, season)
        if self.horizon is None and self.leftover_value > 0:
            raise ValueError(
                f"leftover_value={leftover_value!r} must be 0 with horizon=None: there is no end at which "
                "money could be left"
            )
        self.level_scale = SingleItemInventory(self.brackets, **inventory).level_scale
        self.money_scale = max(self.level_scale * float(prices.max()), self.budget)

        at_stock = 1 + self.stock.max_lead_time
        richest = self.budget + (self.horizon or STATIONARY_PERIODS) * self.income
        self.observation_low = np.insert(self.stock.observation_low, at_stock, 0.0)
        self.observation_high = np.insert(self.stock.observation_high, at_stock, richest)
        names = self.stock.observation_names
        self.observation_names = (*names[:at_stock], "money", *names[at_stock:])
        least, largest = self.brackets.least, self.brackets.largest
        self.layout = ActionLayout((len(prices),), (0,), least, largest, multiple=self.stock.layout.multiple)
        least_payment = least * prices * (1 - ROUNDING)
        self.thresholds = tuple((at_stock, float(money)) for money in least_payment if money > 0)
        self.boundaries = (self.brackets.boundaries,)
        self.regime_names = (self.brackets.names,)
        self.observation_scale = np.full(len(self.observation_low), self.level_scale)
        self.observation_scale[at_stock] = self.money_scale
        self.quantity_scale = np.full(len(prices), self.level_scale)
        self.state_scale = (self.level_scale, self.level_scale, self.money_scale, None)
        self.observe_memory(at_stock + 1)
        super().__init__(
            {
                **self.memory_arrays,
                "low": least,
                "high": largest,
                "unit_cost": prices,
                "units_per_money": 1 / np.where(prices > 0, prices, 1.0),
                "least_payment": least_payment,
                "zero": np.zeros(()),
            }
        )

    def initial_state(self, uniforms: Any) -> Any:
        """State before the first period, with nothing on order, from uniforms (...,)."""
        inventory, pipeline, period = self.stock.initial_state(uniforms)
        money = 0.0 * period + self.budget
        if self.memory is None:
            return BudgetState(inventory, pipeline, money, period)
        past = self.memory.start(self.constants(uniforms), uniforms)
        return RememberingBudgetState(inventory, pipeline, money, *past, period)

    def noise(self, uniforms: Any) -> Any:
        """Demand in units, shape (..., horizon), from uniforms of that shape."""
        return self.stock.noise(uniforms)

    def check_noise(self, noise: Any) -> NDArray[np.float64]:
        """Demand of shape (..., horizon) to be replayed; finite, not negative, within the bounds."""
        return self.stock.check_noise(noise)

    def admit(self, state: Any, gate: Any, quantity: Any) -> tuple[Any, Any]:
        """What the money pays for.

        An order is cut to what the money buys at its bracket's price. If that is less than the bracket's
        least order, the order falls to the next lower bracket whose least order can be paid, and there takes
        all that the money buys, at that bracket's price. With relaxed gates the weight falls, and the
        quantity of the bracket becomes the mean, by weight, of its own and what fell to it. With an order
        multiple "all that the money buys" are whole multiples.
        """
        c = self.constants(quantity)
        xp, money = c.xp, state.money[..., None]
        paid_for = xp.astype(money >= c.least_payment, quantity.dtype)
        most = xp.maximum(xp.minimum(c.high, self._payable(xp, money * c.units_per_money)), c.low)
        affordable = xp.minimum(self.brackets.rounded(quantity), most)
        falling, weights, orders = 0.0 * gate[..., 0], [], []
        for k in reversed(range(len(self.brackets))):
            weight = gate[..., k] * paid_for[..., k]
            fallen = falling * paid_for[..., k]
            falling = falling - fallen + gate[..., k] - weight
            total = weight + fallen
            divisor = xp.where(total > 0, total, total + 1)
            mean = (weight * affordable[..., k] + fallen * most[..., k]) / divisor
            weights.append(total)
            orders.append(xp.where(fallen > 0, mean, affordable[..., k]))
        return xp.stack(weights[::-1], axis=-1), xp.stack(orders[::-1], axis=-1)

    def _payable(self, xp: Any, units: Any) -> Any:
        """What can be ordered of units that the money pays for: with an order multiple whole multiples."""
        if self.order_multiple is None:
            return units
        whole = self.order_multiple * xp.floor(units / self.order_multiple * (1 + ROUNDING))
        return straight_through(whole, units)

    def step(self, state: Any, gate: Any, quantity: Any, noise: Any) -> tuple[Any, Any]:
        """One period; see ``HindsightProblem.step``. ``noise`` is the demand in units."""
        gate, quantity = self.admit(state, gate, quantity)
        after, cost = self.stock.step(_stocks(state), gate, quantity, noise)
        following, leftover = self._money_after(state, after, gate, quantity, noise)
        return following, cost if leftover is None else cost - leftover[..., None]

    def itemised_step(
        self, state: Any, gate: Any, quantity: Any, noise: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        """See ``HindsightProblem.itemised_step``; purchases are paid from the budget and are no cost."""
        gate, quantity = self.admit(state, gate, quantity)
        after, cost, by_kind = self.stock.itemised_step(_stocks(state), gate, quantity, noise)
        following, leftover = self._money_after(state, after, gate, quantity, noise)
        by_kind = {kind: by_kind[kind] for kind in ("holding", "shortage")}
        if leftover is None:
            return following, cost, {**by_kind, "leftover": 0.0 * following.money}
        return following, cost - leftover[..., None], {**by_kind, "leftover": -leftover}

    def _money_after(
        self, state: Any, after: InventoryState, gate: Any, quantity: Any, noise: Any
    ) -> tuple[Any, Any]:
        """The next state, and the value (...,) of leftover money if it has one, else None."""
        c = self.constants(quantity)
        left = c.xp.maximum(state.money - (gate * quantity) @ c.unit_cost, c.zero) + self.income
        leftover = None
        if self.leftover_value > 0 and self.horizon is not None:
            ended = c.xp.astype(after.period >= self.horizon, left.dtype)
            leftover = self.leftover_value * ended * left
        stocks = after.inventory, after.pipeline, left
        if self.memory is None:
            return BudgetState(*stocks, after.period), leftover
        past = self.memory.after(c, state, noise)
        return RememberingBudgetState(*stocks, *past, after.period), leftover

    def infer_noise(self, state: Any, gate: Any, quantity: Any, following: Any) -> Any:
        """Demand in units (...,); see ``HindsightProblem.infer_noise``, and ``demand.from_stocks``."""
        gate, quantity = self.admit(state, gate, quantity)
        return self.stock.infer_noise(_stocks(state), gate, quantity, _stocks(following))

    def observe(self, state: Any) -> Any:
        """Observation (..., L + 3): net stock, outstanding orders by arrival, money, elapsed periods.

        What the memory shows lies between the money and the period.
        """
        inventory, pipeline, money, *_, period = state
        c = self.constants(period)
        xp = c.xp
        entries = [inventory[..., None], pipeline, money[..., None]]
        if self.memory is not None:
            entries += self.memory.observed(c, state)
        return xp.concat(entries if self.horizon is None else [*entries, period[..., None]], axis=-1)

    def position(self, observation: Any) -> Any:
        """Inventory position in units, net stock and all outstanding orders, of observations (..., n)."""
        return self.stock.position(observation)

    def money(self, observation: Any) -> Any:
        """Money left, of observations (..., n)."""
        return observation[..., 1 + self.stock.max_lead_time]

    def quantity_from(self, observation: Any, output: Any) -> Any:
        """Orders (..., K) up to levels ``level_scale * (1 + output)``; see ``HindsightProblem``."""
        return self.level_scale * (1 + output) - self.position(observation)[..., None]


def _stocks(state: Any) -> InventoryState:
    """The state without the money and the memory."""
    return InventoryState(state.inventory, state.pipeline, state.period)


def _brackets(
    breakpoints: Sequence[float], unit_costs: Sequence[float], lead_time: int, max_order: float
) -> RegimeTable:
    """Regime 0, no order, and the brackets between the breakpoints."""
    prices = [
        checks.number("unit_costs", price, low=0)
        for price in per_bracket("unit_costs", unit_costs, breakpoints)
    ]
    if min(prices) == 0 or any(larger > smaller for smaller, larger in pairwise(prices)):
        raise ValueError(f"unit_costs={tuple(prices)} must be greater than 0, and must not increase")
    return brackets(
        breakpoints,
        max_order,
        breakpoint_in="upper",
        fixed_cost=[0.0] * len(prices),
        unit_cost=prices,
        lead_time=[lead_time] * len(prices),
    )


def _priced(brackets: RegimeTable, prices: NDArray[np.float64]) -> RegimeTable:
    """The same brackets at other prices."""
    return RegimeTable(brackets.low, brackets.high, brackets.fixed_cost, prices, brackets.lead_time)


class BudgetDiscountEnv(HybridEnv):
    """
    ## Description
    A shop buys one item from a supplier who gives an all-units discount on large orders, and pays from a
    budget that an income fills. The income does not pay for the demand at the price of small orders: the shop
    must save for large ones while its stock runs low. The budget is part of the state, and it jumps with the
    bracket of the order, and so does what can be bought later.

    In a period: the order is placed and paid; what is due arrives (with lead time 0 at once); demand occurs;
    stock or shortage is charged; the income comes in.

    On the defaults the best policy that ignores the jump, ordering up to the best constant level in every
    period, costs 76 % more than the optimum. The optimum orders nothing in 39 % of the periods, and 35, 13
    and 12 % of its decisions fall in the three brackets.

    ## Action Space
    `Tuple(Discrete(1 + number of brackets), Box(0, max_order, (1,), float32))`

    | Num | Regime | Quantity is projected on | Paid from the budget |
    |-----|--------|--------------------------|------|
    | 0 | order nothing | 0 | 0 |
    | k = 1, 2, ... | bracket k | [breakpoints[k - 2], breakpoints[k - 1]) | unit_costs[k - 1] * quantity |

    The first bracket begins at 0, the last ends with `max_order`; an order of exactly a breakpoint has the
    better price. An order that the money does not pay for is cut to what it buys at the bracket's price. If
    that is below the bracket's least order, the order falls to the next lower bracket whose least order can
    be paid, and takes all that the money buys there. With `order_multiple` it buys whole multiples.

    A regime index out of range, a NaN or a wrong shape is a `ValueError`. `info["quantity"]` is the quantity
    that was applied, `info["regime"]` the regime, `info["noise"]` the demand.

    ## Observation Space
    `Box(float32, (3 + lead_time,))`

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | net stock, units (negative: backlog) | initial - most demand, or 0 | initial + horizon * max_order |
    | 1 ... lead_time | units that arrive in 0, 1, ... periods | 0 | max_order |
    | 1 + lead_time | money | 0 | budget + horizon * income |
    | last | elapsed periods (not with `horizon=None`) | 0 | horizon |

    With `demand_history` the last demands are shown before the elapsed periods, the latest first, and with
    `season` after them the sine and the cosine of the phase of the season.

    ## Rewards
    Minus the cost of the period, with `x` the net stock after demand:
    `holding_cost * max(x, 0) + shortage_cost * max(-x, 0)`, and in the last period
    `- leftover_value * money`, with the last income. Purchases are no cost beside. With
    `unmet_demand="lost"` the stock is cut at 0 after that. Rewards are not discounted; `discount` is the
    factor that agents and references apply.

    `info["costs"]` holds the cost of the period by kind: holding, shortage and leftover.

    ## Starting State
    `initial_inventory` units in stock (drawn uniformly if it is a pair), nothing on order; money: `budget`.

    ## Episode End
    Terminated after `horizon` periods; with `horizon=None` never. There is no truncation.

    ## Arguments
    | Name | Default | Meaning |
    |------|---------|---------|
    | `budget` | 40.0 | money before the first period |
    | `breakpoints` | (20.0, 40.0) | order sizes from which the next price holds, ascending |
    | `unit_costs` | (1.0, 0.9, 0.8) | price per unit of each bracket, one more than breakpoints, not rising |
    | `income` | 8.0 | money that comes in after each period |
    | `leftover_value` | 0.0 | value of a unit of money left at the end; 0 with `horizon=None` |
    | `holding_cost` | 0.1 | cost per unit in stock at the end of a period |
    | `shortage_cost` | 2.0 | cost per unit backlogged at the end of a period, or lost |
    | `demand` | `poisson(10)` | units per period: a distribution, a list of one per period, or traces |
    | `unmet_demand` | `"lost"` | what happens to unmet demand: `"backlog"` or `"lost"` |
    | `lead_time` | 0 | periods until an order arrives |
    | `initial_inventory` | 0.0 | units in stock before the first period: a number, or a pair (low, high) |
    | `horizon` | 50 | number of periods, or None for an infinite horizon |
    | `discount` | 1.0 | factor in (0, 1] on the cost of each later period |
    | `order_multiple` | None | orders are multiples of it, in units, the nearest in their regime; None: any |
    | `max_order` | 80.0 | largest order, in units |
    | `demand_history` | 0 | number of past demands in the observation, the latest first |
    | `season` | None | periods of the season, whose phase the observation shows as sine and cosine |

    Traces are an array, a pandas DataFrame, or the path of a CSV file with a header line.

    >>> import numpy as np
    >>> env = BudgetDiscountEnv(budget=30.0)
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((3, np.array([40.0])))  # costs 32
    >>> print(info["regime"], info["quantity"])
    2 33.333333333333336

    ## References
    - E. L. Porteus (1990), Stochastic inventory theory, Handbooks in Operations Research and Management
      Science 2: discounts in stochastic inventory.
    - X. Chao, J. Chen and S. Wang (2008), Dynamic inventory management with cash flow constraints, Naval
      Research Logistics 55(8): orders that the money at hand limits.

    ## Version History
    - v0: first version.
    """

    make_problem = staticmethod(BudgetDiscount)


class BudgetDiscountVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/BudgetDiscount-v0``."""

    make_problem = staticmethod(BudgetDiscount)
