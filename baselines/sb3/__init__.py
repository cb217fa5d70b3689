"""Learners of Stable-Baselines3 and sb3-contrib on hybrid actions."""

from jumpgym.extras import needs_extra

with needs_extra("jumpgym.baselines.sb3", "baselines"):
    from .learners import make_learner

__all__ = ["make_learner"]
