"""Exact solvers by family of problems; ``jumpgym.baselines.solve`` picks the one that fits."""
