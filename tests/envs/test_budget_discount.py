"""BudgetDiscount: money, discounts and the cut of orders."""

import numpy as np
import pytest
import torch

from jumpgym.problems.budget_discount import BudgetDiscount, BudgetDiscountEnv, BudgetState


def one_hot(problem, regime):
    return np.eye(len(problem.brackets))[regime]


def admitted(problem, money, regime, quantity):
    state = problem.initial_state(np.asarray(0.5))._replace(money=np.asarray(float(money)))
    gate = one_hot(problem, regime)
    gate, quantity = problem.admit(state, gate, gate * quantity)
    return gate.argmax(), float(gate @ quantity)


@pytest.mark.parametrize(
    ("money", "regime", "quantity", "expected"),
    [
        (100, 3, 60, (3, 60)),
        (40, 3, 60, (3, 50)),  # 40 buys 50 units at 0.8
        (32, 3, 40, (3, 40)),  # exactly the breakpoint, exactly the money
        (31.9, 3, 40, (2, 31.9 / 0.9)),  # falls to the middle bracket
        (17.9, 3, 40, (1, 17.9)),  # and further, since 20 units at 0.9 cost 18
        (25, 3, 40, (2, 25 / 0.9)),
        (5, 2, 20, (1, 5)),
        (5, 1, 3, (1, 3)),
        (0, 1, 3, (1, 0)),
        (5, 0, 0, (0, 0)),
    ],
)
def test_orders_are_cut_to_the_money(money, regime, quantity, expected):
    found = admitted(BudgetDiscount(), money, regime, quantity)
    assert found[0] == expected[0]
    assert found[1] == pytest.approx(expected[1])


def test_a_middle_bracket_may_cost_more_than_the_last():
    problem = BudgetDiscount(breakpoints=(20, 24), unit_costs=(1.0, 0.9, 0.5))
    assert admitted(problem, 12, 3, 24) == (3, 24)  # 12 pays for 24 units, though not for 20 at 0.9
    assert admitted(problem, 11, 3, 24) == (1, 11)
    state = BudgetState(np.zeros(()), np.zeros(0), np.asarray(11.0), np.zeros(()))
    after, _ = problem.step(state, one_hot(problem, 3), one_hot(problem, 3) * 24, np.asarray(0.0))
    assert (float(after.inventory), float(after.money)) == (11, problem.income)


def test_steps_by_hand():
    problem = BudgetDiscount(
        budget=20, breakpoints=(10,), unit_costs=(1.0, 0.5), income=3, leftover_value=2, lead_time=1,
        holding_cost=1, shortage_cost=5, unmet_demand="backlog", initial_inventory=4, horizon=2,
    )  # fmt: skip
    state = problem.initial_state(np.asarray(0.5))
    np.testing.assert_array_equal(problem.observe(state), [4, 0, 20, 0])
    state, cost = problem.step(state, one_hot(problem, 2), one_hot(problem, 2) * 12, np.asarray(6.0))
    assert cost.sum() == 5 * 2  # two units short; the purchase is no cost
    np.testing.assert_array_equal(problem.observe(state), [-2, 12, 20 - 6 + 3, 1])
    state, cost = problem.step(state, one_hot(problem, 1), one_hot(problem, 1) * 7, np.asarray(1.0))
    np.testing.assert_array_equal(problem.observe(state), [9, 7, 17 - 7 + 3, 2])
    assert cost.sum() == 9 - 2 * 13


def test_admit_twice_is_admit_once_and_conserves_weight():
    problem = BudgetDiscount()
    rng = np.random.default_rng(0)
    gate = rng.dirichlet(np.ones(4), 500)
    gate[:100] = np.eye(4)[rng.integers(0, 4, 100)]
    low, high = problem.brackets.low, problem.brackets.high
    quantity = low + (high - low) * rng.random((500, 4))
    state = problem.initial_state(rng.random(500))._replace(money=45 * rng.random(500))
    once = problem.admit(state, gate, quantity)
    np.testing.assert_allclose(once[0].sum(-1), 1)
    for first, second in zip(once, problem.admit(state, *once), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-12)
    assert np.all((once[1] >= low) & (once[1] <= high))
    # What is spent is linear in the weights: the mean of what each regime would spend alone.
    prices = problem.brackets.unit_cost
    alone = [problem.admit(state, np.eye(4)[[k] * 500], quantity) for k in range(4)]
    spent = sum(gate[:, k] * ((g * q) @ prices) for k, (g, q) in enumerate(alone))
    np.testing.assert_allclose((once[0] * once[1]) @ prices, spent)
    assert np.all((once[0] * once[1]) @ prices <= state.money * (1 + 1e-6))


def test_money_is_never_negative_in_float32():
    problem = BudgetDiscount(horizon=None)
    rng = np.random.default_rng(1)
    state = problem.initial_state(rng.random(64).astype(np.float32))
    demand = problem.noise(rng.random((64, 200)).astype(np.float32))
    for period in range(200):
        gate = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 64)]
        state, _ = problem.step(
            state, gate, gate * problem.brackets.high.astype(np.float32), demand[:, period]
        )
        assert state.money.dtype == np.float32
        assert state.money.min() >= 0
    assert problem.observe(state).shape == (64, 2)
    assert np.all(np.isfinite(problem.observation_high))


def test_torch_agrees_and_differentiates():
    problem = BudgetDiscount(leftover_value=1.0, horizon=1)
    gate, quantity = np.eye(4)[[1, 2, 3, 3]], np.eye(4)[[1, 2, 3, 3]] * [[9], [25], [44], [44.0]]
    state = problem.initial_state(np.full(4, 0.5))._replace(money=np.array([40.0, 40, 40, 33]))
    after, cost = problem.step(state, gate, quantity, np.full(4, 3.0))
    tensors = BudgetState(*(torch.tensor(entry) for entry in state))
    asked = torch.tensor(quantity, requires_grad=True)
    same, same_cost = problem.step(tensors, torch.tensor(gate), asked, torch.full((4,), 3.0))
    np.testing.assert_allclose(same_cost.detach(), cost)
    np.testing.assert_allclose(same.money.detach(), after.money)
    same_cost.sum().backward()
    slopes = (asked.grad * torch.tensor(gate)).sum(-1)
    # A unit more is held, and its price is not left over; the last order is at what its money buys.
    np.testing.assert_allclose(slopes, [0.1 + 1, 0.1 + 0.9, 0.1 + 0.8, 0])


def test_environment_reports_what_was_applied():
    env = BudgetDiscountEnv(budget=30.0)
    env.reset(seed=0)
    observation, *_, info = env.step((3, np.array([40.0], dtype=np.float32)))
    assert info["regime"] == 2
    assert info["quantity"] == pytest.approx(30 / 0.9)
    assert observation[1] == pytest.approx(8)
    assert env.observation_space.contains(observation)


def test_a_quantity_at_the_breakpoint_has_the_better_price():
    problem = BudgetDiscount()
    quantities = np.array([[0.0], [1e-9], [19.999], [20.0], [40.0]])
    assert problem.membership(quantities)[:, 0].tolist() == [0, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"budget": -1.0}, "budget=-1.0"),
        ({"income": -1.0}, "income=-1.0"),
        ({"breakpoints": (40.0, 20.0)}, "breakpoints="),
        ({"breakpoints": (20.0,)}, "unit_costs="),
        ({"breakpoints": (20.0, 90.0)}, "max_order=80"),
        ({"unit_costs": (1.0, 1.2, 0.8)}, "unit_costs="),
        ({"unit_costs": (1.0, 0.5, 0.0)}, "unit_costs="),
        ({"leftover_value": 1.0, "horizon": None}, "leftover_value=1.0"),
        ({"lead_time": -1}, "lead_time=-1"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        BudgetDiscount(**parameters)
