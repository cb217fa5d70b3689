"""What policies are measured by: the costs of the best policy known, on noise that all of them meet."""

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

from jumpgym import as_problem

from ..evaluation import draw, evaluate, standard_error
from ..hindsight.cost import default_gap, hindsight_cost
from ..optimum import solve
from ..policies.classical import best_classical
from .decisions import Chart, Drawn, chart_around, draw_on

EVALUATION_SEED = 0
"""Of the noise on which all methods are evaluated; no method trains on it."""

SIMULATED = 16_384
"""Episodes that tell the expected cost of a reference whose exact one is not known."""

SUMMARY = ("kind", "cost", "exactness", "note")


@dataclass(frozen=True)
class Gap:
    """Cost of a policy, and what it lies above the reference on the same noise.

    Attributes:
        mean_cost, standard_error: of an episode.
        difference, difference_se: mean cost less that of the reference, by episode.
        gap_percent, gap_se_percent: the difference in per cent of the absolute value of the reference's
            expected cost; NaN if that is 0.
    """

    mean_cost: float
    standard_error: float
    difference: float
    difference_se: float
    gap_percent: float
    gap_se_percent: float


class Reference:
    """The best policy known for an environment: the optimum, or else the best classical policy.

    Args:
        env: environment id, environment or problem.
        seed: of the noise.

    Attributes:
        problem: the problem.
        seed: of the noise.
        optimum: the policy, or the best classical one if ``kind`` says so; None if made by ``from_bytes``.
        kind: ``"optimum"`` or ``"classical"``.
        cost: expected cost of an episode; at discount 1 without an end that of a period.
        exactness: ``"exact"``, ``"grid"``, ``"simulated"`` or what else the solver says of ``cost``.
        note: for a classical policy which it is, and why there is no optimum; else empty.

    Raises:
        NotImplementedError: if there is neither, see ``solve`` and ``best_classical``.
    """

    def __init__(self, env: Any, seed: int = EVALUATION_SEED) -> None:
        self.problem = as_problem(env)
        self.seed = seed
        self._costs: dict[int, NDArray[np.float64]] = {}
        cost = None
        self.optimum: Any
        try:
            self.optimum = solve(self.problem)
        except NotImplementedError as error:
            self.optimum = best_classical(self.problem)
            self.kind, self.note = "classical", f"{self.optimum!r}, as there is no optimum: {error}"
        else:
            self.kind, self.note = "optimum", ""
            cost = self.optimum.cost
        if cost is None or not np.isfinite(cost):
            self.exactness, self.cost = "simulated", float(self.costs(SIMULATED).mean())
        else:
            self.exactness, self.cost = self.optimum.exactness.value, cost

    def costs(self, episodes: int) -> NDArray[np.float64]:
        """Its costs on ``episodes`` episodes, shape (episodes,)."""
        if episodes not in self._costs:
            self._costs[episodes] = evaluate(self.optimum, self.problem, episodes, self.seed).costs
        return self._costs[episodes]

    def gap(self, policy: Any, env: Any, episodes: int) -> Gap:
        """Evaluate a policy for actions of ``env`` on ``episodes`` episodes."""
        return self._gap(evaluate(policy, env, episodes, self.seed).costs, self.costs(episodes))

    def hindsight_gap(self, episodes: int, traces: int) -> Gap:
        """That of perfect hindsight, negative, on the first ``traces`` of ``episodes`` episodes.

        Raises:
            NotImplementedError: if the problem has no solver for single traces.
        """
        state, noise = draw(self.problem, episodes, self.seed)
        first = type(state)(*(entry[:traces] for entry in state))
        width = default_gap(self.problem)
        return self._gap(
            hindsight_cost(self.problem, noise[:traces], first, width), self.costs(episodes)[:traces]
        )

    def _gap(self, costs: NDArray[np.float64], own: NDArray[np.float64]) -> Gap:
        """Of costs to the reference's own in the same episodes."""
        difference = costs - own
        mean, error = float(difference.mean()), standard_error(difference)
        percent = 100 / abs(self.cost) if self.cost else float("nan")
        return Gap(float(costs.mean()), standard_error(costs), mean, error, percent * mean, percent * error)

    def own_gap(self, episodes: int) -> Gap:
        """That of the reference itself."""
        costs = self.costs(episodes)
        return Gap(float(costs.mean()), standard_error(costs), 0.0, 0.0, 0.0, 0.0)

    @cached_property
    def chart(self) -> Chart:
        """Where policies are drawn: what the reference visits, see ``charts.chart_around``."""
        return chart_around(self.optimum, self.problem, self.seed)

    @cached_property
    def drawn(self) -> Drawn:
        """Its own decisions on ``chart``."""
        return draw_on(self.chart, self.optimum, self.problem)

    @property
    def summary(self) -> dict[str, Any]:
        """Kind, cost, exactness and note."""
        return {name: getattr(self, name) for name in SUMMARY}

    def to_bytes(self, key: Any) -> bytes:
        """All but the policy, with the costs that were asked for so far, as arrays and JSON without pickle.

        Args:
            key: what JSON can hold, to tell whether it is what is looked for.
        """
        rest = {"key": key, "seed": self.seed, "chart": self.chart, "drawn": self.drawn, **self.summary}
        content = io.BytesIO()
        costs = {str(episodes): costs for episodes, costs in self._costs.items()}
        np.savez_compressed(content, allow_pickle=False, rest=np.array(json.dumps(rest)), **costs)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, env: Any, content: bytes, key: Any) -> Reference | None:
        """What ``to_bytes`` made, or None if that is damaged or of another key.

        Args:
            env: environment id, environment or problem.
            content: the bytes.
            key: as it was given to ``to_bytes``.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                rest = json.loads(str(arrays["rest"]))
                if rest["key"] != key:
                    return None
                found = cls.__new__(cls)
                found._costs = {int(name): arrays[name] for name in arrays.files if name != "rest"}
            for name in ("seed", "chart", "drawn", *SUMMARY):
                setattr(found, name, rest[name])
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
            return None
        found.problem, found.optimum = as_problem(env), None
        return found
