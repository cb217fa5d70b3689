"""References and baselines: the exact optimum, classical policies, evaluation; free of PyTorch and SB3.

PPO (``jumpgym.baselines.ppo``) and the comparison (``jumpgym.baselines.comparison``) are imported by name.
"""

from jumpgym.extras import needs_extra

with needs_extra("jumpgym.baselines", "baselines"):
    from .applied.decide import Recommendation, decide
    from .applied.simulate import Simulation, simulate
    from .bounds.lower_bound import LowerBound, lower_bound
    from .evaluation import Evaluation, evaluate
    from .hindsight import HindsightTimeout, hindsight_cost, solve_trace
    from .optimum import Exactness, Optimum, solve
    from .policies.classical import best_classical
    from .policies.jump_ignoring import jump_ignoring
    from .policies.lot_policies import CappedSSPolicy, SnQPolicy
    from .policies.stationary import stationary_cost
    from .policies.truck_policies import FullTruckPolicy, best_full_truck
    from .policies.two_level_policies import MinOrderPolicy, SSPolicy, best_min_order, best_ss
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
    "HindsightTimeout",
    "Learner",
    "LowerBound",
    "Method",
    "MinOrderPolicy",
    "Optimum",
    "Policy",
    "Recommendation",
    "SSPolicy",
    "Simulation",
    "SnQPolicy",
    "best_classical",
    "best_full_truck",
    "best_min_order",
    "best_ss",
    "decide",
    "evaluate",
    "hindsight_cost",
    "jump_ignoring",
    "lower_bound",
    "register_method",
    "simulate",
    "solve",
    "solve_trace",
    "stationary_cost",
]
