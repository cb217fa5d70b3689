"""``main``: the parser of all commands, grouped by what they are for, and how a command runs."""

from __future__ import annotations

import argparse
import codecs
import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jumpgym import __version__

from .apply import add_decide, add_simulate
from .compare import add_compare, add_report
from .listing import add_list, add_traces
from .options import CommandParser, UsageError
from .solve import add_solve
from .studies import (
    add_gradients,
    add_hard,
    add_published,
    add_real,
    add_references,
    add_scaling,
    add_trucks,
)
from .train import add_evaluate, add_train
from .tune import add_tune

GROUPS: dict[str, tuple[Callable[[Any], argparse.ArgumentParser], ...]] = {
    "compare methods": (add_compare, add_report),
    "one method, one environment": (add_train, add_evaluate, add_solve),
    "a policy in use": (add_decide, add_simulate),
    "search hyperparameters": (add_tune,),
    "studies": (add_references, add_published, add_gradients, add_scaling, add_trucks, add_real, add_hard),
    "what there is": (add_list, add_traces),
}
"""The functions that add the commands, by the heading under which the help shows them."""

CLOSED_PIPE = 141
"""Exit code that shells report for programs that write to a closed pipe."""


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; ``run`` of its result is the function that runs the command."""
    parser = argparse.ArgumentParser(
        prog="jumpgym",
        usage="jumpgym [--help] [--version] COMMAND ...",
        description="Control problems with jumps known in advance: environments, methods and their optimum.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"jumpgym {__version__}")
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        prog="jumpgym",
        metavar="COMMAND",
        help=argparse.SUPPRESS,
        parser_class=CommandParser,
    )
    lines = []
    for heading, adders in GROUPS.items():
        lines.append(f"{heading}:")
        for add in adders:
            command = add(commands)
            summary, _, _ = str(command.description).partition("\n")
            lines.append(f"  {command.prog.split()[-1]:12}{summary}")
        lines.append("")
    parser.epilog = "\n".join([*lines, "'jumpgym COMMAND --help' lists the options of a command."])
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words after ``jumpgym``; None for those of this process.

    Returns:
        The exit code: 0, 1 if runs of a study failed, 2 if the command is wrong.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="jumpgym")
    args = make_parser().parse_args(words)
    args.command_line = shlex.join(["jumpgym", *words])
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"jumpgym {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"jumpgym {args.command}: not enough memory: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader, such as `head`, has left; Python would try once more to write what is buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _readable(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that the terminal's encoding lacks, such as "±" in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join({"±": "+-"}.get(character, "?") for character in text), error.end


codecs.register_error("jumpgym", _readable)
