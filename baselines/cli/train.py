"""``jumpgym train`` and ``jumpgym evaluate``."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from jumpgym import checks

from .options import ENV_HELP, add_alias, add_command, add_set, make_environment, usage_errors


def add_train(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym train``."""
    parser = add_command(commands, "train", "train one method on one environment, and save it", run_train)
    parser.add_argument("env", metavar="ENV", help=f"environment, {ENV_HELP}")
    parser.add_argument(
        "--method", default="mixed", metavar="METHOD", help="see 'jumpgym list'; default: mixed"
    )
    add_alias(parser, "--agent", dest="method")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--timesteps", type=int, metavar="N", help="transitions to train for")
    budget.add_argument(
        "--cpu-seconds",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="CPU seconds to train for; default: 30",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of networks and training noise; default: 0"
    )
    parser.add_argument("--save", type=Path, required=True, metavar="FILE", help="checkpoint to write")
    add_set(parser)
    return parser


def run_train(args: argparse.Namespace) -> int:
    """Train a method within its budget and save it."""
    from rich.progress import Progress

    from ..runs.files import check_writable_file
    from ..runs.methods import make, method, one_thread

    with usage_errors(TypeError, ValueError):
        trained = method(args.method)
        check_writable_file(args.save, "--save")
        checks.integer("--seed", args.seed, low=0)
        if args.timesteps is not None:
            checks.integer("--timesteps", args.timesteps, low=1)
        elif checks.number("--cpu-seconds", args.cpu_seconds) <= 0:
            raise ValueError(f"--cpu-seconds={args.cpu_seconds:g} must be greater than 0")
    cpu_seconds = None if args.timesteps is not None else args.cpu_seconds
    env = make_environment(args.env, args.set)
    one_thread()
    with usage_errors(NotImplementedError, TypeError, ValueError):
        model = make(args.method, env, args.seed)
    with Progress(disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(args.method, total=1.0)

        def show(model: Any) -> None:
            spent = model.num_timesteps if cpu_seconds is None else model.clock.elapsed
            bar.update(task, completed=min(spent / (cpu_seconds or args.timesteps), 1.0))

        trained.train(model, show, total_timesteps=args.timesteps, cpu_seconds=cpu_seconds)
    trained.save(model, args.save)
    print(
        f"{args.method}: {model.num_timesteps:,} transitions in {model.clock.elapsed:.1f} CPU seconds, "
        f"saved to {args.save}"
    )
    return 0


def add_evaluate(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym evaluate``."""
    parser = add_command(
        commands, "evaluate", "evaluate a checkpoint and compare it with the optimum", run_evaluate
    )
    parser.add_argument("checkpoint", type=Path, metavar="FILE", help="written by 'jumpgym train'")
    parser.add_argument("--env", required=True, metavar="ENV", help=f"environment, {ENV_HELP}")
    parser.add_argument(
        "--method", metavar="METHOD", help="that wrote the checkpoint, if it is package.module:Class"
    )
    parser.add_argument("--episodes", type=int, default=8192, metavar="N", help="default: 8192")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise; default: 0")
    add_set(parser)
    parser.add_argument(
        "--fit-set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters to which the reference policy is fitted, where they differ from those of --set, "
        "such as demand=earlier.csv",
    )
    return parser


def run_evaluate(args: argparse.Namespace) -> int:
    """Print the mean cost of a checkpoint, and its gap to the best policy known."""
    from ..evaluation import evaluate
    from ..runs.measure import Reference
    from ..runs.methods import load, one_thread

    with usage_errors(ValueError):
        checks.integer("--episodes", args.episodes, low=2)
        checks.integer("--seed", args.seed, low=0)
    env = make_environment(args.env, args.set)
    fit = make_environment(args.env, [*args.set, *args.fit_set])
    one_thread()
    with usage_errors():
        name, model = load(args.checkpoint, env, args.method)
    print(f"{name} on {args.env}, {args.episodes:,} episodes, seed {args.seed}")
    try:
        reference = Reference(env, args.seed, fit=fit)
    except NotImplementedError as error:
        result = evaluate(model, model.get_env(), args.episodes, args.seed)
        print(f"mean cost {_with_error(result.mean, result.standard_error)}")
        print(f"no gap to the optimum: {error}")
        return 0
    gap = reference.gap(model, model.get_env(), args.episodes)
    print(f"mean cost {_with_error(gap.mean_cost, gap.standard_error)}")
    if reference.windows is not None:
        fitted = "fitted by --fit-set" if args.fit_set else "in sample: fitted to the records it is judged on"
        print(f"records   {reference.windows}; the reference is {fitted}")
    if reference.note:
        print(f"no gap to the optimum, but to {reference.note}")
    print(f"{reference.kind:9} {reference.cost:.3f} expected")
    print(f"gap       {_with_error(gap.gap_percent, gap.gap_se_percent, ' %')}, on the same noise")
    return 0


def _with_error(value: float, error: float, unit: str = "") -> str:
    """A value with its standard error, if there is one."""
    if math.isnan(error):
        return f"{value:.3f}{unit}, without a standard error: fewer than two disjoint windows"
    return f"{value:.3f}{unit} ± {error:.3f}"
