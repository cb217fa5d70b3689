"""The command line: ``jumpgym compare | report | train | evaluate | solve | ...``.

``main`` builds the parser and runs a command. Each of the other files holds some commands: for each a
function that adds its parser, and the function that runs it. PyTorch, Stable-Baselines3 and matplotlib are
imported only by the commands that need them.
"""

from .main import main

__all__ = ["main"]
