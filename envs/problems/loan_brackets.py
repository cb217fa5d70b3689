"""LoanBrackets: small loans are expensive, cheap loans are large, and nothing lies between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from .. import checks
from ..adapters.env import HybridEnv
from ..adapters.vector import HybridVectorEnv
from ..layout import ActionLayout
from ..noise.described import as_noise
from ..noise.single import STATIONARY_PERIODS
from ..problem import HindsightProblem
from ..regimes import MAX_LEAD_TIME, RegimeTable


class LoanState(NamedTuple):
    """State of the firm; every entry has the leading batch axes.

    Attributes:
        cash: cash in hand, negative when overdrawn; shape (...,).
        due: repayments with interest, entry j in j periods (0: in this one); shape (..., longest term).
        period: elapsed periods; shape (...,).
    """

    cash: Any
    due: Any
    period: Any


class LoanBrackets(HindsightProblem):
    """The problem of ``jumpgym/LoanBrackets-v0``; see ``LoanBracketsEnv`` for the parameters.

    Attributes:
        loans: regime 0, no loan, and the brackets; ``fixed_cost`` is the fee, ``unit_cost`` the interest of
            the whole term per unit borrowed, ``lead_time`` the term.
        cash_need: the net cash needed in each period, a ``Noise``.
    """

    quantity_names = ("loan",)
    noise_name = "cash need"
    cost_kinds = ("fee", "interest", "shortfall", "deposit")

    def __init__(
        self,
        *,
        brackets: Sequence[Sequence[float]] = ((1_000.0, 100_000.0), (500_000.0, 5_000_000.0)),
        rates: Sequence[float] = (0.02, 0.008),
        fees: Sequence[float] = (200.0, 5_000.0),
        terms: Sequence[int] = (1, 2),
        shortfall_cost: float = 0.1,
        deposit_rate: float = 0.002,
        cash_need: Any = None,
        initial_cash: float | tuple[float, float] = 100_000.0,
        horizon: int | None = 24,
        discount: float = 1.0,
    ) -> None:
        self.loans = _loans(brackets, rates, fees, terms)
        self.shortfall_cost = checks.number("shortfall_cost", shortfall_cost, low=0)
        self.deposit_rate = checks.number("deposit_rate", deposit_rate, low=0)
        if self.deposit_rate > min(checks.sequence("rates", rates)):
            raise ValueError(
                f"deposit_rate={deposit_rate!r} must be at most the lowest of rates={tuple(rates)}: else "
                "money would be borrowed to deposit it"
            )
        self.horizon = checks.horizon(horizon)
        self.discount = checks.discount(discount)
        need = scipy.stats.norm(0.0, 60_000.0) if cash_need is None else cash_need
        self.cash_need = as_noise(need, self.horizon, name="cash_need", low=-np.inf)
        for end in (self.cash_need.min, self.cash_need.max):
            checks.number("cash_need: its least and largest values", end)
        self.initial_cash = checks.interval("initial_cash", initial_cash)
        self.max_term = int(self.loans.lead_time.max())

        interest, largest = self.loans.unit_cost, self.loans.high
        most_due = float((largest * (1 + interest)).sum())  # of each bracket one loan falls due in a period
        periods = self.horizon or STATIONARY_PERIODS
        out = periods * (max(self.cash_need.max, 0.0) + most_due + float(self.loans.fixed_cost.max()))
        into = periods * (max(-self.cash_need.min, 0.0) + float(largest.max()))
        period = [] if self.horizon is None else [float(self.horizon)]
        due = np.full(self.max_term, most_due)
        self.observation_low = np.concatenate([[self.initial_cash[0] - out], 0 * due, 0 * np.array(period)])
        self.observation_high = np.concatenate([[self.initial_cash[1] + into], due, period])
        self.observation_names = (
            "cash",
            *(f"due in {delay}" for delay in range(self.max_term)),
            *("period" for _ in period),
        )
        self.layout = ActionLayout((len(largest),), (0,), self.loans.low, largest)
        self.boundaries = (self.loans.boundaries,)
        self.regime_names = (self.loans.names,)
        # Of a fixed sample: the deviation of what is needed until the longest loan must be repaid.
        length = self.horizon or 64
        sample = self.cash_need.sample(np.random.default_rng(0).random((max(2**16 // length, 8), length)))
        waiting = self.max_term + 1
        self.cash_scale = float(waiting * abs(self.cash_need.mean) + waiting**0.5 * sample.std()) or 1.0
        self.loan_scale = np.maximum(self.loans.low, self.cash_scale)
        self.observation_scale = np.full(len(self.observation_low), self.cash_scale)
        self.quantity_scale = self.loan_scale
        self.state_scale = (self.cash_scale, self.cash_scale, None)
        super().__init__(
            {
                "fee": self.loans.fixed_cost,
                "interest": interest,
                "repayment": (1 + interest)[:, None] * np.eye(self.max_term + 1)[self.loans.lead_time],
                "loan_scale": self.loan_scale,
                "zero": np.zeros(()),
            }
        )

    def initial_state(self, uniforms: Any) -> LoanState:
        """State before the first period, without debt, from uniforms (...,)."""
        xp = array_namespace(uniforms)
        low, high = self.initial_cash
        due = xp.zeros((*uniforms.shape, self.max_term), dtype=uniforms.dtype, device=device(uniforms))
        return LoanState(low + (high - low) * uniforms, due, 0.0 * uniforms)

    def noise(self, uniforms: Any) -> Any:
        """Net cash needed, shape (..., horizon), from uniforms of that shape."""
        return self.cash_need.sample(uniforms)

    def check_noise(self, noise: Any) -> NDArray[np.float64]:
        """Cash needs of shape (..., horizon) to be replayed; within those that can occur."""
        needs = self.noise_array(noise)
        low, high = self.cash_need.min, self.cash_need.max
        slack = 1e-9 * (abs(low) + abs(high))
        if np.any(needs < low - slack) or np.any(needs > high + slack):
            raise ValueError(
                f"noise: cash needs must lie in [{low:g}, {high:g}], the ends of cash_need, since the "
                "bounds of the observation allow no more"
            )
        return needs

    def step(self, state: LoanState, gate: Any, quantity: Any, noise: Any) -> tuple[LoanState, Any]:
        """One period; see ``HindsightProblem.step``. ``noise`` is the net cash needed."""
        following, fees, interest, deposit = self._period(state, gate, quantity, noise)
        return following, self._cost(following.cash, fees, interest, deposit)

    def itemised_step(
        self, state: LoanState, gate: Any, quantity: Any, noise: Any
    ) -> tuple[LoanState, Any, dict[str, Any]]:
        """See ``HindsightProblem.itemised_step``; the interest of a deposit is earned."""
        following, fees, interest, deposit = self._period(state, gate, quantity, noise)
        by_kind = {
            "fee": fees,
            "interest": interest,
            "shortfall": self.shortfall_cost * (deposit - following.cash),
            "deposit": -self.deposit_rate * deposit,
        }
        return following, self._cost(following.cash, fees, interest, deposit), by_kind

    def _cost(self, cash: Any, fees: Any, interest: Any, deposit: Any) -> Any:
        cost = fees + interest + self.shortfall_cost * (deposit - cash)
        return (cost - self.deposit_rate * deposit)[..., None]

    def _period(
        self, state: LoanState, gate: Any, quantity: Any, noise: Any
    ) -> tuple[LoanState, Any, Any, Any]:
        """The next state, and fees and interest of the loan and cash in hand at the end, all (...,)."""
        c = self.constants(quantity)
        borrowed, fees = gate * quantity, gate @ c.fee
        due = c.xp.concat([state.due, 0 * state.due[..., :1]], axis=-1) + borrowed @ c.repayment
        cash = state.cash + borrowed.sum(-1) - fees - due[..., 0] - noise
        following = LoanState(cash, due[..., 1:], state.period + 1)
        return following, fees, borrowed @ c.interest, c.xp.maximum(cash, c.zero)

    def infer_noise(self, state: LoanState, gate: Any, quantity: Any, following: LoanState) -> Any:
        """Net cash needed (...,): the cash that is missing; see ``HindsightProblem.infer_noise``."""
        at_hand = self.step(state, gate, quantity, 0.0 * state.cash)[0].cash
        need = at_hand - following.cash
        return self.constants(quantity).xp.clip(need, self.cash_need.min, self.cash_need.max)

    def observe(self, state: LoanState) -> Any:
        """Observation (..., longest term + 2): cash, repayments due in 0, 1, ... periods, elapsed periods."""
        cash, due, period = state
        entries = [cash[..., None], due]
        entries = entries if self.horizon is None else [*entries, period[..., None]]
        return self.constants(period).xp.concat(entries, axis=-1)

    def position(self, observation: Any) -> Any:
        """Cash after what is due in this period, of observations (..., n)."""
        return observation[..., 0] - observation[..., 1]

    def quantity_from(self, observation: Any, output: Any) -> Any:
        """Loans (..., K) up to a cash of ``loan_scale * (1 + output)``; see ``HindsightProblem``."""
        c = self.constants(output)
        return c.loan_scale * (1 + output) - self.position(observation)[..., None]


def _loans(
    brackets: Sequence[Sequence[float]],
    rates: Sequence[float],
    fees: Sequence[float],
    terms: Sequence[int],
) -> RegimeTable:
    """Regime 0, no loan, and a regime for each bracket."""
    ends = []
    for bracket in checks.sequence("brackets", brackets):
        if len(checks.sequence("brackets", bracket)) != 2:
            raise ValueError(f"brackets={brackets!r}: {bracket!r} must be a pair (low, high)")
        low, high = (checks.number("brackets", end, low=0) for end in bracket)
        if not 0 < low <= high:
            raise ValueError(f"brackets={brackets!r}: {bracket!r} must be a pair 0 < low <= high")
        ends.append((low, high))
    if not ends or any(high >= low for (_, high), (low, _) in pairwise(ends)):
        raise ValueError(
            f"brackets={brackets!r} must be pairs (low, high) that ascend and do not overlap: each low above "
            "the high before it"
        )
    for name, column in (("rates", rates), ("fees", fees), ("terms", terms)):
        if len(checks.sequence(name, column)) != len(ends):
            raise ValueError(f"{name}={tuple(column)} must have {len(ends)} entries, one for each bracket")
    periods = np.array([checks.integer("terms", term, low=1, high=MAX_LEAD_TIME) for term in terms])
    interest = periods * [checks.number("rates", rate, low=0, high=1e3) for rate in rates]
    return RegimeTable(
        low=[0.0, *(low for low, _ in ends)],
        high=[0.0, *(high for _, high in ends)],
        fixed_cost=[0.0, *(checks.number("fees", fee, low=0) for fee in fees)],
        unit_cost=[0.0, *interest],
        lead_time=[1, *periods],
        names=["no loan", *(f"bracket {k + 1}" for k in range(len(ends)))],
    )


class LoanBracketsEnv(HybridEnv):
    """
    ## Description
    A firm pays its bills from a cash account whose balance moves at random. In each period it may borrow from
    one of two lenders: retail loans are small and expensive, wholesale loans are cheap, but begin at a large
    amount. A shortfall of 200,000 can be bridged by neither without a detour: wholesale lends too much,
    retail too little. The set of loans is disconnected, so the question is which lender, not only how much.

    In a period: the loan is paid out, less its fee; what is due is repaid, with interest; the net cash need
    of the period (negative: income) is paid; overdraft is penalised, cash in hand earns the deposit rate.

    On the defaults the best policy that ignores the jump, borrowing in each period up to one level of cash
    as if every amount could be had (amounts between the brackets go to the nearest end), costs 20 % more
    than the optimum. The optimum does nothing in 76 %, takes a retail loan in 17 % and a wholesale loan in
    7 % of the periods.

    ## Action Space
    `Tuple(Discrete(1 + number of brackets), Box(0, largest loan, (1,), float32))`

    | Num | Regime | Quantity is projected on | Cost |
    |-----|--------|--------------------------|------|
    | 0 | no loan | 0 | 0 |
    | 1 | retail | brackets[0] = [1000, 100000] | fees[0] + rates[0] * terms[0] * quantity |
    | 2 | wholesale | brackets[1] = [500000, 5000000] | fees[1] + rates[1] * terms[1] * quantity |

    A regime index out of range, a NaN or a wrong shape is a `ValueError`. `info["quantity"]` is the
    loan that was applied, `info["regime"]` the regime, `info["noise"]` the cash need.

    ## Observation Space
    `Box(float32, (2 + longest term,))`

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | cash, negative: overdrawn | initial - most that can be paid | initial + most that can come in |
    | 1 ... longest term | due in 0, 1, ... periods, with interest | 0 | one loan of each bracket |
    | last | elapsed periods (not with `horizon=None`) | 0 | horizon |

    ## Rewards
    Minus the cost of the period, with `x` the cash at its end: fee and interest of the loan taken,
    `+ shortfall_cost * max(-x, 0) - deposit_rate * max(x, 0)`. Principal is no cost. Interest is charged
    when the loan is taken, for its whole term, so nothing is saved by loans that fall due after the end; as
    cash left at the end is worth nothing either, debt and cash that a loan leaves behind cancel. Fees and
    interest are paid out of the cash, the penalty of a shortfall (lost orders, lost trust) and the deposit's
    interest are booked elsewhere. As no rate is below `deposit_rate`, borrowing without need never pays.
    Rewards are not discounted; `discount` is the factor that agents and references apply.

    `info["costs"]` holds the cost of the period by kind: fee, interest, shortfall and deposit.

    ## Starting State
    `initial_cash` (drawn uniformly if it is a pair), no debt.

    ## Episode End
    Terminated after `horizon` periods; with `horizon=None` never. There is no truncation.

    ## Arguments
    | Name | Default | Meaning |
    |------|---------|---------|
    | `brackets` | ((1000.0, 100000.0), (500000.0, 5000000.0)) | least and largest loan of each lender |
    | `rates` | (0.02, 0.008) | interest per period of each lender |
    | `fees` | (200.0, 5000.0) | fee of a loan of each lender |
    | `terms` | (1, 2) | periods until a loan of each lender is repaid, at least 1 |
    | `shortfall_cost` | 0.1 | cost per unit overdrawn at the end of a period |
    | `deposit_rate` | 0.002 | earned per unit of cash at the end of a period; at most the lowest rate |
    | `cash_need` | `norm(0, 60000)` | need: a distribution, a list of one per period, or traces |
    | `initial_cash` | 100000.0 | cash before the first period: a number, or a pair (low, high) |
    | `horizon` | 24 | number of periods, or None for an infinite horizon |
    | `discount` | 1.0 | factor in (0, 1] on the cost of each later period |

    Traces are an array, a pandas DataFrame, or the path of a CSV file with a header line.

    >>> import numpy as np
    >>> env = LoanBracketsEnv(initial_cash=-150_000.0)
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((1, np.array([300_000.0])))
    >>> print(info["regime"], info["quantity"])
    1 100000.0

    ## References
    - N. M. Girgis (1968), Optimal cash balance levels, Management Science 15(3).
    - E. H. Neave (1970), The stochastic cash balance problem with fixed costs for increases and decreases,
      Management Science 16(7).

    ## Version History
    - v0: first version.
    """

    make_problem = staticmethod(LoanBrackets)


class LoanBracketsVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/LoanBrackets-v0``."""

    make_problem = staticmethod(LoanBrackets)
