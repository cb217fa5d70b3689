"""Measurements that take turns, and the rows and tables that are made of them; needs none of the peers."""

from __future__ import annotations

import csv
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

RATE, SECONDS, GAP = "transitions/s", "CPU s", "% above optimum"
"""Units of what is compared."""


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    Attributes:
        repetitions: of each measurement, in turns.
        seconds: CPU seconds of one repetition of a rate, at least.
        budget: CPU seconds of one training.
        seeds: number of trainings of each learner.
        episodes: episodes of each evaluation.
    """

    repetitions: int
    seconds: float
    budget: float
    seeds: int
    episodes: int


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        part: which peer.
        measured: what is compared.
        peer, jumpgym: what stands on either side.
        unit: one of ``RATE``, ``SECONDS`` and ``GAP``; empty where nothing could be measured.
        peer_value, jumpgym_value: medians.
        ratio, ratio_min, ratio_max: median, least and greatest of the repetitions' ratios; above 1 jumpgym
            is the better one.
        repetitions: number of them.
        note: whether both compute the same, and what differs.
    """

    part: str
    measured: str
    peer: str
    jumpgym: str
    unit: str
    peer_value: float
    jumpgym_value: float
    ratio: float
    ratio_min: float
    ratio_max: float
    repetitions: int
    note: str


def compared(
    part: str,
    measured: str,
    sides: tuple[str, str],
    unit: str,
    values: Iterable[Sequence[float]],
    note: str = "",
) -> Row:
    """The row of paired repetitions.

    Args:
        part, measured, note: see ``Row``.
        sides: the names of the peer's side and of jumpgym's.
        unit: of the values; more is better of a ``RATE``, less of anything else.
        values: of each repetition the peer's and jumpgym's.
    """
    pairs = [(float(peer), float(ours)) for peer, ours in values]
    ratios = [_quotient(ours, peer) if unit == RATE else _quotient(peer, ours) for peer, ours in pairs]
    peer_value, jumpgym_value = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(ratios)
    return Row(
        part, measured, *sides, unit, peer_value, jumpgym_value, ratio, min(ratios), max(ratios),
        len(pairs), note,
    )  # fmt: skip


def failed(part: str, measured: str, error: Exception) -> Row:
    """The row of what could not be compared."""
    first_line = str(error).strip().partition("\n")[0]
    reason = f"could not be run: {type(error).__name__}: {first_line}"
    return Row(part, measured, part, "", "", *[math.nan] * 5, 0, reason)


def interleaved(measurements: Sequence[Callable[[], float]], repetitions: int) -> list[tuple[float, ...]]:
    """Values of measurements that take turns, one tuple for each repetition; a first one warms up."""
    rounds = [tuple(measure() for measure in measurements) for _ in range(repetitions + 1)]
    return rounds[1:]


def rate(episode: Callable[[], int], seconds: float) -> float:
    """Transitions per CPU second of whole episodes, as many as take ``seconds``.

    Args:
        episode: plays one episode, its reset included, and returns its number of transitions.
        seconds: CPU seconds.
    """
    transitions, elapsed, start = 0, 0.0, time.process_time()
    while elapsed < seconds:
        transitions += episode()
        elapsed = time.process_time() - start
    return transitions / elapsed


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds that a piece of work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    head = ("peer", "measured", "its side", "jumpgym's side", "unit", "peer", "jumpgym", "ratio", "note")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * 5 + "---:|" * 3 + "---|"]
    for row in rows:
        ratio = f"{_number(row.ratio)} ({_number(row.ratio_min)} to {_number(row.ratio_max)})"
        cells = (
            row.part, row.measured, row.peer, row.jumpgym, row.unit, _number(row.peer_value),
            _number(row.jumpgym_value), ratio if row.repetitions else "", row.note,
        )  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def write_csv(rows: Iterable[Row], path: Path, **constant: str) -> None:
    """Write the rows, with further columns that are the same in all of them."""
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*(field.name for field in fields(Row)), *constant])
        table.writerows([*astuple(row), *constant.values()] for row in rows)


def _quotient(above: float, below: float) -> float:
    return above / below if below else math.nan


def _number(value: float) -> str:
    """Three significant digits, without an exponent; empty for NaN."""
    if not math.isfinite(value):
        return ""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}"
