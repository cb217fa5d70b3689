"""What a part of the gradient laboratory returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Outcome:
    """The results of a part.

    Attributes:
        text: Markdown without a title; it shows the pictures as ``![...](NAME.png)``.
        tables: tidy tables by file name, without suffix.
        pictures: PNG files by file name, without suffix.
    """

    text: str
    tables: dict[str, pd.DataFrame]
    pictures: dict[str, bytes] = field(default_factory=dict)


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Several outcomes on one page."""
    return Outcome(
        "\n".join(outcome.text for outcome in outcomes),
        {name: table for outcome in outcomes for name, table in outcome.tables.items()},
        {name: picture for outcome in outcomes for name, picture in outcome.pictures.items()},
    )
