"""Rendering of an episode as text and as a chart."""

class Trajectory(list):
    """stub"""

def text(problem, state, trajectory):
    """stub"""

def chart(problem, state, trajectory):
    """stub"""
