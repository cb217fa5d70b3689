"""Hard instances: problems drawn at random whose jump matters, on which the worst seed of a method counts."""
