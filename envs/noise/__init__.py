"""Exogenous noise: distributions and records, of one item or several, and the tables they are drawn from."""
