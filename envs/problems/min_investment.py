"""MinInvestment: an investment has a minimum, and an entry cost."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy
from array_api_compat import array_namespace
from numpy.typing import NDArray

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..layout import ActionLayout
from ..noise.items import as_item_noise, count_items, item_records
from ..problem import HindsightProblem

RUIN = 1e-9
"""In a logarithm, wealth counts as at least this fraction of the largest initial wealth."""


class InvestmentState(NamedTuple):
    """State of an investor; every entry has the leading batch axes.

    Attributes:
        wealth: money, shape (...,).
        period: elapsed periods, shape (...,).
    """

    wealth: Any
    period: Any


class MinInvestment(HindsightProblem):
    """The problem of ``jumpgym/MinInvestment-v0``; see ``MinInvestmentEnv`` for the parameters.

    Attributes:
        returns: the returns of the vehicles, an ``ItemNoise``.
        min_investment, entry_costs, max_investment: by vehicle, shape (v,).
        initial_wealth: pair (low, high).
        needs: wealth that entering each vehicle takes, shape (v,).
    """

    horizon: int
    noise_name = "return"
    cost_kinds = ("utility",)

    def __init__(
        self,
        *,
        returns: Any = None,
        min_investment: Any = (2.0, 8.0),
        entry_costs: Any = (0.2, 0.5),
        max_investment: Any = 1000.0,
        risk_free: float = 0.01,
        utility: str = "log",
        initial_wealth: float | tuple[float, float] = (5.0, 15.0),
        horizon: int = 10,
        discount: float = 1.0,
    ) -> None:
        if returns is None:
            returns = [
                scipy.stats.lognorm(0.2, loc=-1, scale=1.03),
                scipy.stats.lognorm(0.4, loc=-1, scale=1.06),
            ]
        amounts = {
            "min_investment": min_investment,
            "entry_costs": entry_costs,
            "max_investment": max_investment,
        }
        returns = item_records(returns, "returns", low=-1.0)
        count = _vehicles(returns, amounts)
        self.min_investment = _by_vehicle("min_investment", min_investment, count)
        self.entry_costs = _by_vehicle("entry_costs", entry_costs, count)
        self.max_investment = _by_vehicle("max_investment", max_investment, count)
        if np.any(self.min_investment > self.max_investment):
            raise ValueError(
                f"min_investment={min_investment!r} must be at most max_investment={max_investment!r}"
            )
        self.risk_free = checks.number("risk_free", risk_free, low=-1, high=1e3)
        self.utility = checks.choice("utility", utility, ("log", "linear"))
        self.initial_wealth = checks.interval("initial_wealth", initial_wealth, low=0)
        if self.initial_wealth[0] == 0:
            raise ValueError(f"initial_wealth={initial_wealth!r} must be greater than 0")
        self.horizon = checks.integer("horizon", horizon, low=1, high=checks.MAX_HORIZON)
        self.discount = checks.discount(discount)
        self.returns = as_item_noise(returns, count, self.horizon, name="returns", low=-1.0)
        if self.utility == "log" and min(self.returns.min.min(), self.risk_free) <= -1:
            raise ValueError(
                f"returns: the least are {self.returns.min.tolist()}, risk_free={self.risk_free}; with "
                "utility='log' none may lose everything: they must be greater than -1"
            )
        self.needs = self.min_investment + self.entry_costs
        self.largest_wealth = self._largest_wealth()

        self.start_shape, self.noise_shape = (), (count,)
        zero = np.zeros(count)
        self.layout = ActionLayout(
            (2,) * count,
            range(count),
            np.stack([zero, self.min_investment], axis=1).reshape(-1),
            np.stack([zero, self.max_investment], axis=1).reshape(-1),
        )
        # An amount between nothing and the minimum belongs to the nearer of both.
        self.boundaries = tuple(np.array([least / 2]) for least in self.min_investment)
        self.observation_low = np.zeros(2)
        self.observation_high = np.array([self.largest_wealth, float(self.horizon)])
        self.observation_names = ("wealth", "period")
        named = self.returns.names
        self.quantity_names = tuple(f"invested in {name}" for name in named or range(1, count + 1))
        self.regime_names = tuple(("", name) for name in named or [f"vehicle {i + 1}" for i in range(count)])
        mean = sum(self.initial_wealth) / 2
        self.observation_scale = np.array([mean, float(self.horizon)])
        self.quantity_scale = np.full(2 * count, mean / count)
        self.state_scale = (mean, None)
        self._least = RUIN * self.initial_wealth[1]
        super().__init__(
            {
                "needs": self.needs,
                "min_investment": self.min_investment,
                "entry_costs": self.entry_costs,
                "zero": np.zeros(()),
                "one": np.ones(()),
                "least": np.array(self._least),
                "least_return": self.returns.min,
                "largest_return": self.returns.max,
            }
        )

    def initial_state(self, uniforms: Any) -> InvestmentState:
        """State before the first period from uniforms (...,)."""
        low, high = self.initial_wealth
        return InvestmentState(low + (high - low) * uniforms, 0.0 * uniforms)

    def noise(self, uniforms: Any) -> Any:
        """Returns (..., horizon, v) from uniforms of that shape: 0.1 means that 1 becomes 1.1."""
        return self.returns.sample(uniforms)

    def admit(self, state: InvestmentState, gate: Any, quantity: Any) -> tuple[Any, Any]:
        """What wealth can pay for; see ``HindsightProblem.admit``.

        A vehicle is not entered if wealth does not pay its minimum and entry cost. Then vehicles are dropped
        from the last to the first until wealth pays the minima and entry costs of the others. Then what
        exceeds the minima is scaled down by one factor to what is left.
        """
        c = self.constants(quantity)
        xp, wealth = c.xp, state.wealth[..., None]
        off, on = gate[..., 0::2], gate[..., 1::2]
        alone = on * xp.astype(c.needs <= wealth, on.dtype)
        entered = alone * xp.astype(xp.cumulative_sum(alone * c.needs, axis=-1) <= wealth, on.dtype)
        beyond = quantity[..., 1::2] - c.min_investment
        free = xp.maximum(state.wealth - entered @ c.needs, c.zero)
        total = xp.sum(entered * beyond, axis=-1)
        factor = free / xp.maximum(xp.maximum(total, free), c.least)
        share = xp.where(total <= free, c.one, factor)[..., None]
        # A vehicle that is not kept keeps its quantity, which has no weight, except for a hard decision.
        amount = xp.where(entered > 0, c.min_investment + share * beyond, c.zero)
        flat = quantity.shape
        gates = xp.reshape(xp.stack([off + on - entered, entered], axis=-1), flat)
        return gates, xp.reshape(xp.stack([quantity[..., 0::2], amount], axis=-1), flat)

    def step(
        self, state: InvestmentState, gate: Any, quantity: Any, noise: Any
    ) -> tuple[InvestmentState, Any]:
        """One period; see ``HindsightProblem.step``. ``noise`` are the returns (..., v)."""
        c = self.constants(quantity)
        xp = c.xp
        gate, quantity = self.admit(state, gate, quantity)
        on = gate[..., 1::2]
        amounts = on * quantity[..., 1::2]
        cash = state.wealth - xp.sum(amounts, axis=-1) - on @ c.entry_costs
        wealth = xp.maximum(cash, c.zero) * (1 + self.risk_free) + xp.sum(amounts * (1 + noise), axis=-1)
        value = xp.log(xp.maximum(wealth, c.least)) if self.utility == "log" else wealth
        last = xp.astype(state.period + 1 >= self.horizon, wealth.dtype)
        return InvestmentState(wealth, state.period + 1), (c.zero - last * value)[..., None]

    def itemised_step(
        self, state: InvestmentState, gate: Any, quantity: Any, noise: Any
    ) -> tuple[InvestmentState, Any, dict[str, Any]]:
        """See ``HindsightProblem.itemised_step``; utility, which is earned, is the only kind."""
        following, cost = self.step(state, gate, quantity, noise)
        return following, cost, {"utility": cost.sum(-1)}

    def infer_noise(
        self, state: InvestmentState, gate: Any, quantity: Any, following: InvestmentState
    ) -> Any:
        """Returns (..., v) by the change of wealth; see ``HindsightProblem.infer_noise``.

        Wealth is one number, so it gives the return of one vehicle, and only while that is held: with several
        vehicles, and in periods without an investment, returns must be logged.
        """
        c = self.constants(quantity)
        xp = c.xp
        gate, quantity = self.admit(state, gate, quantity)
        amounts = gate[..., 1::2] * quantity[..., 1::2]
        held = amounts > 0
        checks.determined(
            "return",
            held,
            "nothing was invested in that vehicle. Log the returns, info['noise'] of the environment, or "
            "leave such periods out",
        )
        alone = xp.sum(xp.astype(held, amounts.dtype), axis=-1) == 1
        checks.determined(
            "return",
            alone,
            "several vehicles were held, and wealth shows only what they earned together. Log the returns, "
            "info['noise'] of the environment",
        )
        without = self.step(state, gate, quantity, -xp.ones_like(amounts))[0].wealth
        returned = (following.wealth - without)[..., None] / amounts - 1
        return xp.maximum(xp.minimum(returned, c.largest_return), c.least_return)

    def observe(self, state: InvestmentState) -> Any:
        """Observation (..., 2): wealth, elapsed periods."""
        return array_namespace(state.period).stack([state.wealth, state.period], axis=-1)

    def quantity_from(self, observation: Any, output: Any) -> Any:
        """Amounts (..., columns): the share ``(0.5 + output) / v`` of wealth; see ``HindsightProblem``."""
        return (0.5 + output) * observation[..., :1] / len(self.min_investment)

    def check_noise(self, noise: Any) -> NDArray[np.float64]:
        """Returns of shape (..., horizon, v) to be replayed; within those that can occur."""
        returns = self.noise_array(noise)
        low, high = self.returns.min, self.returns.max
        slack = 1e-9 * (1 + np.abs(high))
        if np.any(returns < np.maximum(low - slack, -1.0)) or np.any(returns > high + slack):
            raise ValueError(
                f"noise: returns must lie between {low.tolist()} and {high.tolist()}, the ends of the "
                "returns of the problem"
            )
        return returns

    def certainty_equivalent(self, expected_cost: Any) -> Any:
        """The sure terminal wealth that is worth as much as an expected discounted cost, shape (...,)."""
        utility = -np.asarray(expected_cost) / self.discount ** (self.horizon - 1)
        return np.exp(utility) if self.utility == "log" else utility

    def _largest_wealth(self) -> float:
        """A bound of wealth in any episode; ValueError if wealth can never pay a vehicle's minimum."""
        gains = np.maximum(self.returns.max - self.risk_free, 0.0)
        best_first = np.argsort(-gains)
        wealth = payable = self.initial_wealth[1]
        for _ in range(self.horizon):
            payable = max(payable, wealth)
            room = np.where(self.needs <= wealth, self.max_investment, 0.0)[best_first]
            invested = np.clip(wealth - (np.cumsum(room) - room), 0.0, room)
            wealth = wealth * (1 + self.risk_free) + float(invested @ gains[best_first])
            if wealth > checks.LARGEST:
                raise ValueError(
                    f"max_investment={self.max_investment.tolist()}, horizon={self.horizon}: wealth may "
                    f"exceed {checks.LARGEST:g}; lower max_investment or shorten the horizon"
                )
        if np.any(self.needs > payable):
            vehicle = int(np.argmax(self.needs > payable))
            raise ValueError(
                f"min_investment: vehicle {vehicle} takes at least {self.min_investment[vehicle]:g}, and "
                f"{self.entry_costs[vehicle]:g} to enter, but wealth never exceeds {payable:g} before the "
                "last period"
            )
        return max(wealth, payable)


def _vehicles(returns: Any, amounts: dict[str, Any]) -> int:
    """The number of vehicles, which all vectors must have; 1 if there are only numbers."""
    lengths = {name: len(value) for name, value in amounts.items() if checks.is_vector(value)}
    from_returns = count_items(returns)
    if from_returns is not None:
        lengths["returns"] = from_returns
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        given = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ValueError(
            f"the number of vehicles must be the same in all parameters, at least 1, not {given}"
        )
    return next(iter(lengths.values()), 1)


def _by_vehicle(name: str, value: Any, count: int) -> NDArray[np.float64]:
    """Amounts of money, shape (count,), from a number for all or one for each vehicle; at least 0."""
    values = checks.sequence(name, value) if checks.is_vector(value) else [value] * count
    return np.array([checks.number(name, each, low=0) for each in values])


class MinInvestmentEnv(HybridEnv):
    """
    ## Description
    An investor splits wealth between cash and several vehicles with random returns. A vehicle takes no less
    than its minimum, and in each period in which it is held it costs an entry cost. So what can be chosen
    jumps with wealth, and so does what wealth is worth: a poor investor has to decide whether to put
    everything into one vehicle, or to wait for cash to grow; a rich one holds both.

    In a period: the investor chooses vehicles and amounts, which are cut to what wealth can pay; entry costs
    are paid; returns are drawn; cash earns `risk_free`. Investments are sold at the end of each period.

    With the defaults the certainty equivalent of the optimal policy is 11.53, of the best policy that ignores
    the jumps, constant fractions of wealth as is optimal without minima and entry costs, 9.89: 14 % less (in
    expected cost 6.3 % worse). With a threshold of wealth for each vehicle it is 11.42, 0.9 % less.

    ## Action Space
    `Tuple(MultiDiscrete([2] * vehicles), Box(0, max_investment, (vehicles,), float32))`, with one vehicle
    `Tuple(Discrete(2), Box(0, max_investment, (1,), float32))`

    | Regime of vehicle i | Amount is projected on | Cost |
    |---------------------|------------------------|------|
    | 0: not held | 0 | 0 |
    | 1: held | [min_investment[i], max_investment[i]] | entry_costs[i], paid out of wealth |

    What wealth cannot pay is cut: a vehicle whose minimum and entry cost exceed wealth is not entered; then
    vehicles are dropped from the last to the first until wealth pays the minima and entry costs of the
    others; then what exceeds the minima is scaled down by one factor to what is left. `info["regime"]` and
    `info["quantity"]` tell what was carried out, `info["noise"]` the returns.

    ## Observation Space
    `Box(float32, (2,))`

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | wealth | 0 | the most that can be reached |
    | 1 | elapsed periods | 0 | horizon |

    ## Rewards
    In the last period the utility of wealth at its end, `log(wealth)` or `wealth`; 0 before. In the logarithm
    wealth counts as at least 1e-9 of the largest initial wealth. Rewards are not discounted; `discount` is
    the factor that agents and references apply.

    `info["costs"]` holds the cost of the period by kind: utility.

    ## Starting State
    `initial_wealth` (drawn uniformly if it is a pair).

    ## Episode End
    Terminated after `horizon` periods. There is no truncation.

    ## Arguments
    | Name | Default | Meaning |
    |------|---------|---------|
    | `returns` | `[lognorm(0.2, loc=-1, scale=1.03), lognorm(0.4, loc=-1, scale=1.06)]` | return per period: a `scipy.stats` distribution for all vehicles, a list of one for each, or traces (episodes, horizon, vehicles) or (periods, vehicles); at least -1 (with log utility more) |
    | `min_investment` | (2.0, 8.0) | least amount in each vehicle; a number for all, or one for each |
    | `entry_costs` | (0.2, 0.5) | cost per period in which a vehicle is held; a number for all, or one for each |
    | `max_investment` | 1000.0 | most in each vehicle; a number for all, or one for each |
    | `risk_free` | 0.01 | return of cash per period |
    | `utility` | `"log"` | `"log"` or `"linear"`, of the terminal wealth |
    | `initial_wealth` | (5.0, 15.0) | wealth before the first period: a number, or a pair (low, high) |
    | `horizon` | 10 | number of periods; an infinite horizon is not supported |
    | `discount` | 1.0 | factor in (0, 1] on the cost of each later period |

    By default `1 + return` is `scipy.stats.lognorm(0.2, scale=1.03)` and `scipy.stats.lognorm(0.4,
    scale=1.06)`. A return of 0.1 turns 1 into 1.1. A minimum that wealth can never pay is a `ValueError`.

    >>> import gymnasium as gym, jumpgym, scipy.stats
    >>> env = gym.make("jumpgym/MinInvestment-v0", min_investment=6.0, entry_costs=1.0, initial_wealth=10.0,
    ...                returns=scipy.stats.uniform(-0.2, 0.6))
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((1, [25.0]))
    >>> print(info["regime"], info["quantity"])
    1 9.0

    ## References
    - S. Mossin (1968), Optimal multiperiod portfolio policies, Journal of Business 41(2).
    - R. C. Merton (1969), Lifetime portfolio selection under uncertainty: the continuous-time case, Review of
      Economics and Statistics 51(3).

    ## Version History
    - v0: first version.
    """  # noqa: E501 (a table row is one line)

    make_problem = staticmethod(MinInvestment)


class MinInvestmentVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/MinInvestment-v0``."""

    make_problem = staticmethod(MinInvestment)
