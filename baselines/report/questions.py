"""What makes the difference between methods: pairs of them that differ in one thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .statistics import CEILING, bootstrap_interval, gaps
from .tables import PROBLEM, applicable

NOISE = 0.05
"""Gaps in per cent below which two methods count as equally good: about the error of the evaluation."""


@dataclass(frozen=True)
class Question:
    """A pair of methods that differ in one thing.

    Attributes:
        subject: the thing, for example "the gradient of the simulator".
        method: the method with it.
        other: the method, or classical policy, without it.
        equal: what both have in common.
    """

    subject: str
    method: str
    other: str
    equal: str


QUESTIONS = (
    Question(
        "splitting the action into gate and quantity", "ppo-gate", "ppo-box", "PPO, inputs, tuned alike"
    ),
    Question("a sampled gate instead of a smoothed cost", "mixed", "smoothed", "pathwise quantities, engine"),
    Question("the gradient of the simulator", "mixed", "ppo-compiled", "engine, inputs, size of networks"),
    Question("compilation", "mixed", "mixed-torch", "method, inputs, networks"),
    Question("learning, against tuned PPO of SB3", "mixed", "ppo-gate", "inputs"),
    Question("learning, against the best classical policy", "mixed", "classical", "problem"),
)
"""The questions that a comparison answers where it has the methods."""


@dataclass(frozen=True)
class Answer:
    """What a comparison says about a question.

    Attributes:
        question: the question.
        problems: number of problems with runs of both methods.
        ahead: number of them on which the median gap of ``method`` is smaller, by more than ``NOISE``.
        behind: number of them on which it is larger, by more than ``NOISE``.
        ratio: geometric mean over the problems of the other's median gap divided by the method's, both at
            least ``NOISE`` and at most ``CEILING``.
        low, high: bootstrap interval of the ratio over the problems; NaN with one problem.
    """

    question: Question
    problems: int
    ahead: int
    behind: int
    ratio: float
    low: float
    high: float


def answers(rows: pd.DataFrame) -> list[Answer]:
    """Return what the runs of one budget say about those of ``QUESTIONS`` whose methods they have.

    Args:
        rows: see ``tables.COLUMNS``: the runs of the budget, and the references.
    """
    applied = applicable(rows)
    medians = applied.assign(gap=gaps(applied)).pivot_table(
        index=PROBLEM, columns="method", values="gap", aggfunc="median", sort=False
    )
    found = []
    for question in QUESTIONS:
        if {question.method, question.other} <= set(medians.columns):
            both = medians[[question.method, question.other]].dropna().to_numpy(dtype=float)
            if len(both):
                found.append(_answer(question, both))
    return found


HEADS = "what makes the difference", "with", "without", "equal", "ahead", "behind", "gap divided by"
"""Heads of the columns of ``questions_table``."""

EXPLANATION = (
    'Methods in pairs, by their median gaps. "ahead" counts the environments on which the method with the '
    f'thing has the smaller gap by more than {NOISE:g} points, "behind" those on which it has the larger '
    "one. The last column is the geometric mean, over the environments, of the gap without divided by the "
    f"gap with, where gaps below {NOISE:g} % count as that much; in brackets its 95 % bootstrap interval "
    "over the environments."
)
"""What the columns mean."""


def questions_table(rows: pd.DataFrame) -> list[list[str]]:
    """The answers as lines of cells under ``HEADS``.

    Args:
        rows: see ``answers``.
    """
    lines = []
    for answer in answers(rows):
        asked = answer.question
        interval = "" if np.isnan(answer.low) else f" ({answer.low:.2g} to {answer.high:.2g})"
        counts = [f"{answer.ahead} of {answer.problems}", str(answer.behind)]
        lines.append([asked.subject, asked.method, asked.other, asked.equal, *counts])
        lines[-1].append(f"{answer.ratio:.2g}{interval}")
    return lines


def _answer(question: Question, gap: NDArray[np.float64]) -> Answer:
    """The answer from the median gaps (problems, 2) of the method and the other."""
    ours, other = gap.clip(NOISE, CEILING).T
    logs = np.log(other / ours)
    low, high = bootstrap_interval(logs)
    return Answer(
        question,
        problems=len(gap),
        ahead=int((other - ours > NOISE).sum()),
        behind=int((ours - other > NOISE).sum()),
        ratio=float(np.exp(logs.mean())),
        low=float(np.exp(low)),
        high=float(np.exp(high)),
    )
