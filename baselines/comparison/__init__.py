"""``jumpgym compare``: many runs, as many at a time as there are cores, and their report."""

from .sweep import compare

__all__ = ["compare"]
