"""Classical policies by family of problems; ``jumpgym.baselines.best_classical`` picks the one that fits."""
