"""The command line: ``jumpgym compare | report | tune | train | evaluate | solve | ...``."""

from .commands import main

__all__ = ["main"]
