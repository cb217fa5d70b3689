"""``best_classical``: the best policy of the classical kind for a problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch, wraps
from typing import Any

import numpy as np

from jumpgym import CapacitatedLotSizing, JointReplenishment, NotApplicable, SingleItemInventory
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.loan_brackets import LoanBrackets
from jumpgym.problems.min_investment import MinInvestment
from jumpgym.problems.switched_lqr import SwitchedLQR

from ..evaluation import draw
from ..generic import resolve
from ..policy import Policy, require
from .budget_policies import best_budget_policy
from .descent import Progress, mean_costs
from .discount_policies import best_discount_policy, has_adjoining_brackets
from .investment_policies import best_constant_fraction
from .joint_search import best_joint
from .jump_ignoring import jump_ignoring
from .lead_time_policies import best_two_index
from .loan_policies import best_loan_policy
from .lot_policies import best_snq
from .stationary import EPISODES, PERIODS, SEED, exact_cost, stationary_costs
from .switched_lqr_policies import RecedingHorizonPolicy
from .truck_policies import best_full_truck, has_trucks
from .two_level_policies import best_min_order, best_ss, has_one_order_size_range


@singledispatch
def best_classical(problem: Any, progress: Progress | None = None) -> Policy:
    """The best policy of the classical kind that the literature has for a problem.

    Which policies are searched, and how, depends on the class of the problem: see ``best_single_item``,
    ``best_joint``, ``best_budget_policy``, ``best_constant_fraction``, ``best_loan_policy`` and
    ``RecedingHorizonPolicy``. Where ``jump_ignoring`` finds a cheaper policy, it is that one: under unusual
    parameters, for example demand of zero, no member of the families that were searched may be as good.

    Add a search for a class of your own by ``best_classical.register(MyProblem, my_search)``, where
    ``my_search(problem, progress=None)`` returns a policy.

    Args:
        problem: problem, environment or environment id.
        progress: called with a line of text now and then, for instance ``print``; some searches take minutes.

    Raises:
        NotApplicable: if there is no classical policy for the problem.
        TypeError: if ``problem`` is not a jumpgym problem.
    """
    return best_classical(resolve(best_classical, problem, "a classical policy"), progress)


def best_single_item(problem: Any, progress: Progress | None = None) -> Policy:
    """The best policy of the classical kind that matches the regimes of a single-item inventory.

    The parameters are searched on the lattice on which the problem is exact, or in steps of about 1/40 of the
    mean demand. Costs are exact expected costs from the initial state, or exact average costs for an
    infinite horizon without discounting. For recorded demand, and for lost sales with long lead times, they
    are means over ``stationary.EPISODES`` episodes on common random numbers. The search is a coarse grid,
    then descent (``descent.descend``).

    Where orders are multiples, every policy orders the nearest one, and (s, nQ) policies are searched beside
    the (s, S) policies; the cheaper one is returned.

    Returns:
        An ``SSPolicy``, ``SnQPolicy``, ``MinOrderPolicy`` or ``FullTruckPolicy``; a ``DiscountPolicy`` for
        discounts; a ``TwoIndexPolicy`` if lead times differ. ``stationary_cost`` computes the cost of all but
        the last.

    Raises:
        NotApplicable: if none matches.
    """
    inventory = require(SingleItemInventory, problem, "best_single_item")
    regimes = inventory.regimes
    if np.ptp(regimes.lead_time) > 0:
        return best_two_index(inventory, progress)
    if has_trucks(inventory) and len(regimes) > 2:
        return best_full_truck(inventory, progress)
    if has_one_order_size_range(inventory):
        if regimes.low[1] > 0:
            return best_min_order(inventory, progress)
        if inventory.order_multiple is None:
            return best_ss(inventory, progress)
        policies = [best_ss(inventory, progress), best_snq(inventory, progress)]
        return policies[int(stationary_costs(policies).argmin())]
    if len(regimes) > 2 and has_adjoining_brackets(inventory):
        return best_discount_policy(inventory, progress)
    raise NotApplicable(
        "no classical policy matches these regimes. There are policies for a setup cost, a minimum order, "
        f"trucks, discounts and lead times by order size, not for low={regimes.low.tolist()}, "
        f"high={regimes.high.tolist()}, fixed_cost={regimes.fixed_cost.tolist()}"
    )


def best_switched_lqr(problem: SwitchedLQR, progress: Progress | None = None) -> RecedingHorizonPolicy:
    """Receding horizon control, which has no parameters to search."""
    return RecedingHorizonPolicy(problem)


def cheaper(policies: Sequence[Policy]) -> Policy:
    """The policy of least cost, the first of several with equal cost.

    Costs are exact where ``stationary.exact_cost`` has one for each, and otherwise means over ``EPISODES``
    episodes on common random numbers.
    """
    costs = [cost for policy in policies if (cost := exact_cost(policy)) is not None]
    if len(costs) < len(policies):
        problem: Any = policies[0].problem
        costs = mean_costs(policies, *draw(problem, EPISODES, SEED, PERIODS))
    return policies[int(np.argmin(costs))]


def _or_ignoring(search: Callable[..., Policy]) -> Callable[..., Policy]:
    """A search whose result is never behind the best policy that ignores the jump."""

    @wraps(search)
    def best(problem: Any, progress: Progress | None = None) -> Policy:
        return cheaper([search(problem, progress), jump_ignoring(problem)])

    return best


for _problem, _search in {
    SingleItemInventory: best_single_item,
    JointReplenishment: best_joint,
    CapacitatedLotSizing: best_joint,
    BudgetDiscount: best_budget_policy,
    MinInvestment: best_constant_fraction,
    LoanBrackets: best_loan_policy,
    SwitchedLQR: best_switched_lqr,
}.items():
    best_classical.register(_problem, _or_ignoring(_search))
