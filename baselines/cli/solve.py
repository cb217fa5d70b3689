"""``jumpgym solve``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .options import ENV_HELP, add_command, add_set, make_environment, usage_errors, waiting


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
    from jumpgym import NotApplicable, as_problem

    from ..optimum import solve
    from ..policies.classical import best_classical

    problem = as_problem(make_environment(args.env, args.set))
    with usage_errors(NotImplementedError, ValueError), waiting("solving"):
        optimum = solve(problem)
    print("optimum")
    _print_costs(optimum.cost, problem)
    if problem.horizon is None:
        print(f"  error bound     {optimum.error_bound:.2g}")
    if optimum.discretisation_error > 0:
        print(f"  grid error      {optimum.discretisation_error:.2g}, estimated")
    print(f"  exactness       {optimum.exactness}")
    sys.stdout.flush()  # the search may take minutes
    try:
        with waiting("searching for the best classical policy") as show:
            policy = best_classical(problem, show)
    except NotApplicable as error:
        print(f"no classical policy: {error}")
        return 0
    print(f"best classical policy: {policy!r}")
    _print_gap(policy, optimum)
    return 0


def _print_costs(cost: float, problem: Any) -> None:
    if problem.horizon is None:
        kind = (
            "average cost    {:.4f} per period"
            if problem.discount == 1
            else "expected cost   {:.4f} discounted"
        )
        print(f"  {kind.format(cost)}")
    else:
        print(f"  expected cost   {cost:.4f} per episode, {cost / problem.horizon:.4f} per period")


def _print_gap(policy: Any, optimum: Any) -> None:
    """Print the cost of a policy and its gap, see ``Reference.policy_gap``."""
    from ..runs.measure import Reference

    gap = Reference(policy.problem, optimum=optimum).policy_gap(policy)
    _print_costs(optimum.cost + gap.difference, policy.problem)
    percent = round(gap.gap_percent, 3) + 0.0  # not -0.000
    accuracy = f" ± {gap.gap_se_percent:.2g}" if gap.gap_se_percent else ""
    method = ", simulated on the same noise" if accuracy else ""
    print(f"  gap             {percent:.3f} %{accuracy} above the optimum{method}")
