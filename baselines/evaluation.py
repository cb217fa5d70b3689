"""Evaluation of policies by simulation on common random numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem, as_problem, checks
from jumpgym.adapters.views import TupleView

from .policy import BatchPolicy, Decision

WARM_UP, PERIODS = 200, 2000
"""Default number of periods simulated for a stationary problem before costs count, and while they count."""


@dataclass(frozen=True)
class Evaluation:
    """Costs of a policy over simulated episodes.

    Attributes:
        costs: cost of each episode, shape (episodes,): its discounted total cost; for a stationary problem at
            discount 1 its mean cost per period.
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

    def __repr__(self) -> str:
        return f"{plus_minus(self.mean, self.standard_error)} over {len(self.costs)} episodes"


def standard_error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean of independent values; NaN for a single one."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def plus_minus(value: float, error: float) -> str:
    """``2463.1 ± 3.2``: a value and its error, both with the decimals of the error's first two digits."""
    if not np.isfinite(error) or error <= 0:
        return f"{value:.6g} ± {error:g}"
    decimals = max(1 - int(np.floor(np.log10(error))), 0)
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def draw(
    problem: HindsightProblem, episodes: int, seed: int, periods: int | None = None
) -> tuple[Any, NDArray[np.float64]]:
    """Draw the initial states and the noise of episodes.

    Args:
        problem: the problem.
        episodes: number of episodes.
        seed: seed of the draw; equal seeds give equal draws.
        periods: number of periods of noise, needed if the problem has no horizon.

    Returns:
        States with one batch axis, (episodes,), and noise of shape (episodes, periods, *noise_shape).

    Raises:
        ValueError: if the problem has no horizon and ``periods`` is not given.
    """
    rng = np.random.default_rng(seed)
    start = problem.initial_state(rng.random((episodes, *problem.start_shape)))
    length = problem.horizon or periods
    if length is None:
        raise ValueError("horizon=None: give the number of periods to draw")
    return start, problem.noise(rng.random((episodes, length, *problem.noise_shape)))


def decide(policy: BatchPolicy, env: Any, observation: NDArray[np.float32]) -> Decision:
    """The regimes (m, G) and quantities (m, n) that a policy asks for at observations (m, d).

    ``HindsightProblem.carry_out`` says what the environment makes of them.

    Args:
        policy: see ``BatchPolicy``.
        env: environment or problem; an environment under one of ``jumpgym.wrappers`` decodes the actions.
        observation: shape (m, d).

    Raises:
        TypeError: if the policy has no ``predict``, or it does not return a pair.
        ValueError: if the action does not fit the environment; the message says what was returned.
    """
    name = type(policy).__name__
    if not callable(getattr(policy, "predict", None)):
        raise TypeError(
            f"policy={policy!r} must have a method predict(observation, deterministic=True) that returns "
            "(action, state); see jumpgym.baselines.BatchPolicy"
        )
    answer = policy.predict(observation, deterministic=True)
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise TypeError(f"{name}.predict must return a pair (action, state), not {_summary(answer)}")
    decode = _decoder(env)
    try:
        regime, quantity = decode(observation, answer[0])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}.predict was given {len(observation)} observations and returned, as action, "
            f"{_summary(answer[0])}, which does not fit the environment: {error}"
        ) from error
    if len(regime) != len(observation):
        raise ValueError(
            f"{name}.predict must return an action for each of the {len(observation)} observations, not "
            f"{len(regime)}: it returned {_summary(answer[0])}"
        )
    return regime, quantity


def _decoder(env: Any) -> Callable[[Any, Any], Decision]:
    """How an environment, under any wrappers, or a problem reads actions."""
    if isinstance(env, gym.Wrapper):
        return cast(Callable[[Any, Any], Decision], env.get_wrapper_attr("decode"))
    return getattr(env, "decode", None) or TupleView(as_problem(env)).decode


def _summary(answer: Any) -> str:
    """What a policy returned, in few words: types and shapes."""
    if isinstance(answer, (tuple, list)):
        parts = ", ".join(_summary(part) for part in answer[:4])
        dots = ", ..." if len(answer) > 4 else ""
        return f"a {type(answer).__name__} of {len(answer)} ({parts}{dots})"
    if isinstance(answer, np.ndarray):
        return f"an array of shape {answer.shape} and type {answer.dtype}"
    text = repr(answer)
    return f"{type(answer).__name__} {text if len(text) <= 80 else text[:77] + '...'}"


def simulate(
    policy: BatchPolicy, env: Any, state: Any, noise: NDArray[np.float64], warm_up: int = 0
) -> NDArray[np.float64]:
    """Simulate a policy on given noise.

    Args:
        policy: see ``BatchPolicy``.
        env: environment id, environment or problem. Under one of ``jumpgym.wrappers``, the policy's actions
            are those of the wrapper.
        state: initial states, with one batch axis.
        noise: shape (episodes, periods, *noise_shape).
        warm_up: number of first periods whose cost does not count.

    Returns:
        The cost of each episode, shape (episodes,): its discounted total cost; for a stationary problem at
        discount 1 its mean cost per period after the warm-up.
    """
    problem = as_problem(env)
    env = problem if isinstance(env, str) else env
    costs = np.zeros(len(noise))
    periods = noise.shape[1]
    for period in range(periods):
        observation = problem.observe(state).astype(np.float32)
        carried_out = problem.carry_out(state, *decide(policy, env, observation))
        state, cost = problem.step(state, carried_out.gate, carried_out.columns, noise[:, period])
        if period >= warm_up:
            costs += problem.discount**period * cost.sum(-1)
    average = problem.horizon is None and problem.discount == 1
    return costs / (periods - warm_up) if average else costs


def evaluate(
    policy: BatchPolicy,
    env: Any,
    episodes: int = 4096,
    seed: int = 0,
    warm_up: int | None = None,
    periods: int | None = None,
) -> Evaluation:
    """Evaluate a policy without exploration, on episodes drawn from ``seed``.

    All policies that are evaluated with the same seed meet the same noise (common random numbers), so the
    costs of two policies can be compared episode by episode.

    A stationary problem (``horizon=None``) at discount 1 is simulated for ``warm_up`` periods whose cost does
    not count and for ``periods`` periods whose mean cost is the result. With a discount below 1 the result is
    the discounted total cost of ``periods`` periods, without a warm-up.

    Args:
        policy: an agent, an SB3 model, a classical policy, the optimum, or any other ``BatchPolicy``.
        env: environment id, environment or problem; see ``simulate``.
        episodes: number of episodes, at least 1.
        seed: seed of the noise.
        warm_up: only for a stationary problem at discount 1; default ``WARM_UP``.
        periods: only for a stationary problem; default ``PERIODS``.

    Raises:
        TypeError, ValueError: if what the policy returns does not fit the environment.
        ValueError: if ``warm_up`` or ``periods`` is given for a problem with a horizon, or ``warm_up`` with a
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
