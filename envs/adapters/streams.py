"""Random numbers for each copy of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.utils import seeding

from .. import checks


def generators(seeds: Any, count: int) -> list[np.random.Generator | None]:
    """A generator for each copy, as single environments have with these seeds; None where there is none.

    Args:
        seeds: a seed for each copy, or None.
        count: number of copies.

    Raises:
        TypeError, ValueError: if the seeds are no sequence of that many integers of at least 0, or None.
    """
    listed = checks.sequence("seed", seeds)
    if len(listed) != count:
        raise ValueError(f"seed: {len(listed)} seeds must be {count}, one for each environment")
    return [
        None if seed is None else seeding.np_random(checks.integer("seed", seed, low=0))[0] for seed in listed
    ]
