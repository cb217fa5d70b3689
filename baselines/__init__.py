"""References and baselines: the exact optimum, classical policies, evaluation; free of PyTorch and SB3.

PPO (``jumpgym.baselines.ppo``) and the comparison (``jumpgym.baselines.comparison``) are imported by name.
"""

from .classical import (
    FullTruckPolicy,
    MinOrderPolicy,
    SSPolicy,
    best_classical,
    best_full_truck,
    best_min_order,
    best_ss,
    stationary_cost,
)
from .evaluation import Evaluation, evaluate
from .optimum import Optimum, solve
from .policy import Policy

__all__ = [
    "Evaluation",
    "FullTruckPolicy",
    "MinOrderPolicy",
    "Optimum",
    "Policy",
    "SSPolicy",
    "best_classical",
    "best_full_truck",
    "best_min_order",
    "best_ss",
    "evaluate",
    "solve",
    "stationary_cost",
]
