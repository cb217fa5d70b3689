"""``jumpgym solve``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .options import ENV_HELP, add_command, add_set, make_environment, usage_errors


def add_solve(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym solve``."""
    parser = add_command(
        commands, "solve", "compute the exact optimum and the best classical policy", run_solve
    )
    parser.add_argument("env", metavar="ENV", help=f"environment, {ENV_HELP}")
    add_set(parser)
    return parser


def run_solve(args: argparse.Namespace) -> int:
    """Print the optimum, and the best classical policy with its gap."""
    from jumpgym import as_problem

    from ..optimum import solve
    from ..policies.classical import best_classical

    problem = as_problem(make_environment(args.env, args.set))
    with usage_errors(NotImplementedError, ValueError):
        optimum = solve(problem)
    average = problem.horizon is None and problem.discount == 1
    cost = optimum.cost
    name = "average cost of a period" if average else "expected cost"
    print(f"optimum: {name} {cost:.4f}{_per_period(cost, problem)}")
    if problem.horizon is None:
        print(f"  bound on the error of the recursion: {optimum.error_bound:.2g}")
    if optimum.discretisation_error:
        print(f"  estimated error of the grid: {optimum.discretisation_error:.2g}")
    print(f"  exactness: {optimum.exactness}")
    sys.stdout.flush()  # the search takes a while
    try:
        policy = best_classical(problem)
    except NotImplementedError as error:
        print(f"no classical policy: {error}")
        return 0
    print(f"best classical policy: {policy!r}")
    reached, error_of_gap = _cost(policy, optimum, cost)
    gap = 100 * (reached - cost) / abs(cost) if cost else float("nan")
    simulated = ""
    if error_of_gap is not None:
        error_percent = 100 * error_of_gap / abs(cost) if cost else float("nan")
        simulated = f" ± {error_percent:.2g}, by simulation on the same noise"
    print(f"  {name} {reached:.4f}{_per_period(reached, problem)}, {gap:.3f} %{simulated} above the optimum")
    return 0


def _cost(policy: Any, optimum: Any, cost: float) -> tuple[float, float | None]:
    """Cost of a policy and its standard error, None if it is exact; else the optimum's plus what it adds."""
    from ..evaluation import evaluate, standard_error
    from ..policies.classical import stationary_cost
    from ..policies.stationary import StationaryPolicy

    if isinstance(policy, StationaryPolicy):
        return stationary_cost(policy), None
    above = (evaluate(each, policy.problem, 4096, 1).costs for each in (policy, optimum))
    difference = next(above) - next(above)
    return cost + float(difference.mean()), standard_error(difference)


def _per_period(cost: float, problem: Any) -> str:
    return f", {cost / problem.horizon:.4f} a period" if problem.horizon is not None else ""
