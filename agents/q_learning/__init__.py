"""Fitted Q-iteration over hybrid actions."""
