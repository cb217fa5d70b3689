"""Classical policies for MinInvestment: constant fractions of wealth."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from jumpgym.problems.min_investment import MinInvestment

from ..policy import Policy, require
from .descent import Progress

SAMPLE = 8192
"""Episodes from which fractions and thresholds are found."""

THRESHOLDS = 9
"""Thresholds of each vehicle that are compared."""


class ConstantFractionPolicy(Policy):
    """Hold a constant fraction of wealth in each vehicle, from a threshold of wealth on.

    A vehicle with a fraction of 0 is never entered; another takes its fraction of wealth or its minimum,
    whichever is more. Without minima and entry costs and with logarithmic utility the fractions of
    ``kelly_fractions`` and no thresholds are optimal.

    Args:
        problem: problem, environment or id.
        fractions: of wealth, one for each vehicle, at least 0; None for ``kelly_fractions``.
        thresholds: wealth from which on each vehicle is held; None for what pays its minimum and entry cost.

    Raises:
        ValueError: if there is not one fraction and one threshold for each vehicle, or one is negative.

    References:
        - J. L. Kelly (1956), A new interpretation of information rate, Bell System Technical Journal 35(4).
        - R. C. Merton (1969), Lifetime portfolio selection under uncertainty: the continuous-time case,
          Review of Economics and Statistics 51(3).
    """

    def __init__(self, problem: Any, fractions: Any = None, thresholds: Any = None) -> None:
        self.problem = problem = require(MinInvestment, problem, "ConstantFractionPolicy")
        needs = problem.min_investment + problem.entry_costs
        arrays = {
            "fractions": kelly_fractions(problem) if fractions is None else fractions,
            "thresholds": needs if thresholds is None else thresholds,
        }
        for name, values in arrays.items():
            array = np.asarray(values, dtype=np.float64)
            if array.shape != needs.shape or not np.all(array >= 0):
                raise ValueError(
                    f"{name}={values!r} must be {len(needs)} numbers of at least 0, one by vehicle"
                )
            arrays[name] = array
        self.fractions, self.thresholds = arrays["fractions"], arrays["thresholds"]

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regimes and amounts of observations (m, 2); (m,) with one vehicle, else (m, v)."""
        wealth = observation[:, :1]
        regime = ((wealth >= self.thresholds) & (self.fractions > 0)).astype(np.int64)
        amount = self.problem.layout.project(regime, self.fractions * wealth)
        return (regime[:, 0], amount[:, 0]) if regime.shape[1] == 1 else (regime, amount)


def kelly_fractions(problem: Any) -> NDArray[np.float64]:
    """Fractions of wealth (v,) with the fastest growth if there were neither minima nor entry costs.

    They maximise the mean of ``log(1 + risk_free + fractions @ (return - risk_free))`` over returns that the
    problem draws. Each is at least 0, and their sum is at most 1.
    """
    problem = require(MinInvestment, problem, "ConstantFractionPolicy")
    uniforms = np.random.default_rng(0).random(
        (SAMPLE // problem.horizon + 1, problem.horizon, *problem.noise_shape)
    )
    excess = problem.noise(uniforms).reshape(-1, *problem.noise_shape) - problem.risk_free

    def loss(fractions: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        growth = np.maximum(1 + problem.risk_free + excess @ fractions, 1e-9)
        return -float(np.log(growth).mean()), -(excess / growth[:, None]).mean(axis=0)

    count = excess.shape[1]
    result = scipy.optimize.minimize(  # type: ignore[call-overload]
        loss,
        np.full(count, 0.5 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints={"type": "ineq", "fun": lambda f: 1 - f.sum(), "jac": lambda f: -np.ones(count)},
    )
    return np.where(result.x > 1e-6, result.x, 0.0)


def best_constant_fraction(problem: Any, progress: Progress | None = None) -> ConstantFractionPolicy:
    """The Kelly fractions with the thresholds that do best on a sample, found vehicle by vehicle, twice."""
    problem = require(MinInvestment, problem, "ConstantFractionPolicy")
    fractions = kelly_fractions(problem)
    thresholds = problem.min_investment + problem.entry_costs
    lowest, highest = np.maximum(thresholds, 1e-9), 5 * np.maximum(thresholds, problem.initial_wealth[1])
    for _ in range(2):
        for vehicle in range(len(thresholds)):
            if progress is not None:
                progress(f"searching the threshold of vehicle {vehicle + 1} of {len(thresholds)}")
            candidates = []
            for threshold in [*np.geomspace(lowest[vehicle], highest[vehicle], THRESHOLDS), np.inf]:
                changed = thresholds.copy()
                changed[vehicle] = threshold
                candidates.append(ConstantFractionPolicy(problem, fractions, changed))
            thresholds = min(candidates, key=lambda policy: _sample_cost(problem, policy)).thresholds
    return ConstantFractionPolicy(problem, fractions, thresholds)


def _sample_cost(problem: MinInvestment, policy: Policy) -> float:
    """Mean discounted cost of an episode on a sample that is always the same."""
    rng = np.random.default_rng(0)
    state = problem.initial_state(rng.random(SAMPLE))
    noise = problem.noise(rng.random((SAMPLE, problem.horizon, *problem.noise_shape)))
    total = 0.0
    for period in range(problem.horizon):
        regime, amount = policy.decide(problem.observe(state))
        shape = (SAMPLE, len(problem.min_investment))
        gate, quantity = problem.layout.flat(regime.reshape(shape), amount.reshape(shape))
        state, cost = problem.step(state, gate, quantity, noise[:, period])
        total += problem.discount**period * float(cost.mean(axis=0).sum())
    return total
