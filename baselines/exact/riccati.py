"""Riccati recursion for mode sequences of a switched LQR, and receding horizon control by all of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from jumpgym.problems.switched_lqr import SwitchedLQR

from .bellman import rows_by_period

MAX_SEQUENCES = 300_000
"""Most mode sequences that are enumerated."""

DIRECTIONS = 400
"""Directions of the states at which quadratics are compared; those that are least nowhere are pruned."""

SIZES = np.array([0.1, 0.3, 0.6, 1.0, 2.0, 4.0])
"""Sizes of these states, in multiples of ``observation_scale``."""


class Quadratics(NamedTuple):
    """Cost to go ``x' P x + c`` of mode sequences, one in each row, with their first mode and control.

    Attributes:
        P: shape (rows, n, n).
        c: shape (rows,).
        mode: first mode of the sequence, shape (rows,).
        gain: the first control is ``-gain @ x``, shape (rows, p, n).
        next_row: row of the remaining sequence among the quadratics of the next period, shape (rows,).
    """

    P: NDArray[np.float64]
    c: NDArray[np.float64]
    mode: NDArray[np.int64]
    gain: NDArray[np.float64]
    next_row: NDArray[np.int64]

    def at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (m, rows) at states (m, n)."""
        n = x.shape[1]
        return (x[:, :, None] * x[:, None, :]).reshape(-1, n * n) @ self.P.reshape(-1, n * n).T + self.c

    def least(self, x: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Row (m,) of the least quadratic at states (m, n), and its value (m,)."""
        chunks = np.array_split(x, max(1, len(x) * len(self.c) // 2_000_000))
        values = [self.at(chunk) for chunk in chunks]
        return (
            np.concatenate([value.argmin(axis=1) for value in values]),
            np.concatenate([value.min(axis=1) for value in values]),
        )


class ModeSequences:
    """Receding horizon control: the first mode and control of the best mode sequence from the current state.

    In the next period the best sequence is chosen anew. Without noise, and if all sequences are compared,
    this is optimal. With noise it is not quite optimal, since a sequence does not react to the noise, but it
    costs no more than the best sequence (rollout, Bertsekas 2017, volume I, section 6.4). If there are too
    many sequences, only those are kept that are best at one of many states, from the last period backwards
    (after Zhang, Hu and Abate 2012, who prune redundant ones).

    Args:
        problem: a switched LQR.

    Attributes:
        values: the quadratics of each period.
        expected_cost: expected discounted cost of an episode if the sequence that is best at the initial
            state is kept to the end; an upper bound on the policy's cost. ``max_control`` is ignored.
        is_optimal: True if no sequence was pruned and there is no noise.
        sampling_error: estimated error of the mean over initial states in ``expected_cost``.

    References:
        - W. Zhang, J. Hu and A. Abate (2012), Infinite-horizon switched LQR problems in discrete time: a
          suboptimal algorithm with performance analysis, IEEE Transactions on Automatic Control 57(7).
    """

    def __init__(self, problem: SwitchedLQR) -> None:
        self.problem = problem
        modes, horizon = len(problem.A), problem.horizon
        all_fit = modes**horizon <= MAX_SEQUENCES
        states = None if all_fit else _comparison_states(problem)
        self.is_optimal = all_fit and not problem.noise_covariance.any()
        value = terminal(problem)
        self.values: list[Quadratics] = []
        for period in reversed(range(horizon)):
            parts = [prepend(problem, mode, value, period) for mode in range(modes)]
            value = Quadratics(*(np.concatenate(column) for column in zip(*parts, strict=True)))
            if states is not None:
                best = np.unique(value.at(states).argmin(axis=1))
                value = Quadratics(*(column[best] for column in value))
            self.values.append(value)
        self.values.reverse()
        costs = self.values[0].least(start_states(problem))[1]
        self.expected_cost = float(costs.mean())
        self.sampling_error = abs(self.expected_cost - float(costs[: (len(costs) + 1) // 2].mean()))

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Mode (m,) and control, (m,) or (m, p), at observations (m, n + 1)."""
        x = observation[:, :-1]
        mode = np.zeros(len(x), dtype=np.int64)
        gain = np.zeros((len(x), *self.values[0].gain.shape[1:]))
        for period, rows in rows_by_period(self.problem, observation):
            value = self.values[period]
            best, _ = value.least(x[rows])
            mode[rows], gain[rows] = value.mode[best], value.gain[best]
        return linear_control(self.problem, mode, gain, x)

    def best(self) -> list[int]:
        """The modes of the sequence with the least expected cost, among those not pruned."""
        row = int(start_cost(self.problem, self.values[0]).argmin())
        modes = []
        for value in self.values:
            modes.append(int(value.mode[row]))
            row = int(value.next_row[row])
        return modes


def terminal(problem: SwitchedLQR) -> Quadratics:
    """The cost to go after the last period, as one row."""
    n, p = problem.B.shape[1:]
    no_mode = np.zeros(1, dtype=np.int64)
    return Quadratics(problem.terminal_cost[None], np.zeros(1), no_mode, np.zeros((1, p, n)), no_mode)


def prepend(problem: SwitchedLQR, mode: Any, value: Quadratics, period: int) -> Quadratics:
    """The Riccati step: each sequence of the next period with ``mode`` before it, optimally controlled."""
    A, B = problem.A[mode], problem.B[mode]
    # The terminal cost is charged within the last period, so it is not discounted once more.
    factor = 1.0 if period == problem.horizon - 1 else problem.discount
    P: NDArray[np.float64] = factor * value.P
    gain = np.linalg.solve(problem.R[mode] + B.T @ P @ B, B.T @ P @ A)
    quadratic = problem.Q[mode] + A.T @ P @ (A - B @ gain)
    noise = np.trace(P @ problem.noise_covariance, axis1=1, axis2=2)
    rows = len(P)
    return Quadratics(
        (quadratic + quadratic.swapaxes(1, 2)) / 2,
        problem.mode_costs[mode] + noise + factor * value.c,
        np.full(rows, mode, dtype=np.int64),
        gain,
        np.arange(rows),
    )


def start_cost(problem: SwitchedLQR, value: Quadratics) -> NDArray[np.float64]:
    """Expected value of each row over the box of initial states, shape (rows,); exact."""
    mean = (problem.initial_low + problem.initial_high) / 2
    second = np.outer(mean, mean) + np.diag((problem.initial_high - problem.initial_low) ** 2 / 12)
    cost: NDArray[np.float64] = (value.P * second).sum(axis=(1, 2)) + value.c
    return cost


def start_states(problem: SwitchedLQR) -> NDArray[np.float64]:
    """States (m, n) that fill the box of initial states evenly; a single one if the box is a point."""
    low, width = problem.initial_low, problem.initial_high - problem.initial_low
    free = int((width > 0).sum())
    if free == 0:
        return np.asarray(low[None])
    states = np.tile(low, (2**12, 1))
    states[:, width > 0] += width[width > 0] * (
        scipy.stats.qmc.Sobol(free, scramble=False).random(2**12) + 2**-13
    )
    return states


def linear_control(
    problem: SwitchedLQR, mode: NDArray[np.int64], gain: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Modes (m,), and controls ``-gain @ x`` within ``max_control``, (m,) or (m, p), in states (m, n)."""
    control = -(gain @ x[:, :, None])[:, :, 0]
    control = np.clip(control, -problem.max_control, problem.max_control)
    return mode, control[:, 0] if control.shape[1] == 1 else control


def _comparison_states(problem: SwitchedLQR) -> NDArray[np.float64]:
    """States (m, n) in all directions and of all sizes that occur."""
    n = problem.A.shape[1]
    directions = np.random.default_rng(0).standard_normal((DIRECTIONS, n))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    scaled = directions * problem.observation_scale[:-1]
    return np.concatenate([np.zeros((1, n)), *(size * scaled for size in SIZES)])
