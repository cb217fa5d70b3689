"""The command line: ``jumpgym compare | report | tune | train | evaluate | solve | ...``.

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

from jumpgym import ENVIRONMENTS, __version__, checks
from jumpgym.env import make_env

from .laboratory import PARTS
from .methods import METHODS, REFERENCES


class UsageError(Exception):
    """What was asked for cannot be done; the message says why and what is allowed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0, 1 if runs of a comparison failed, 2 if the command is wrong."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    args = _parser().parse_args(given)
    try:
        return args.run(args, shlex.join(["jumpgym", *given]))
    except UsageError as error:
        print(f"jumpgym {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _compare(args: argparse.Namespace, command: str) -> int:
    from .comparison import compare
    from .plans import plan

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
    from .report import report

    try:
        written = report(args.results)
    except (OSError, ValueError) as error:
        raise UsageError(error) from error
    print("written:", *written, sep="\n  ")
    return 0


def _tune(args: argparse.Namespace, command: str) -> int:
    from .tune import tune

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

    from .methods import make, method, one_thread
    from .plans import check_writable

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
        model = make(args.agent, env, args.seed)
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
    from .evaluation import evaluate
    from .measure import Reference
    from .methods import load, one_thread

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

    from .classical import best_classical
    from .description import describe
    from .optimum import solve

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
    print(f"best classical policy: {describe(policy)}")
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
    from .classical import stationary_cost
    from .evaluation import evaluate, standard_error
    from .policies.stationary import StationaryPolicy

    if isinstance(policy, StationaryPolicy):
        return stationary_cost(policy), None
    above = (evaluate(each, policy.problem, 4096, 1).costs for each in (policy, optimum))
    difference = next(above) - next(above)
    return cost + float(difference.mean()), standard_error(difference)


def _references(args: argparse.Namespace, command: str) -> int:
    from .references import tabulate

    try:
        failed = tabulate(args.env, args.output, args.episodes, command)
    except (TypeError, ValueError) as error:
        raise UsageError(error) from error
    return 1 if failed else 0


def _gradients(args: argparse.Namespace, command: str) -> int:
    from .laboratory.report import Options, investigate, plan

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
    from .scaling import plan, scale

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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jumpgym", description="Control problems with jumps known in advance."
    )
    parser.add_argument("--version", action="version", version=f"jumpgym {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    compare = commands.add_parser("compare", help="train every method, and compare with the exact optimum")
    compare.set_defaults(run=_compare)
    compare.add_argument("--preset", choices=("quick", "standard"), default="quick")
    compare.add_argument("--env", nargs="+", metavar="ID", help="environments; default: the preset's")
    compare.add_argument("--agents", nargs="+", metavar="NAME", help="methods; default: the preset's")
    compare.add_argument("--seeds", type=int, metavar="N", help="number of seeds")
    spend = compare.add_mutually_exclusive_group()
    spend.add_argument("--budget", type=float, metavar="SECONDS", help="CPU seconds of each training")
    spend.add_argument(
        "--timesteps", type=int, metavar="N", help="transitions of each training, for equal results anywhere"
    )
    compare.add_argument("--episodes", type=int, default=8192, help="of each final evaluation")
    compare.add_argument(
        "--set",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the environments; given several times, each is a problem of its own",
    )
    compare.add_argument("--workers", type=int, metavar="N", help="runs at a time; default: the cores")
    compare.add_argument("--output", type=Path, metavar="DIR", help="folder; default: results/PRESET")
    compare.add_argument("--retry-failed", action="store_true", help="repeat runs that failed before")
    compare.add_argument("--engine", choices=("local", "ray"), default="local", help="where runs are done")
    compare.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster; default: a new one here")
    compare.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="CPU seconds of training between two checkpoints; default: 60",
    )

    report = commands.add_parser("report", help="page, summary and figures of a comparison, made again")
    report.set_defaults(run=_report)
    report.add_argument("results", type=Path, metavar="RESULTS", help="folder of 'jumpgym compare'")

    tune = commands.add_parser("tune", help="search for better hyperparameters of a method")
    tune.set_defaults(run=_tune)
    tune.add_argument("method", metavar="METHOD", help="see 'jumpgym list'")
    tune.add_argument("--env", nargs="+", required=True, metavar="ID", help="environments to do well on")
    tune.add_argument(
        "--budget", type=float, default=600.0, metavar="SECONDS", help="CPU, of the whole study"
    )
    tune.add_argument(
        "--trial-seconds", type=float, default=8.0, metavar="SECONDS", help="CPU, of each training"
    )
    tune.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of a trial by environment")
    tune.add_argument("--seed", type=int, default=0, help="of the search")
    tune.add_argument("--output", type=Path, default=Path("results/tuning"), metavar="DIR")

    train = commands.add_parser("train", help="train one method and save it")
    train.set_defaults(run=_train)
    train.add_argument("env", metavar="ENV", help="environment id")
    train.add_argument("--agent", default="mixed", metavar="NAME", help="method, see 'jumpgym list'")
    budget = train.add_mutually_exclusive_group()
    budget.add_argument("--timesteps", type=int, metavar="N", help="transitions to train for")
    budget.add_argument("--cpu-seconds", type=float, default=30.0, metavar="S", help="default: 30")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--save", type=Path, required=True, metavar="PATH", help="checkpoint to write")
    _add_set(train)

    evaluate = commands.add_parser("evaluate", help="evaluate a checkpoint against the optimum")
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    evaluate.add_argument("--env", required=True, metavar="ID", help="environment id")
    evaluate.add_argument("--episodes", type=int, default=8192)
    evaluate.add_argument("--seed", type=int, default=0, help="of the noise")
    _add_set(evaluate)

    solve = commands.add_parser("solve", help="the exact optimum and the best classical policy")
    solve.set_defaults(run=_solve)
    solve.add_argument("env", metavar="ENV", help="environment id")
    _add_set(solve)

    references = commands.add_parser("references", help="table of optimum, classical policies and hindsight")
    references.set_defaults(run=_references)
    references.add_argument("--env", nargs="+", metavar="ID", help="environments; default: all")
    references.add_argument("--episodes", type=int, default=16_384, help="simulated, of each environment")
    references.add_argument("--output", type=Path, default=Path("results/references"), metavar="DIR")

    gradients = commands.add_parser("gradients", help="the gradient laboratory: estimators against the truth")
    gradients.set_defaults(run=_gradients)
    parts = ", ".join(PARTS)
    gradients.add_argument("--only", nargs="+", metavar="PART", help=f"of {parts}; default: all")
    gradients.add_argument("--seed", type=int, default=0, help="of all samples and policies")
    gradients.add_argument(
        "--env", default="jumpgym/SetupCost-v0", metavar="ID", help="of the parts stages and training"
    )
    gradients.add_argument(
        "--budget", type=float, default=30.0, metavar="SECONDS", help="CPU seconds of each training"
    )
    gradients.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each estimator")
    gradients.add_argument("--output", type=Path, default=Path("results/gradients"), metavar="DIR")
    _add_set(gradients)

    scaling = commands.add_parser("scaling", help="n items that share nothing, in equal CPU time")
    scaling.set_defaults(run=_scaling)
    scaling.add_argument(
        "--items", nargs="+", type=int, metavar="N", help="numbers of items; default: 1 to 100"
    )
    scaling.add_argument("--methods", nargs="+", metavar="NAME", help="default: all of the study")
    scaling.add_argument("--seeds", type=int, default=3, metavar="N", help="number of seeds")
    scaling.add_argument(
        "--budget", type=float, default=120.0, metavar="SECONDS", help="CPU, of each training"
    )
    scaling.add_argument("--episodes", type=int, default=16_384, help="of each final evaluation")
    scaling.add_argument("--workers", type=int, metavar="N", help="processes; default: the number of cores")
    scaling.add_argument("--output", type=Path, default=Path("results/scaling"), metavar="DIR")

    listing = commands.add_parser("list", help="environments and methods")
    listing.set_defaults(run=_list)
    return parser


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the environment, such as fixed_cost=100 initial_inventory=(0,60)",
    )


if __name__ == "__main__":
    sys.exit(main())
