"""Studies besides the comparison: references, scaling with the number of items, the gradient laboratory."""
