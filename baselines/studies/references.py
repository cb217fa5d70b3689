"""The table of references: optimum, best classical policy, jump-ignoring policy and perfect hindsight."""

from __future__ import annotations

import io
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

import jumpgym
from jumpgym import ENVIRONMENTS, as_problem, checks
from jumpgym.problems.min_investment import MinInvestment

from ..comparison.plans import check_writable
from ..evaluation import draw, simulate, standard_error
from ..hindsight.cost import DEFAULT_TRACES, GAP, TRACES, default_gap, hindsight_cost
from ..optimum import solve
from ..policies.classical import best_classical
from ..policies.jump_ignoring import jump_ignoring
from ..runs.files import replace_file
from ..runs.provenance import hardware
from ..runs.run import short

SEED = 1
"""Of the noise on which all references are simulated; searches of parameters use another."""

COLUMNS = (
    "env",
    "optimum",
    "discretisation_error",
    "exactness",
    "solve_seconds",
    "simulated_optimum",
    "simulated_optimum_se",
    "classical",
    "classical_gap_percent",
    "classical_gap_se_percent",
    "classical_seconds",
    "ignoring",
    "ignoring_gap_percent",
    "ignoring_gap_se_percent",
    "ignoring_seconds",
    "hindsight_gap_percent",
    "hindsight_gap_se_percent",
    "hindsight_traces",
    "hindsight_seconds",
    "episodes",
    "seed",
    "note",
    "python",
    "numpy",
    "scipy",
    "jumpgym",
    "hardware",
    "command",
)

Row = dict[str, Any]


def tabulate(envs: Sequence[str] | None, output: Path, episodes: int, command: str) -> int:
    """Compute the row of each environment, and write ``references.csv`` and ``references.md``.

    A row is kept in ``output/runs`` as soon as it is there, and taken from there by the next call with as
    many episodes. The tables are of the environments asked for, and written anew with each row.

    Args:
        envs: environment ids; None for all.
        output: folder.
        episodes: simulated episodes of each environment.
        command: what was typed.

    Returns:
        How many environments failed; the errors are printed.

    Raises:
        ValueError: if an id is unknown, there are too few episodes or the folder cannot be written.
    """
    for env in envs or ():
        checks.choice("--env", env, ENVIRONMENTS)
    checks.integer("--episodes", episodes, low=max(TRACES.values()))
    kept = output / "runs"
    check_writable(kept, "--output")
    rows, failed = [], 0
    for env in dict.fromkeys(envs or ENVIRONMENTS):
        path = kept / f"references_{short(env)}.json"
        row = _read(path, episodes)
        if row is None:
            print(f"{env} ...", flush=True)
            try:
                row = reference_row(env, episodes) | {"command": command}
            except Exception as error:  # one environment must not stop the others
                print(f"{env}: {type(error).__name__}: {error}", file=sys.stderr)
                failed += 1
                continue
            replace_file(path, json.dumps(row).encode())
        rows.append(row)
        _write(rows, output)
        print(_line(row), flush=True)
    return failed


def reference_row(env: str, episodes: int, traces: int | None = None) -> Row:
    """The row of an environment, without the command; see ``results/README.md`` for the columns.

    Args:
        env: environment id.
        episodes: simulated episodes, on the same noise for all policies.
        traces: how many of them are solved with perfect hindsight; None for ``TRACES``.
    """
    problem = as_problem(env)
    name = short(env).removesuffix("-v0")
    state, noise = draw(problem, episodes, SEED)
    optimum, solve_seconds = _timed(solve, problem)
    cost = optimum.cost
    costs = simulate(optimum, problem, state, noise)
    row: Row = {
        "env": env,
        "optimum": cost,
        "discretisation_error": optimum.discretisation_error,
        "exactness": optimum.exactness.value,
        "solve_seconds": solve_seconds,
        "simulated_optimum": float(costs.mean()),
        "simulated_optimum_se": standard_error(costs),
    }
    notes = []
    for kind, search in (("classical", best_classical), ("ignoring", jump_ignoring)):
        policy, seconds = _timed(search, problem)
        above = simulate(policy, problem, state, noise) - costs
        row |= {kind: repr(policy), **_gap(kind, above, cost), f"{kind}_seconds": seconds}
        if isinstance(problem, MinInvestment):
            best, reached = problem.certainty_equivalent(np.array([cost, cost + above.mean()]))
            notes.append(
                f"Certainty equivalent of the optimum {best:.2f}, of the {kind} policy {reached:.2f}, "
                f"{100 * (1 - reached / best):.1f} % less"
            )
    count = TRACES.get(name, DEFAULT_TRACES) if traces is None else traces
    gap = default_gap(problem)
    first = noise[:count], type(state)(*(entry[:count] for entry in state))
    known, row["hindsight_seconds"] = _timed(hindsight_cost, problem, *first, gap)
    if gap > GAP:
        notes.append(f"Perfect hindsight is bounded from below, to {100 * gap:g} %")
    return (
        row
        | _gap("hindsight", known - costs[:count], cost)
        | {
            "hindsight_traces": count,
            "episodes": episodes,
            "seed": SEED,
            "note": ". ".join(notes),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "jumpgym": jumpgym.__version__,
            "hardware": hardware(),
        }
    )


def _timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What a function returns, and the CPU seconds that it took."""
    start = time.process_time()
    return function(*arguments), time.process_time() - start


def _gap(kind: str, above: NDArray[np.float64], optimum: float) -> Row:
    """Mean difference to the optimum by episode, and its standard error, in per cent of the optimum."""
    percent = 100 / abs(optimum)
    return {
        f"{kind}_gap_percent": percent * float(above.mean()),
        f"{kind}_gap_se_percent": percent * standard_error(above),
    }


def _read(path: Path, episodes: int) -> Row | None:
    """The row that is kept, or None if it is missing, damaged, of other episodes or another version."""
    try:
        row: Row = json.loads(path.read_bytes())
        current = set(row) == set(COLUMNS) and row["episodes"] == episodes
        return row if current and row["jumpgym"] == jumpgym.__version__ else None
    except (OSError, ValueError, TypeError):
        return None


def _write(rows: Sequence[Row], output: Path) -> None:
    text = io.StringIO()
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(text, index=False, float_format="%.8g")
    replace_file(output / "references.csv", text.getvalue().encode())
    replace_file(output / "references.md", _markdown(rows).encode())


def _markdown(rows: Sequence[Row]) -> str:
    def unique(column: str) -> str:
        return ", ".join(dict.fromkeys(str(row[column]) for row in rows))

    lines = [
        "# References",
        "",
        *(f"    {command}" for command in dict.fromkeys(row["command"] for row in rows)),
        "",
        f"Python {unique('python')}, NumPy {unique('numpy')}, SciPy {unique('scipy')}, "
        f"jumpgym {unique('jumpgym')}; {unique('hardware')}, one thread; noise of seed {unique('seed')}, "
        f"{unique('episodes')} episodes.",
        "",
        "The optimum is the expected cost of an episode, ± the estimated error of its grid. Everything",
        "else is the mean difference to the cost of the optimal policy on the same noise, in per cent of the",
        "optimum's absolute value, ± its standard error: the best classical policy, the best policy that",
        "ignores the jump, and perfect hindsight, on the first of the episodes, as many as are stated.",
        "",
        "| environment | optimum | CPU s | best classical | ignores jump | perfect hindsight | episodes |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        error = f" ± {row['discretisation_error']:.1g}" if row["exactness"] == "grid" else ""
        cells = [
            short(row["env"]),
            f"{row['optimum']:.6g}{error}",
            f"{row['solve_seconds']:.1f}",
            *(_percent(row, kind) for kind in ("classical", "ignoring", "hindsight")),
            str(row["hindsight_traces"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Policies:", ""]
    for row in rows:
        lines.append(f"- {short(row['env'])}: classical `{row['classical']}`; ignoring `{row['ignoring']}`.")
        lines += [f"  {row['note']}."] if row["note"] else []
    return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    gaps = ", ".join(f"{kind} {_percent(row, kind)}" for kind in ("classical", "ignoring", "hindsight"))
    return f"{row['env']}: optimum {row['optimum']:.6g}, {gaps}"


def _percent(row: Row, kind: str) -> str:
    return f"{row[f'{kind}_gap_percent']:+.3f} % ± {row[f'{kind}_gap_se_percent']:.2g}"
