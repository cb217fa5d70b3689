"""The table of references: optimum, classical and jump-ignoring policies, hindsight and lower bounds."""

from __future__ import annotations

import io
import json
import math
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
from jumpgym import ENVIRONMENTS, NotApplicable, as_problem, environment_id
from jumpgym.problems.min_investment import MinInvestment

from ..bounds.lower_bound import lower_bound
from ..generic import is_implemented
from ..hindsight.cost import GAP, default_gap, traces_of
from ..hindsight.program import HindsightTimeout
from ..policies.classical import best_classical
from ..policies.jump_ignoring import jump_ignoring
from ..runs.files import check_writable, replace_file
from ..runs.measure import YARDSTICK_SEED, Gap, Reference, check_measurable
from ..runs.provenance import code_version, hardware
from ..runs.run import short
from ..runs.status import Status
from ..windows import standard_error

COLUMNS = (
    "env",
    "status",
    "reference",
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
    "bound_gap_percent",
    "bound_seconds",
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

HEADINGS = (
    "environment",
    "optimum",
    "CPU s",
    "best classical",
    "ignores jump",
    "perfect hindsight",
    "episodes",
    "lower bound",
)

MISSING = "n/a"
"""What stands for a yardstick that does not exist for the problem."""

Row = dict[str, Any]


def tabulate(envs: Sequence[str] | None, output: Path, command: str) -> int:
    """Compute the row of each environment, and write ``references.csv`` and ``references.md``.

    Each row is written to ``output/runs`` as soon as it is computed, and the next call takes it from there if
    the code is the same. The tables hold the environments of this call; one that fails has a row with the
    status ``failed``, and is tried again by the next call.

    Args:
        envs: names of environments, see ``environment_id``; None for all of this package.
        output: folder.
        command: what was typed.

    Returns:
        How many environments failed; the errors are printed.

    Raises:
        ValueError: if an environment is unknown or has neither an optimum nor a classical policy, or the
            folder cannot be written.
    """
    names = ENVIRONMENTS if envs is None else [_checked(env) for env in envs]
    runs = output / "runs"
    check_writable(runs, "--output")
    rows: list[Row] = []
    for env in dict.fromkeys(names):
        path = runs / f"references_{short(env).replace('/', '.')}.json"
        code = code_version(env)
        row = _read(path, code)
        if row is None:
            print(f"{env} ...", flush=True)
            try:
                row = reference_row(env) | {"command": command}
                replace_file(path, json.dumps({"code": code, "row": row}).encode())
            except Exception as error:  # one environment must not stop the others
                note = f"{type(error).__name__}: {error}"
                print(f"{env}: {note}", file=sys.stderr)
                row = _empty_row(env, Status.FAILED, note) | {"command": command}
        rows.append(row)
        _write(rows, output)
        print(_line(row), flush=True)
    return sum(row["status"] == Status.FAILED for row in rows)


def _checked(env: str) -> str:
    """The id of an environment; ValueError if nothing can be measured on it."""
    try:
        env = environment_id(env)
        check_measurable(as_problem(env))
    except (TypeError, ValueError, NotApplicable) as error:
        raise ValueError(f"--env={env!r}: {error}") from error
    return env


def reference_row(env: str, traces: int | None = None) -> Row:
    """The row of an environment, without the command; see ``results/README.md`` for the columns.

    Args:
        env: environment id.
        traces: number of traces that are solved with perfect hindsight; None for ``traces_of``.

    Returns:
        The row. What does not exist for the problem is ``"n/a"`` (a policy) or None (a number), and the note
        gives the reason; without an optimum, gaps are to the best classical policy.
    """
    problem = as_problem(env)
    try:
        reference, seconds = _timed(Reference, problem)
    except NotApplicable as error:
        return _empty_row(env, Status.NOT_APPLICABLE, str(error))
    row, notes = _empty_row(env, Status.OK, ""), []
    row |= {"reference": reference.kind, "episodes": len(reference.yardstick_costs), "seed": YARDSTICK_SEED}
    if reference.kind == "optimum":
        optimum = reference.optimum
        row |= {
            "optimum": optimum.cost,
            "discretisation_error": optimum.discretisation_error,
            "exactness": optimum.exactness.value,
            "solve_seconds": seconds,
            "simulated_optimum": float(reference.yardstick_costs.mean()),
            "simulated_optimum_se": standard_error(reference.yardstick_costs, reference.windows),
        }
    else:
        notes.append(f"Gaps are to a cost of {reference.cost:.7g}, {reference.exactness}: {reference.note}")
    for kind, search in (("classical", best_classical), ("ignoring", jump_ignoring)):
        try:
            policy = reference.optimum
            if kind != reference.kind:
                policy, seconds = _timed(search, problem)
            gap = reference.policy_gap(policy)
        except NotApplicable as error:
            notes.append(f"{kind}: {error}")
            continue
        row |= {kind: repr(policy), **_percent_of(kind, gap), f"{kind}_seconds": seconds}
        if isinstance(problem, MinInvestment):
            costs = np.array([reference.cost, reference.cost + gap.difference])
            best, reached = problem.certainty_equivalent(costs)
            notes.append(
                f"Certainty equivalent of the optimum {best:.2f}, of the {kind} policy {reached:.2f}, "
                f"{100 * (1 - reached / best):.1f} % less"
            )
    count = traces_of(env) if traces is None else traces
    try:
        bound, row["hindsight_seconds"] = _timed(reference.hindsight_gap, count)
    except (NotApplicable, HindsightTimeout) as error:
        notes.append(f"hindsight: {error}")
    else:
        row |= {**_percent_of("hindsight", bound), "hindsight_traces": count}
        if default_gap(problem) > GAP:
            notes.append(f"Perfect hindsight is bounded from below, to {100 * default_gap(problem):g} %")
    if is_implemented(lower_bound, problem):
        try:
            least, row["bound_seconds"] = _timed(lower_bound, problem)
        except NotApplicable as error:
            notes.append(f"bound: {error}")
        else:
            row["bound_gap_percent"] = reference.percent * (least.cost - reference.cost)
    return row | {"note": ". ".join(notes)}


def _empty_row(env: str, status: Status, note: str) -> Row:
    """A row without results."""
    return dict.fromkeys(COLUMNS[:-1]) | {
        "env": env,
        "status": status.value,
        **dict.fromkeys(("reference", "exactness", "classical", "ignoring"), MISSING),
        "note": note,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "jumpgym": jumpgym.__version__,
        "hardware": hardware(),
    }


def _timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What a function returns, and the CPU seconds that it took."""
    start = time.process_time()
    return function(*arguments), time.process_time() - start


def _percent_of(kind: str, gap: Gap) -> Row:
    """The columns of a gap."""
    return {f"{kind}_gap_percent": gap.gap_percent, f"{kind}_gap_se_percent": gap.gap_se_percent}


def _read(path: Path, code: str) -> Row | None:
    """The stored row, or None if it is missing, damaged, or of other code."""
    try:
        stored = json.loads(path.read_bytes())
        row: Row = stored["row"]
        return row if stored["code"] == code and set(row) == set(COLUMNS) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(rows: Sequence[Row], output: Path) -> None:
    text = io.StringIO()
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(text, index=False, float_format="%.8g")
    replace_file(output / "references.csv", text.getvalue().encode())
    replace_file(output / "references.md", _markdown(rows).encode())


def _markdown(rows: Sequence[Row]) -> str:
    def unique(column: str) -> str:
        return ", ".join(dict.fromkeys(str(row[column]) for row in rows if row[column] is not None))

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
        "of paired differences on the same noise, ± their standard error; after that of hindsight is its",
        "number of episodes. The last column is the lower bound on the expected cost of several items.",
        f"{MISSING}: it does not exist for the problem, for the reason given below.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|" + "---|" * len(HEADINGS),
    ]
    for row in rows:
        cells = [
            short(row["env"]),
            _optimum(row),
            "" if row["solve_seconds"] is None else f"{row['solve_seconds']:.1f}",
            *(_percent(row, kind) for kind in ("classical", "ignoring", "hindsight")),
            str(row["hindsight_traces"] or ""),
            "" if row["bound_gap_percent"] is None else f"{row['bound_gap_percent']:+.3f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Policies:", ""]
    for row in rows:
        lines.append(f"- {short(row['env'])}: classical `{row['classical']}`; ignoring `{row['ignoring']}`.")
        lines += [f"  {row['note']}."] if row["note"] else []
    return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    gaps = ", ".join(f"{kind} {_percent(row, kind)}" for kind in ("classical", "ignoring", "hindsight"))
    return f"{row['env']}: optimum {_optimum(row)}, {gaps}"


def _missing(row: Row) -> str:
    """What stands for a number that a row lacks."""
    return Status.FAILED.value if row["status"] == Status.FAILED else MISSING


def _optimum(row: Row) -> str:
    if row["optimum"] is None:
        return _missing(row)
    error = f" ± {row['discretisation_error']:.1g}" if row["exactness"] == "grid" else ""
    return f"{row['optimum']:.6g}{error}"


def _percent(row: Row, kind: str) -> str:
    gap, error = row[f"{kind}_gap_percent"], row[f"{kind}_gap_se_percent"]
    if gap is None or math.isnan(gap):
        return _missing(row)
    return f"{gap:+.3f} %" + (f" ± {error:.2g}" if error > 0 else "")
