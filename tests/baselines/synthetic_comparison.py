"""Records as a comparison leaves them, made up: for tests of what is made of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jumpgym import ENVIRONMENTS
from jumpgym.baselines.runs.methods import METHODS, REFERENCES
from jumpgym.baselines.runs.provenance import PACKAGES
from jumpgym.baselines.runs.status import Status

MAPS = ("JointReplenishment", "CapacitatedLotSizing", "BudgetDiscount", "LoanBrackets", "SwitchedLQR")
"""Environments whose decisions are drawn as maps of the regimes, as in the suite."""

REFUSED, DIVERGING = "ppo-level", "gumbel-plain"
"""A method that does not apply where decisions are maps, and one that diverges with the last seed."""

Record = dict[str, Any]


def made_up_records(
    envs: Sequence[str] = ENVIRONMENTS,
    methods: Sequence[str] = tuple(METHODS),
    seeds: int = 3,
    budgets: Sequence[float] = (20.0,),
    points: int = 90,
    command: str = "jumpgym compare --preset standard",
    note: str = "",
) -> list[Record]:
    """Records of all references, and of each method with each seed and budget, on each environment.

    Args:
        envs: environment ids.
        methods: names of ``METHODS``.
        seeds: number of seeds.
        budgets: CPU seconds.
        points: of the state at which decisions are drawn, on a single axis.
        command: what was typed.
        note: of the classical policy.
    """
    rng = np.random.default_rng(0)
    records = []
    for env in envs:
        chart = _chart(env, points)
        base = {"settings": {"env": env, "parameters": {}, "episodes": 16_384}, "chart": chart}
        base |= {"code": "0.1.0+0123456789ab", "hardware": "2 cores, an x86 processor", "command": command}
        base |= {"versions": {name: "1.2.3" for name in ("python", *PACKAGES)}}
        base |= {"reference": {"kind": "optimum", "cost": 2463.1456, "exactness": "exact", "note": ""}}
        for name, gap in zip(REFERENCES, (0.0, rng.uniform(0.5, 3), -rng.uniform(3, 20)), strict=True):
            drawn = None if name == "hindsight" else _drawn(chart, 60.0)
            told = note or "SSPolicy(s=14, S=62)" if name == "classical" else ""
            records.append(_record(base, name, 0, None, _row(gap, told), [], drawn))
        for name in methods:
            final = float(10 ** rng.uniform(-1.7, 1.3))
            for seed in range(seeds):
                for budget in budgets:
                    records.append(_learned(base, name, seed, budget, final, seeds, rng))
    return records


def _learned(
    base: Record, name: str, seed: int, budget: float, final: float, seeds: int, rng: np.random.Generator
) -> Record:
    if name == REFUSED and len(base["chart"]["axes"]) == 2:
        row = _row(float("nan"), "levels on a grid need a single order", Status.NOT_APPLICABLE)
        return _record(base, name, seed, budget, row, [], None)
    speed = int(rng.integers(20_000, 200_000))
    times = np.append(np.geomspace(1.0, budget, 14)[:-1] * rng.uniform(1, 1.1), budget)
    gaps = final * rng.lognormal(0, 0.2) * (1 + 20 * (times / budget) ** -rng.uniform(0.3, 1.2) - 20 + 0.01)
    curve = [
        {"cpu_seconds": t, "transitions": int(t * speed), "gap_percent": g, "gap_se_percent": 0.01}
        for t, g in zip(times.tolist(), gaps.tolist(), strict=True)
    ]
    lost = name == DIVERGING and seed == seeds - 1
    if lost:
        curve[-1]["gap_percent"] = curve[-1]["gap_se_percent"] = float("nan")
    row = _row(curve[-1]["gap_percent"], *(["the loss is not finite", Status.DIVERGED] if lost else [""]))
    row |= {"transitions": curve[-1]["transitions"], "cpu_seconds": budget, "wall_seconds": 1.3 * budget}
    return _record(base, name, seed, budget, row, curve, _drawn(base["chart"], 60 + rng.normal(0, 4)))


def _record(
    base: Record, name: str, seed: int, budget: float | None, row: Record, curve: list[Any], drawn: Any
) -> Record:
    settings = {"method": name, "seed": seed, "budget_seconds": budget, "budget_timesteps": None}
    return {**base, "settings": base["settings"] | settings, "row": row, "curve": curve, "drawn": drawn}


def _row(gap: float, note: str, status: Status = Status.OK) -> Record:
    costs = {"mean_cost": 24.63 * (100 + gap), "standard_error": 0.7, "difference": 24.63 * gap}
    row = costs | {"difference_se": 0.2, "gap_percent": gap, "gap_se_percent": 0.009}
    row |= {"transitions": 0, "cpu_seconds": 0.0, "wall_seconds": 0.0}
    return row | {"status": status, "note": note}


def _chart(env: str, points: int) -> Record:
    two = any(name in env for name in MAPS)
    axes = [np.linspace(-10, 40, 48)] * 2 if two else [np.linspace(-10, 90, points)]
    return {
        "entries": [0, 1][: len(axes)],
        "names": ["stock 1", "stock 2"] if two else ["stock"],
        "axes": [axis.tolist() for axis in axes],
        "quantities": ["order 1", "order 2"] if two else ["order"],
        "regimes": [["", "item 1"], ["", "item 2"]] if two else [["no order", "order"]],
        "periods": [25, 48],
        "horizon": 50,
    }


def _drawn(chart: Record, level: float) -> Record:
    """Orders up to a level, or, where there are two axes, of which item to order."""
    if len(chart["axes"]) == 2:
        x, y = (axis.ravel() for axis in np.meshgrid(*chart["axes"], indexing="ij"))
        regime = [(x < level / 4).astype(int).tolist(), (y < level / 3).astype(int).tolist()]
        return {"regime": [regime, regime], "quantity": []}
    stock = np.array(chart["axes"][0])
    order = np.where(stock < level / 4, level - stock, 0.0)
    return {"regime": [[(order > 0).astype(int).tolist()]] * 2, "quantity": [[order.tolist()]] * 2}
