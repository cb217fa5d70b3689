"""LoanBrackets: cash, debt and the costs of loans."""

import numpy as np
import pytest
import scipy.stats
import torch

from jumpgym.problems.loan_brackets import LoanBrackets, LoanBracketsEnv, LoanState


def small(**parameters):
    return LoanBrackets(**{
        "brackets": ((2, 10), (50, 100)), "rates": (0.1, 0.05), "fees": (1, 3), "terms": (1, 3),
        "shortfall_cost": 0.5, "deposit_rate": 0.02, "initial_cash": 5.0, "horizon": 4,
        "cash_need": scipy.stats.uniform(-20, 60), **parameters,
    })  # fmt: skip


def test_steps_by_hand():
    problem = small()
    state = problem.initial_state(np.asarray(0.5))
    gate = np.eye(3)
    state, cost = problem.step(state, gate[2], gate[2] * 60, np.asarray(40.0))
    # 5 + 60 - 3 - 40 = 22 left; interest of three periods at once.
    assert cost.sum() == pytest.approx(3 + 60 * 0.15 - 0.02 * 22)
    np.testing.assert_allclose(problem.observe(state), [22, 0, 0, 69, 1])
    state, cost = problem.step(state, gate[1], gate[1] * 10, np.asarray(39.0))
    assert cost.sum() == pytest.approx(1 + 1 + 0.5 * 8)
    np.testing.assert_allclose(problem.observe(state), [-8, 11, 69, 0, 2])
    state, cost = problem.step(state, gate[0], 0 * gate[0], np.asarray(-20.0))
    assert cost.sum() == pytest.approx(-0.02 * 1)
    np.testing.assert_allclose(problem.observe(state), [1, 69, 0, 0, 3])
    state, cost = problem.step(state, gate[0], 0 * gate[0], np.asarray(0.0))
    assert cost.sum() == pytest.approx(0.5 * 68)


def test_net_worth_changes_by_what_the_loans_cost():
    """Principal is no cost, and a loan that falls due after the end escapes nothing."""
    problem = small(shortfall_cost=0.0, deposit_rate=0.0)
    rng = np.random.default_rng(0)
    state, needs = problem.initial_state(rng.random(200)), problem.noise(rng.random((200, 4)))
    costs = np.zeros(200)
    for period in range(4):
        regime = rng.integers(0, 3, (200, 1))
        quantity = problem.layout.project(regime, 120 * rng.random((200, 1)))
        state, cost = problem.step(state, *problem.layout.flat(regime, quantity), needs[:, period])
        costs += cost.sum(-1)
    worth = state.cash - state.due.sum(-1)
    np.testing.assert_allclose(5 - needs.sum(-1) - worth, costs, atol=1e-12)


@pytest.mark.parametrize("horizon", [1, 4])
def test_borrowing_without_need_never_pays(horizon):
    """With ample cash any loan in any period costs more than none, however late."""
    problem = small(horizon=horizon, rates=(0.02, 0.02), fees=(0, 0), cash_need=scipy.stats.uniform(0, 1))
    for period in range(horizon):
        for regime, quantity in ((0, 0), (1, 10), (2, 100)):
            state, cost = problem.initial_state(np.asarray(0.5))._replace(cash=np.asarray(1000.0)), 0.0
            for now in range(horizon):
                chosen, amount = (regime, quantity) if now == period else (0, 0)
                gates = problem.layout.flat(np.array([chosen]), np.array([float(amount)]))
                state, paid = problem.step(state, *gates, np.asarray(0.5))
                cost += float(paid.sum())
            if regime == 0:
                without = cost
            assert cost >= without - 1e-9


def test_torch_agrees_and_differentiates():
    problem = LoanBrackets()
    rng = np.random.default_rng(0)
    regime = rng.integers(0, 3, (32, 1))
    gate, quantity = problem.layout.flat(regime, problem.layout.project(regime, 1e6 * rng.random((32, 1))))
    state = LoanState(1e5 * rng.normal(size=32), 1e5 * rng.random((32, 2)), np.ones(32))
    after, cost = problem.step(state, gate, quantity, 1e5 * rng.normal(size=32))
    rng = np.random.default_rng(0)
    asked = torch.tensor(quantity, requires_grad=True)
    tensors = LoanState(*(torch.tensor(entry) for entry in state))
    same, same_cost = problem.step(tensors, torch.tensor(gate), asked, torch.tensor(state.cash - after.cash))
    assert same_cost.shape == cost.shape == (32, 1)
    assert same.due.shape == (32, 2)
    same_cost.sum().backward()
    # A unit more costs its interest, and saves a shortfall or earns the deposit rate.
    marginal = np.where(same.cash.detach() < 0, -0.1, -0.002)[:, None] + problem.loans.unit_cost
    np.testing.assert_allclose(asked.grad.numpy() * gate, marginal * gate)


def test_scales_normalise():
    problem = LoanBrackets()
    rng = np.random.default_rng(0)
    state, needs = problem.initial_state(rng.random(256)), problem.noise(rng.random((256, 24)))
    for period in range(24):
        state, _ = problem.step(
            state, *problem.layout.flat(np.zeros((256, 1), int), np.zeros((256, 1))), needs[:, period]
        )
    spread = problem.observe(state).std(0) / problem.observation_scale
    assert 0.2 < spread[0] < 5
    idle = problem.quantity_from(problem.observe(state), np.zeros((256, 3)))
    assert np.all(np.isfinite(idle))
    assert np.abs(idle / problem.quantity_scale).max() < 20


def test_environment_stays_in_its_bounds():
    env = LoanBracketsEnv(horizon=None)
    observation, _ = env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(100):
        observation, _, terminated, _, info = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert not terminated
    assert observation.shape == (3,)
    *_, info = env.step((2, np.array([200_000.0], dtype=np.float32)))
    assert (info["regime"], info["quantity"]) == (2, 500_000.0)


def test_membership_of_amounts_between_the_brackets():
    problem = LoanBrackets()
    amounts = np.array([[0.0], [400.0], [600.0], [250_000.0], [350_000.0]])
    assert problem.membership(amounts)[:, 0].tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"brackets": ((2, 60), (50, 100))}, "overlap"),
        ({"brackets": ((50, 100), (2, 10))}, "ascend"),
        ({"brackets": ((0, 10), (50, 100))}, "0 < low <= high"),
        ({"brackets": ((2, 10),)}, "rates="),
        ({"fees": (1,)}, "fees="),
        ({"terms": (0, 3)}, "terms=0"),
        ({"rates": (-0.1, 0.05)}, "rates=-0.1"),
        ({"deposit_rate": 0.06}, "deposit_rate=0.06"),
        ({"shortfall_cost": -1}, "shortfall_cost=-1"),
        ({"cash_need": scipy.stats.cauchy()}, "cash_need"),
        ({"horizon": 0}, "horizon=0"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters)


def test_noise_beyond_the_bounds_is_refused():
    with pytest.raises(ValueError, match="cash needs must lie in"):
        small().check_noise(np.full(4, 50.0))
