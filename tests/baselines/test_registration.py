"""Solvers that a third party registers, in one line each, for a class of problems of its own."""

from typing import NamedTuple

import numpy as np
import pytest

from jumpgym import ActionLayout, HindsightProblem, NotApplicable
from jumpgym.baselines import Optimum, evaluate, hindsight_cost, solve, solve_trace
from jumpgym.baselines.hindsight.cost import default_gap
from jumpgym.baselines.hindsight.program import GAP
from jumpgym.problems.joint_replenishment import JointReplenishment


class Day(NamedTuple):
    period: np.ndarray


class Umbrella(HindsightProblem):
    """Every day, take an umbrella at a cost of 1, or risk a cost of 3 if it rains, with probability 0.4."""

    horizon = 4

    def __init__(self):
        super().__init__()
        self.layout = ActionLayout((2,), (0,), [0.0, 0.0], [0.0, 1.0])
        self.observation_low, self.observation_high = np.zeros(1), np.full(1, 4.0)

    def initial_state(self, uniforms):
        return Day(np.zeros(np.shape(uniforms)))

    def noise(self, uniforms):
        return (uniforms < 0.4).astype(float)

    def step(self, state, gate, quantity, noise):
        cost = gate[..., 1] + 3 * noise * gate[..., 0]
        return Day(state.period + 1), cost[..., None]

    def observe(self, state):
        return state.period[..., None]


class AlwaysTake:
    def decide(self, observation):
        return np.ones(len(observation), dtype=np.int64), np.zeros(len(observation))


def take_it(problem):
    return Optimum(problem, AlwaysTake(), cost=float(problem.horizon))


def take_it_in_rain(problem, noise, state, gap):
    return float(noise.sum()), noise.astype(np.int64)[:, None], np.zeros((len(noise), 1))


RAIN = np.array([[0.0, 1, 1, 0], [0, 0, 0, 0]])


class Registered(Umbrella):
    """A class of its own, so that what is registered for it stays apart from the other tests."""


solve.register(Registered, take_it)
solve_trace.register(Registered, take_it_in_rain)


class Inherited(Registered):
    """It has the solvers of its base class."""


@pytest.mark.parametrize("kind", [Registered, Inherited])
def test_registered_solvers_are_used(kind):
    problem = kind()
    optimum = solve(problem)
    assert (optimum.cost, optimum.exactness) == (4.0, "exact")
    assert evaluate(optimum, problem, episodes=8).mean == 4.0
    np.testing.assert_array_equal(hindsight_cost(problem, RAIN), [2.0, 0.0])
    assert hindsight_cost(problem, RAIN[0]) == 2.0


def test_without_a_solver_the_error_names_the_classes_that_have_one():
    with pytest.raises(
        NotApplicable, match=r"Umbrella is not supported: the optimum exists for Budget.*Swit"
    ):
        solve(Umbrella())
    with pytest.raises(NotApplicable, match=r"Umbrella .* perfect hindsight exists for .*JointReplenishment"):
        hindsight_cost(Umbrella(), RAIN)


def test_gaps_have_a_default():
    assert default_gap(Umbrella()) == GAP
    assert default_gap(JointReplenishment()) == 0.05
