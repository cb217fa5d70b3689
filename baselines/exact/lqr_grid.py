"""Switched LQR with noise by dynamic programming on a grid of at most two states, for one control."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from ..policy import Policy
from .lqr_optimum import RecedingHorizonPolicy, periods, start_states, switched

STRETCH = 3.0
"""The grid is finer by ``sinh(STRETCH) / STRETCH`` at the origin than evenly spaced."""

CONTROLS = 25
HALVINGS = 9
"""A control is searched on so many points, then by so many halvings of their distance."""


class GridPolicy(Policy):
    """An optimal policy of a switched LQR with at most two states and one control, up to a small error.

    Let ``W_t(y)`` be the expected cost to go when the state is ``y`` before the noise of period t. The policy
    takes the mode and the control of the least cost of the period plus ``W_t``. ``W_t`` is a cubic spline
    on a grid that is finer near the origin; the expectation is Gauss-Hermite quadrature. The grid reaches so
    far that the state hardly ever leaves it; beyond, values grow with the square of the distance.
    ``max_control`` is respected.

    Args:
        problem: problem, environment or id of a switched LQR.
        points: points of the grid in each dimension, odd.

    Attributes:
        expected_cost: expected discounted cost of an episode.
        discretisation_error: estimated error of ``expected_cost``: its difference to that of a grid of half
        the
            points with a quadrature of 8 instead of 12 points in each dimension.

    Raises:
        NotImplementedError: for more than two states or more than one control.
    """

    exactness = "grid"

    def __init__(self, problem: Any, points: int = 61) -> None:
        self.problem = problem = switched(problem)
        if problem.A.shape[1] > 2 or problem.B.shape[2] > 1:
            raise NotImplementedError(
                f"GridPolicy: {problem.A.shape[1]} states and {problem.B.shape[2]} controls; at most 2 and 1 "
                "are supported, use RecedingHorizonPolicy"
            )
        self._range, self._largest = _reach(problem)
        states = start_states(problem)
        coarse = self._solve(points // 2 + 1, 8, states)
        self.expected_cost = self._solve(points, 12, states)
        self.discretisation_error = abs(self.expected_cost - coarse)

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal mode (m,) and control (m,) of observations (m, n + 1)."""
        period = periods(self.problem, observation)
        mode = np.zeros(len(observation), dtype=np.int64)
        control = np.zeros(len(observation))
        for t in np.unique(period):
            now = period == t
            _, mode[now], control[now] = self._best(observation[now, :-1], self._splines[t])
        return mode, control

    def _solve(self, points: int, nodes: int, states: NDArray[np.float64]) -> float:
        """Fill ``_splines`` backwards; the mean cost to go from ``states``."""
        problem, n = self.problem, len(self._range)
        axis = np.sinh(STRETCH * np.linspace(-1, 1, points)) / np.sinh(STRETCH)
        grid = np.stack(np.meshgrid(*(reach * axis for reach in self._range), indexing="ij"), axis=-1)
        flat = grid.reshape(-1, n)
        noise, weights = _gauss_hermite(problem.noise_covariance, nodes)
        after = sum(
            w * np.einsum("mi,ij,mj->m", flat + each, problem.terminal_cost, flat + each)
            for each, w in zip(noise, weights, strict=True)
        )
        self._splines = [_spline(after.reshape(grid.shape[:-1]))]
        for _ in range(problem.horizon - 1):
            spline = _spline(self._best(flat, self._splines[-1])[0].reshape(grid.shape[:-1]))
            after = sum(
                w * self._interpolate(spline, flat + each) for each, w in zip(noise, weights, strict=True)
            )
            self._splines.append(_spline(problem.discount * after.reshape(grid.shape[:-1])))
        self._splines.reverse()
        return float(self._best(states, self._splines[0])[0].mean())

    def _best(
        self, x: NDArray[np.float64], spline: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Least cost to go (m,), and its mode (m,) and control (m,), at states (m, n)."""
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
        best = np.argmin(costs, axis=0)
        at = np.arange(len(x))
        return np.array(costs)[best, at], best, np.array(controls)[best, at]

    def _search(self, to_go: Any, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The best of controls spread over their range, improved by halving their distance; and its cost."""
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
        """Values (m,) at states (m, n); off the grid, by the square law along the ray from the origin."""
        relative = x / self._range
        beyond = np.maximum(np.abs(relative).max(axis=1), 1.0)
        place = np.arcsinh(relative / beyond[:, None] * np.sinh(STRETCH)) / STRETCH
        index = (place + 1) / 2 * (len(spline) - 1)
        values = scipy.ndimage.map_coordinates(spline, index.T, order=3, mode="mirror", prefilter=False)
        return np.asarray(values * beyond**2)


def _spline(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return scipy.ndimage.spline_filter(values, order=3, mode="mirror")


def _reach(problem: Any) -> tuple[NDArray[np.float64], float]:
    """How far the grid reaches, shape (n,), and the largest control: well beyond those of a good policy."""
    policy = RecedingHorizonPolicy(problem)
    rng = np.random.default_rng(0)
    state = problem.initial_state(rng.random((4096, *problem.start_shape)))
    noise = problem.noise(rng.random((4096, problem.horizon, *problem.noise_shape)))
    state_reach, control_reach = np.abs(state.x).max(axis=0), 0.0
    for period in range(problem.horizon):
        mode, control = policy.decide(problem.observe(state))
        gate, quantity = problem.layout.flat(mode[:, None], control[:, None])
        state, _ = problem.step(state, gate, quantity, noise[:, period])
        state_reach = np.maximum(state_reach, np.abs(state.x).max(axis=0))
        control_reach = max(control_reach, float(np.abs(control).max()))
    return 2 * np.maximum(state_reach, 1e-9), min(3 * control_reach, float(problem.max_control[0]))


def _gauss_hermite(
    covariance: NDArray[np.float64], nodes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes (m, n) and weights (m,) of the expectation over a normal distribution of mean 0."""
    n = len(covariance)
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(*(points,) * n, indexing="ij"), axis=-1).reshape(-1, n)
    weight = np.prod(np.meshgrid(*(weights,) * n, indexing="ij"), axis=0).reshape(-1)
    values, vectors = np.linalg.eigh(covariance)
    return grid @ (np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T), weight / weight.sum()
