"""``python -m jumpgym``: the command line, in ``jumpgym.baselines.cli``."""

import sys

from jumpgym.baselines.cli import main

if __name__ == "__main__":
    sys.exit(main())
