"""What several commands share: options for environments and methods, and errors in their values."""

from __future__ import annotations

import argparse
import ast
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jumpgym import as_problem
from jumpgym.adapters.registry import make_env

ENV_HELP = "such as SetupCost, or package.module:Id-v0 of another package"


class UsageError(Exception):
    """A command that cannot be carried out; the message says why and what is allowed."""


@contextlib.contextmanager
def usage_errors(*types: type[Exception]) -> Iterator[None]:
    """Turn errors into a ``UsageError``: those of wrong values and files, or of the types that are given."""
    caught = types or (OSError, TypeError, ValueError)
    try:
        yield
    except caught as error:
        if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
            raise UsageError(f"{str(error.filename)!r}: {error.strerror}") from error
        raise UsageError(error) from error


@contextlib.contextmanager
def waiting(task: str) -> Iterator[Callable[[str], None]]:
    """Show a task and its elapsed time on stderr, if that is a terminal; both disappear at the end.

    Yields:
        A function that adds a line of text on the state of the task.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    quiet = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        shown = bar.add_task(task, total=None)
        yield lambda text: bar.update(shown, description=f"{task}: {text}")


class CommandParser(argparse.ArgumentParser):
    """The parser of a command, which refuses what it does not know itself, and so shows its own usage."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See ``argparse.ArgumentParser``; there are no unknown words in the result."""
        known, unknown = super().parse_known_args(args, namespace)
        if not unknown:
            return known, unknown
        text = f"unrecognized arguments: {' '.join(unknown)}"
        for word in unknown:
            if word.startswith("--") and hasattr(known, word[2:]):
                text += f"; {word[2:].upper()} is given without {word}"
        self.error(text)


def add_command(commands: Any, name: str, description: str, run: Any) -> argparse.ArgumentParser:
    """Add the parser of a command.

    Args:
        commands: returned by ``add_subparsers``.
        name: of the command.
        description: for its help; the first line is also its line in the help of all commands.
        run: function of the parsed arguments that returns the exit code.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=run)
    return parser


def add_alias(parser: argparse.ArgumentParser, alias: str, **keywords: Any) -> None:
    """Add an older spelling of an option, which still works but is not shown."""
    parser.add_argument(alias, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **keywords)


def add_set(parser: argparse.ArgumentParser, **keywords: Any) -> None:
    """Add ``--set`` for parameters of the environment."""
    settings: dict[str, Any] = {
        "action": "extend",
        "help": "parameters of the environment, such as fixed_cost=100 initial_inventory=(0,60) "
        "'demand=poisson(10)'",
    }
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", **{**settings, **keywords})


def make_environment(name: str, assignments: Sequence[str]) -> Any:
    """The environment of a name, with parameters from the texts ``name=value`` of ``--set``."""
    parameters = parse_parameters(assignments)
    with usage_errors():
        env = make_env(name, parameters)
        as_problem(env)  # refuses environments without one, such as CartPole
    return env


def parse_parameters(assignments: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """Values by name from the texts ``name=value`` of an option."""
    parameters: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"{option} {assignment!r} must be name=value, such as fixed_cost=100")
        try:
            parameters[name] = ast.literal_eval(value)
        except (MemoryError, RecursionError, SyntaxError, ValueError):
            # Text needs no quotes, as in unmet_demand=lost.
            parameters[name] = float(value) if value == "inf" else value
    return parameters
