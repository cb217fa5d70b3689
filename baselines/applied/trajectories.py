"""Simulated periods as a tidy table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jumpgym import HindsightProblem
from jumpgym.problems.several_items import MultiItemInventory

from ..evaluation import Period
from .naming import SHARED, item_names, item_regime_labels, regime_labels, state_names
from .service import ROUNDING, service_levels

FloatArray = NDArray[np.float64]


def trajectory_table(
    problem: HindsightProblem, periods: Sequence[Period]
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The table of ``Simulation``, and the service levels of an inventory; None for other problems."""
    items = item_names(problem)
    if items is None:
        return _without_items(problem, periods), None
    return _of_items(problem, periods, items)


def _of_items(
    problem: HindsightProblem, periods: Sequence[Period], items: tuple[str, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    count, several = len(items), isinstance(problem, MultiItemInventory)

    def stacked(numbers: Callable[[Period], Any]) -> FloatArray:
        """Numbers of each period, (episodes,) or (episodes, n), by episode, period and item."""
        array = np.stack([numbers(period) for period in periods], axis=1)
        return array if several else array[..., None]

    shared_gates = len(problem.layout.gates) - count if several else 0
    stock = stacked(lambda period: period.state.inventory)
    demand = stacked(lambda period: period.noise)
    available = stacked(lambda period: _available(problem, period))
    arrived = available - stock
    arrived[arrived <= ROUNDING * np.maximum(1.0, np.abs(stock))] = 0.0
    unmet = demand - np.minimum(demand, np.maximum(available, 0.0))
    columns: dict[str, Any] = {
        "stock": stock,
        "on_order": stacked(lambda period: period.state.pipeline.sum(-2 if several else -1)),
    }
    if hasattr(periods[0].state, "money"):
        columns["money"] = stacked(lambda period: period.state.money)
    regime = np.stack([period.decision.regime for period in periods], axis=1)
    if several:
        columns["regime"] = item_regime_labels(regime[..., shared_gates:])
    else:
        columns["regime"] = _labels(problem, regime)[..., None]
    columns["order"] = stacked(lambda p: p.decision.quantity if several else p.decision.quantity[:, 0])
    columns |= {"arrived": arrived, "demand": demand, "unmet": unmet}
    shared = _shared_kinds(periods) if several else []
    names = list(items)
    if shared_gates or shared:
        names.append(SHARED)
        gap = np.full((*stock.shape[:2], 1), np.nan)
        label = _labels(problem, regime, slice(0, shared_gates))[..., None] if shared_gates else gap
        columns = {
            name: np.concatenate([array, label if name == "regime" else gap], axis=-1)
            for name, array in columns.items()
        }
    for kind in problem.cost_kinds:
        amounts = np.stack([period.by_kind[kind] for period in periods], axis=1)
        amounts = amounts.reshape(*stock.shape[:2], -1)
        if len(names) > count:  # the shared row
            nothing = np.zeros((*stock.shape[:2], count if kind in shared else 1))
            amounts = np.concatenate([nothing, amounts] if kind in shared else [amounts, nothing], axis=-1)
        columns[_cost(kind)] = amounts
    columns["cost"] = sum(columns[_cost(kind)] for kind in problem.cost_kinds)
    return _tidy(names, columns), service_levels(items, arrived, demand, unmet)


def _without_items(problem: HindsightProblem, periods: Sequence[Period]) -> pd.DataFrame:
    names = state_names(problem)
    observations = np.stack([problem.observe(period.state) for period in periods], axis=1)
    regime = np.stack([period.decision.regime for period in periods], axis=1)
    quantity = np.stack([period.decision.quantity for period in periods], axis=1)
    noise = np.stack([period.noise for period in periods], axis=1).reshape(*regime.shape[:2], -1)
    noise_names = [problem.noise_name]
    if noise.shape[-1] > 1:
        noise_names = [f"{problem.noise_name} {i + 1}" for i in range(noise.shape[-1])]
    columns: dict[str, Any] = {name: observations[..., i] for i, name in enumerate(names)}
    columns["regime"] = _labels(problem, regime)
    columns |= {name: quantity[..., i] for i, name in enumerate(problem.quantity_names)}
    columns |= {name: noise[..., i] for i, name in enumerate(noise_names)}
    for kind in problem.cost_kinds:
        amounts = np.stack([period.by_kind[kind] for period in periods], axis=1)
        columns[_cost(kind)] = amounts if amounts.ndim == 2 else amounts.sum(-1)
    columns["cost"] = np.stack([period.cost for period in periods], axis=1)
    return _tidy(None, columns)


def _tidy(items: Sequence[str] | None, columns: dict[str, Any]) -> pd.DataFrame:
    """A row for each episode, period and item, in this order; columns are arrays of these axes."""
    shape = columns["cost"].shape
    index: dict[str, Any] = {
        "episode": np.repeat(np.arange(shape[0]), shape[1] * (shape[2] if items else 1)),
        "period": np.tile(np.repeat(np.arange(shape[1]), shape[2] if items else 1), shape[0]),
    }
    if items:
        codes = np.tile(np.arange(len(items)), shape[0] * shape[1])
        index["item"] = pd.Categorical.from_codes(codes, pd.Index(items))
    flat = {name: array.reshape(-1) for name, array in columns.items()}
    flat["regime"] = pd.Categorical(flat["regime"])
    return pd.DataFrame(index | flat)


def _labels(problem: HindsightProblem, regime: NDArray[np.int64], gates: slice = slice(None)) -> Any:
    """Labels (episodes, periods) of regimes (episodes, periods, G)."""
    labels = regime_labels(problem, regime.reshape(-1, regime.shape[-1]), gates)
    return np.asarray(labels, dtype=object).reshape(regime.shape[:2])


def _shared_kinds(periods: Sequence[Period]) -> list[str]:
    """The kinds of cost that arise for no single item."""
    return [kind for kind, amount in periods[0].by_kind.items() if amount.ndim == 1]


def _available(problem: HindsightProblem, period: Period) -> Any:
    """Stock after the arrivals of a period, before its demand: what a demand of 0 would leave."""
    decision = period.decision
    following, _ = problem.step(period.state, decision.gate, decision.columns, 0.0 * period.noise)
    return following.inventory


def _cost(kind: str) -> str:
    """The column of a kind of cost; a problem that does not tell kinds apart has ``cost`` alone."""
    return "cost" if kind == "cost" else f"cost_{kind}"
