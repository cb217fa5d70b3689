"""Evaluation of any policy on common random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem, as_problem, checks


@dataclass(frozen=True)
class Evaluation:
    """Costs of a policy over simulated episodes.

    Attributes:
        costs: discounted total cost of each episode, shape (episodes,).
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


def draw(problem: HindsightProblem, episodes: int, seed: int) -> tuple[Any, NDArray[np.float64]]:
    """Initial states (episodes,) and noise (episodes, horizon); the same seed gives the same draw."""
    rng = np.random.default_rng(seed)
    start = problem.initial_state(rng.random(episodes))
    return start, problem.noise(rng.random((episodes, problem.horizon)))


def decide(
    policy: Any, env: Any, observation: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Regime (m,) and quantity applied (m,), in units, of a policy at observations (m, n)."""
    action, _ = policy.predict(observation, deterministic=True)
    decode = getattr(env, "decode", lambda observation, action: action)
    regime, quantity = decode(observation, action)
    regime = np.asarray(regime).reshape(-1)
    asked = np.asarray(quantity, dtype=np.float64).reshape(-1)
    return regime, as_problem(env).regimes.project(regime, asked)


def simulate(policy: Any, env: Any, state: Any, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Discounted total cost of each episode, shape (episodes,), of a policy on given noise.

    Args:
        policy: anything with a batched ``predict(observation, deterministic=True) -> (action, state)``.
        env: environment id, environment or problem; where it is an environment under one of
            ``jumpgym.wrappers``, the policy's actions are that wrapper's.
        state: initial states, with one batch axis.
        noise: shape (episodes, horizon).
    """
    problem = as_problem(env)
    env = problem if isinstance(env, str) else env
    one_hot = np.eye(len(problem.regimes))
    costs = np.zeros(len(noise))
    for period in range(problem.horizon):
        observation = problem.observe(state).astype(np.float32)
        regime, applied = decide(policy, env, observation)
        gate = one_hot[regime]
        state, cost = problem.step(state, gate, applied[:, None] * gate, noise[:, period])
        costs += problem.discount**period * cost.sum(-1)
    return costs


def evaluate(policy: Any, env: Any, episodes: int = 4096, seed: int = 0) -> Evaluation:
    """Evaluate a policy, deterministically, on episodes drawn from ``seed``.

    Two policies evaluated with the same seed meet the same noise, so that their costs pair.

    Args:
        policy: anything with a batched ``predict``: an agent, an SB3 model, a classical policy, the optimum.
        env: environment id, environment or problem, see ``simulate``.
        episodes: number of episodes, at least 1.
        seed: seed of the noise.
    """
    episodes = checks.integer("episodes", episodes, low=1)
    problem = as_problem(env)
    return Evaluation(simulate(policy, env, *draw(problem, episodes, seed)))
