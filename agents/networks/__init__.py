"""Policies, values, gates and distributions: what agents are made of."""
