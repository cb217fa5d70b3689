"""What the command line takes: the parser of ``jumpgym``, see ``cli``."""

from __future__ import annotations

import argparse
from pathlib import Path

from jumpgym import __version__

from ..studies.laboratory import PARTS


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; ``command`` of what it returns is the name of one."""
    parser = argparse.ArgumentParser(
        prog="jumpgym", description="Control problems with jumps known in advance."
    )
    parser.add_argument("--version", action="version", version=f"jumpgym {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    compare = commands.add_parser("compare", help="train every method, and compare with the exact optimum")
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
    report.add_argument("results", type=Path, metavar="RESULTS", help="folder of 'jumpgym compare'")

    tune = commands.add_parser("tune", help="search for better hyperparameters of a method")
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
    train.add_argument("env", metavar="ENV", help="environment id")
    train.add_argument("--agent", default="mixed", metavar="NAME", help="method, see 'jumpgym list'")
    budget = train.add_mutually_exclusive_group()
    budget.add_argument("--timesteps", type=int, metavar="N", help="transitions to train for")
    budget.add_argument("--cpu-seconds", type=float, default=30.0, metavar="S", help="default: 30")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--save", type=Path, required=True, metavar="PATH", help="checkpoint to write")
    _add_set(train)

    evaluate = commands.add_parser("evaluate", help="evaluate a checkpoint against the optimum")
    evaluate.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    evaluate.add_argument("--env", required=True, metavar="ID", help="environment id")
    evaluate.add_argument("--episodes", type=int, default=8192)
    evaluate.add_argument("--seed", type=int, default=0, help="of the noise")
    _add_set(evaluate)

    solve = commands.add_parser("solve", help="the exact optimum and the best classical policy")
    solve.add_argument("env", metavar="ENV", help="environment id")
    _add_set(solve)

    traces = commands.add_parser("traces", help="the noise of an evaluation, as a CSV file")
    traces.add_argument("env", metavar="ENV", help="environment id")
    traces.add_argument("--episodes", type=int, default=8192)
    traces.add_argument("--seed", type=int, default=0, help="of the noise; 0 is that of all comparisons")
    traces.add_argument("--output", type=Path, required=True, metavar="FILE", help="to write")
    _add_set(traces)

    references = commands.add_parser("references", help="table of optimum, classical policies and hindsight")
    references.add_argument("--env", nargs="+", metavar="ID", help="environments; default: all")
    references.add_argument("--episodes", type=int, default=16_384, help="simulated, of each environment")
    references.add_argument("--output", type=Path, default=Path("results/references"), metavar="DIR")

    gradients = commands.add_parser("gradients", help="the gradient laboratory: estimators against the truth")
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

    commands.add_parser("list", help="environments and methods")
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
