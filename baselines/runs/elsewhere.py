"""Judging a policy on another problem than the one it was trained on."""

from __future__ import annotations

from typing import Any

from jumpgym import HindsightProblem
from jumpgym.adapters.action_spaces import acting_space
from jumpgym.adapters.decisions import Decision
from jumpgym.adapters.layers import decoding_layer
from jumpgym.adapters.views import TupleView


class Elsewhere:
    """A problem whose actions are those of an environment of another problem with the same layout.

    Actions mean in units what they mean where the policy was trained: an order-up-to level, for example, is
    scaled by the demand of the training.

    Args:
        trained_on: environment or problem whose actions the policy gives.
        problem: on which the policy is judged.
    """

    def __init__(self, trained_on: Any, problem: HindsightProblem) -> None:
        self.problem = problem
        self._view = decoding_layer(trained_on) or TupleView(problem)
        self.action_space = acting_space(trained_on) or TupleView(problem).space

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``."""
        decision: Decision = self._view.decode(observation, action)
        return decision
