"""Perfect hindsight: the least cost of an episode if all of its noise were known in advance."""

from .cost import hindsight_cost, solve_trace
from .program import HindsightTimeout

__all__ = ["HindsightTimeout", "hindsight_cost", "solve_trace"]
