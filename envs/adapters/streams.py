"""Random numbers for each copy of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.utils import seeding

from .. import checks


def generators(seeds: Any, count: int) -> list[np.random.Generator | None]:
    """The random generator of each copy, equal to that of a single environment with the same seed.

    Args:
        seeds: a seed for each copy, or None.
        count: number of copies.

    Raises:
        TypeError, ValueError: if ``seeds`` is not a sequence of ``count`` entries, each None or an integer of
            at least 0.
    """
    listed = checks.sequence("seed", seeds)
    if len(listed) != count:
        raise ValueError(f"seed: {len(listed)} seeds must be {count}, one for each environment")
    return [
        None if seed is None else seeding.np_random(checks.integer("seed", seed, low=0))[0] for seed in listed
    ]
