"""Evaluation of policies by simulation on common random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem, as_problem, checks
from jumpgym.adapters.action_spaces import acting_space, check_same_actions
from jumpgym.adapters.layers import decoding_layer
from jumpgym.adapters.registry import wrapped_problem
from jumpgym.adapters.views import TupleView
from jumpgym.layout import CarriedOut

from .policy import BatchPolicy, Decision
from .windows import Windows, standard_error, windows_of

WARM_UP, PERIODS = 200, 2000
"""Default number of periods simulated for a stationary problem before costs count, and while they count."""


@dataclass(frozen=True)
class Evaluation:
    """Costs of a policy over simulated episodes.

    Attributes:
        costs: cost of each episode, shape (episodes,): its discounted total cost; for a stationary problem at
            discount 1 its mean cost per period.
        costs_by_kind: the same of each kind of cost, such as setup and holding, arrays of shape (episodes,);
            they add up to ``costs``. The kinds are those of ``problem.cost_kinds``.
        windows: the windows of recorded noise that the episodes replay, which overlap; None if noise was
            drawn from distributions. Standard errors take account of them.

    >>> from jumpgym.baselines import best_ss
    >>> result = evaluate(best_ss("jumpgym/SetupCost-v0"), "jumpgym/SetupCost-v0", episodes=1024)
    >>> {kind: round(mean) for kind, mean in result.mean_by_kind.items()}
    {'setup': 1113, 'purchase': 0, 'holding': 1177, 'shortage': 199}
    """

    costs: NDArray[np.float64]
    costs_by_kind: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    windows: Windows | None = None

    @property
    def mean(self) -> float:
        """Mean cost of an episode."""
        return float(self.costs.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the mean; NaN if it rests on fewer than two disjoint windows of records."""
        return standard_error(self.costs, self.windows)

    @property
    def mean_by_kind(self) -> dict[str, float]:
        """Mean cost of an episode by kind."""
        return {kind: float(costs.mean()) for kind, costs in self.costs_by_kind.items()}

    @property
    def standard_error_by_kind(self) -> dict[str, float]:
        """Standard error of each of these means."""
        return {kind: standard_error(costs, self.windows) for kind, costs in self.costs_by_kind.items()}

    def __repr__(self) -> str:
        over = f"over {len(self.costs)} episodes"
        if self.windows is None:
            return f"{plus_minus(self.mean, self.standard_error)} {over}"
        if self.windows.disjoint < 2:
            return f"{self.mean:.6g}, without a standard error, {over} of {self.windows}"
        return f"{plus_minus(self.mean, self.standard_error)} {over} of {self.windows}"


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
    of_start = rng.random((episodes, *problem.start_shape))
    length = problem.horizon or periods
    if length is None:
        raise ValueError("horizon=None: give the number of periods to draw")
    return problem.begin(of_start, rng.random((episodes, length, *problem.noise_shape)))


Decoder = Callable[[Any, Any], Decision]
"""Turns observations (m, d) and a batch of m actions into regimes (m, G) and quantities (m, n)."""


def decoder(env: Any) -> Decoder:
    """How an environment, under any wrappers, or a problem reads actions."""
    decode: Decoder = (decoding_layer(env) or TupleView(wrapped_problem(env))).decode
    return decode


def requested(policy: BatchPolicy, decode: Decoder, observation: NDArray[np.float32]) -> Decision:
    """The regimes (m, G) and quantities (m, n) that a policy asks for at observations (m, d).

    ``HindsightProblem.carry_out`` says what the environment makes of them.

    Args:
        policy: see ``BatchPolicy``.
        decode: the ``decoder`` of the environment or problem.
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


class Period(NamedTuple):
    """One simulated period of all episodes.

    Attributes:
        state: at the start of the period, with one batch axis (episodes,).
        decision: what was carried out.
        noise: shape (episodes, *noise_shape).
        cost: of each episode, shape (episodes,).
        by_kind: cost by kind, shape (episodes,) or (episodes, items); see ``HindsightProblem.itemised_step``.
    """

    state: Any
    decision: CarriedOut
    noise: NDArray[np.float64]
    cost: NDArray[np.float64]
    by_kind: dict[str, NDArray[np.float64]]


def simulated_periods(
    policy: BatchPolicy, env: Any, state: Any, noise: NDArray[np.float64]
) -> Iterator[Period]:
    """Simulate a policy on given noise, and yield one period after the other.

    Args:
        policy: see ``BatchPolicy``.
        env: environment id, environment or problem. Under one of ``jumpgym.wrappers``, the policy's actions
            are those of the wrapper.
        state: initial states, with one batch axis.
        noise: shape (episodes, periods, *noise_shape).

    Raises:
        ValueError: if the policy has an ``action_space`` that is not that of the environment.
    """
    problem = wrapped_problem(env)
    env = problem if isinstance(env, str) else env
    takes = TupleView(problem).space if env is problem else acting_space(env)
    check_same_actions(type(policy).__name__, getattr(policy, "action_space", None), takes)
    decode = decoder(env)
    for period in range(noise.shape[1]):
        observation = problem.observe(state).astype(np.float32)
        decision = problem.carry_out(state, *requested(policy, decode, observation))
        before, faced = state, noise[:, period]
        state, costs, by_kind = problem.itemised_step(before, decision.gate, decision.columns, faced)
        yield Period(before, decision, faced, costs.sum(-1), by_kind)


def simulated_costs(
    policy: BatchPolicy, env: Any, state: Any, noise: NDArray[np.float64], warm_up: int = 0
) -> Evaluation:
    """The costs of a policy on given noise.

    Args:
        policy, env, state, noise: see ``simulated_periods``.
        warm_up: number of first periods whose cost does not count.
    """
    return total_costs(
        wrapped_problem(env), simulated_periods(policy, env, state, noise), len(noise), warm_up
    )


def total_costs(
    problem: HindsightProblem, periods: Iterable[Period], episodes: int, warm_up: int = 0
) -> Evaluation:
    """The costs of simulated periods, added up over each episode as ``Evaluation`` says.

    Args:
        problem: that was simulated.
        periods: in their order.
        episodes: number of episodes.
        warm_up: number of first periods whose cost does not count.
    """
    costs = np.zeros(episodes)
    costs_by_kind = {kind: np.zeros(episodes) for kind in problem.cost_kinds}
    elapsed = 0
    for elapsed, period in enumerate(periods, start=1):
        if elapsed > warm_up:
            factor = problem.discount ** (elapsed - 1)
            costs += factor * period.cost
            for kind, amount in period.by_kind.items():
                costs_by_kind[kind] += factor * (amount.sum(-1) if amount.ndim > 1 else amount)
    if problem.horizon is None and problem.discount == 1:
        costs = costs / (elapsed - warm_up)
        costs_by_kind = {kind: sums / (elapsed - warm_up) for kind, sums in costs_by_kind.items()}
    return Evaluation(costs, costs_by_kind, windows_of(problem, elapsed) if elapsed else None)


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
        env: environment id, environment or problem; see ``simulated_periods``.
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
        return simulated_costs(policy, env, *draw(problem, episodes, seed))
    counted = checks.integer("periods", PERIODS if periods is None else periods, low=1)
    skipped = 0
    if problem.discount == 1:
        skipped = checks.integer("warm_up", WARM_UP if warm_up is None else warm_up, low=0)
    elif warm_up is not None:
        raise ValueError(f"{warm_up=} must be left out at discount={problem.discount:g}: all periods count")
    start, noise = draw(problem, episodes, seed, skipped + counted)
    return simulated_costs(policy, env, start, noise, skipped)
