"""Table and picture of the study of real demand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jumpgym import as_problem

from ...report.formatting import code_block, counted, csv, failed_runs, markdown_table, software
from ...report.styles import COLOURS, MARKERS, png
from ...runs.files import replace_file
from ...runs.provenance import PACKAGES
from ...runs.record import reason
from ...windows import windows_of
from .policies import CLASSICAL, POLICIES
from .series import HORIZON, MEMORY, SERIES, TERMS

DRAWS = 10_000
"""Draws of the block bootstrap."""

LEVEL = 0.95
"""Coverage of the intervals."""


class Interval(NamedTuple):
    """Excess cost over the classical policy in per cent, with the ends of its interval."""

    middle: float
    low: float
    high: float


def block_bootstrap(costs: NDArray[np.float64], reference: NDArray[np.float64], disjoint: int) -> Interval:
    """How much one policy costs more than another, in per cent, by the moving block bootstrap.

    A draw takes as many windows as do not overlap, with replacement, from all windows, and the costs of both
    policies on them (Künsch 1989, Ann. Statist. 17, 1217).

    Args:
        costs, reference: of each window, shape (windows,).
        disjoint: number of windows of which no two overlap.
    """
    drawn = np.random.default_rng(0).integers(len(costs), size=(DRAWS, disjoint))
    excess = 100 * (costs[drawn].sum(1) / reference[drawn].sum(1) - 1)
    low, high = np.quantile(excess, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(100 * (costs.sum() / reference.sum() - 1), float(low), float(high))


def summaries(records: Sequence[Any]) -> pd.DataFrame:
    """A row for each series and policy, with means over the seeds; only series with a classical policy."""
    rows = []
    for series in SERIES:
        runs = [record for record in records if record["settings"]["series"] == series]
        by_policy = {
            name: [run for run in runs if run["settings"]["policy"] == name]
            for name in POLICIES
            if any(run["settings"]["policy"] == name for run in runs)
        }
        if CLASSICAL not in by_policy:
            continue
        windows = windows_of(as_problem(SERIES[series].make(memory=False)[1]), HORIZON)
        assert windows is not None
        reference = np.array(by_policy[CLASSICAL][0]["later"])
        for name, of_policy in by_policy.items():
            later = np.array([run["later"] for run in of_policy])
            of_seeds = 100 * (later.sum(1) / reference.sum() - 1)
            interval = block_bootstrap(later.mean(0), reference, windows.disjoint)
            rows.append(
                {
                    "series": series,
                    "policy": name,
                    "seeds": len(of_policy),
                    "windows": windows.distinct,
                    "disjoint_windows": windows.disjoint,
                    "cost_earlier": np.mean([run["earlier"] for run in of_policy]),
                    "cost_later": later.mean(),
                    "excess_percent": interval.middle,
                    "low_percent": interval.low,
                    "high_percent": interval.high,
                    "best_seed_percent": of_seeds.min(),
                    "worst_seed_percent": of_seeds.max(),
                }
            )
    return pd.DataFrame(rows)


def write_report(records: Sequence[Any], failures: Sequence[Any], output: Path) -> bool:
    """Write ``real.csv``, ``runs.csv``, ``real.md`` and ``real.png``; False if there is nothing to report.

    Args:
        records: of the runs that finished, see ``study.perform``.
        failures: of the runs that failed, see ``studies.runs.do_missing``.
        output: a folder that exists.
    """
    table = summaries(records)
    if table.empty:
        return False
    rows = [
        {
            **record["settings"],
            "cost_earlier": record["earlier"],
            "cost_later": np.mean(record["later"]),
            **record["row"],
            **{name: record["versions"].get(name, "") for name in ("python", *PACKAGES)},
            "hardware": record["hardware"],
            "command": record["command"],
        }
        for record in records
    ]
    replace_file(output / "real.csv", csv(table))
    replace_file(output / "runs.csv", csv(pd.DataFrame(rows)))
    replace_file(output / "real.md", _markdown(table, records, failures).encode())
    replace_file(output / "real.png", _picture(table, records))
    return True


def _markdown(table: pd.DataFrame, records: Sequence[Any], failures: Sequence[Any]) -> str:
    budgets = {record["settings"]["budget"] for record in records} - {0.0}
    blocks = [
        "# Real demand",
        code_block(record["command"] for record in records),
        "Policies are fitted and trained on the earlier records and judged on the later ones, on every "
        f"window of {HORIZON} days, with deterministic decisions. The excess cost is that over the classical "
        f"policy on the same windows, with the {100 * LEVEL:.0f} % interval of a moving block bootstrap. "
        "Learned policies are the mean of their seeds, whose range is beside it. Intervals tell how far the "
        "later records decide between policies, not how much trainings vary.",
        "Problems, split, season, history, costs, budget and seeds were chosen before any policy was judged "
        "on the later records. `weekday-optimum` was added, as a stronger reference, after a trial of the "
        f"code on the bakery with trainings of 3 seconds. Both problems have {_terms()}. A memory is "
        f"{_terms(MEMORY)}. Each training takes {', '.join(f'{budget:g}' for budget in sorted(budgets))} CPU "
        "seconds. The data and their licence are in "
        "[baselines/studies/real/data](../../baselines/studies/real/data/README.txt).",
    ]
    for series, of_series in table.groupby("series", sort=False):
        chosen = SERIES[str(series)]
        earlier, later = chosen.records()
        blocks += [
            f"## {series}",
            f"{chosen.text[0].upper()}{chosen.text[1:]}. Earlier: {len(earlier)} days until "
            f"{earlier.period_name(-1)}; later: {len(later)} days from {chosen.split} on, "
            f"{counted(int(of_series.windows.iloc[0]), 'window')}, "
            f"{of_series.disjoint_windows.iloc[0]} of them disjoint.",
            markdown_table([_HEAD, *(_cells(row) for row in of_series.itertuples())]),
        ]
    present = [name for name in POLICIES if name in set(table.policy)]
    classical = "\n".join(
        f"- {run['settings']['series']}, {run['settings']['policy']}: `{run['row']['policy']}`"
        for run in records
        if "policy" in run["row"]
    )
    blocks += [
        "![Demand, and excess costs by policy](real.png)",
        "## Policies",
        "\n".join(f"- `{name}`: {POLICIES[name].description}." for name in present),
        f"The classical policies that were found:\n\n{classical}",
        f"{software([record['versions'] for record in records])}; {records[0]['hardware']}.",
    ]
    if failures:
        names = ["series", "policy", "seed", "budget"]
        lines = [[*(failure["settings"][name] for name in names), reason(failure)] for failure in failures]
        blocks.append(failed_runs([*names, "error"], lines))
    return "\n\n".join(blocks) + "\n"


_HEAD = ["policy", "cost, earlier", "cost, later", "excess, %", "interval, %", "seeds, %"]


def _cells(row: Any) -> list[str]:
    compared = row.policy != CLASSICAL
    interval = f"{row.low_percent:+.1f} to {row.high_percent:+.1f}" if compared else ""
    seeds = f"{row.best_seed_percent:+.1f} to {row.worst_seed_percent:+.1f}" if row.seeds > 1 else ""
    excess = f"{row.excess_percent:+.1f}" if compared else ""
    return [f"`{row.policy}`", f"{row.cost_earlier:,.0f}", f"{row.cost_later:,.0f}", excess, interval, seeds]


def _terms(terms: Any = TERMS) -> str:
    return ", ".join(f"`{name}={value!r}`" for name, value in terms.items())


def _picture(table: pd.DataFrame, records: Sequence[Any]) -> bytes:
    """Demand with the split above, and below the excess cost of each policy, its interval and its seeds."""
    names = list(dict.fromkeys(table.series))
    figure = Figure(figsize=(6.2 * len(names), 7.0), layout="constrained")
    panels = figure.subplots(2, len(names), squeeze=False, height_ratios=(2, 3))
    for column, series in enumerate(names):
        earlier, later = SERIES[series].records()
        above, below = panels[0][column], panels[1][column]
        for part, colour in ((earlier, "#777777"), (later, COLOURS[0])):
            above.plot(part.dates, part.values.sum(1), color=colour, linewidth=0.6)
        above.set_title(f"{series}: demand by day{' of all items' * (len(later.items) > 1)}, later in colour")
        above.tick_params(axis="x", labelrotation=30)
        of_series = table[(table.series == series) & (table.policy != CLASSICAL)]
        for place, row in enumerate(of_series.itertuples()):
            number = list(POLICIES).index(str(row.policy))
            style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
            ends = [[row.excess_percent - row.low_percent], [row.high_percent - row.excess_percent]]
            below.errorbar([row.excess_percent], [place], xerr=ends, capsize=4, markersize=8, **style)
            reference = _later(records, series, CLASSICAL)[0].sum()
            seeds = 100 * (_later(records, series, row.policy).sum(1) / reference - 1)
            below.plot(seeds, np.full(len(seeds), place + 0.22), "|", color=style["color"], markersize=9)
        below.axvline(0, color="black", linewidth=1)
        below.set_yticks(range(len(of_series)), of_series.policy)
        below.invert_yaxis()
        below.set_xlabel(
            "excess cost over the classical policy on later records, %\n"
            f"(mean of the seeds with its {100 * LEVEL:.0f} % interval; ticks below: each seed)"
        )
        below.grid(axis="x", color="#cccccc")
    return png(figure)


def _later(records: Sequence[Any], series: str, policy: str) -> NDArray[np.float64]:
    """Costs of the later windows, of each seed of a policy: (seeds, windows)."""
    selection = {"series": series, "policy": policy}
    return np.array([run["later"] for run in records if selection.items() <= run["settings"].items()])
