"""Perfect hindsight: the least cost of an episode if all of its noise were known in advance."""

from .cost import hindsight_cost

__all__ = ["hindsight_cost"]
