"""A hindsight problem as Gymnasium environments, single and batched, and what surrounds them."""
