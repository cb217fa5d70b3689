"""References and baselines: the exact optimum, classical policies, evaluation; free of PyTorch and SB3.

PPO (``jumpgym.baselines.ppo``) and the comparison (``jumpgym.baselines.comparison``) are imported by name.
"""

from .evaluation import Evaluation, evaluate
from .hindsight.cost import hindsight_cost
from .optimum import Exactness, Optimum, solve
from .policies.classical import (
    FullTruckPolicy,
    MinOrderPolicy,
    SSPolicy,
    best_classical,
    best_full_truck,
    best_min_order,
    best_ss,
    stationary_cost,
)
from .policies.jump_ignoring import jump_ignoring
from .policies.lot_policies import CappedSSPolicy, SnQPolicy
from .policy import BatchPolicy, Policy
from .runs.learner import Learner
from .runs.method import AgentMethod, Method
from .runs.methods import register_method

__all__ = [
    "AgentMethod",
    "BatchPolicy",
    "CappedSSPolicy",
    "Evaluation",
    "Exactness",
    "FullTruckPolicy",
    "Learner",
    "Method",
    "MinOrderPolicy",
    "Optimum",
    "Policy",
    "SSPolicy",
    "SnQPolicy",
    "best_classical",
    "best_full_truck",
    "best_min_order",
    "best_ss",
    "evaluate",
    "hindsight_cost",
    "jump_ignoring",
    "register_method",
    "solve",
    "stationary_cost",
]
