"""An environment from outside the package whose orders are whole pallets, beside the generic tests."""

import gymnasium as gym
import numpy as np
import pytest
import suite  # noqa: F401 (registers the environment)

import jumpgym
from jumpgym.baselines import evaluate, solve

PALLETS = "examples/FullPallets-v0"


def test_a_quantity_is_moved_to_the_whole_pallets_of_its_regime():
    env = gym.make(PALLETS, pallet_size=10.0)
    env.reset(seed=0)
    info = env.step((3, np.array([4.0], dtype=np.float32)))[4]
    assert (info["regime"], info["quantity"]) == (3, 30.0)


def test_an_undecomposed_quantity_belongs_to_the_nearest_number_of_pallets():
    problem = jumpgym.as_problem(PALLETS)
    regimes = problem.membership(np.array([[0.0], [5.0], [5.1], [24.0], [99.0]]))
    assert regimes[:, 0].tolist() == [0, 0, 1, 2, 6]


def test_the_optimum_is_exact_and_keeps_its_word():
    optimum = solve(gym.make(PALLETS, horizon=5))
    result = evaluate(optimum, gym.make(PALLETS, horizon=5), episodes=4096, seed=3)
    assert result.mean == pytest.approx(optimum.expected_cost, abs=4 * result.standard_error)
    assert optimum.discretisation_error == 0
