"""Inventory of one item over a regime table: the public door to ``jumpgym.problems.single_item``."""

from .problems.single_item import InventoryState, SingleItemInventory, single_item

__all__ = ["InventoryState", "SingleItemInventory", "single_item"]
