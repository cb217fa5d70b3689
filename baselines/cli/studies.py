"""The studies, from ``jumpgym references`` to ``jumpgym real``, and ``jumpgym hard``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..studies.gradients import PARTS
from .options import add_command, add_set, make_environment, usage_errors


def add_references(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym references``."""
    parser = add_command(
        commands,
        "references",
        "tabulate optimum, classical policies and hindsight bound of environments",
        run_references,
    )
    parser.add_argument(
        "--env",
        nargs="+",
        metavar="ENV",
        help="environments, such as SetupCost or package.module:Id-v0; default: all of jumpgym",
    )
    _add_output(parser, "references")
    return parser


def run_references(args: argparse.Namespace) -> int:
    """Compute and write the table of references."""
    from ..studies.references import tabulate

    with usage_errors(TypeError, ValueError):
        failed = tabulate(args.env, args.output, args.command_line)
    return 1 if failed else 0


def add_published(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym published``."""
    parser = add_command(
        commands, "published", "compute costs that were published, and compare them", run_published
    )
    parser.add_argument(
        "--only", nargs="+", metavar="SOURCE", help="such as zipkin, the beginning of a name; default: all"
    )
    _add_output(parser, "published")
    return parser


def run_published(args: argparse.Namespace) -> int:
    """Compute and write the table of published costs; it fails where one differs."""
    from ..studies.published import tabulate_published

    with usage_errors(OSError, TypeError, ValueError):
        agree = tabulate_published(args.output, args.command_line, args.only)
    return 0 if agree else 1


def add_hard(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym hard``."""
    parser = add_command(
        commands, "hard", "draw problems whose jump matters, for 'jumpgym compare --instances'", run_hard
    )
    parser.add_argument("--count", type=int, default=24, metavar="N", help="of problems; default: 24")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws; default: 0")
    parser.add_argument("--env", nargs="+", metavar="ENV", help="environments; default: all of jumpgym")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="YAML file to write")
    return parser


def run_hard(args: argparse.Namespace) -> int:
    """Draw hard instances, and write them to a file."""
    from ..hard.instances import draw_instances, write_instances
    from ..runs.files import check_writable_file

    instances = []
    with usage_errors(OSError, RuntimeError, TypeError, ValueError):
        check_writable_file(args.output, "--output")
        for instance in draw_instances(args.count, args.seed, args.env):
            print(instance, flush=True)
            instances.append(instance)
        write_instances(args.output, instances, args.command_line)
    return 0


def add_gradients(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym gradients``."""
    parser = add_command(
        commands, "gradients", "compare gradient estimators with the true gradient", run_gradients
    )
    parser.add_argument("--only", nargs="+", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of all samples and policies; default: 0"
    )
    parser.add_argument(
        "--env",
        default="SetupCost",
        metavar="ENV",
        help="environment of the parts stages and training; default: SetupCost",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="CPU seconds of each training; default: 30",
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="trainings of each estimator; default: 1"
    )
    _add_output(parser, "gradients")
    add_set(parser)
    return parser


def run_gradients(args: argparse.Namespace) -> int:
    """Do the parts of the gradient study, and write its report."""
    from ..studies.gradients import Options, investigate, plan

    env = make_environment(args.env, args.set)
    options = Options(args.seed, env, args.budget, args.seeds, args.output, args.command_line)
    with usage_errors(TypeError, ValueError):
        names = plan(args.only, options)
    with usage_errors(NotImplementedError):  # neither an optimum nor a classical policy is known
        investigate(names, options)
    return 0


def add_scaling(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym scaling``."""
    parser = add_command(
        commands,
        "scaling",
        "compare methods on 1 to 100 independent items, with equal CPU time",
        run_scaling,
    )
    parser.add_argument(
        "--items", nargs="+", type=int, metavar="N", help="numbers of items; default: 1 to 100"
    )
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="default: all methods of the study")
    _add_trainings(parser, budget=120.0)
    parser.add_argument(
        "--episodes",
        type=int,
        default=16_384,
        metavar="N",
        help="of each final evaluation; default: 16384",
    )
    _add_output(parser, "scaling")
    return parser


def run_scaling(args: argparse.Namespace) -> int:
    """Do the runs of the scaling study that are missing, and write its report."""
    from ..studies.scaling import plan, scale

    with usage_errors(TypeError, ValueError):
        runs = plan(args.items, args.methods, args.seeds, args.budget, args.episodes)
        failed = scale(runs, args.output, args.workers, args.command_line)
    return 1 if failed else 0


def add_trucks(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym trucks``."""
    parser = add_command(
        commands,
        "trucks",
        "compare classical policies of 4 to 50 items that share trucks with the lower bound",
        run_trucks,
    )
    parser.add_argument(
        "--items",
        nargs="+",
        type=int,
        default=[4, 10, 20, 50],
        metavar="N",
        help="numbers of items; default: 4 10 20 50",
    )
    parser.add_argument(
        "--settings",
        nargs="+",
        default=["trucks"],
        metavar="SETTING",
        help="trucks, or joint for one cost of any order; default: trucks",
    )
    parser.add_argument(
        "--episodes", type=int, default=8192, metavar="N", help="of each evaluation; default: 8192"
    )
    _add_output(parser, "trucks")
    return parser


def run_trucks(args: argparse.Namespace) -> int:
    """Search classical policies of many items, and write their costs beside the lower bound."""
    from ..studies.trucks import tabulate_trucks

    with usage_errors(TypeError, ValueError):
        tabulate_trucks(args.items, args.settings, args.output, args.command_line, args.episodes)
    return 0


def add_real(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym real``."""
    parser = add_command(
        commands,
        "real",
        "train on the earlier part of real demand, judge on the later part",
        run_real,
    )
    parser.add_argument("--series", nargs="+", metavar="SERIES", help="bakery, restaurant; default: both")
    parser.add_argument("--policies", nargs="+", metavar="POLICY", help="default: all policies of the study")
    _add_trainings(parser, budget=20.0)
    _add_output(parser, "real")
    return parser


def run_real(args: argparse.Namespace) -> int:
    """Do the runs of the study of real demand that are missing, and write its report."""
    from ..studies.real import plan, study

    with usage_errors(TypeError, ValueError):
        runs = plan(args.series, args.policies, args.seeds, args.budget)
        failed = study(runs, args.output, args.workers, args.command_line)
    return 1 if failed else 0


def _add_trainings(parser: argparse.ArgumentParser, budget: float) -> None:
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="number of seeds; default: 3")
    parser.add_argument(
        "--budget",
        type=float,
        default=budget,
        metavar="SECONDS",
        help=f"CPU seconds of each training; default: {budget:g}",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="runs at the same time; default: number of cores"
    )


def _add_output(parser: argparse.ArgumentParser, study: str) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("results") / study,
        metavar="DIR",
        help=f"folder to write; default: results/{study}",
    )
