"""jumpgym side by side with its neighbours: ``make peers``."""
