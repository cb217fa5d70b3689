"""Validation on held-out records: training leaves them out, and the weights that cost least on them are kept.

An agent that learns from few records learns them by heart: its cost on them goes on falling while that on
later records rises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem
from jumpgym.adapters.recordings import recorded_noise

from ..arrays import Array
from ..networks.policies import HybridPolicy
from .validation import Decide, episode_costs

REVIEWS = 20
"""Validations in a training: one whenever another twentieth of it is done."""

MOST_WINDOWS = 64
"""Most windows of each part on which a policy is validated; they are evenly spaced."""

ROUNDING = 1e-6
"""What keeps a uniform that is rounded up from the first held-out window."""


@dataclass
class Validated:
    """The policy that cost least on held-out records so far.

    Attributes:
        policy: its networks, apart from those that are trained.
        cost: mean cost of an episode, or of a window, on held-out records.
        training_cost: the same on the records that it was trained on.
        num_timesteps: time steps after which it was found.
    """

    policy: HybridPolicy
    cost: float
    training_cost: float
    num_timesteps: int

    @property
    def gap(self) -> float:
        """By how much the cost on held-out records exceeds that on the records of the training."""
        return self.cost - self.training_cost


class HeldOutRecords:
    """The windows of recorded noise that a training uses, and later ones that it never sees.

    No window of the training has a period in common with a held-out window.

    Args:
        problem: one with recorded noise.
        share: share of the recorded periods that are held back, the latest ones; in (0, 1).
        periods: number of periods of a window.

    Raises:
        ValueError: if no noise is recorded, or a part is shorter than a window.
    """

    def __init__(self, problem: HindsightProblem, share: float, periods: int) -> None:
        recorded = recorded_noise(problem)
        if recorded is None:
            raise ValueError(
                f"validation_share={share:g} holds back recorded noise, and {type(problem).__name__} draws "
                "its noise from distributions: leave it out, or give records"
            )
        first, length = recorded[1].first_periods, len(recorded[1].series)
        until = length - round(share * length)
        trained = np.flatnonzero(first + periods <= until)
        held_out = np.flatnonzero((first >= until) & (first + periods <= length))
        if not (len(trained) and len(held_out)):
            raise ValueError(
                f"validation_share={share:g} splits {length} recorded periods into {until} and "
                f"{length - until}: each part must hold a window of {periods} periods"
            )
        self.problem, self.periods = problem, periods
        self._windows = len(first)
        self._trained, self._held_out = _spaced(trained), _spaced(held_out)
        self._factor = len(trained) / len(first) * (1 - ROUNDING)

    def training(self, uniforms: Array) -> Array:
        """Uniforms from which windows of the training are drawn, from any, (m, periods, *noise_shape)."""
        return uniforms * self._factor

    def costs(self, decide: Decide) -> tuple[float, float]:
        """Mean cost of a policy on windows of the training, and on held-out windows.

        Args:
            decide: the policy.
        """
        problem, both = self.problem, np.concatenate([self._trained, self._held_out])
        uniforms = np.zeros((len(both), self.periods, *problem.noise_shape))
        uniforms += ((both + 0.5) / self._windows).reshape(-1, *(1,) * (uniforms.ndim - 1))
        starts = np.random.default_rng(0).random((len(both), *problem.start_shape))
        total = episode_costs(problem, decide, *problem.begin(starts, uniforms))
        count = len(self._trained)
        return float(total[:count].mean()), float(total[count:].mean())


def _spaced(windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most ``MOST_WINDOWS`` of some windows, evenly spaced."""
    places = np.linspace(0, len(windows) - 1, min(len(windows), MOST_WINDOWS))
    return windows[np.round(places).astype(np.int64)]


def stored_validation(validated: Validated | None, reviewed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a checkpoint keeps of validations: JSON, and tensors by name.

    Args:
        validated: the best policy so far.
        reviewed: number of the last validation.
    """
    if validated is None:
        return {}, {}
    stored = {
        "cost": validated.cost,
        "training_cost": validated.training_cost,
        "num_timesteps": validated.num_timesteps,
        "reviewed": reviewed,
    }
    tensors = {f"{PREFIX}{name}": tensor for name, tensor in validated.policy.state_dict().items()}
    return {"validation": stored}, tensors


PREFIX = "validated/"
"""What the names of the best policy's tensors begin with in a checkpoint."""
