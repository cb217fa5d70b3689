"""``jumpgym scaling``: how methods scale with the number of items, on items that share nothing."""

from .study import plan, scale

__all__ = ["plan", "scale"]
