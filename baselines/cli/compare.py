"""``jumpgym compare`` and ``jumpgym report``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .options import add_alias, add_command, add_set, parse_parameters, usage_errors


def add_compare(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym compare``."""
    parser = add_command(
        commands,
        "compare",
        "train methods on environments and compare them with the exact optimum\n\n"
        "Finished runs are kept in the output folder, so that an interrupted comparison resumes where it\n"
        "stopped when the command is repeated.",
        run_compare,
    )
    parser.add_argument(
        "--preset",
        choices=("quick", "standard", "all", "hard"),
        default="quick",
        help="what to compare; default: quick",
    )
    parser.add_argument(
        "--instances",
        type=Path,
        metavar="FILE",
        help="compare on the problems that 'jumpgym hard' drew; default of the preset hard: its own",
    )
    parser.add_argument(
        "--env",
        nargs="+",
        metavar="ENV",
        help="environments, such as SetupCost or package.module:Id-v0; default: those of the preset",
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help="methods, see 'jumpgym list', or package.module:Class; default: those of the preset",
    )
    add_alias(parser, "--agents", nargs="+", dest="methods")
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds; default: the preset's")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--budget", type=float, metavar="SECONDS", help="CPU seconds of each training")
    budget.add_argument(
        "--timesteps", type=int, metavar="N", help="transitions of each training, instead of CPU seconds"
    )
    parser.add_argument(
        "--episodes", type=int, default=8192, metavar="N", help="of each final evaluation; default: 8192"
    )
    add_set(
        parser,
        action="append",
        help="parameters of the environments; if given several times, each set of parameters is compared",
    )
    split = parser.add_mutually_exclusive_group()
    split.add_argument(
        "--train-share",
        metavar="SHARE",
        help="share of recorded demand, the earlier part, on which methods are trained and fitted; they are "
        "judged on the rest; default: 0.7",
    )
    split.add_argument(
        "--split-date", metavar="DATE", help="first date of the records on which methods are judged"
    )
    split.add_argument(
        "--in-sample",
        action="store_true",
        help="judge methods on the records on which they are trained and fitted",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="runs at the same time; default: number of cores"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder to write; default: results/PRESET")
    parser.add_argument("--retry-failed", action="store_true", help="repeat runs that failed before")
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="where to run; default: local"
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="of the Ray cluster; default: start one on this machine"
    )
    parser.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="CPU seconds of training between two checkpoints; default: 60",
    )
    return parser


def run_compare(args: argparse.Namespace) -> int:
    """Plan the comparison, do the runs that are missing, and write the report."""
    from ..comparison.plans import plan
    from ..comparison.sweep import compare
    from ..runs.split import DEFAULT, IN_SAMPLE

    settings = [parse_parameters(assignments) for assignments in args.set]
    with usage_errors(OSError, TypeError, ValueError):
        runs = plan(
            args.preset,
            args.env,
            args.methods,
            args.seeds,
            args.budget,
            args.timesteps,
            args.episodes,
            settings,
            IN_SAMPLE if args.in_sample else args.split_date or args.train_share or DEFAULT,
            args.instances,
        )
        failed = compare(
            runs,
            args.output or Path("results") / args.preset,
            args.workers,
            args.command_line,
            args.retry_failed,
            args.engine,
            args.address,
            args.checkpoint_seconds,
        )
    return 1 if failed else 0


def add_report(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym report``."""
    parser = add_command(
        commands, "report", "write the page, summary and figures of a comparison again", run_report
    )
    parser.add_argument("results", type=Path, metavar="DIR", help="output folder of 'jumpgym compare'")
    return parser


def run_report(args: argparse.Namespace) -> int:
    """Write the report of a folder again, and list its files."""
    from ..report.write import report

    with usage_errors(OSError, ValueError):
        written = report(args.results)
    print("written:", *written, sep="\n  ")
    return 0
