"""The base of all policies that decide by a rule: ``predict`` as in Stable-Baselines3."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym.adapters.predict import checked_observation, format_action


class Policy(ABC):
    """A deterministic policy for environments with actions (regime, quantity).

    Attributes:
        problem: what it decides for, a hindsight problem of the family of the policy.
    """

    problem: Any

    @abstractmethod
    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regimes and quantities in units, inside their intervals, of observations (m, d).

        Regimes have shape (m,) for one gate, (m, G) for several; quantities (m,) for one quantity, or (m, n).
        """

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """The action of one observation (d,), or of a batch (m, d).

        Args:
            observation: shape (d,) or (m, d).
            state: returned as it came; these policies have no memory.
            episode_start: its presence tells that the caller is Stable-Baselines3, see ``format_action``.
            deterministic: without effect; these policies are deterministic.

        Returns:
            The action in the form of ``jumpgym.adapters.predict.format_action``, and ``state``.

        Raises:
            ValueError: if the observation has another shape, is not finite, or its period is not in
                [0, horizon].
        """
        batch = checked_observation(self.problem, observation)
        regime, quantity = self.decide(np.atleast_2d(batch))
        return format_action(regime, quantity, batch.ndim == 2, episode_start), state
