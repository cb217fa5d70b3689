"""The reference that policies are compared with: costs of the best known policy on common random numbers."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem, NotApplicable, as_problem

from ..evaluation import PERIODS, draw, evaluate
from ..generic import is_implemented
from ..hindsight.cost import default_gap, hindsight_cost
from ..optimum import solve
from ..policies.classical import best_classical
from ..policies.stationary import exact_cost
from ..windows import Windows, recorded_noise, standard_error, windows_of
from .decisions import Chart, Sampled, chart_around, sample_decisions
from .elsewhere import Elsewhere

EVALUATION_SEED = 0
"""Seed of the noise on which all methods are evaluated; no method trains on it."""

YARDSTICK_SEED = 1
"""Seed of the noise on which references are compared with each other; parameter searches use another seed."""

YARDSTICK_EPISODES, YARDSTICK_AVERAGES = 8192, 512
"""Number of episodes on which references are compared with each other; fewer for an infinite horizon."""

SIMULATED = 16_384
"""Number of episodes that estimate the expected cost of a reference if it is not known exactly."""

SUMMARY = ("kind", "cost", "exactness", "note")
"""Attributes of a reference that records of runs hold."""


@dataclass(frozen=True)
class Gap:
    """Cost of a policy, and its excess cost over the reference on the same noise.

    Attributes:
        mean_cost, standard_error: mean cost of an episode and its standard error, which is 0 if the cost is
            exact.
        difference, difference_se: mean cost minus that of the reference, paired by episode, and its standard
            error.
        gap_percent, gap_se_percent: the same in per cent of the absolute value of the reference's expected
            cost; NaN if that is 0.
    """

    mean_cost: float
    standard_error: float
    difference: float
    difference_se: float
    gap_percent: float
    gap_se_percent: float


def check_measurable(problem: HindsightProblem) -> None:
    """NotApplicable if neither ``solve`` nor ``best_classical`` knows the class of a problem.

    This takes no time, so that runs without a reference are refused before any of them starts.
    """
    if not any(is_implemented(generic, problem) for generic in (solve, best_classical)):
        raise NotApplicable(
            f"{type(problem).__name__} has no reference to measure gaps by: in the module of the environment "
            f"register a solver, solve.register({type(problem).__name__}, my_solver), or a search for a "
            "classical policy, best_classical.register(...)"
        )


class Reference:
    """The best known policy of an environment: the optimum, or else the best classical policy.

    Args:
        env: environment id, environment or problem.
        seed: seed of the noise of evaluations.
        optimum: result of ``solve`` for the environment; None to solve it here.
        fit: environment id, environment or problem to which classical policies are fitted, such as one with
            the earlier part of the records; None for ``env``.

    Attributes:
        problem: the problem.
        fitted_to: the problem to which classical policies are fitted.
        seed: seed of the noise of evaluations.
        kind: ``"optimum"``, or ``"classical"`` if there is no optimum.
        optimum: the reference policy, of either kind; None if the reference was made by ``from_bytes``.
        cost: expected cost of an episode; for an infinite horizon at discount 1, average cost per period.
        exactness: ``"simulated"``, or the value of the ``Exactness`` of the optimum.
        note: the classical policy, and why there is no optimum; empty for an optimum.

    Raises:
        NotApplicable: if the problem has neither an optimum nor a classical policy.
    """

    def __init__(self, env: Any, seed: int = EVALUATION_SEED, optimum: Any = None, fit: Any = None) -> None:
        self.problem = as_problem(env)
        self.fitted_to = self.problem if fit is None else as_problem(fit)
        self.seed = seed
        self._costs: dict[int, NDArray[np.float64]] = {}
        cost = None
        self.optimum: Any
        try:
            self.optimum = solve(self.problem) if optimum is None else optimum
        except NotApplicable as error:
            self.optimum = best_classical(self.fitted_to)
            self.kind, self.note = "classical", f"{self.optimum!r}, as there is no optimum: {error}"
        else:
            self.kind, self.note = "optimum", ""
            cost = self.optimum.cost
        if cost is None or not np.isfinite(cost):
            self.exactness, self.cost = "simulated", float(self.costs(SIMULATED).mean())
        else:
            self.exactness, self.cost = self.optimum.exactness.value, cost

    def costs(self, episodes: int) -> NDArray[np.float64]:
        """Costs of the reference policy in ``episodes`` episodes, shape (episodes,)."""
        if episodes not in self._costs:
            self._costs[episodes] = evaluate(self.optimum, self.problem, episodes, self.seed).costs
        return self._costs[episodes]

    def gap(self, policy: Any, env: Any, episodes: int) -> Gap:
        """Evaluate a policy that gives actions of ``env`` on ``episodes`` episodes.

        With recorded noise ``env`` may replay other records, such as those on which the policy was trained.
        """
        target = env if recorded_noise(self.problem) is None else Elsewhere(env, self.problem)
        return self._gap(evaluate(policy, target, episodes, self.seed).costs, self.costs(episodes))

    @property
    def windows(self) -> Windows | None:
        """The windows of recorded noise on which policies are evaluated; None if noise is not recorded."""
        return windows_of(self.problem, self.problem.horizon or PERIODS)

    @cached_property
    def yardstick_costs(self) -> NDArray[np.float64]:
        """Costs of this reference on the sample that all references are compared on, shape (episodes,)."""
        return self._on_yardstick(self.optimum)

    def policy_gap(self, policy: Any) -> Gap:
        """The gap of another reference policy, which is the same wherever it is shown.

        It is exact if both expected costs are known. Otherwise it is the mean of paired differences on a
        sample that depends on the problem alone, and not on the episodes of a comparison.
        """
        cost = exact_cost(policy)
        if cost is None or self.exactness == "simulated":
            return self._gap(self._on_yardstick(policy), self.yardstick_costs)
        return Gap(cost, 0.0, cost - self.cost, 0.0, self.percent * (cost - self.cost), 0.0)

    def hindsight_gap(self, traces: int) -> Gap:
        """The gap of perfect hindsight, which is negative, on the first ``traces`` episodes of that sample.

        Raises:
            NotApplicable: if the problem has no solver for single traces.
            HindsightTimeout: if a trace takes too long.
        """
        if self.problem.horizon is None:
            raise NotApplicable("there is no hindsight bound for an infinite horizon; give a horizon")
        state, noise = draw(self.problem, YARDSTICK_EPISODES, YARDSTICK_SEED)
        first = type(state)(*(entry[:traces] for entry in state))
        bounds = hindsight_cost(self.problem, noise[:traces], first, default_gap(self.problem))
        return self._gap(bounds, self.yardstick_costs[:traces])

    def _on_yardstick(self, policy: Any) -> NDArray[np.float64]:
        episodes = YARDSTICK_AVERAGES if self.problem.horizon is None else YARDSTICK_EPISODES
        return evaluate(policy, self.problem, episodes, YARDSTICK_SEED).costs

    def _gap(self, costs: NDArray[np.float64], reference_costs: NDArray[np.float64]) -> Gap:
        """The gap of costs to those of the reference in the same episodes."""
        difference = costs - reference_costs
        mean, percent, windows = float(difference.mean()), self.percent, self.windows
        error, difference_error = standard_error(costs, windows), standard_error(difference, windows)
        return Gap(
            float(costs.mean()), error, mean, difference_error, percent * mean, percent * difference_error
        )

    @property
    def percent(self) -> float:
        """Factor from a cost difference to per cent of the reference's cost; NaN if that cost is 0."""
        return 100 / abs(self.cost) if self.cost else float("nan")

    def own_gap(self, episodes: int) -> Gap:
        """The gap of the reference itself, which is 0."""
        costs = self.costs(episodes)
        return Gap(float(costs.mean()), standard_error(costs, self.windows), 0.0, 0.0, 0.0, 0.0)

    @cached_property
    def chart(self) -> Chart:
        """The grid on which decisions are sampled, see ``decisions.chart_around``."""
        return chart_around(self.optimum, self.problem, self.seed)

    @cached_property
    def sampled(self) -> Sampled:
        """The decisions of the reference policy on ``chart``."""
        return sample_decisions(self.chart, self.optimum, self.problem)

    @property
    def summary(self) -> dict[str, Any]:
        """Kind, cost, exactness and note."""
        return {name: getattr(self, name) for name in SUMMARY}

    def to_bytes(self, key: Any) -> bytes:
        """The reference with the costs computed so far, but without the policy, as arrays and JSON.

        Args:
            key: a value that JSON can hold; ``from_bytes`` compares it with the one that it expects.
        """
        entries = {"key": key, "seed": self.seed, "chart": self.chart, "drawn": self.sampled, **self.summary}
        content = io.BytesIO()
        costs = {str(episodes): costs for episodes, costs in self._costs.items()}
        np.savez_compressed(
            content,
            allow_pickle=False,
            rest=np.array(json.dumps(entries)),
            yardstick=self.yardstick_costs,
            **costs,
        )
        return content.getvalue()

    @classmethod
    def from_bytes(cls, env: Any, content: bytes, key: Any, fit: Any = None) -> Reference | None:
        """The reference in the result of ``to_bytes``; None if that is damaged or has another key.

        Args:
            env: environment id, environment or problem.
            content: the bytes.
            key: the key that ``to_bytes`` was given.
            fit: see ``Reference``.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                entries = json.loads(str(arrays["rest"]))
                if entries["key"] != key:
                    return None
                reference = cls.__new__(cls)
                reference._costs = {int(name): arrays[name] for name in arrays.files if name.isdigit()}
                reference.yardstick_costs = arrays["yardstick"]
            reference.sampled = entries["drawn"]
            for name in ("seed", "chart", *SUMMARY):
                setattr(reference, name, entries[name])
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
            return None
        reference.problem, reference.optimum = as_problem(env), None
        reference.fitted_to = reference.problem if fit is None else as_problem(fit)
        return reference
