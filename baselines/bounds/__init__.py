"""Lower bounds on the cost of problems that are too large to solve."""
