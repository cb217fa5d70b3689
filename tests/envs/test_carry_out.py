"""``HindsightProblem.carry_out``: what a hard decision comes to, the same for every caller."""

import gymnasium as gym
import numpy as np
import pytest
from suite import every_environment

import jumpgym

EPISODES = 32


def decisions(problem, rng, count=EPISODES):
    """Regimes (count, G) and quantities (count, n), many of them outside their intervals."""
    layout = problem.layout
    regimes = np.stack([rng.integers(size, size=count) for size in layout.gates], axis=-1)
    width = layout.quantity_high - layout.quantity_low
    return regimes, layout.quantity_low + width * rng.uniform(-0.3, 1.3, (count, len(width)))


def started(problem, rng, count=EPISODES):
    return problem.initial_state(rng.random((count, *problem.start_shape)))


@every_environment
def test_both_forms_agree_and_carrying_out_again_changes_nothing(env_id):
    problem, rng = jumpgym.as_problem(env_id), np.random.default_rng(0)
    state = started(problem, rng)
    result = problem.carry_out(state, *decisions(problem, rng))
    regime, quantity = problem.layout.chosen(result.gate, result.columns)
    np.testing.assert_array_equal(regime, result.regime)
    np.testing.assert_array_equal(quantity, result.quantity)
    np.testing.assert_array_equal(
        result.gate.sum(axis=-1), np.full(EPISODES, float(len(problem.layout.gates)))
    )
    again = problem.carry_out(state, result.regime, result.quantity)
    np.testing.assert_array_equal(again.regime, result.regime)
    np.testing.assert_allclose(again.quantity, result.quantity, rtol=1e-12, atol=1e-9)


@every_environment
def test_one_decision_is_carried_out_as_in_a_batch(env_id):
    problem, rng = jumpgym.as_problem(env_id), np.random.default_rng(1)
    state = started(problem, rng)
    regimes, quantities = decisions(problem, rng)
    together = problem.carry_out(state, regimes, quantities)
    for row in (0, 5):
        alone = problem.carry_out(
            type(state)(*(entry[row] for entry in state)), regimes[row], quantities[row]
        )
        for one, many in zip(alone, together, strict=True):
            np.testing.assert_allclose(one, many[row], rtol=1e-12)


@every_environment
def test_environment_batch_and_observation_lead_to_the_same_decision(env_id):
    problem, rng = jumpgym.as_problem(env_id), np.random.default_rng(2)
    regimes, quantities = decisions(problem, rng)
    vector = gym.make_vec(env_id, EPISODES, vectorization_mode="vector_entry_point")
    observations, _ = vector.reset(seed=0)
    one_gate = len(problem.layout.gates) == 1
    *_, infos = vector.step((regimes[:, 0] if one_gate else regimes, quantities.astype(np.float32)))
    seen = problem.carry_out_at(
        observations.astype(np.float64), regimes, quantities.astype(np.float32).astype(np.float64)
    )
    np.testing.assert_array_equal(infos["regime"].reshape(seen.regime.shape), seen.regime)
    # Observations are float32, so what a state admits is known up to their rounding.
    np.testing.assert_allclose(infos["quantity"].reshape(seen.quantity.shape), seen.quantity, rtol=1e-5)


def test_trucks_limit_what_is_carried_out():
    problem = jumpgym.as_problem("jumpgym/JointReplenishment-v0")
    state = problem.initial_state(np.zeros(problem.start_shape))
    order = np.array([1, *[1] * (len(problem.layout.gates) - 1)])
    result = problem.carry_out(state, order, problem.layout.quantity_high)
    assert not problem.admits_all
    assert result.quantity.sum() == pytest.approx(problem.truck_capacity)


def test_without_limits_quantities_are_only_projected():
    problem = jumpgym.as_problem("jumpgym/SetupCost-v0")
    assert problem.admits_all
    result = problem.carry_out(None, np.array([[0], [1], [1]]), np.array([[5.0], [-3.0], [500.0]]))
    np.testing.assert_array_equal(result.quantity, [[0.0], [0.0], [200.0]])
    np.testing.assert_array_equal(result.columns, [[0.0, 0.0], [0.0, 0.0], [0.0, 200.0]])
