"""The noise on which policies are evaluated, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jumpgym import as_problem

from ..evaluation import draw


def noise_table(env: Any, episodes: int, seed: int = 0) -> pd.DataFrame:
    """Return the noise that ``evaluate`` draws for as many episodes from the same seed.

    If the noise of a period is one number, such as the demand for one item, the table has a row for each
    episode and a column for each period. Otherwise it has a row for each episode and period, with the columns
    ``episode`` and ``period``, and a column for each number. As a CSV file, ``demand=`` can replay both.

    Args:
        env: environment id, environment or problem with a horizon.
        episodes: number of episodes.
        seed: seed of the noise.
    """
    _, noise = draw(as_problem(env), episodes, seed)
    if noise.ndim == 2:
        return pd.DataFrame(noise, columns=[f"period_{period}" for period in range(noise.shape[1])])
    numbers = noise.reshape(*noise.shape[:2], -1)
    table = pd.DataFrame(
        numbers.reshape(-1, numbers.shape[2]), columns=[f"noise_{i}" for i in range(numbers.shape[2])]
    )
    indices = np.indices(noise.shape[:2]).reshape(2, -1)
    table.insert(0, "episode", indices[0])
    table.insert(1, "period", indices[1])
    return table
