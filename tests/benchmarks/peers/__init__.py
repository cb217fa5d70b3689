"""jumpgym side by side with other packages: ``make peers``."""
