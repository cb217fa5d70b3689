"""Gradient estimators, the rollouts they are computed on, and the losses that keep a policy exploring."""
