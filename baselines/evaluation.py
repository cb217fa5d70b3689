"""Evaluation of any policy on common random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem, as_problem, checks

WARM_UP, PERIODS = 200, 2000
"""Periods of a stationary problem's episodes that are left out, and that count, by default."""


@dataclass(frozen=True)
class Evaluation:
    """Costs of a policy over simulated episodes.

    Attributes:
        costs: of each episode, shape (episodes,): the discounted total cost; of a stationary problem at
            discount 1 the mean cost of a period.
    """

    costs: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean cost of an episode."""
        return float(self.costs.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the mean."""
        return standard_error(self.costs)


def standard_error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean of independent values; NaN for a single one."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def draw(
    problem: HindsightProblem, episodes: int, seed: int, periods: int | None = None
) -> tuple[Any, NDArray[np.float64]]:
    """Initial states (episodes,) and noise (episodes, horizon, *noise_shape); equal for equal seeds.

    Args:
        problem: the problem.
        episodes: number of episodes.
        seed: of the draw.
        periods: of noise, where the problem has no horizon.
    """
    rng = np.random.default_rng(seed)
    start = problem.initial_state(rng.random((episodes, *problem.start_shape)))
    length = problem.horizon or periods
    if length is None:
        raise ValueError("horizon=None: give the number of periods to draw")
    return start, problem.noise(rng.random((episodes, length, *problem.noise_shape)))


def decide(
    policy: Any, env: Any, observation: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Regimes (m, G) and quantities (m, n), projected on their intervals, of a policy at observations (m, d).

    Args:
        policy: anything with a batched ``predict``.
        env: environment or problem; an environment under one of ``jumpgym.wrappers`` decodes the actions.
        observation: shape (m, d).
    """
    action, _ = policy.predict(observation, deterministic=True)
    decode = getattr(env, "decode", lambda observation, action: action)
    regime, quantity = decode(observation, action)
    regime = np.asarray(regime).reshape(len(observation), -1)
    asked = np.asarray(quantity, dtype=np.float64).reshape(len(observation), -1)
    return regime, as_problem(env).layout.project(regime, asked)


def simulate(
    policy: Any, env: Any, state: Any, noise: NDArray[np.float64], warm_up: int = 0
) -> NDArray[np.float64]:
    """Cost of each episode, shape (episodes,), of a policy on given noise.

    It is the discounted total cost; for a stationary problem at discount 1 the mean cost of the periods after
    the warm-up.

    Args:
        policy: anything with a batched ``predict(observation, deterministic=True) -> (action, state)``.
        env: environment id, environment or problem; where it is an environment under one of
            ``jumpgym.wrappers``, the policy's actions are that wrapper's.
        state: initial states, with one batch axis.
        noise: shape (episodes, periods, *noise_shape).
        warm_up: first periods whose cost is left out.
    """
    problem = as_problem(env)
    env = problem if isinstance(env, str) else env
    costs = np.zeros(len(noise))
    periods = noise.shape[1]
    for period in range(periods):
        observation = problem.observe(state).astype(np.float32)
        gate, quantity = problem.layout.flat(*decide(policy, env, observation))
        state, cost = problem.step(state, gate, quantity, noise[:, period])
        if period >= warm_up:
            costs += problem.discount**period * cost.sum(-1)
    average = problem.horizon is None and problem.discount == 1
    return costs / (periods - warm_up) if average else costs


def evaluate(
    policy: Any,
    env: Any,
    episodes: int = 4096,
    seed: int = 0,
    warm_up: int | None = None,
    periods: int | None = None,
) -> Evaluation:
    """Evaluate a policy, deterministically, on episodes drawn from ``seed``.

    Two policies evaluated with the same seed meet the same noise, so that their costs pair.

    A stationary problem (``horizon=None``) is simulated for ``warm_up`` periods that do not count, and
    ``periods`` that do: at discount 1 the result is the cost per period. With a discount below 1 it is the
    discounted total cost of ``periods`` periods, without warm-up.

    Args:
        policy: anything with a batched ``predict``: an agent, an SB3 model, a classical policy, the optimum.
        env: environment id, environment or problem, see ``simulate``.
        episodes: number of episodes, at least 1.
        seed: seed of the noise.
        warm_up: of a stationary problem at discount 1, by default ``WARM_UP``.
        periods: of a stationary problem, by default ``PERIODS``.

    Raises:
        ValueError: if ``warm_up`` or ``periods`` is given for a problem with a horizon, or a warm-up with a
            discount below 1.
    """
    episodes = checks.integer("episodes", episodes, low=1)
    problem = as_problem(env)
    if problem.horizon is not None:
        if warm_up is not None or periods is not None:
            raise ValueError(
                f"{warm_up=} and {periods=} are for problems without a horizon; this one has "
                f"{problem.horizon} periods, all of which count"
            )
        return Evaluation(simulate(policy, env, *draw(problem, episodes, seed)))
    counted = checks.integer("periods", PERIODS if periods is None else periods, low=1)
    skipped = 0
    if problem.discount == 1:
        skipped = checks.integer("warm_up", WARM_UP if warm_up is None else warm_up, low=0)
    elif warm_up is not None:
        raise ValueError(f"{warm_up=} must be left out at discount={problem.discount:g}: all periods count")
    start, noise = draw(problem, episodes, seed, skipped + counted)
    return Evaluation(simulate(policy, env, start, noise, skipped))
