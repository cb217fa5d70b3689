"""Random numbers for each copy of a batch."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray

from .. import checks


def seeded(
    streams: list[np.random.Generator], seeds: Any, mask: NDArray[np.bool_]
) -> list[np.random.Generator]:
    """The generators of all copies, those of the mask seeded anew as single environments are.

    Args:
        streams: the generators so far.
        seeds: a seed for each copy, or None for one that goes on.
        mask: of the copies that are reset, (num_envs,).

    Raises:
        TypeError, ValueError: if the seeds are no sequence, or not as many as the copies.
    """
    listed = checks.sequence("seed", seeds)
    if len(listed) != len(streams):
        raise ValueError(f"seed: {len(listed)} seeds must be {len(streams)}, one for each environment")
    return [
        seeding.np_random(operator.index(seed))[0] if seed is not None and chosen else stream
        for seed, chosen, stream in zip(listed, mask, streams, strict=True)
    ]
