"""SwitchedLQR against the formula written out, gradients and bad parameters."""

import numpy as np
import pytest
import torch

from jumpgym.problems.switched_lqr import SwitchedLQR, SwitchedLQRState

MODES, N, P, HORIZON = 3, 3, 2, 5


def random_problem(seed=0, **changes):
    rng = np.random.default_rng(seed)

    def definite(count, size):
        root = rng.normal(size=(count, size, size))
        return root @ root.swapaxes(1, 2) + 0.1 * np.eye(size)

    parameters = {
        "A": rng.normal(size=(MODES, N, N)) / 2,
        "B": rng.normal(size=(MODES, N, P)),
        "Q": definite(MODES, N),
        "R": definite(MODES, P),
        "mode_costs": rng.random(MODES),
        "terminal_cost": definite(1, N)[0],
        "noise_covariance": definite(1, N)[0] / 10,
        "initial_state": (-1 - rng.random(N), rng.random(N)),
        "max_control": (2.0, 3.0),
        "horizon": HORIZON,
    }
    return SwitchedLQR(**{**parameters, **changes})


@pytest.mark.parametrize("library", [np, torch])
def test_step_is_the_formula(library):
    problem = random_problem()
    rng = np.random.default_rng(1)
    batch = 30
    as_array = np.asarray if library is np else torch.as_tensor
    mode = rng.integers(0, MODES, (batch, HORIZON))
    control = rng.uniform(-4, 4, (batch, HORIZON, P))
    state = problem.initial_state(as_array(rng.random((batch, N))))
    noise = problem.noise(as_array(rng.random((batch, HORIZON, N))))
    x = np.asarray(state.x)
    for t in range(HORIZON):
        u = problem.layout.project(mode[:, t, None], control[:, t])
        assert np.all(np.abs(u) <= (2.0, 3.0))
        gate, quantity = map(as_array, problem.layout.flat(mode[:, t, None], u))
        state, cost = problem.step(state, gate, quantity, noise[:, t])
        expected = []
        for row in range(batch):
            k = mode[row, t]
            cost_now = x[row] @ problem.Q[k] @ x[row] + u[row] @ problem.R[k] @ u[row] + problem.mode_costs[k]
            after = problem.A[k] @ x[row] + problem.B[k] @ u[row] + np.asarray(noise)[row, t]
            if t == HORIZON - 1:
                cost_now += after @ problem.terminal_cost @ after
            expected.append((cost_now, after))
        costs, states = zip(*expected, strict=True)
        np.testing.assert_allclose(np.asarray(cost)[:, 0], costs, rtol=1e-10)
        x = np.array(states)
        np.testing.assert_allclose(np.asarray(state.x), x, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(np.asarray(problem.observe(state))[:, -1], HORIZON)


def test_mixed_weights_mix_cost_and_transition():
    problem = random_problem(terminal_cost=0.0)
    rng = np.random.default_rng(2)
    state = problem.initial_state(rng.random(N))
    quantity, noise = rng.normal(size=P * MODES), rng.normal(size=N)
    weights = np.array([0.2, 0.5, 0.3])
    pure = [problem.step(state, corner, quantity, noise) for corner in np.eye(MODES)]
    after, cost = problem.step(state, weights, quantity, noise)
    np.testing.assert_allclose(after.x, sum(w * s.x for w, (s, _) in zip(weights, pure, strict=True)))
    np.testing.assert_allclose(cost, sum(w * c for w, (_, c) in zip(weights, pure, strict=True)))


def test_gradients():
    problem = random_problem(horizon=1)
    rng = np.random.default_rng(3)

    def cost(x, gate, quantity):
        state = SwitchedLQRState(x, torch.zeros(4, dtype=torch.float64))
        after, cost = problem.step(state, gate, quantity, torch.zeros(4, N, dtype=torch.float64))
        return cost.sum() + after.x.sum()

    inputs = [torch.tensor(rng.normal(size=(4, size)), requires_grad=True) for size in (N, MODES, MODES * P)]
    assert torch.autograd.gradcheck(cost, inputs)


def test_noise_has_the_covariance_and_stays_finite():
    problem = random_problem(horizon=1)
    noise = problem.noise(np.random.default_rng(4).random((400_000, 1, N)))[:, 0]
    np.testing.assert_allclose(np.cov(noise.T), problem.noise_covariance, atol=0.01)
    np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=0.01)
    with np.errstate(divide="ignore"):
        extreme = problem.noise(np.array([[[0.0, np.nextafter(1.0, 0.0), 0.0]]]))
    assert np.isfinite(extreme).all()
    problem.check_noise(extreme)
    with pytest.raises(ValueError, match="noise: the disturbances must lie within"):
        problem.check_noise(100 * extreme)


def test_observation_bounds_hold_for_the_worst_controls():
    problem = random_problem()
    rng = np.random.default_rng(5)
    batch = 5000
    state = problem.initial_state(np.round(rng.random((batch, N))))
    noise = problem.noise(np.where(rng.random((batch, HORIZON, N)) < 0.5, 1e-300, 1 - 2.0**-53))
    for t in range(HORIZON):
        mode = rng.integers(0, MODES, (batch, 1))
        control = problem.max_control * rng.choice([-1.0, 1.0], (batch, P))
        state, _ = problem.step(state, *problem.layout.flat(mode, control), noise[:, t])
        assert np.all(np.abs(state.x) <= problem.observation_high[:-1])


def test_fixed_initial_state_and_scales():
    problem = SwitchedLQR(initial_state=(3.0, 0.0), noise_covariance=0.0)
    state = problem.initial_state(np.random.default_rng(0).random((4, 2)))
    np.testing.assert_array_equal(state.x, [[3.0, 0.0]] * 4)
    assert np.all(problem.observation_scale > 0)
    output = np.ones((4, 2))
    assert np.all(problem.quantity_from(problem.observe(state), output) > 0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"A": np.eye(2)}, r"A of shape \(2, 2\) must have shape \(modes, n, n\)"),
        ({"A": [[["a"]]]}, r"A=\[\[\['a'\]\]\] must be numbers"),
        ({"A": np.full((2, 2, 2), np.nan)}, "must be finite"),
        (
            {"B": np.ones((3, 2, 1))},
            r"B of shape \(3, 2, 1\) must have shape \(2, 2, p\)",
        ),
        ({"Q": [[1.0, 2.0], [0.0, 1.0]]}, "must be symmetric and positive semidefinite"),
        ({"Q": -1.0}, r"Q=-1\.0 must be symmetric and positive semidefinite"),
        ({"R": 0.0}, "must be positive definite in every mode"),
        ({"R": np.eye(2)}, r"R of shape \(2, 2\) must be a number or have shape \(1, 1\) or \(2, 1, 1\)"),
        (
            {"mode_costs": (1.0, 2.0, 3.0)},
            r"mode_costs of shape \(3,\) must be a number or have shape \(2,\)",
        ),
        ({"noise_covariance": (0.1, 0.1)}, r"noise_covariance of shape \(2,\)"),
        ({"initial_state": (1.0, 2.0, 3.0)}, r"initial_state of shape \(3,\)"),
        ({"initial_state": ((1.0, 1.0), (0.0, 2.0))}, "low <= high"),
        ({"max_control": 0.0}, r"max_control=0\.0 must be greater than 0"),
        ({"horizon": 0}, "horizon=0 must be an integer"),
        ({"horizon": 1000}, "horizon=1000: the state may exceed"),
        ({"discount": 0}, "discount=0 must be"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        SwitchedLQR(**parameters)
