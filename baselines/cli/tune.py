"""``jumpgym tune``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .options import add_command, usage_errors


def add_tune(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym tune``."""
    parser = add_command(
        commands,
        "tune",
        "search for better hyperparameters of a method\n\n"
        "The study is kept in the output folder; when the command is repeated, it goes on.",
        run_tune,
    )
    parser.add_argument("method", metavar="METHOD", help="see 'jumpgym list'")
    parser.add_argument(
        "--env", nargs="+", required=True, metavar="ENV", help="environments to tune for, such as SetupCost"
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="CPU seconds of the whole study; default: 600",
    )
    parser.add_argument(
        "--trial-seconds",
        type=float,
        default=8.0,
        metavar="SECONDS",
        help="CPU seconds of each training; default: 8",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="trainings per trial and environment; default: 1",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the search; default: 0")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("results/tuning"),
        metavar="DIR",
        help="folder to write; default: results/tuning",
    )
    return parser


def run_tune(args: argparse.Namespace) -> int:
    """Search until the budget is spent."""
    from ..tuning.tune import tune

    with usage_errors(NotImplementedError, TypeError, ValueError):
        tune(
            args.method,
            args.env,
            args.budget,
            args.trial_seconds,
            seeds=args.seeds,
            seed=args.seed,
            output=args.output,
            command=args.command_line,
        )
    return 0
