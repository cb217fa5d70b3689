"""SmoothedCost: a naive benchmark that smooths the jumps and does not decompose the action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from jumpgym import HindsightProblem, NotApplicable, checks

from . import arrays
from .arrays import Array
from .base import Agent
from .gradients.rollout import Rollout, rollout
from .networks.gates import Choice
from .networks.policies import QuantityPolicy
from .settings import AgentSettings


class Membership(nn.Module):
    """The regimes to which undecomposed quantities belong: as smooth weights, or as hard indices.

    Args:
        problem: a problem with ``boundaries`` along ``drivers``.
        steepness: slope of the sigmoids, per driver at ``quantity_scale``.
    """

    def __init__(self, problem: HindsightProblem, steepness: float) -> None:
        super().__init__()
        assert problem.boundaries is not None
        self.problem = problem
        layout = problem.layout
        last = layout.columns(np.array(layout.gates) - 1)
        typical = np.abs(problem.drivers(problem.quantity_scale[last]))
        slopes = steepness / np.where(typical > 0, typical, 1.0)
        self.counts = [group.count for group in layout.gate_groups]
        start = 0
        for index, count in enumerate(self.counts):
            gates = slice(start, start + count)
            ends = np.stack(problem.boundaries[gates])
            for name, array in (("ends", ends), ("slopes", slopes[gates, None])):
                self.register_buffer(
                    f"{name}{index}", torch.tensor(array, dtype=torch.float32), persistent=False
                )
            start += count

    def _differences(self, quantity: Array) -> list[tuple[Array, Array]]:
        """Return driver minus boundary, (..., count, options - 1), and slopes, by group of gates."""
        drivers, ends = self.problem.drivers(quantity), np.cumsum(self.counts)
        parts = [drivers[..., end - count : end] for end, count in zip(ends, self.counts, strict=True)]
        return [
            (part[..., None] - getattr(self, f"ends{index}"), getattr(self, f"slopes{index}"))
            for index, part in enumerate(parts)
        ]

    def forward(self, quantity: Array) -> Array:
        """Return weights (..., options) for quantities (..., n); those of each gate sum to 1."""
        xp, weights = arrays.namespace(quantity), []
        for difference, slope in self._differences(quantity):
            above = arrays.sigmoid(slope * difference)
            zero = xp.zeros_like(above[..., :1])
            weight = xp.concat([zero + 1, above], axis=-1) - xp.concat([above, zero], axis=-1)
            weights.append(arrays.flatten_last(weight))
        return xp.concat(weights, axis=-1)

    def hard(self, quantity: Array) -> Array:
        """Return regimes (..., G) for quantities (..., n); a boundary belongs to the regime below it."""
        parts = [(part > 0).sum(-1) for part, _ in self._differences(quantity)]
        return arrays.namespace(quantity).concat(parts, axis=-1)


@dataclass(frozen=True, kw_only=True)
class SmoothedCostSettings(AgentSettings):
    """Settings of ``SmoothedCost``, beside those of ``AgentSettings``.

    Args:
        steepness: slope of the sigmoids, per ``quantity_scale``: the larger, the closer to the jump.
    """

    steepness: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(checks.number, "steepness", low=1e-6)

    @classmethod
    def for_problem(cls, problem: HindsightProblem, **settings: Any) -> Self:
        """See ``AgentSettings.for_problem``; the regimes must follow from the quantities."""
        if problem.boundaries is None:
            raise NotApplicable(
                f"{cls._agent()}: the regimes of {type(problem).__name__} do not follow from its quantities, "
                "so they cannot be smoothed; use MixedGradient or GumbelSoftmax"
            )
        return super().for_problem(problem, **settings)


class SmoothedCost(Agent):
    """Undecomposed quantities, on a cost with steep, smooth jumps (Alvo, section 2, first benchmark).

    The weight of a quantity in a regime is a difference of two sigmoids at the ends of the regime, and only
    pathwise gradients are used. Decisions use the regime that the quantity belongs to. The method is
    expected to fail: the gradient near a jump says nothing about the far side.

    Args:
        env, device, engine: see ``Agent``; the regimes of the problem must follow from its quantities.
        **settings: see ``SmoothedCostSettings`` and ``AgentSettings``.

    Raises:
        NotApplicable: if the regimes of the problem do not follow from its quantities.
    """

    Settings = SmoothedCostSettings
    settings: SmoothedCostSettings

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        with self.seeded():
            self.levels = QuantityPolicy(self.problem, self.settings.hidden)
        self.membership = Membership(self.problem, self.settings.steepness)
        self.build(policy=self.levels, membership=self.membership)

    def simulate(self, state: Any, noise: Array) -> Rollout:
        """Simulate episodes under the smoothed membership."""
        return rollout(self.problem, self._act, lambda logits, period: logits, state, noise, self.limits)

    def loss(self, episodes: Rollout) -> Array:
        """Return the mean cost of the smoothed episodes."""
        return episodes.costs.sum(-1).sum(0).mean()

    def decide(self, observation: Array, deterministic: bool) -> tuple[Array, Array]:
        """Return the quantities and the regimes that they belong to; nothing is random."""
        quantity = self.levels(observation)
        regime = self.membership.hard(quantity)
        columns = self.levels.quantities.columns(regime)
        return regime, arrays.gather(self._in_every_regime(quantity), columns)

    def _act(self, observation: Array, choice: Choice) -> tuple[Array, Array, Array]:
        quantity = self.levels(observation)
        return observation[..., :0], self.membership(quantity), self._in_every_regime(quantity)

    def _in_every_regime(self, quantity: Array) -> Array:
        """Return quantities (..., n) projected on the interval of every regime, (..., columns)."""
        return self.levels.quantities.project(self.levels.placed(quantity))
