"""``jumpgym gradients``: the parts of the gradient laboratory, and the files that they leave."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from jumpgym import as_problem, checks

from ..report.formatting import code_block, csv, software
from ..runs.files import check_writable, replace_file
from ..runs.methods import one_thread
from ..runs.provenance import hardware, versions
from .outcome import Outcome, together

INDEX = "index.csv"
"""File with a row for each part."""

WIDTH = 118
"""Length of the lines of the pages."""


@dataclass(frozen=True)
class Options:
    """Options of the parts; each uses those that it needs.

    Attributes:
        seed: of all samples and policies.
        env: environment with a finite horizon.
        budget: CPU seconds of each training.
        seeds: number of trainings of each estimator.
        output: folder of all files.
        command: what was typed, for the records.
    """

    seed: int
    env: Any
    budget: float
    seeds: int
    output: Path
    command: str


# The parts import PyTorch, which takes seconds; so they are imported when they are run, and not by the parser
# of the command line, which needs their names.


def _table(options: Options) -> Outcome:
    from .notes import table

    return table.run(options.seed)


def _stages(options: Options) -> Outcome:
    from .laboratory import stages

    return stages.run(options.seed, options.env)


def _temperatures(options: Options) -> Outcome:
    from .laboratory import temperatures

    return temperatures.run(options.seed)


def _training(options: Options) -> Outcome:
    from .laboratory import training

    folder = options.output / "runs"
    return training.run(options.seed, options.env, options.budget, options.seeds, folder, options.command)


def _questions(options: Options) -> Outcome:
    from .notes import log_probability, reward_gradient

    return together([reward_gradient.run(options.seed), log_probability.run(options.seed)])


PARTS: dict[str, tuple[str, Callable[[Options], Outcome]]] = {
    "table": ("Three estimators of one gradient: the table of the course notes, section 23.3", _table),
    "stages": ("Every estimator at three stages of training", _stages),
    "temperatures": ("Relaxed gates: bias and variance against the temperature", _temperatures),
    "training": ("Cost against CPU time, by estimator", _training),
    "questions": ("Where the gradient of the reward goes, and which estimator to use", _questions),
}
"""Title and function of each part, by the name that ``--only`` takes, in the order of the index."""


def plan(only: Sequence[str] | None, options: Options) -> list[str]:
    """Names of the parts to run, each once.

    Args:
        only: names of ``PARTS``; None for all.
        options: checked here; their folder is made if it is missing.

    Raises:
        ValueError: for an unknown part, an option out of range, an environment with an infinite horizon, or a
            folder that cannot be written.
    """
    names = [checks.choice("--only", name, tuple(PARTS)) for name in only or PARTS]
    checks.integer("--seed", options.seed, low=0)
    checks.integer("--seeds", options.seeds, low=1)
    if checks.number("--budget", options.budget) <= 0:
        raise ValueError(f"--budget={options.budget:g} must be greater than 0")
    if as_problem(options.env).horizon is None:
        raise ValueError(
            "--env: the laboratory needs a finite horizon, since with horizon=None no estimator is unbiased; "
            "give a horizon, such as --set horizon=50"
        )
    check_writable(options.output, "--output")
    return list(dict.fromkeys(names))


def investigate(names: Sequence[str], options: Options) -> None:
    """Run parts of the laboratory and write their files. Parts that are not run keep theirs.

    Args:
        names: of ``PARTS``.
        options: see ``plan``.
    """
    one_thread()
    for name in names:
        start = time.process_time()
        outcome = PARTS[name][1](options)
        seconds = time.process_time() - start
        row = {
            "part": name,
            "seed": options.seed,
            "cpu_seconds": round(seconds, 1),
            "command": options.command,
        }
        _write(options.output, outcome, {**row, **versions(), "hardware": hardware()})
        print(f"{name}: {seconds:.1f} CPU seconds, {options.output / name}.md", flush=True)


def _write(output: Path, outcome: Outcome, row: dict[str, Any]) -> None:
    """Write the files of a part, and the index again with its row."""
    name = row["part"]
    for file, table in outcome.tables.items():
        replace_file(output / f"{file}.csv", csv(table))
    for file, picture in outcome.pictures.items():
        replace_file(output / f"{file}.png", picture)
    text = f"# {PARTS[name][0]}\n\n{code_block([row['command']])}\n\n{_reflowed(outcome.text)}\n"
    replace_file(output / f"{name}.md", text.encode())
    rows = pd.DataFrame([row])
    if (output / INDEX).exists():
        before = pd.read_csv(output / INDEX)
        rows = pd.concat([before[before.part != name], rows])
    order = {part: position for position, part in enumerate(PARTS)}
    rows = rows[rows.part.isin(list(PARTS))].sort_values("part", key=lambda parts: parts.map(order))
    replace_file(output / INDEX, csv(rows))
    replace_file(output / "README.md", _index(rows).encode())


def _reflowed(text: str) -> str:
    """Paragraphs and list items in lines of even length; titles, tables, pictures and code as they are."""

    def filled(item: str) -> str:
        indent = "  " if item.startswith("- ") else ""
        return textwrap.fill(
            " ".join(item.split()),
            WIDTH,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )

    blocks = [block.strip("\n") for block in text.split("\n\n")]
    return "\n\n".join(
        block
        if block.startswith(("#", "|", "!", "    "))
        else "\n".join(map(filled, re.split(r"\n(?=- )", block)))
        for block in blocks
        if block
    )


def _index(rows: pd.DataFrame) -> str:
    lines = ["# Gradient laboratory", ""]
    row: Any
    for row in rows.itertuples():
        lines += [f"- [{PARTS[row.part][0]}]({row.part}.md), {row.cpu_seconds:g} CPU seconds:", ""]
        lines += [f"      {row.command}", ""]
    used = rows.drop(columns=["part", "seed", "cpu_seconds", "command", "hardware"])
    machines = "; ".join(dict.fromkeys(rows.hardware))
    lines += [
        f"Versions: {software(used.to_dict('records'))}. Hardware: {machines}; one thread.",
        "",
        f"The tables (`*.csv`) and pictures of each page lie beside it; `{INDEX}` has a row for each part.",
        "",
    ]
    return "\n".join(lines)
