"""Files of the laboratory: tables, text and pictures of each part, and an index of all."""

from __future__ import annotations

import io
import re
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from jumpgym import as_problem, checks

from ...comparison.plans import check_writable
from ...runs.files import replace_file
from ...runs.methods import one_thread
from ...runs.provenance import hardware, versions
from . import PARTS

INDEX = "index.csv"
WIDTH = 118


@dataclass(frozen=True)
class Outcome:
    """What a part found.

    Attributes:
        text: Markdown, below the title; it shows the pictures as ``![...](NAME.png)``.
        tables: tidy tables by file name, without suffix.
        pictures: PNG files by file name, without suffix.
    """

    text: str
    tables: dict[str, pd.DataFrame]
    pictures: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """What parts take beside the seed, those of ``Part.options``.

    Attributes:
        env: environment with an end.
        budget: CPU seconds of each training.
        seeds: number of trainings of each estimator.
        output: folder of all files.
    """

    env: Any
    budget: float
    seeds: int
    output: Path


def plan(only: Sequence[str] | None, seed: int, options: Options) -> list[str]:
    """Names of the parts to run, each once.

    Args:
        only: names of ``PARTS``; None for all.
        seed: see ``investigate``.
        options: whose folder is made if it is missing.

    Raises:
        ValueError: for an unknown part, an option out of range, an environment without an end, or a folder
            that cannot be written.
    """
    names = [checks.choice("--only", name, tuple(PARTS)) for name in only or PARTS]
    checks.integer("--seed", seed, low=0)
    checks.integer("--seeds", options.seeds, low=1)
    if checks.number("--budget", options.budget) <= 0:
        raise ValueError(f"--budget={options.budget:g} must be greater than 0")
    if as_problem(options.env).horizon is None:
        raise ValueError(
            "--env: the laboratory needs a problem with an end, and this one has horizon=None, where no "
            "estimator is free of bias; give a horizon, such as --set horizon=50"
        )
    check_writable(options.output, "--output")
    return list(dict.fromkeys(names))


def investigate(names: Sequence[str], seed: int, options: Options, command: str) -> None:
    """Run parts of the laboratory and write what they find.

    Args:
        names: of ``PARTS``.
        seed: of all samples and policies.
        options: whose folder exists; parts that are not run keep their files there.
        command: what was typed, for the index.
    """
    output = options.output
    one_thread()
    for name in names:
        begun = time.process_time()
        outcome = PARTS[name].run(seed, options)
        seconds = time.process_time() - begun
        made = {"part": name, "seed": seed, "cpu_seconds": round(seconds, 1), "command": command}
        write(output, name, outcome, {**made, **versions(), "hardware": hardware()})
        print(f"{name}: {seconds:.1f} CPU seconds, {output / name}.md", flush=True)


def write(output: Path, name: str, outcome: Outcome, made: dict[str, object]) -> None:
    """Write the files of a part, and the index anew.

    Args:
        output: a folder that exists.
        name: of the part.
        outcome: what it found.
        made: columns of its row in the index.
    """
    for file, table in outcome.tables.items():
        _write_csv(table, output / f"{file}.csv")
    for file, picture in outcome.pictures.items():
        replace_file(output / f"{file}.png", picture)
    text = f"# {PARTS[name].title}\n\n    {made['command']}\n\n{_reflowed(outcome.text)}\n"
    replace_file(output / f"{name}.md", text.encode())
    rows = pd.DataFrame([made])
    if (output / INDEX).exists():
        before = pd.read_csv(output / INDEX)
        rows = pd.concat([before[before.part != name], rows])
    order = {part: place for place, part in enumerate(PARTS)}
    rows = rows[rows.part.isin(list(PARTS))].sort_values("part", key=lambda parts: parts.map(order))
    _write_csv(rows, output / INDEX)
    replace_file(output / "README.md", _index(rows).encode())


def markdown(table: pd.DataFrame, digits: int = 4) -> str:
    """A Markdown table, numbers with so many significant digits, empty where they are missing."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if pd.isna(value) else f"{value:.{digits}g}"
        return str(value)

    aligned = ["---:" if pd.api.types.is_numeric_dtype(kind) else "---" for kind in table.dtypes]
    rows = [[cell(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(table.columns), aligned, *rows])


def _reflowed(text: str) -> str:
    """Paragraphs and list items in lines of even length; titles, tables, pictures and code as they are."""
    blocks = []
    for block in filter(None, (block.strip("\n") for block in text.split("\n\n"))):
        if block.startswith(("#", "|", "!", "    ")):
            blocks.append(block)
            continue
        items = [" ".join(item.split()) for item in re.split(r"\n(?=- )", block)]
        blocks.append(
            "\n".join(
                textwrap.fill(
                    item,
                    WIDTH,
                    subsequent_indent="  " if item.startswith("- ") else "",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
                for item in items
            )
        )
    return "\n\n".join(blocks)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    text = io.StringIO()
    table.to_csv(text, index=False, float_format="%.6g")
    replace_file(path, text.getvalue().encode())


def _index(rows: pd.DataFrame) -> str:
    lines = ["# Gradient laboratory", ""]
    row: Any
    for row in rows.itertuples():
        lines += [f"- [{PARTS[row.part].title}]({row.part}.md), {row.cpu_seconds:g} CPU seconds:", ""]
        lines += [f"      {row.command}", ""]
    used = rows.drop(columns=["part", "seed", "cpu_seconds", "command", "hardware"])
    told = dict.fromkeys(
        ", ".join(f"{name} {version}" for name, version in each.items() if isinstance(version, str))
        for each in used.to_dict("records")
    )
    machines = "; ".join(dict.fromkeys(rows.hardware))
    lines += [f"Versions: {'; '.join(told)}. Hardware: {machines}; one thread.", ""]
    lines += [
        f"Each page stands beside its tables (`*.csv`) and pictures; `{INDEX}` has a row for each part.",
        "",
    ]
    return "\n".join(lines)
