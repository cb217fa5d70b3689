"""The policies of the study: the best classical one, and what two methods learn with and without a memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CLASSICAL = "classical"
"""The policy that the others are compared with."""


WEEKDAY = "weekday-optimum"
"""The policy of ``WeekdayOptimum``."""


@dataclass(frozen=True)
class Candidate:
    """A policy that is fitted or learnt.

    Attributes:
        description: one line for lists and reports.
        method: a learned method, or None for a policy that is computed.
        memory: whether it sees ``MEMORY``.
        later: whether it is fitted to the later records instead of the earlier ones.
        settings: of the method.
    """

    description: str
    method: str | None = None
    memory: bool = False
    later: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


VALIDATION_SHARE = 0.2
"""Share of the earlier records on which a validated policy is chosen."""

POLICIES = {
    CLASSICAL: Candidate("the best (s, S) policy or joint policy on the earlier records"),
    "classical-later": Candidate(
        "the same, fitted to the later records on which it is judged: nobody could have known it", later=True
    ),
    WEEKDAY: Candidate(
        "the optimum if demand were independent, with the earlier distribution of each day of the week; only "
        "for the bakery, since solve takes no seven items",
        memory=True,
    ),
    "mixed": Candidate("MixedGradient, which sees stocks, orders and the period", "mixed"),
    "mixed-memory": Candidate(
        "the same, with the demand of the last seven days and the day of the week", "mixed", memory=True
    ),
    "mixed-validated": Candidate(
        "as mixed-memory, with validation_share=0.2",
        "mixed",
        memory=True,
        settings={"validation_share": VALIDATION_SHARE},
    ),
    "ppo-gate": Candidate(
        "SB3's PPO with gate and order-up-to level, which sees what mixed sees", "ppo-gate"
    ),
    "ppo-gate-memory": Candidate("the same, with the memory of mixed-memory", "ppo-gate", memory=True),
}
"""The policies of the study by name."""
