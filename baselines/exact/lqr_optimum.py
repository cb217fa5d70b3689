"""References for switched LQR: Riccati solutions of mode sequences, and receding horizon control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from jumpgym import as_problem
from jumpgym.problems.switched_lqr import SwitchedLQR

from ..policy import Policy

if TYPE_CHECKING:
    from .lqr_grid import GridPolicy

MAX_SEQUENCES = 300_000
"""Most mode sequences that are enumerated."""

PRUNED = 400
"""States at which one quadratic must be the least, or it is pruned."""

SPREADS = np.array([0.1, 0.3, 0.6, 1.0, 2.0, 4.0])
"""Sizes of the states at which quadratics are compared, in multiples of ``observation_scale``."""


class Quadratics(NamedTuple):
    """Cost to go ``x' P x + c`` of one mode sequence per row, with its first mode and its linear control.

    Attributes:
        P: shape (rows, n, n).
        c: shape (rows,).
        mode: first mode of the sequence, shape (rows,).
        gain: the first control is ``-gain @ x``, shape (rows, p, n).
        rest: row of the rest of the sequence among the quadratics of the next period, shape (rows,).
    """

    P: NDArray[np.float64]
    c: NDArray[np.float64]
    mode: NDArray[np.int64]
    gain: NDArray[np.float64]
    rest: NDArray[np.int64]

    def at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (m, rows) at states (m, n)."""
        n = x.shape[1]
        return (x[:, :, None] * x[:, None, :]).reshape(-1, n * n) @ self.P.reshape(-1, n * n).T + self.c

    def rows(self, which: NDArray[Any]) -> Quadratics:
        """Some of the rows."""
        return Quadratics(*(column[which] for column in self))


class SequencePolicy(Policy):
    """A fixed sequence of modes with its optimal linear control, by the Riccati recursion.

    Args:
        problem: problem, environment or id of a switched LQR.
        modes: mode of each period, shape (horizon,); a number for the same mode in all periods.

    Attributes:
        modes: shape (horizon,).
        gains: the control of period t is ``-gains[t] @ x``, shape (horizon, p, n).
        expected_cost: expected discounted cost of an episode, exact as long as controls lie within
            ``max_control``, which the recursion leaves out.

    Raises:
        ValueError: if there is not one mode for each period.

    References:
        - D. P. Bertsekas (2017), Dynamic Programming and Optimal Control, volume I, section 3.1.
    """

    def __init__(self, problem: Any, modes: Any) -> None:
        self.problem = switched(problem)
        horizon, count = self.problem.horizon, len(self.problem.A)
        given = np.asarray(modes)
        if given.shape not in ((), (horizon,)) or not np.all(np.isin(given, np.arange(count))):
            raise ValueError(
                f"modes={modes!r} must be a mode in [0, {count - 1}], or one for each of {horizon} periods"
            )
        self.modes = np.array(np.broadcast_to(given, (horizon,)), dtype=np.int64)
        value, gains = terminal(self.problem), []
        for period in reversed(range(horizon)):
            value = prepend(self.problem, self.modes[period], value, period)
            gains.append(value.gain[0])
        self.gains = np.array(gains[::-1])
        self.expected_cost = float(start_cost(self.problem, value)[0])

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Mode (m,) and control, (m,) or (m, p), of observations (m, n + 1)."""
        period = periods(self.problem, observation)
        return linear_control(self.problem, self.modes[period], self.gains[period], observation[:, :-1])


class RecedingHorizonPolicy(Policy):
    """In each period, the first mode and control of the mode sequence that costs least from this state on.

    The rest of the sequence is chosen anew in the next period. Without noise and with all sequences this is
    the optimum. With noise it is not quite, since a sequence cannot answer to the noise, but it costs no more
    than the best sequence (rollout, Bertsekas 2017, volume I, section 6.4).

    Where there are too many sequences, those are kept, from the last period backwards, that are the best at
    one of many states (after Zhang, Hu and Abate 2012, who prune by redundancy).

    Args:
        problem: problem, environment or id of a switched LQR.

    Attributes:
        expected_cost: an upper bound of its expected discounted cost of an episode: the expected cost of the
            best sequence from each initial state; exact without noise. ``max_control`` is left out, as in
            ``SequencePolicy``.
        exactness: "all sequences" if none was pruned and there is no noise, so that ``expected_cost`` is the
            optimum but for the mean over the box of initial states; else "upper bound".
        discretisation_error: 0 where ``exactness`` is "all sequences", else NaN: it is not known.

    References:
        - W. Zhang, J. Hu and A. Abate (2012), Infinite-horizon switched LQR problems in discrete time: a
          suboptimal algorithm with performance analysis, IEEE Transactions on Automatic Control 57(7).
    """

    def __init__(self, problem: Any) -> None:
        self.problem = problem = switched(problem)
        modes, horizon = len(problem.A), problem.horizon
        every = modes**horizon <= MAX_SEQUENCES
        states = None if every else _comparison_states(problem)
        exact = every and not problem.noise_covariance.any()
        self.exactness = "all sequences" if exact else "upper bound"
        self.discretisation_error = 0.0 if exact else float("nan")
        value = terminal(problem)
        self._values: list[Quadratics] = []
        for period in reversed(range(horizon)):
            parts = [prepend(problem, mode, value, period) for mode in range(modes)]
            value = Quadratics(*(np.concatenate(column) for column in zip(*parts, strict=True)))
            if states is not None:
                value = value.rows(np.unique(value.at(states).argmin(axis=1)))
            self._values.append(value)
        self._values.reverse()
        self.expected_cost = float(_least(self._values[0], start_states(problem))[1].mean())

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Mode (m,) and control, (m,) or (m, p), of observations (m, n + 1)."""
        period, x = periods(self.problem, observation), observation[:, :-1]
        mode = np.zeros(len(x), dtype=np.int64)
        gain = np.zeros((len(x), *self._values[0].gain.shape[1:]))
        for t in np.unique(period):
            now = period == t
            row = _least(self._values[t], x[now])[0]
            mode[now], gain[now] = self._values[t].mode[row], self._values[t].gain[row]
        return linear_control(self.problem, mode, gain, x)

    def best_sequence(self) -> SequencePolicy:
        """The sequence of the least expected cost from the initial state, of those not pruned."""
        row = int(start_cost(self.problem, self._values[0]).argmin())
        modes = []
        for value in self._values:
            modes.append(value.mode[row])
            row = int(value.rest[row])
        return SequencePolicy(self.problem, modes)


def best_fixed_mode(problem: Any) -> SequencePolicy:
    """The best policy that never switches: the optimal control of the best single mode."""
    problem = switched(problem)
    return min(
        (SequencePolicy(problem, mode) for mode in range(len(problem.A))), key=lambda p: p.expected_cost
    )


def solve_lqr(problem: Any) -> GridPolicy | RecedingHorizonPolicy:
    """The best reference for a switched LQR.

    With at most two states and one control a dynamic programme on a grid, ``lqr_grid.GridPolicy``, whose
    ``discretisation_error`` states how exact it is; else ``RecedingHorizonPolicy``, whose ``expected_cost``
    is an upper bound. ``exactness`` tells which: "grid", "all sequences" (no noise: exact) or "upper bound".

    Args:
        problem: problem, environment or id of a switched LQR.

    Raises:
        TypeError: if it is another problem.
    """
    from .lqr_grid import GridPolicy  # which builds on this module

    problem = switched(problem)
    if problem.A.shape[1] <= 2 and problem.B.shape[2] == 1 and problem.noise_covariance.any():
        return GridPolicy(problem)
    return RecedingHorizonPolicy(problem)


def switched(problem: Any) -> SwitchedLQR:
    """The switched LQR of a problem, an environment or an id; else TypeError."""
    found = as_problem(problem)
    if not isinstance(found, SwitchedLQR):
        raise TypeError(f"{type(found).__name__} must be a SwitchedLQR")
    return found


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
    """States (m, n) that fill the box of initial states evenly; one if it is a point."""
    low, width = problem.initial_low, problem.initial_high - problem.initial_low
    free = int((width > 0).sum())
    if free == 0:
        return np.asarray(low[None])
    states = np.tile(low, (2**12, 1))
    states[:, width > 0] += width[width > 0] * (
        scipy.stats.qmc.Sobol(free, scramble=False).random(2**12) + 2**-13
    )
    return states


def periods(problem: SwitchedLQR, observation: NDArray[np.float64]) -> NDArray[np.int64]:
    """Period (m,) of observations (m, n + 1)."""
    return np.clip(np.round(observation[:, -1]), 0, problem.horizon - 1).astype(np.int64)


def linear_control(
    problem: SwitchedLQR, mode: NDArray[np.int64], gain: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Modes (m,), and controls ``-gain @ x`` within ``max_control``, (m,) or (m, p), in states (m, n)."""
    control = -(gain @ x[:, :, None])[:, :, 0]
    control = np.clip(control, -problem.max_control, problem.max_control)
    return mode, control[:, 0] if control.shape[1] == 1 else control


def _least(value: Quadratics, x: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The row (m,) of the least quadratic at states (m, n), and its value (m,)."""
    chunks = np.array_split(x, max(1, len(x) * len(value.c) // 2_000_000))
    values = [value.at(chunk) for chunk in chunks]
    return (
        np.concatenate([each.argmin(axis=1) for each in values]),
        np.concatenate([each.min(axis=1) for each in values]),
    )


def _comparison_states(problem: SwitchedLQR) -> NDArray[np.float64]:
    """States (m, n) in all directions, of all sizes that occur."""
    n = problem.A.shape[1]
    directions = np.random.default_rng(0).standard_normal((PRUNED, n))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    scaled = directions * problem.observation_scale[:-1]
    return np.concatenate([np.zeros((1, n)), *(size * scaled for size in SPREADS)])
