"""A policy in use: what to order now, and what becomes of it over many periods."""
