"""Published costs of problems with an infinite horizon, beside those that are computed here."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.setup_cost import setup_cost

from ..optimum import solve
from ..policies.lot_policies import CappedSSPolicy, SnQPolicy
from ..policies.stationary import stationary_cost
from ..policies.two_level_policies import SSPolicy
from ..policy import Policy
from ..report.formatting import code_block, csv, markdown_table
from ..runs.files import check_writable, replace_file

ZHENG_FEDERGRUEN = {
    10: (6, 40, 35.022), 15: (10, 49, 42.698), 20: (14, 62, 49.173), 25: (19, 56, 54.262),
    30: (23, 66, 57.819), 35: (28, 77, 61.215), 40: (33, 87, 64.512), 45: (37, 97, 67.776),
    50: (42, 108, 70.975), 55: (47, 118, 74.149), 60: (52, 129, 77.306), 65: (56, 75, 78.518),
    70: (62, 81, 79.037), 75: (67, 86, 79.554),
}  # fmt: skip
"""s, S and average cost by the mean of Poisson demand, with a fixed cost of 64 and a shortage cost of 9."""

ZIPKIN = {
    1: {4: 4.04, 9: 5.44, 19: 6.68, 39: 7.84},
    2: {4: 4.40, 9: 6.09, 19: 7.66, 39: 9.11},
    3: {4: 4.60, 9: 6.53, 19: 8.36, 39: 10.04},
    4: {4: 4.73, 9: 6.84, 19: 8.89, 39: 10.79},
}
"""Optimal average cost by lead time and shortage cost, with Poisson demand of mean 5 and lost sales."""

BIJVANK = dict(
    horizon=None, demand=scipy.stats.poisson(5), fixed_cost=5, lead_time=2, shortage_cost=14,
    unmet_demand="lost",
)  # fmt: skip
"""Parameters of the instance of Bijvank et al. (2015)."""


@dataclass(frozen=True)
class Figure:
    """A published average cost of a period.

    Attributes:
        source: authors and year.
        instance: the parameters in which the problem differs from others of the source.
        policy: whose cost it is.
        cost: as printed.
        decimals: number of printed decimals.
        compute: computes the cost here.
    """

    source: str
    instance: str
    policy: str
    cost: float
    decimals: int
    compute: Callable[[], float]

    def agrees(self, cost: float) -> bool:
        """Whether a cost prints as the published one, or as its neighbour after rounding twice."""
        return abs(cost - self.cost) < 0.51 * 10**-self.decimals


def zipkin(lead_time: int, shortage_cost: float) -> Any:
    """The problem of a cell of ``ZIPKIN``."""
    return setup_cost(
        horizon=None, demand=scipy.stats.poisson(5), fixed_cost=0, lead_time=lead_time,
        shortage_cost=shortage_cost, unmet_demand="lost",
    )  # fmt: skip


def vanvuchelen(discount: float) -> JointReplenishment:
    """Setting 5 of Vanvuchelen et al. (2020): two items, and trucks of 6 units that only travel full."""
    return JointReplenishment(
        item_costs=[40, 10], truck_capacity=6, truck_cost=75, max_trucks=3, full_trucks=True,
        shortage_cost=19, horizon=None, discount=discount,
        demand=[scipy.stats.randint(0, 6), scipy.stats.randint(0, 4)],
    )  # fmt: skip


def average_cost(policy: Policy, problem: JointReplenishment, demands: NDArray[np.float64]) -> float:
    """Return the average cost of a period of a policy, from the stationary distribution of stocks.

    Args:
        policy: decides on whole units, without a lead time.
        problem: with an infinite horizon and discount 1.
        demands: equally likely demands of the items, shape (k, items).
    """
    index: dict[tuple[float, ...], int] = {(0.0,) * problem.items: 0}
    queue = list(index)
    rows: list[list[int]] = []
    costs: list[float] = []
    while queue:
        stocks = np.array(queue)
        state = problem.state_at(np.repeat(stocks, len(demands), axis=0))
        decision = problem.carry_out(state, *policy.decide(problem.observe(state)))
        after, cost = problem.step(state, decision.gate, decision.columns, np.tile(demands, (len(stocks), 1)))
        costs += cost.sum(-1).reshape(len(stocks), -1).mean(-1).tolist()
        following = [tuple(row) for row in problem.observe(after).tolist()]
        queue = [row for row in dict.fromkeys(following) if row not in index]
        index |= {row: len(index) + i for i, row in enumerate(queue)}
        rows += np.reshape([index[row] for row in following], (len(stocks), -1)).tolist()
    transition = np.zeros((len(index), len(index)))
    for row, following_rows in enumerate(rows):
        np.add.at(transition[row], following_rows, 1 / len(demands))
    equations = np.vstack([transition.T - np.eye(len(index)), np.ones(len(index))])
    stationary = np.linalg.lstsq(equations, np.append(np.zeros(len(index)), 1.0), rcond=None)[0]
    return float(stationary @ costs)


def full_trucks() -> float:
    """Return the average cost of the policy that is optimal for discount 0.99, which the source reports."""
    demands = np.array(list(itertools.product(range(6), range(4))), dtype=float)
    return average_cost(solve(vanvuchelen(0.99)), vanvuchelen(1.0), demands)


def figures() -> Iterator[Figure]:
    """All published figures."""
    for mean, (s, S, cost) in ZHENG_FEDERGRUEN.items():
        problem = setup_cost(horizon=None, demand=scipy.stats.poisson(mean))
        best = partial(stationary_cost, SSPolicy(problem, s, S))
        source, instance = "Zheng and Federgruen (1991)", f"Poisson({mean})"
        yield Figure(source, instance, "optimum", cost, 3, partial(_optimal, problem))
        yield Figure(source, instance, f"(s, S) = ({s}, {S})", cost, 3, best)
    for lead_time, costs in ZIPKIN.items():
        for shortage_cost, cost in costs.items():
            compute = partial(_optimal, zipkin(lead_time, shortage_cost))
            instance = f"lead time {lead_time}, shortage cost {shortage_cost}"
            yield Figure("Zipkin (2008)", instance, "optimum", cost, 2, compute)
    lost = setup_cost(**BIJVANK)
    source, instance = "Bijvank et al. (2015)", "fixed cost 5"
    yield Figure(source, instance, "optimum", 11.46, 2, partial(_optimal, lost))
    for policy, name, cost in (
        (SSPolicy(lost, 17, 23), "(s, S) = (17, 23)", 11.62),
        (SnQPolicy(lost, 17, 7), "(s, nQ) = (17, 7)", 11.56),
        (CappedSSPolicy(lost, 17, 23, 7), "(s, S, q) = (17, 23, 7)", 11.50),
    ):
        yield Figure(source, instance, name, cost, 2, partial(stationary_cost, policy))
    source, instance = "Vanvuchelen et al. (2020)", "setting 5, full trucks"
    yield Figure(source, instance, "best for discount 0.99", 71.558, 3, full_trucks)


def _optimal(problem: Any) -> float:
    cost = solve(problem).average_cost
    assert cost is not None
    return cost


def tabulate_published(output: Path, command: str, sources: Sequence[str] | None = None) -> bool:
    """Compute published costs, and write ``published.csv`` and ``published.md``.

    Args:
        output: folder.
        command: what was typed.
        sources: beginnings of the names of sources, such as ``["zipkin"]``. None: all.

    Returns:
        Whether every cost is the published one.

    Raises:
        OSError, ValueError: naming the option, its value and what is allowed.
    """
    chosen = _of_sources(list(figures()), sources)
    check_writable(output, "--output")
    rows, lines = [], [["source", "instance", "policy", "published", "here", "agrees", "CPU s"]]
    for figure in chosen:
        start = time.process_time()
        cost = figure.compute()
        seconds = time.process_time() - start
        line = [
            *(figure.source, figure.instance, figure.policy),
            f"{figure.cost:.{figure.decimals}f}",
            f"{cost:.{figure.decimals + 2}f}",
            "yes" if figure.agrees(cost) else "NO",
            f"{seconds:.1f}",
        ]
        print(" | ".join(line), flush=True)
        lines.append(line)
        rows.append({name: getattr(figure, name) for name in ("source", "instance", "policy")})
        rows[-1] |= {"published": figure.cost, "cost": cost, "agrees": figure.agrees(cost)}
        rows[-1] |= {"seconds": seconds, "command": command}
    table = pd.DataFrame(rows)
    blocks = [
        "# Published costs",
        code_block(table.command),
        "Average cost of a period, as published and as computed here: by dynamic programming, or\n"
        "for a policy that is named, from its stationary distribution.",
        markdown_table(lines, [column > 2 for column in range(len(lines[0]))]),
    ]
    replace_file(output / "published.csv", csv(table))
    replace_file(output / "published.md", ("\n\n".join(blocks) + "\n").encode())
    return bool(table.agrees.all())


def _of_sources(every: Sequence[Figure], sources: Sequence[str] | None) -> list[Figure]:
    """The figures of some sources."""
    names = list(dict.fromkeys(figure.source for figure in every))
    for source in sources or ():
        if not any(name.lower().startswith(source.lower()) for name in names):
            raise ValueError(f"--only: {source!r} must be the beginning of one of: {'; '.join(names)}")
    begins = tuple(source.lower() for source in sources or ("",))
    return [figure for figure in every if figure.source.lower().startswith(begins)]
