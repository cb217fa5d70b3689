"""Agents that hold back records, and keep the policy that costs least on them."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

from torch import Tensor

from jumpgym import checks

from .arrays import Array
from .base import Agent
from .networks.policies import HybridPolicy
from .training.held_out import PREFIX, REVIEWS, HeldOutRecords, Validated, stored_validation
from .training.validation import deterministic


class ValidatedAgent(Agent):
    """An agent with the setting ``validation_share``.

    With a share above 0, so much of the recorded periods, the latest ones, is held back from the training.
    Whenever another twentieth of the training is done, the policy is tried without exploration on windows of
    both parts, and the one that cost least on held-out records so far is kept: ``predict`` decides by it. The
    training itself goes on with the latest weights, and a checkpoint holds both.

    The logger then has ``validation/cost``, the mean cost of an episode of the latest policy on held-out
    records, and ``validation/gap``, by how much that exceeds its cost on the records of the training.

    Attributes:
        validated: the policy that cost least on held-out records, with its costs; None without
            ``validation_share``, and before the first validation.
    """

    settings: Any
    validated: Validated | None = None
    _reviewed = 0

    @cached_property
    def held_out(self) -> HeldOutRecords | None:
        """The held-out records, or None.

        They are determined when the agent begins to learn, since an agent that was only loaded may act on a
        problem with other noise.
        """
        share = self.settings.validation_share
        return HeldOutRecords(self.problem, share, self.periods) if share > 0 else None

    def training_uniforms(self, uniforms: Array) -> Array:
        """See ``Agent.training_uniforms``: those of windows before the held-out records."""
        return uniforms if self.held_out is None else self.held_out.training(uniforms)

    def review(self) -> None:
        """See ``Agent.review``: validate the policy, and keep it if it is the best."""
        if self.held_out is None or int(self.progress * REVIEWS) == self._reviewed:
            return
        self._reviewed = int(self.progress * REVIEWS)
        training_cost, cost = self.held_out.costs(deterministic(self))
        self.logger.record("validation/cost", cost)
        self.logger.record("validation/gap", cost - training_cost)
        if self.validated is None or cost < self.validated.cost:
            self.validated = Validated(self._copied_policy(), cost, training_cost, self.num_timesteps)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """See ``Agent.predict``; after a validation, the best validated policy decides."""
        trained = self.policy
        try:
            self.policy = trained if self.validated is None else self.validated.policy
            return super().predict(observation, state, episode_start, deterministic)
        finally:
            self.policy = trained

    def stored_extra(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See ``Agent.stored_extra``: the best validated policy."""
        return stored_validation(self.validated, self._reviewed)

    def restore(self, stored: dict[str, Any], tensors: dict[str, Tensor], key: Any) -> None:
        """See ``Agent.restore``: the best validated policy, too."""
        super().restore(stored, tensors, key)
        if "validation" not in stored:
            return
        kept = dict(stored["validation"])
        self._reviewed = checks.integer("reviewed", kept.pop("reviewed"), low=0, high=REVIEWS)
        policy = self._copied_policy()
        policy.load_state_dict(
            {name.removeprefix(PREFIX): t for name, t in tensors.items() if name.startswith(PREFIX)}
        )
        self.validated = Validated(policy, **kept)

    def _copied_policy(self) -> HybridPolicy:
        shared = {id(entry): entry for entry in (self.policy.quantities.problem, self.policy.layout)}
        return copy.deepcopy(self.policy, shared).requires_grad_(False)
