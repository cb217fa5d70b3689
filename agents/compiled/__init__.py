"""Training compiled by JAX: the iterations of an agent, traced from the agent's own code."""
