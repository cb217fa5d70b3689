"""``decide``: what a policy orders in a given state, as it can be carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jumpgym import HindsightProblem, as_problem
from jumpgym.layout import CarriedOut
from jumpgym.problems.several_items import MultiItemInventory

from ..evaluation import decoder, requested
from .naming import item_regime_labels, regime_labels, state_names
from .policies import named_policy
from .state import state_from


@dataclass(frozen=True, eq=False)
class Recommendation:
    """What to do now.

    Attributes:
        table: for an inventory a row for each item, with the columns ``item``, ``stock``, ``on_order``,
            ``regime`` and ``order`` (units); otherwise one row with the entries of the state, the regime and
            the quantities by name.
        regime: label of the regimes of each decision, such as ``"2 trucks; items 1, 3"``. There is one
            decision, or for an inventory of a single item one for each stock that was given.
        quantity: of each decision, in units, shape (decisions, quantities).
    """

    table: pd.DataFrame
    regime: tuple[str, ...]
    quantity: NDArray[np.float64]

    def __str__(self) -> str:
        regime = f"{self.regime[0]}\n" if len(self.regime) == 1 else ""
        return regime + self.table.to_string(index=False, float_format=lambda number: f"{number:g}")


def decide(policy: Any, env: Any, *, period: int | None = None, **state: Any) -> Recommendation:
    """What a policy orders now, after everything that the environment would change about it.

    Quantities are projected on the intervals of their regimes and cut to what the state admits.

    Args:
        policy: anything that ``evaluate`` takes, or "optimum", "classical" or the path of a checkpoint.
        env: environment id, environment or problem, as in ``evaluate``.
        period: elapsed periods, 0 before the first; needed if the problem has a horizon.
        state: the entries of the state by name. For an inventory ``inventory`` is the net stock in units, and
            ``pipeline`` the outstanding units by the periods until they arrive, shape (lead time,) (it may be
            left out if there is no lead time, and 0 is nothing). Problems of several items take ``inventory``
            of shape (n,) and ``pipeline`` of shape (lead time, n), or mappings from the names of the items.
            For an inventory of a single item, arrays with one row more, or mappings, stand for many items
            that are decided upon one by one. With ``demand_history`` there is ``history``, the last demands,
            the latest first, shape (demand_history,) or (demand_history, n); with ``season`` there is
            ``phase``, the elapsed periods of the season. Other problems have entries of their own,
            such as ``money``; ``cash`` and ``due``; ``wealth``; ``x``.

    Raises:
        ValueError, TypeError: naming the entry, its value and what is allowed.

    >>> decide("classical", "jumpgym/SetupCost-v0", inventory=5, period=0).quantity
    array([[57.]])
    >>> stocks = {"A": 30, "B": 3}
    >>> print(decide("classical", "jumpgym/SetupCost-v0", inventory=stocks, period=0))
    item  stock  on_order   regime  order
       A     30         0 no order      0
       B      3         0    order     59
    """
    problem = as_problem(env)
    rows, items = state_from(problem, state, period)  # before a policy that takes long to be computed
    chosen, env = named_policy(policy, env)
    observation = problem.observe(rows).astype(np.float32)
    decode = decoder(problem if isinstance(env, str) else env)
    decision = problem.carry_out(rows, *requested(chosen, decode, observation))
    regime = tuple(regime_labels(problem, decision.regime))
    return Recommendation(_table(problem, rows, items, decision, regime), regime, decision.quantity)


def _table(
    problem: HindsightProblem,
    state: Any,
    items: tuple[str, ...] | None,
    decision: CarriedOut,
    regime: tuple[str, ...],
) -> pd.DataFrame:
    if isinstance(problem, MultiItemInventory):
        assert items is not None
        return pd.DataFrame(
            {
                "item": items,
                "stock": state.inventory[0],
                "on_order": state.pipeline[0].sum(0),
                "regime": item_regime_labels(decision.regime[0, -len(items) :]),
                "order": decision.quantity[0],
            }
        )
    if items is None:
        names = state_names(problem)
        observation = problem.observe(state)[:, : len(names)]
        columns: dict[str, Any] = dict(zip(names, observation.T, strict=True))
        columns["regime"] = regime
        return pd.DataFrame(
            {**columns, **dict(zip(problem.quantity_names, decision.quantity.T, strict=True))}
        )
    columns = {"item": items, "stock": state.inventory, "on_order": state.pipeline.sum(-1)}
    if hasattr(state, "money"):
        columns["money"] = state.money
    return pd.DataFrame({**columns, "regime": regime, "order": decision.quantity[:, 0]})
