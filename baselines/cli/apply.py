"""``jumpgym decide`` and ``jumpgym simulate``: a policy in use."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jumpgym import as_problem, checks

from .options import (
    ENV_HELP,
    UsageError,
    add_command,
    add_set,
    make_environment,
    parse_parameters,
    usage_errors,
    waiting,
)

POLICY_HELP = "optimum, classical, or a checkpoint written by 'jumpgym train'"


def add_decide(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym decide``."""
    parser = add_command(commands, "decide", "say what a policy orders now", run_decide)
    parser.add_argument("policy", metavar="POLICY", help=POLICY_HELP)
    parser.add_argument("--env", required=True, metavar="ENV", help=f"environment, {ENV_HELP}")
    parser.add_argument(
        "--stock",
        nargs="+",
        metavar="UNITS",
        help="net stock: a number, one for each item, ITEM=UNITS ..., or a CSV file with the columns item, "
        "stock and, with a lead time, 'on order' or 'arrives in 0', 'arrives in 1', ...",
    )
    parser.add_argument(
        "--on-order",
        nargs="+",
        metavar="UNITS",
        help="units under way by the periods until they arrive, or ITEM=UNITS,UNITS,...; 0 for none",
    )
    parser.add_argument(
        "--state",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="other entries of the state, such as money=40, cash=-1000 due=(0,0), wealth=9 or x=(1,-1)",
    )
    parser.add_argument(
        "--period", type=int, metavar="N", help="elapsed periods, 0 before the first; needed with a horizon"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="CSV file to write the table to")
    add_set(parser)
    return parser


def run_decide(args: argparse.Namespace) -> int:
    """Print the decision, and a table by item."""
    from ..applied.decide import decide
    from ..runs.files import check_writable_file

    if args.output is not None:
        with usage_errors():
            check_writable_file(args.output, "--output")
    env = make_environment(args.env, args.set)
    with usage_errors():
        state = _state(args, as_problem(env))
    with usage_errors(), waiting("finding the policy"):
        recommendation = decide(args.policy, env, period=args.period, **state)
    print(recommendation)
    if args.output is not None:
        with usage_errors():
            recommendation.table.to_csv(args.output, index=False)
    return 0


def _state(args: argparse.Namespace, problem: Any) -> dict[str, Any]:
    """The entries of the state that the options give."""
    from ..applied.stocks import lead_time, parse_stock, read_stocks

    state = parse_parameters(args.state, "--state")
    if args.stock is not None and len(args.stock) == 1 and Path(args.stock[0]).suffix.lower() == ".csv":
        if args.on_order is not None:
            raise UsageError("--on-order: what is under way is read from the file of --stock")
        try:
            return {**read_stocks(args.stock[0], lead_time(problem)), **state}
        except OSError as error:
            raise UsageError(
                f"--stock={args.stock[0]!r} cannot be read: {error.strerror}. It must be a CSV file with the "
                "columns item and stock, or else give numbers"
            ) from error
    if args.stock is not None:
        state["inventory"] = parse_stock("--stock", args.stock)
    if args.on_order is not None:
        state["pipeline"] = parse_stock("--on-order", args.on_order)
    return state


def add_simulate(commands: Any) -> argparse.ArgumentParser:
    """Add ``jumpgym simulate``."""
    parser = add_command(
        commands, "simulate", "simulate a policy: cost by kind, service, a table of all periods", run_simulate
    )
    parser.add_argument("policy", metavar="POLICY", help=POLICY_HELP)
    parser.add_argument("--env", required=True, metavar="ENV", help=f"environment, {ENV_HELP}")
    parser.add_argument("--episodes", type=int, default=1000, metavar="N", help="default: 1000")
    parser.add_argument("--periods", type=int, metavar="N", help="only without a horizon; default: 200")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise; default: 0")
    parser.add_argument("--output", type=Path, metavar="FILE", help="CSV file to write the table to")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="picture to draw, such as stock.png")
    add_set(parser)
    return parser


def run_simulate(args: argparse.Namespace) -> int:
    """Print mean costs by kind and service levels; write the table and the picture."""
    from ..applied.simulate import simulate
    from ..runs.files import check_writable_file

    with usage_errors():
        checks.integer("--episodes", args.episodes, low=1)
        checks.integer("--seed", args.seed, low=0)
        for option, path in (("--output", args.output), ("--picture", args.picture)):
            if path is not None:
                check_writable_file(path, option)
        if args.picture is not None:
            _check_picture(args.picture)
    env = make_environment(args.env, args.set)
    with usage_errors(), waiting("simulating"):
        simulation = simulate(args.policy, env, args.episodes, args.seed, args.periods)
    print(simulation)
    with usage_errors():
        if args.output is not None:
            simulation.table.to_csv(args.output, index=False)
            print(f"{len(simulation.table):,} rows in {args.output}")
        if args.picture is not None:
            simulation.plot().savefig(args.picture, dpi=120)
    return 0


def _check_picture(path: Path) -> None:
    """Raise ValueError unless Matplotlib can write a picture of this name."""
    from matplotlib.backend_bases import FigureCanvasBase

    allowed = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in allowed:
        endings = ", ".join(f".{ending}" for ending in sorted(allowed))
        raise ValueError(f"--picture={str(path)!r} must end in one of {endings}")
