"""Demonstrations that answer questions of the course notes on policy gradients."""
