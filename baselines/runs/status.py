"""How a run ended, as a value that tables hold and programs test."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How a run ended. Unless it is ``OK``, the note of the run gives the reason.

    Attributes:
        OK: the run has a result.
        NOT_APPLICABLE: the method or reference is not made for the environment (``jumpgym.NotApplicable``).
        DIVERGED: the training stopped at a loss or gradient that is not finite; the gap counts as infinite.
        FAILED: the run raised any other error; its traceback is written beside the records.
    """

    OK = "ok"
    NOT_APPLICABLE = "not_applicable"
    DIVERGED = "diverged"
    FAILED = "failed"
