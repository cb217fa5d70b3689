"""Agents in PyTorch that differentiate through the hindsight problem."""

from .base import Agent
from .gumbel_softmax import GumbelSoftmax
from .mixed_gradient import MixedGradient
from .smoothed_cost import SmoothedCost

__all__ = ["Agent", "GumbelSoftmax", "MixedGradient", "SmoothedCost"]
