"""Policies for switched LQR: a fixed mode sequence, the best single mode, and receding horizon control."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable, as_problem
from jumpgym.problems.switched_lqr import SwitchedLQR

from ..exact.riccati import ModeSequences, linear_control, prepend, start_cost, terminal
from ..policy import Policy


class SequencePolicy(Policy):
    """A fixed sequence of modes with its optimal linear control, by the Riccati recursion.

    Args:
        problem: problem, environment or id of a switched LQR.
        modes: mode of each period, shape (horizon,); a number for the same mode in all periods.

    Attributes:
        modes: shape (horizon,).
        gains: the control of period t is ``-gains[t] @ x``, shape (horizon, p, n).
        expected_cost: expected discounted cost of an episode, exact as long as controls lie within
            ``max_control``, which the recursion ignores.

    Raises:
        ValueError: if there is not one mode for each period.

    References:
        - D. P. Bertsekas (2017), Dynamic Programming and Optimal Control, volume I, section 3.1.
    """

    def __init__(self, problem: Any, modes: Any) -> None:
        self.problem = switched_lqr(problem)
        horizon, count = self.problem.horizon, len(self.problem.A)
        sequence = np.asarray(modes)
        if sequence.shape not in ((), (horizon,)) or not np.all(np.isin(sequence, np.arange(count))):
            raise ValueError(
                f"modes={modes!r} must be a mode in [0, {count - 1}], or one for each of {horizon} periods"
            )
        self.modes = np.array(np.broadcast_to(sequence, (horizon,)), dtype=np.int64)
        value, gains = terminal(self.problem), []
        for period in reversed(range(horizon)):
            value = prepend(self.problem, self.modes[period], value, period)
            gains.append(value.gain[0])
        self.gains = np.array(gains[::-1])
        self.expected_cost = float(start_cost(self.problem, value)[0])

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Mode (m,) and control, (m,) or (m, p), at observations (m, n + 1)."""
        period = np.clip(np.round(observation[:, -1]), 0, self.problem.horizon - 1).astype(np.int64)
        return linear_control(self.problem, self.modes[period], self.gains[period], observation[:, :-1])


class RecedingHorizonPolicy(Policy):
    """In each period, the first mode and control of the mode sequence that costs least from this state on.

    See ``ModeSequences`` for the method. Without noise, and if all sequences can be enumerated, the policy is
    optimal.

    Args:
        problem: problem, environment or id of a switched LQR.

    Attributes:
        sequences: the mode sequences that are compared.
        expected_cost: upper bound on its expected discounted cost of an episode.
    """

    def __init__(self, problem: Any) -> None:
        self.problem = switched_lqr(problem)
        self.sequences = ModeSequences(self.problem)
        self.expected_cost = self.sequences.expected_cost

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Mode (m,) and control, (m,) or (m, p), at observations (m, n + 1)."""
        return self.sequences.decide(observation)

    def best_sequence(self) -> SequencePolicy:
        """The mode sequence with the least expected cost from the initial state, among those not pruned."""
        return SequencePolicy(self.problem, self.sequences.best())


def best_fixed_mode(problem: Any) -> SequencePolicy:
    """The best policy that never switches: the optimal control of the best single mode."""
    problem = switched_lqr(problem)
    return min(
        (SequencePolicy(problem, mode) for mode in range(len(problem.A))), key=lambda p: p.expected_cost
    )


def switched_lqr(problem: Any) -> SwitchedLQR:
    """The switched LQR of a problem, an environment or an id; NotApplicable if it is another problem."""
    resolved = as_problem(problem)
    if not isinstance(resolved, SwitchedLQR):
        raise NotApplicable(f"{type(resolved).__name__} must be a SwitchedLQR")
    return resolved
