"""Answers to the two questions often asked, each by a run."""

from __future__ import annotations

from ..laboratory.report import Outcome
from . import log_probability, reward_gradient


def run(seed: int) -> Outcome:
    """Both answers on one page."""
    answers = [reward_gradient.run(seed), log_probability.run(seed)]
    return Outcome(
        "\n".join(answer.text for answer in answers),
        {name: table for answer in answers for name, table in answer.tables.items()},
        {name: picture for answer in answers for name, picture in answer.pictures.items()},
    )
