"""The gradient laboratory, ``jumpgym gradients``: gradient estimators measured where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .report import Outcome


@dataclass(frozen=True)
class Part:
    """One investigation.

    Attributes:
        title: what it is about.
        module: of this package, with a function ``run(seed, ...) -> Outcome``; imported when the part is run.
        options: further keywords of that function, of ``report.Options``.
    """

    title: str
    module: str
    options: tuple[str, ...] = ()

    def run(self, seed: int, options: Any) -> Outcome:
        """Carry it out, with what it takes of the options."""
        taken = {name: getattr(options, name) for name in self.options}
        outcome: Outcome = import_module(f"..{self.module}", __name__).run(seed, **taken)
        return outcome


PARTS = {
    "table": Part("Three estimators of one gradient: the table of the course notes, 23.3", "notes.table"),
    "stages": Part("Every estimator at three stages of training", "laboratory.stages", ("env",)),
    "temperatures": Part("Relaxations: bias and variance against the temperature", "laboratory.temperatures"),
    "training": Part(
        "Cost against CPU time, by estimator", "laboratory.training", ("env", "budget", "seeds", "output")
    ),
    "questions": Part("Where the gradient of the reward goes, and which estimator to use", "notes.questions"),
}
"""The investigations by the names that ``--only`` takes, in the order of the report."""
