"""The optimum of switched LQR: dynamic programming on a grid of at most two states, for one control."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from jumpgym.problems.switched_lqr import SwitchedLQR

from .bellman import refine, rows_by_period
from .result import Optimum
from .riccati import ModeSequences, start_states

POINTS, NODES = 61, 12
"""Number of grid points and of quadrature nodes in each dimension, for the finer of two solutions."""

STRETCH = 3.0
"""The grid is finer at the origin than an evenly spaced one, by the factor ``sinh(STRETCH) / STRETCH``."""

CONTROLS = 25
"""Number of evenly spaced controls from which the search for the best control starts."""

HALVINGS = 9
"""How many times the search then halves the distance between controls."""


def solve_lqr(problem: SwitchedLQR) -> Optimum:
    """Solve a switched LQR, or bound its optimum from above.

    With noise, at most two states and one control, the solver is dynamic programming on a grid, see
    ``GridRule``. ``discretisation_error`` is the difference to a solution with half the grid points and 8
    instead of 12 quadrature nodes in each dimension. It is an estimate, not a bound.

    Otherwise the policy is receding horizon control, see ``ModeSequences``. It is optimal without noise if
    all mode sequences can be enumerated; ``discretisation_error`` is then the estimated error of the mean
    over initial states. In all other cases the cost is an upper bound, and ``discretisation_error`` is NaN.
    ``max_control`` is ignored in this cost, which is exact only if no control exceeds it.
    """
    if problem.A.shape[1] <= 2 and problem.B.shape[2] == 1 and problem.noise_covariance.any():
        return solve_on_grid(problem)
    sequences = ModeSequences(problem)
    error = sequences.sampling_error if sequences.is_optimal else float("nan")
    return Optimum(problem, sequences, sequences.expected_cost, discretisation_error=error)


def solve_on_grid(problem: SwitchedLQR, points: int = POINTS) -> Optimum:
    """Solve a switched LQR with at most two states and one control on a grid; see ``solve_lqr``."""
    reach = _reach(problem)

    def solve_with(resolution: tuple[int, int]) -> Optimum:
        rule = GridRule(problem, *reach, *resolution)
        return Optimum(problem, rule, rule.expected_cost)

    return refine(solve_with, [(points // 2 + 1, 8), (points, NODES)])


class GridRule:
    """Takes the mode and the control that minimise the cost of the period plus the expected cost to go.

    Let ``W_t(y)`` be the expected cost to go when the state is ``y`` before the noise of period t is added.
    ``W_t`` is a cubic spline on a grid that is finer near the origin; expectations are computed by
    Gauss-Hermite quadrature. The grid is so wide that the state hardly ever leaves it; beyond it, values are
    extrapolated in proportion to the square of the distance. ``max_control`` is respected.

    Args:
        problem: a switched LQR with at most two states and one control.
        reach: half the width of the grid in each dimension, shape (n,).
        largest: largest control that is considered.
        points: number of grid points in each dimension, odd.
        nodes: number of quadrature nodes in each dimension.

    Attributes:
        expected_cost: expected discounted cost of an episode.
    """

    def __init__(
        self, problem: SwitchedLQR, reach: NDArray[np.float64], largest: float, points: int, nodes: int
    ) -> None:
        self.problem = problem
        self._range, self._largest = reach, largest
        n = len(reach)
        axis = np.sinh(STRETCH * np.linspace(-1, 1, points)) / np.sinh(STRETCH)
        grid = np.stack(np.meshgrid(*(end * axis for end in reach), indexing="ij"), axis=-1)
        flat = grid.reshape(-1, n)
        noise, weights = _gauss_hermite(problem.noise_covariance, nodes)
        after = sum(
            w * np.einsum("mi,ij,mj->m", flat + shift, problem.terminal_cost, flat + shift)
            for shift, w in zip(noise, weights, strict=True)
        )
        self._splines = [_spline(after.reshape(grid.shape[:-1]))]
        for _ in range(problem.horizon - 1):
            spline = _spline(self._best(flat, self._splines[-1])[0].reshape(grid.shape[:-1]))
            after = sum(
                w * self._interpolate(spline, flat + shift) for shift, w in zip(noise, weights, strict=True)
            )
            self._splines.append(_spline(problem.discount * after.reshape(grid.shape[:-1])))
        self._splines.reverse()
        self.expected_cost = float(self._best(start_states(problem), self._splines[0])[0].mean())

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal mode (m,) and control (m,) at observations (m, n + 1)."""
        mode = np.zeros(len(observation), dtype=np.int64)
        control = np.zeros(len(observation))
        for period, rows in rows_by_period(self.problem, observation):
            _, mode[rows], control[rows] = self._best(observation[rows, :-1], self._splines[period])
        return mode, control

    def _best(
        self, x: NDArray[np.float64], spline: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Least cost to go (m,) at states (m, n), and the mode (m,) and control (m,) that attain it."""
        problem = self.problem
        costs, controls = [], []
        for mode in range(len(problem.A)):
            free, driven = x @ problem.A[mode].T, problem.B[mode, :, 0]
            weight = problem.R[mode, 0, 0]

            def to_go(
                u: NDArray[np.float64],
                free: NDArray[np.float64] = free,
                driven: NDArray[np.float64] = driven,
                weight: float = weight,
            ) -> NDArray[np.float64]:
                return weight * u**2 + self._interpolate(spline, free + u[:, None] * driven)

            control, least = self._search(to_go, len(x))
            costs.append(np.einsum("mi,ij,mj->m", x, problem.Q[mode], x) + problem.mode_costs[mode] + least)
            controls.append(control)
        mode, row = np.argmin(costs, axis=0), np.arange(len(x))
        return np.array(costs)[mode, row], mode, np.array(controls)[mode, row]

    def _search(
        self, to_go: Callable[[NDArray[np.float64]], NDArray[np.float64]], count: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The best control (m,) and its cost, by comparing neighbours at smaller and smaller distances."""
        best, least = np.zeros(count), to_go(np.zeros(count))
        spread = np.linspace(-self._largest, self._largest, CONTROLS)
        step = spread[1] - spread[0]
        candidates = [np.full(count, u) for u in spread]
        for _ in range(HALVINGS + 1):
            for u in candidates:
                cost = to_go(u)
                better = cost < least
                best, least = np.where(better, u, best), np.where(better, cost, least)
            step /= 2
            candidates = [np.clip(best + sign * step, -self._largest, self._largest) for sign in (-1, 1)]
        return best, least

    def _interpolate(self, spline: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (m,) at states (m, n); see ``GridRule`` for those beyond the grid."""
        relative = x / self._range
        beyond = np.maximum(np.abs(relative).max(axis=1), 1.0)
        position = np.arcsinh(relative / beyond[:, None] * np.sinh(STRETCH)) / STRETCH
        index = (position + 1) / 2 * (len(spline) - 1)
        values = scipy.ndimage.map_coordinates(spline, index.T, order=3, mode="mirror", prefilter=False)
        return np.asarray(values * beyond**2)


def _spline(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return scipy.ndimage.spline_filter(values, order=3, mode="mirror")


def _reach(problem: SwitchedLQR) -> tuple[NDArray[np.float64], float]:
    """Half the width of the grid, shape (n,), and the largest control: well beyond those of a good policy."""
    rule = ModeSequences(problem)
    rng = np.random.default_rng(0)
    state = problem.initial_state(rng.random((4096, *problem.start_shape)))
    noise = problem.noise(rng.random((4096, problem.horizon, *problem.noise_shape)))
    state_reach, control_reach = np.abs(state.x).max(axis=0), 0.0
    for period in range(problem.horizon):
        mode, control = rule.decide(problem.observe(state))
        gate, quantity = problem.layout.flat(mode[:, None], control[:, None])
        state, _ = problem.step(state, gate, quantity, noise[:, period])
        state_reach = np.maximum(state_reach, np.abs(state.x).max(axis=0))
        control_reach = max(control_reach, float(np.abs(control).max()))
    return 2 * np.maximum(state_reach, 1e-9), min(3 * control_reach, float(problem.max_control[0]))


def _gauss_hermite(
    covariance: NDArray[np.float64], nodes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes (m, n) and weights (m,) for the expectation over a normal distribution with mean 0."""
    n = len(covariance)
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(*(points,) * n, indexing="ij"), axis=-1).reshape(-1, n)
    weight = np.prod(np.meshgrid(*(weights,) * n, indexing="ij"), axis=0).reshape(-1)
    values, vectors = np.linalg.eigh(covariance)
    return grid @ (np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T), weight / weight.sum()
