"""The commands of ``jumpgym``.

PyTorch, Stable-Baselines3 and matplotlib are imported by the commands that need them only.
"""

from __future__ import annotations

import argparse
import ast
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jumpgym import ENVIRONMENTS, checks
from jumpgym.adapters.registry import make_env

from ..runs.methods import METHODS, REFERENCES
from .parser import make_parser


class UsageError(Exception):
    """What was asked for cannot be done; the message says why and what is allowed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0, 1 if runs of a comparison failed, 2 if the command is wrong."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    args = make_parser().parse_args(given)
    try:
        return COMMANDS[args.command](args, shlex.join(["jumpgym", *given]))
    except UsageError as error:
        print(f"jumpgym {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _compare(args: argparse.Namespace, command: str) -> int:
    from ..comparison.plans import plan
    from ..comparison.sweep import compare

    output = args.output or Path("results") / args.preset
    settings = [_assigned(each) for each in args.set]
    try:
        runs = plan(
            args.preset,
            args.env,
            args.agents,
            args.seeds,
            args.budget,
            args.timesteps,
            args.episodes,
            settings,
        )
        failed = compare(
            runs,
            output,
            args.workers,
            command,
            args.retry_failed,
            args.engine,
            args.address,
            args.checkpoint_seconds,
        )
    except (TypeError, ValueError) as error:
        raise UsageError(error) from error
    return 1 if failed else 0


def _report(args: argparse.Namespace, command: str) -> int:
    from ..report import report

    try:
        written = report(args.results)
    except (OSError, ValueError) as error:
        raise UsageError(error) from error
    print("written:", *written, sep="\n  ")
    return 0


def _tune(args: argparse.Namespace, command: str) -> int:
    from ..tuning.tune import tune

    try:
        tune(
            args.method,
            args.env,
            args.budget,
            args.trial_seconds,
            seeds=args.seeds,
            seed=args.seed,
            output=args.output,
            command=command,
        )
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UsageError(error) from error
    return 0


def _train(args: argparse.Namespace, command: str) -> int:
    from rich.progress import Progress

    from ..comparison.plans import check_writable
    from ..runs.methods import make, method, one_thread

    try:
        learned = method(args.agent)
        check_writable(args.save.parent, "--save")
        checks.integer("--seed", args.seed, low=0)
        if args.timesteps is not None:
            checks.integer("--timesteps", args.timesteps, low=1)
        elif checks.number("--cpu-seconds", args.cpu_seconds) <= 0:
            raise ValueError(f"--cpu-seconds={args.cpu_seconds:g} must be greater than 0")
    except (TypeError, ValueError) as error:
        raise UsageError(error) from error
    env = _make(args.env, args.set)
    one_thread()
    try:
        model = make(args.agent, env, args.seed, None if args.timesteps else args.cpu_seconds)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UsageError(error) from error
    with Progress(disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(args.agent, total=1.0)

        def show(model: Any) -> None:
            if args.timesteps is not None:
                done = model.num_timesteps / args.timesteps
            else:
                done = model.clock.elapsed / args.cpu_seconds
            bar.update(task, completed=min(done, 1.0))

        budget = {} if args.timesteps is not None else {"cpu_seconds": args.cpu_seconds}
        learned.train(model, show, total_timesteps=args.timesteps, **budget)
        seconds = model.clock.elapsed
    learned.save(model, args.save)
    print(
        f"{args.agent}: {model.num_timesteps:,} transitions in {seconds:.1f} CPU seconds, "
        f"saved to {args.save}"
    )
    return 0


def _evaluate(args: argparse.Namespace, command: str) -> int:
    from ..evaluation import evaluate
    from ..runs.measure import Reference
    from ..runs.methods import load, one_thread

    try:
        checks.integer("--episodes", args.episodes, low=2)
        checks.integer("--seed", args.seed, low=0)
    except ValueError as error:
        raise UsageError(error) from error
    env = _make(args.env, args.set)
    one_thread()
    try:
        kind, model = load(args.checkpoint, env)
    except (OSError, TypeError, ValueError) as error:
        raise UsageError(error) from error
    print(f"{kind} on {args.env}, {args.episodes:,} episodes, seed {args.seed}")
    try:
        reference = Reference(env, args.seed)
    except NotImplementedError as error:
        result = evaluate(model, model.get_env(), args.episodes, args.seed)
        print(f"mean cost {result.mean:.3f} ± {result.standard_error:.3f}")
        print(f"no gap to the optimum: {error}")
        return 0
    gap = reference.gap(model, model.get_env(), args.episodes)
    print(f"mean cost {gap.mean_cost:.3f} ± {gap.standard_error:.3f}")
    if reference.note:
        print(f"no gap to the optimum, but to {reference.note}")
    print(f"{reference.kind:9} {reference.cost:.3f} expected")
    print(f"gap       {gap.gap_percent:.3f} % ± {gap.gap_se_percent:.3f}, on the same noise")
    return 0


def _solve(args: argparse.Namespace, command: str) -> int:
    from jumpgym import as_problem

    from ..optimum import solve
    from ..policies.classical import best_classical

    problem = as_problem(_make(args.env, args.set))
    try:
        optimum = solve(problem)
    except (NotImplementedError, ValueError) as error:
        raise UsageError(error) from error
    average = problem.horizon is None and problem.discount == 1
    cost = float(optimum.average_cost if average else optimum.expected_cost)
    name = "average cost of a period" if average else "expected cost"
    print(f"optimum: {name} {cost:.4f}{_per_period(cost, problem)}")
    if problem.horizon is None:
        print(f"  bound on the error of the recursion: {optimum.error_bound:.2g}")
    if optimum.discretisation_error:
        print(f"  estimated error of the grid: {optimum.discretisation_error:.2g}")
    if hasattr(optimum, "exactness"):
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


def _traces(args: argparse.Namespace, command: str) -> int:
    from ..runs.files import replace_file
    from ..runs.noise_table import noise_table

    try:
        checks.integer("--episodes", args.episodes, low=1)
        checks.integer("--seed", args.seed, low=0)
        table = noise_table(_make(args.env, args.set), args.episodes, args.seed)
        replace_file(args.output, table.to_csv(index=False).encode())
    except (OSError, ValueError) as error:
        raise UsageError(error) from error
    print(f"{len(table):,} rows in {args.output}")
    return 0


def _references(args: argparse.Namespace, command: str) -> int:
    from ..studies.references import tabulate

    try:
        failed = tabulate(args.env, args.output, args.episodes, command)
    except (TypeError, ValueError) as error:
        raise UsageError(error) from error
    return 1 if failed else 0


def _gradients(args: argparse.Namespace, command: str) -> int:
    from ..studies.laboratory.report import Options, investigate, plan

    options = Options(_make(args.env, args.set), args.budget, args.seeds, args.output)
    try:
        names = plan(args.only, args.seed, options)
    except (TypeError, ValueError) as error:
        raise UsageError(error) from error
    try:
        investigate(names, args.seed, options, command)
    except NotImplementedError as error:  # neither optimum nor classical policy is known
        raise UsageError(error) from error
    return 0


def _scaling(args: argparse.Namespace, command: str) -> int:
    from ..studies.scaling import plan, scale

    try:
        runs = plan(args.items, args.methods, args.seeds, args.budget, args.episodes)
        failed = scale(runs, args.output, args.workers, command)
    except (TypeError, ValueError) as error:
        raise UsageError(error) from error
    return 1 if failed else 0


def _list(args: argparse.Namespace, command: str) -> int:
    print("environments:", *(f"  {env}" for env in ENVIRONMENTS), sep="\n")
    print("methods:", *(f"  {name:21} {known.description}" for name, known in METHODS.items()), sep="\n")
    print("references:", *(f"  {name:21} {text}" for name, text in REFERENCES.items()), sep="\n")
    return 0


def _per_period(cost: float, problem: Any) -> str:
    return f", {cost / problem.horizon:.4f} a period" if problem.horizon is not None else ""


def _make(env_id: str, assignments: Sequence[str]) -> Any:
    """The environment with parameters from ``name=value`` texts."""
    parameters = _assigned(assignments)
    try:
        checks.choice("environment", env_id, ENVIRONMENTS)
        return make_env(env_id, parameters)
    except (OSError, TypeError, ValueError) as error:
        raise UsageError(error) from error


def _assigned(assignments: Sequence[str]) -> dict[str, Any]:
    """Parameters from ``name=value`` texts."""
    parameters: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--set {assignment!r} must be name=value")
        try:
            parameters[name] = ast.literal_eval(value)
        except (MemoryError, RecursionError, SyntaxError, ValueError):
            # Text needs no quotes, as in unmet_demand=lost.
            parameters[name] = float(value) if value == "inf" else value
    return parameters


COMMANDS = {
    "compare": _compare,
    "report": _report,
    "tune": _tune,
    "train": _train,
    "evaluate": _evaluate,
    "solve": _solve,
    "traces": _traces,
    "references": _references,
    "gradients": _gradients,
    "scaling": _scaling,
    "list": _list,
}
"""What does each command: a function of its arguments and of what was typed, to the exit code."""
