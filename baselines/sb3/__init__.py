"""Learners of Stable-Baselines3 and sb3-contrib on hybrid actions."""

from .learners import make_learner

__all__ = ["make_learner"]
