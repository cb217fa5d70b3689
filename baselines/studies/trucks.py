"""Many items that share trucks or orders: classical policies beside the lower bound."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from jumpgym import checks
from jumpgym.problems.joint_replenishment import JointReplenishment

from ..bounds.lower_bound import LowerBound, lower_bound
from ..evaluation import evaluate
from ..policies.items_policy import ItemsPolicy
from ..policies.joint_search import best_of_family, search_episodes, starts
from ..report.formatting import code_block, markdown_table
from ..runs.files import check_writable, replace_file
from ..runs.measure import YARDSTICK_SEED
from .scaling.separate_items import MOST_ITEMS, draw_items

Row = dict[str, Any]


def shared_trucks(items: int) -> JointReplenishment:
    """Items with Poisson demand of means 6, 3, 6, ... that share up to 6 trucks in each of 50 periods.

    A truck carries half the mean demand of a period, and costs 3 for each item of the problem.
    """
    capacity = float(round(sum(6 - 3 * (item % 2) for item in range(items)) / 2))
    return JointReplenishment(items=items, truck_capacity=capacity, truck_cost=3.0 * items, max_trucks=6)


def joint_orders(items: int) -> JointReplenishment:
    """The classical joint replenishment problem: any order costs 64, of whatever items, for 100 periods.

    Lead times are 2. Means of Poisson demand, holding and shortage costs are those of ``draw_items``, after
    Alvo, Russo and Kanoria (2026), arXiv 2605.14297.
    """
    drawn = draw_items(items)
    return JointReplenishment(
        items=items,
        item_costs=0.0,
        truck_cost=64.0,
        truck_capacity=np.inf,
        holding_cost=drawn.holding_cost,
        shortage_cost=drawn.shortage_cost,
        demand=[scipy.stats.poisson(mean) for mean in drawn.mean],
        lead_time=2,
        horizon=100,
    )


SETTINGS = {"trucks": shared_trucks, "joint": joint_orders}
"""The settings by name, as functions of the number of items."""


def tabulate_trucks(
    items: Sequence[int], settings: Sequence[str], output: Path, command: str, episodes: int
) -> None:
    """Search the best policy of each classical family, and write their costs beside the lower bound.

    Args:
        items: numbers of items.
        settings: of ``SETTINGS``.
        output: folder for ``trucks.csv`` and ``trucks.md``, which are written after each row.
        command: what was typed.
        episodes: on which policies are evaluated.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed.
    """
    for number in items:
        checks.integer("--items", number, low=2, high=MOST_ITEMS)
    for name in settings:
        checks.choice("--settings", name, tuple(SETTINGS))
    checks.integer("--episodes", episodes, low=2)
    check_writable(output, "--output")
    rows: list[Row] = []
    for name in settings:
        for number in items:
            problem = SETTINGS[name](number)
            start = time.process_time()
            bound = lower_bound(problem)
            print(f"{name}, {number} items: {bound}", flush=True)
            shared = {"setting": name, "items": number, "bound": bound.cost}
            shared["bound_seconds"] = time.process_time() - start
            for row in family_rows(problem, bound, episodes):
                rows.append(shared | row | {"command": command})
                print("{policy}: cost {cost:.6g}, {gap_percent:.2f} % above".format(**row), flush=True)
                _write(rows, output)


def family_rows(problem: JointReplenishment, bound: LowerBound, episodes: int) -> Iterator[Row]:
    """The row of the best policy of each classical family, evaluated on noise that no search has seen.

    ``trimmed`` says whether a truck that is not full needs a least load, ``gap_percent`` is the excess of the
    mean cost over the bound.
    """
    for first in starts(problem):
        start = time.process_time()
        policy: ItemsPolicy = best_of_family(first, *search_episodes(problem))[0]
        seconds = time.process_time() - start
        result = evaluate(policy, problem, episodes, YARDSTICK_SEED)
        yield {
            "policy": type(policy).__name__,
            "trimmed": bool(policy.tau > 0),
            "cost": result.mean,
            "cost_se": result.standard_error,
            "gap_percent": bound.gap_percent(result.mean),
            "seconds": seconds,
            "parameters": repr(policy),
        }


def _write(rows: Sequence[Row], output: Path) -> None:
    table = pd.DataFrame(rows)
    text = table.to_csv(None, index=False, float_format="%.8g")
    replace_file(output / "trucks.csv", text.encode())
    best = table.loc[table.groupby(["setting", "items", "policy"]).cost.idxmin()]
    families = list(dict.fromkeys(table.policy))
    lines = [["setting", "items", "bound", *families]]
    for (setting, items), group in best.groupby(["setting", "items"], sort=False):
        gaps = group.set_index("policy").gap_percent
        cells = [f"{gaps[family]:.2f}" if family in gaps else "" for family in families]
        lines.append([setting, str(items), f"{group.bound.iloc[0]:.6g}", *cells])
    blocks = [
        "# Many items that share trucks or orders",
        code_block(table.command),
        "Per cent that the best policy of a family costs more than the lower bound, which no policy can\n"
        "undercut. Of policies with and without a least load of the last truck the better one counts.",
        markdown_table(lines),
    ]
    replace_file(output / "trucks.md", ("\n\n".join(blocks) + "\n").encode())
