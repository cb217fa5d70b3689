"""``jumpgym list`` and ``jumpgym traces``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym

from jumpgym import ENVIRONMENTS, checks

from .options import ENV_HELP, add_command, add_set, make_environment, usage_errors


def add_list(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym list``."""
    return add_command(commands, "list", "list environments, methods and references", run_list)


def run_list(args: argparse.Namespace) -> int:
    """Print a line for each environment, method and reference."""
    from ..runs.methods import METHODS, REFERENCES

    sections = {
        "environments, each with its jump": {_short(env): _summary(env) for env in ENVIRONMENTS},
        "methods": {name: method.description for name, method in METHODS.items()},
        "references": REFERENCES,
    }
    for heading, lines in sections.items():
        print(f"{heading}:", *(f"  {name:23} {text}" for name, text in lines.items()), sep="\n")
    return 0


def _short(env_id: str) -> str:
    return env_id.partition("/")[2].rpartition("-v")[0]


def _summary(env_id: str) -> str:
    """The first line of the documentation of an environment's module: its jump."""
    module, _, _ = str(gym.spec(env_id).entry_point).partition(":")
    line, _, _ = (sys.modules[module].__doc__ or "").partition("\n")
    return line.partition(": ")[2]


def add_traces(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym traces``."""
    parser = add_command(
        commands, "traces", "write the noise on which methods are evaluated to a CSV file", run_traces
    )
    parser.add_argument("env", metavar="ENV", help=f"environment, {ENV_HELP}")
    parser.add_argument("--episodes", type=int, default=8192, metavar="N", help="default: 8192")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the noise; default: 0, that of all comparisons",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="CSV file to write")
    add_set(parser)
    return parser


def run_traces(args: argparse.Namespace) -> int:
    """Write the noise of an evaluation."""
    from ..runs.files import check_writable_file, replace_file
    from ..runs.noise_table import noise_table

    with usage_errors(OSError, ValueError):
        checks.integer("--episodes", args.episodes, low=1)
        checks.integer("--seed", args.seed, low=0)
        check_writable_file(args.output, "--output")
        table = noise_table(make_environment(args.env, args.set), args.episodes, args.seed)
        replace_file(args.output, table.to_csv(index=False).encode())
    print(f"{len(table):,} rows in {args.output}")
    return 0
