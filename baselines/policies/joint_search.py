"""The search for the best classical policy of several items, by simulation on common random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable, as_problem
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.several_items import MultiItemInventory

from ..evaluation import draw
from ..policy import FloatArray
from .descent import Progress
from .items_policy import ItemsPolicy
from .joint_policies import (
    CanOrderPolicy,
    JointFullTruckPolicy,
    PeriodicPolicy,
    PeriodicReorderPolicy,
    QSPolicy,
)
from .run_out_policy import RunOutPolicy

SEED = 0
"""Seed of the episodes of a search."""

NUMBERS = 4096
"""Number of episodes times number of items in a search; there are at least 256 episodes."""

WARM_UP, PERIODS = 50, 300
"""For an infinite horizon: periods before costs count (at discount 1), and periods whose costs count."""

SINGLY = 8
"""Largest number of items for which the parameters of single items are varied as well."""

LONGEST_STEP = 0.4
"""Least first step of a search, as a share of the mean demand."""

STEPS = (8, 4, 2, 1)
"""Step sizes of a search, in units of the parameters, from the first to the last."""


def best_joint(env: Any, progress: Progress | None = None) -> ItemsPolicy:
    """The best policy over all classical families, with and without trimming orders to full trucks.

    Args:
        env: a joint replenishment or lot sizing problem, environment or id.
        progress: called with a line of text for each family.

    Raises:
        NotApplicable: if there is no family for the problem.
    """
    problem: Any = as_problem(env)
    families = starts(problem)
    results: list[tuple[ItemsPolicy, float]] = []
    for start in families:
        if progress is not None:
            progress(f"searching {type(start).__name__}, family {len(results) + 1} of {len(families)}")
        results.append(best_of_family(start, *search_episodes(problem)))
    return min(results, key=lambda result: result[1])[0]


def starts(problem: Any) -> list[ItemsPolicy]:
    """A policy of each family for the problem, from which the search for its best parameters starts.

    Reorder points are the newsvendor levels for the demand over the lead time and one period, minus the mean
    demand of one period. Order-up-to levels are higher by the mean demand of a cycle of ``problem.cycles``
    periods, the best cycle if demand were constant.
    """
    if not isinstance(problem, (JointReplenishment, CapacitatedLotSizing)):
        raise NotApplicable(f"no classical policy of several items fits {type(problem).__name__}")
    _, noise = search_episodes(problem)
    mean = problem.demand.mean
    costs = problem.holding_cost + problem.shortage_cost
    ratio = np.where(costs > 0, problem.shortage_cost / np.where(costs > 0, costs, 1.0), 0.5)
    newsvendor = np.zeros(problem.items)
    for window in np.unique(problem.lead_times + 1):
        sums = noise[:, : noise.shape[1] // window * window].reshape(-1, window, problem.items).sum(1)
        for i in np.flatnonzero(problem.lead_times + 1 == window):
            newsvendor[i] = np.quantile(sums[:, i], ratio[i], method="inverted_cdf")
    reorder = np.round(newsvendor - mean)
    cycle = np.clip(problem.cycles, 1.0, problem.horizon or PERIODS)
    level = reorder + np.round(mean * cycle)
    if isinstance(problem, CapacitatedLotSizing):
        return [RunOutPolicy(problem, reorder, level)]
    between, total = np.round((reorder + level) / 2), max(float((level - reorder).sum()), 1.0)
    review = max(round(float(cycle.min())), 1)
    capacity = problem.truck_capacity
    families: list[ItemsPolicy] = []
    for tau in (0.0,) if capacity == np.inf else (0.0, round(0.8 * capacity)):
        families.append(CanOrderPolicy(problem, reorder, between, level, tau))
        families.append(QSPolicy(problem, total, level, tau))
        if problem.horizon is not None:
            families.append(PeriodicPolicy(problem, review, level, tau))
            families.append(PeriodicReorderPolicy(problem, review, between, level, tau))
    if capacity < np.inf:
        families.append(JointFullTruckPolicy(problem, level, capacity))
    return families


def best_of_family(start: ItemsPolicy, state: Any, noise: FloatArray) -> tuple[ItemsPolicy, float]:
    """The policy with the best parameters that coordinate descent finds, and its mean cost.

    In each round every parameter moves a step up and a step down: for all items together, in proportion to
    their mean demand, and, with up to ``SINGLY`` items, for each item alone. R and Q also move together with
    these. The best move is carried out. If no move lowers the cost, the step is halved. Steps above 1 are
    tried on an eighth of the episodes. A policy with ``tau=0`` keeps it.

    Args:
        start: policy whose parameters the descent starts from.
        state, noise: of the episodes, see ``evaluation.draw``.
    """
    best, unit = start.parameters, _unit(start, noise)
    steps = list(STEPS)
    while steps[0] * unit.mean() < LONGEST_STEP * start.mean.mean():
        steps.insert(0, 2 * steps[0])
    for step in steps:
        selected = slice(None) if step == 1 else slice(len(noise) // 8)
        episodes = type(state)(*(entry[selected] for entry in state)), noise[selected]
        cost = float(costs([best], start, *episodes)[0])
        while True:
            candidates = [c for c in _variations(start, best, step, unit) if not start.violation(c)]
            candidate_costs = costs(candidates, start, *episodes)
            if candidate_costs.min() >= cost * (1 - 1e-9):
                break
            best, cost = candidates[int(candidate_costs.argmin())], float(candidate_costs.min())
    return start.with_parameters(best), cost


def costs(
    candidates: list[dict[str, FloatArray]], policy: ItemsPolicy, state: Any, noise: FloatArray
) -> NDArray[np.float64]:
    """Mean cost of a policy with each of c sets of parameters, shape (c,).

    It is the cost of an episode, or of a period if the horizon is infinite and the discount is 1.
    """
    problem = policy.problem
    stacked = policy.with_parameters(
        {name: np.stack([candidate[name] for candidate in candidates])[:, None] for name in candidates[0]}
    )
    shape = (len(candidates), len(noise))
    state = type(state)(*(np.broadcast_to(entry, (len(candidates), *entry.shape)) for entry in state))
    total, average = np.zeros(shape), problem.horizon is None and problem.discount == 1
    warm_up = WARM_UP if average else 0
    for period in range(noise.shape[1]):
        regime, quantity = stacked.decide(problem.observe(state))
        state, cost = problem.step(state, *problem.layout.flat(regime, quantity), noise[:, period])
        if period >= warm_up:
            total += problem.discount**period * cost.sum(-1)
    means: NDArray[np.float64] = total.mean(-1) / (noise.shape[1] - warm_up if average else 1)
    return means


def _variations(
    policy: ItemsPolicy, parameters: dict[str, FloatArray], step: int, unit: FloatArray
) -> Iterator[dict[str, FloatArray]]:
    mean = policy.mean
    share = mean / mean.mean() if mean.any() else np.ones_like(mean)
    together = np.maximum(np.round(step * share), 1.0) * unit
    groups = [together]
    if len(mean) <= SINGLY:
        groups += [np.where(np.arange(len(mean)) == i, step * unit, 0.0) for i in range(len(mean))]
    # Neighbouring parameters of an item, such as c and S, are also moved together.
    names, signs = policy.item_parameters, (1.0, -1.0)
    runs = [names[i:j] for i in range(len(names)) for j in range(i + 1, len(names) + 1)]
    item_moves = [dict.fromkeys(run, sign * shift) for run in runs for shift in groups for sign in signs]
    width = {"R": 1.0, "Q": max(round(step * len(mean) / 2), 1) * unit.mean(), "tau": step * unit.mean()}
    moves: list[dict[str, Any]] = [*item_moves]
    for name in policy.shared_parameters:
        if name == "tau" and parameters["tau"] == 0:
            continue
        shared_moves: list[dict[str, Any]] = [{name: sign * width[name]} for sign in signs]
        moves += shared_moves
        if name != "tau":
            moves += [{**move, **item_move} for move in shared_moves for item_move in item_moves]
    for move in moves:
        yield {**parameters, **{name: parameters[name] + change for name, change in move.items()}}


def _unit(policy: ItemsPolicy, noise: FloatArray) -> FloatArray:
    """The smallest step of each item's parameters, in units, small against mean and deviation of demand."""
    deviation = noise.std(axis=(0, 1))
    coarsest = np.where(policy.mean > 0, policy.mean, 1.0) / 20
    unit = np.where(deviation > 0, np.minimum(coarsest, deviation / 8), coarsest)
    return np.maximum(np.round(unit), 1.0) if policy.on_integers else unit


def search_episodes(problem: MultiItemInventory) -> tuple[Any, FloatArray]:
    """The episodes on which parameters are searched, see ``evaluation.draw``."""
    episodes = max(NUMBERS // problem.items, 256)
    return draw(problem, episodes, SEED, WARM_UP + PERIODS)
