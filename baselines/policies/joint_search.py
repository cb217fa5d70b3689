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
from .joint_policies import (
    CanOrderPolicy,
    ItemsPolicy,
    JointFullTruckPolicy,
    PeriodicPolicy,
    PeriodicReorderPolicy,
    QSPolicy,
    RunOutPolicy,
)

SEED = 0
"""Seed of the episodes of a search."""

NUMBERS = 4096
"""Episodes times items of a search, but at least 256 episodes."""

WARM_UP, PERIODS = 50, 300
"""Periods simulated where the problem has no horizon: left out at discount 1, and counted."""

SINGLY = 8
"""Most items whose parameters are also varied one item at a time."""

LONGEST_STEP = 0.4
"""The first step of a search is at least this share of the mean demand."""

STEPS = (8, 4, 2, 1)
"""Units of a parameter by which it is varied, in turn."""


def best_joint(env: Any, progress: Progress | None = None) -> ItemsPolicy:
    """The best policy of all classical families that fit, with and without trimming orders to full trucks.

    Args:
        env: a joint replenishment or lot sizing problem, environment or id.
        progress: called with a line of text for each family.

    Raises:
        NotApplicable: if no family fits.
    """
    problem: Any = as_problem(env)
    families = starts(problem)
    results: list[tuple[ItemsPolicy, float]] = []
    for start in families:
        if progress is not None:
            progress(f"searching {type(start).__name__}, family {len(results) + 1} of {len(families)}")
        results.append(best_of_family(start, *_episodes(problem)))
    return min(results, key=lambda result: result[1])[0]


def starts(problem: Any) -> list[ItemsPolicy]:
    """A policy of each family that fits, with parameters as if demand were nearly constant.

    Reorder points are newsvendor levels of the demand during lead time and a period, less the demand of a
    period; order-up-to levels lie a cycle of ``problem.cycles`` above.
    """
    if not isinstance(problem, (JointReplenishment, CapacitatedLotSizing)):
        raise NotApplicable(f"no classical policy of several items fits {type(problem).__name__}")
    _, noise = _episodes(problem)
    mean, window = problem.demand.mean, problem.lead_time + 1
    sums = noise[:, : noise.shape[1] // window * window].reshape(-1, window, problem.items).sum(1)
    costs = problem.holding_cost + problem.shortage_cost
    ratio = np.where(costs > 0, problem.shortage_cost / np.where(costs > 0, costs, 1.0), 0.5)
    enough = np.array([np.quantile(sums[:, i], q, method="inverted_cdf") for i, q in enumerate(ratio)])
    reorder = np.round(enough - mean)
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
    """The best parameters found by coordinate descent from those of ``start``, and their mean cost.

    In each round every parameter is varied by a step up and down: of all items together in proportion to
    their mean demand, and, of up to ``SINGLY`` items, of each alone; R or Q also together with these. The
    best variation is kept. When none is better the step is halved; steps above 1 are tried on an eighth of
    the episodes. An untrimmed policy (``tau=0``) stays one.

    Args:
        start: policy to begin with.
        state, noise: of the episodes, see ``evaluation.draw``.
    """
    best, unit = start.parameters, _unit(start, noise)
    steps = list(STEPS)
    while steps[0] * unit.mean() < LONGEST_STEP * start.mean.mean():
        steps.insert(0, 2 * steps[0])
    for step in steps:
        few = slice(None) if step == 1 else slice(len(noise) // 8)
        episodes = type(state)(*(entry[few] for entry in state)), noise[few]
        cost = float(costs([best], start, *episodes)[0])
        while True:
            candidates = [c for c in _variations(start, best, step, unit) if not start.wrong(c)]
            candidate_costs = costs(candidates, start, *episodes)
            if candidate_costs.min() >= cost * (1 - 1e-9):
                break
            best, cost = candidates[int(candidate_costs.argmin())], float(candidate_costs.min())
    return start.with_parameters(best), cost


def costs(
    candidates: list[dict[str, FloatArray]], policy: ItemsPolicy, state: Any, noise: FloatArray
) -> NDArray[np.float64]:
    """Mean cost of an episode, or of a period on average, of a policy under each of many parameters."""
    problem = policy.problem
    stacked = policy.with_parameters(
        {name: np.stack([c[name] for c in candidates])[:, None] for name in (*policy.shared, *policy.own)}
    )
    shape = (len(candidates), len(noise))
    now = type(state)(*(np.broadcast_to(entry, (len(candidates), *entry.shape)) for entry in state))
    total, average = np.zeros(shape), problem.horizon is None and problem.discount == 1
    warm_up = WARM_UP if average else 0
    for period in range(noise.shape[1]):
        observation = problem.observe(now)
        regime, quantity = stacked.decide(observation)
        now, cost = problem.step(now, *problem.layout.flat(regime, quantity), noise[:, period])
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
    runs = [policy.own[i:j] for i in range(len(policy.own)) for j in range(i + 1, len(policy.own) + 1)]
    own = [dict.fromkeys(names, sign * shift) for names in runs for shift in groups for sign in (1.0, -1.0)]
    width = {"R": 1.0, "Q": max(round(step * len(mean) / 2), 1) * unit.mean(), "tau": step * unit.mean()}
    moves: list[dict[str, Any]] = [*own]
    for name in policy.shared:
        if name == "tau" and parameters["tau"] == 0:
            continue
        single: list[dict[str, Any]] = [{name: sign * width[name]} for sign in (1.0, -1.0)]
        moves += single
        if name != "tau":
            moves += [{**move, **other} for move in single for other in own]
    for move in moves:
        yield {**parameters, **{name: parameters[name] + change for name, change in move.items()}}


def _unit(policy: ItemsPolicy, noise: FloatArray) -> FloatArray:
    """The finest step of each item's parameters, in units: small against the mean and variation of demand."""
    deviation = noise.std(axis=(0, 1))
    coarsest = np.where(policy.mean > 0, policy.mean, 1.0) / 20
    unit = np.where(deviation > 0, np.minimum(coarsest, deviation / 8), coarsest)
    return np.maximum(np.round(unit), 1.0) if policy.on_integers else unit


def _episodes(problem: MultiItemInventory) -> tuple[Any, FloatArray]:
    episodes = max(NUMBERS // problem.items, 256)
    return draw(problem, episodes, SEED, WARM_UP + PERIODS)
