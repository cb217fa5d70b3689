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

import jumpgym
from jumpgym import ENVIRONMENTS, as_problem, checks
from jumpgym.problems.min_investment import MinInvestment

from ..hindsight.cost import GAP, default_gap, traces_of
from ..optimum import solve
from ..policies.classical import best_classical
from ..policies.jump_ignoring import jump_ignoring
from ..runs.files import check_writable, replace_file
from ..runs.measure import YARDSTICK_SEED, Gap, Reference
from ..runs.provenance import hardware
from ..runs.run import short
from ..windows import standard_error

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


def tabulate(envs: Sequence[str] | None, output: Path, command: str) -> int:
    """Compute the row of each environment, and write ``references.csv`` and ``references.md``.

    Each row is written to ``output/runs`` as soon as it is computed, and the next call takes it from there if
    it is of the same version. The tables hold the environments of this call.

    Args:
        envs: environment ids; None for all.
        output: folder.
        command: what was typed.

    Returns:
        How many environments failed; the errors are printed.

    Raises:
        ValueError: if an id is unknown, or the folder cannot be written.
    """
    for env in envs or ():
        checks.choice("--env", env, ENVIRONMENTS)
    kept = output / "runs"
    check_writable(kept, "--output")
    rows, failed = [], 0
    for env in dict.fromkeys(envs or ENVIRONMENTS):
        path = kept / f"references_{short(env)}.json"
        row = _read(path)
        if row is None:
            print(f"{env} ...", flush=True)
            try:
                row = reference_row(env) | {"command": command}
            except Exception as error:  # one environment must not stop the others
                print(f"{env}: {type(error).__name__}: {error}", file=sys.stderr)
                failed += 1
                continue
            replace_file(path, json.dumps(row).encode())
        rows.append(row)
        _write(rows, output)
        print(_line(row), flush=True)
    return failed


def reference_row(env: str, traces: int | None = None) -> Row:
    """The row of an environment, without the command; see ``results/README.md`` for the columns.

    Args:
        env: environment id.
        traces: number of traces that are solved with perfect hindsight; None for ``traces_of``.
    """
    problem = as_problem(env)
    optimum, solve_seconds = _timed(solve, problem)
    reference = Reference(problem, optimum=optimum)
    simulated = reference.yardstick_costs
    row: Row = {
        "env": env,
        "optimum": optimum.cost,
        "discretisation_error": optimum.discretisation_error,
        "exactness": optimum.exactness.value,
        "solve_seconds": solve_seconds,
        "simulated_optimum": float(simulated.mean()),
        "simulated_optimum_se": standard_error(simulated),
    }
    notes = []
    for kind, search in (("classical", best_classical), ("ignoring", jump_ignoring)):
        policy, seconds = _timed(search, problem)
        gap = reference.policy_gap(policy)
        row |= {kind: repr(policy), **_percent_of(kind, gap), f"{kind}_seconds": seconds}
        if isinstance(problem, MinInvestment):
            costs = np.array([optimum.cost, optimum.cost + gap.difference])
            best, reached = problem.certainty_equivalent(costs)
            notes.append(
                f"Certainty equivalent of the optimum {best:.2f}, of the {kind} policy {reached:.2f}, "
                f"{100 * (1 - reached / best):.1f} % less"
            )
    count = traces_of(env) if traces is None else traces
    bound, row["hindsight_seconds"] = _timed(reference.hindsight_gap, count)
    if default_gap(problem) > GAP:
        notes.append(f"Perfect hindsight is bounded from below, to {100 * default_gap(problem):g} %")
    return (
        row
        | _percent_of("hindsight", bound)
        | {
            "hindsight_traces": count,
            "episodes": len(simulated),
            "seed": YARDSTICK_SEED,
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


def _percent_of(kind: str, gap: Gap) -> Row:
    """The columns of a gap."""
    return {f"{kind}_gap_percent": gap.gap_percent, f"{kind}_gap_se_percent": gap.gap_se_percent}


def _read(path: Path) -> Row | None:
    """The stored row, or None if it is missing, damaged, or of another version."""
    try:
        row: Row = json.loads(path.read_bytes())
        return row if set(row) == set(COLUMNS) and row["jumpgym"] == jumpgym.__version__ else None
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
        "The optimum is the expected cost of an episode, ± the estimated error of its grid. Other columns",
        "are differences to it in per cent of its absolute value: the best classical policy, the best policy",
        "that ignores the jump, and perfect hindsight. A difference without ± is exact. The others are means",
        "of paired differences on the same noise, ± their standard error; the last column is the number of",
        "episodes of hindsight.",
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
    error = row[f"{kind}_gap_se_percent"]
    return f"{row[f'{kind}_gap_percent']:+.3f} %" + (f" ± {error:.2g}" if error else "")
