"""Agents in PyTorch that differentiate through the hindsight problem."""

from jumpgym.extras import needs_extra

with needs_extra("jumpgym.agents", "agents"):
    from .base import Agent
    from .gumbel_softmax import GumbelSoftmax
    from .hpo import HPO
    from .hybrid_ppo import HybridPPO
    from .mixed_gradient import MixedGradient
    from .q_learning.amortized_fitted_q import AmortizedFittedQ
    from .q_learning.fitted_q import FittedQ
    from .q_learning.nfqca import NFQCA
    from .reinforce import Reinforce
    from .smoothed_cost import SmoothedCost
    from .stochastic_value_gradient import StochasticValueGradient

__all__ = [
    "HPO",
    "NFQCA",
    "Agent",
    "AmortizedFittedQ",
    "FittedQ",
    "GumbelSoftmax",
    "HybridPPO",
    "MixedGradient",
    "Reinforce",
    "SmoothedCost",
    "StochasticValueGradient",
]
