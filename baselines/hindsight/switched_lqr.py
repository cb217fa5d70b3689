"""Switched LQR with known disturbances: all mode sequences are compared, each with its optimal control."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable
from jumpgym.problems.switched_lqr import SwitchedLQR

from .program import Decisions

MAX_SEQUENCES = 2**20
"""Most mode sequences that are enumerated."""


class Step(NamedTuple):
    """The part of the Riccati step of a mode in a period that does not depend on the disturbance.

    The cost to go is ``x' P x + 2 r' x + c``, with a row for each sequence of modes in the later periods.

    Attributes:
        A, B: dynamics of the mode, shapes (n, n) and (n, p).
        after: P of the next period, times ``factor``, shape (rows, n, n).
        factor: discount factor of the next period's cost to go.
        mode_cost: cost of the mode.
        gain: the control is ``-gain @ x - inverse @ B' (after @ w + factor * r)``, shape (rows, p, n).
        inverse: shape (rows, p, p).
    """

    A: NDArray[np.float64]
    B: NDArray[np.float64]
    after: NDArray[np.float64]
    factor: float
    mode_cost: float
    gain: NDArray[np.float64]
    inverse: NDArray[np.float64]


def switched_lqr(
    problem: SwitchedLQR, disturbances: NDArray[np.float64], state: Any, gap: float
) -> Decisions:
    """The best modes and controls for known disturbances (periods, n) from a state without batch axes.

    All mode sequences are compared. The optimal control of each follows from the Riccati recursion with
    linear and constant terms (D. P. Bertsekas, 2017, Dynamic Programming and Optimal Control, volume I,
    section 3.1). ``max_control`` is ignored, so the cost is a lower bound if controls exceed it. ``gap`` has
    no effect.

    Raises:
        NotApplicable: if there are more than ``MAX_SEQUENCES`` sequences.
    """
    modes = len(problem.A)
    if modes**problem.horizon > MAX_SEQUENCES:
        raise NotApplicable(
            f"hindsight of a switched LQR tries all {modes}^{problem.horizon} sequences of modes, at most "
            f"{MAX_SEQUENCES}: shorten the horizon, or compare with solve"
        )
    steps, P = _riccati(problem)
    linear, constant = np.zeros((1, len(problem.Q[0]))), np.zeros(1)
    terms = []
    for period in reversed(range(problem.horizon)):
        w = disturbances[period]
        terms.append(linear)
        parts = [_prepend(step, linear, constant, w) for step in steps[period]]
        linear, constant = (np.concatenate(part) for part in zip(*parts, strict=True))
    x = np.asarray(state.x)
    costs = np.einsum("rij,i,j->r", P, x, x) + 2 * linear @ x + constant
    row = int(costs.argmin())
    cost, regime, control = float(costs[row]), [], []
    for period, after in enumerate(reversed(terms)):
        mode, row = divmod(row, len(after))
        step, w = steps[period][mode], disturbances[period]
        push = step.B.T @ (step.after[row] @ w + step.factor * after[row])
        control.append(-step.gain[row] @ x - step.inverse[row] @ push)
        regime.append([mode])
        x = step.A @ x + step.B @ control[-1] + w
    return cost, np.array(regime), np.array(control)


@lru_cache(maxsize=1)
def _riccati(problem: SwitchedLQR) -> tuple[list[list[Step]], NDArray[np.float64]]:
    """The steps by period and mode, and P of all sequences, ordered by their first mode, then the second."""
    P, steps = problem.terminal_cost[None], []
    for period in reversed(range(problem.horizon)):
        # The terminal cost is charged within the last period, so it is not discounted once more.
        factor = 1.0 if period == problem.horizon - 1 else problem.discount
        after, now, parts = factor * P, [], []
        for A, B, Q, R, mode_cost in zip(
            problem.A, problem.B, problem.Q, problem.R, problem.mode_costs, strict=True
        ):
            inverse = np.linalg.inv(R + B.T @ after @ B)
            gain = inverse @ (B.T @ after @ A)
            quadratic = Q + A.T @ after @ (A - B @ gain)
            parts.append((quadratic + quadratic.swapaxes(1, 2)) / 2)
            now.append(Step(A, B, after, factor, float(mode_cost), gain, inverse))
        P = np.concatenate(parts)
        steps.append(now)
    return steps[::-1], P


def _prepend(
    step: Step, linear: NDArray[np.float64], constant: NDArray[np.float64], w: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear terms (rows, n) and constant terms (rows,) with one more step before them."""
    pushed = step.after @ w
    slope = pushed + step.factor * linear
    driven = slope @ step.B
    cost = step.factor * (constant + 2 * linear @ w) + pushed @ w + step.mode_cost
    control = (step.inverse @ driven[:, :, None])[:, :, 0]
    backward = slope @ step.A - (driven[:, None, :] @ step.gain)[:, 0]
    return backward, cost - (driven * control).sum(axis=1)
