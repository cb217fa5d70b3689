"""MinInvestment against a simulation written out by hand, its admission, gradients and bad parameters."""

import numpy as np
import pytest
import scipy.stats
import torch

from jumpgym.problems.min_investment import InvestmentState, MinInvestment

THREE = {
    "min_investment": (4.0, 3.0, 2.0),
    "entry_costs": (0.5, 0.25, 0.125),
    "max_investment": (9.0, 20.0, 20.0),
    "returns": scipy.stats.uniform(-0.5, 1.2),
    "horizon": 4,
}


def flat(problem, regime, amount):
    return problem.layout.flat(np.array(regime), problem.layout.project(np.array(regime), np.array(amount)))


def admitted(problem, wealth, regime, amount):
    gate, quantity = problem.admit(
        InvestmentState(np.asarray(wealth), np.asarray(0.0)), *flat(problem, regime, amount)
    )
    regime, amount = problem.layout.chosen(gate, quantity)
    return regime.tolist(), amount.tolist()


def by_hand(problem, wealth, regimes, amounts, returns):
    """Costs and wealth of one episode, in plain Python."""
    costs, path = [], []
    for period in range(problem.horizon):
        held = [
            i
            for i in range(3)
            if regimes[period][i] and problem.min_investment[i] + problem.entry_costs[i] <= wealth
        ]
        while sum(problem.min_investment[i] + problem.entry_costs[i] for i in held) > wealth:
            held.pop()
        asked = [
            min(max(amounts[period][i], problem.min_investment[i]), problem.max_investment[i])
            - problem.min_investment[i]
            for i in held
        ]
        free = wealth - sum(problem.min_investment[i] + problem.entry_costs[i] for i in held)
        factor = min(1.0, free / sum(asked)) if sum(asked) > 0 else 1.0
        invested = [problem.min_investment[i] + factor * more for i, more in zip(held, asked, strict=True)]
        cash = wealth - sum(invested) - sum(problem.entry_costs[i] for i in held)
        grown = sum(a * (1 + returns[period][i]) for a, i in zip(invested, held, strict=True))
        wealth = max(cash, 0.0) * (1 + problem.risk_free) + grown
        path.append(wealth)
        costs.append(-np.log(wealth) if period == problem.horizon - 1 else 0.0)
    return costs, path


@pytest.mark.parametrize("library", [np, torch])
def test_step_is_the_simulation_by_hand(library):
    problem = MinInvestment(**THREE, initial_wealth=(4.0, 14.0))
    rng = np.random.default_rng(0)
    batch = 200
    regimes, amounts = rng.integers(0, 2, (batch, 4, 3)), rng.uniform(-2, 12, (batch, 4, 3))
    start, uniforms = rng.random(batch), rng.random((batch, 4, 3))
    as_array = np.asarray if library is np else torch.as_tensor
    state, noise = problem.initial_state(as_array(start)), problem.noise(as_array(uniforms))
    costs, path = [], []
    for period in range(4):
        gate, quantity = map(as_array, flat(problem, regimes[:, period], amounts[:, period]))
        state, cost = problem.step(state, gate, quantity, noise[:, period])
        costs.append(np.asarray(cost)[:, 0])
        path.append(np.asarray(state.wealth))
    returns = np.asarray(noise)
    cut = 0
    for row in range(batch):
        wealth = 4.0 + 10.0 * start[row]
        expected_costs, expected_path = by_hand(problem, wealth, regimes[row], amounts[row], returns[row])
        np.testing.assert_allclose(np.array(path)[:, row], expected_path, rtol=1e-12)
        np.testing.assert_allclose(np.array(costs)[:, row], expected_costs, rtol=1e-12, atol=1e-15)
        cut += sum(amounts[row, 0] * regimes[row, 0]) > wealth
    assert cut > 20  # the case of interest occurs


def test_admission_by_hand():
    problem = MinInvestment(**THREE, initial_wealth=14.0)
    # 4.5 + 3.25 + 2.125 = 9.875 are needed by all three
    assert admitted(problem, 14.0, [1, 1, 0], [5.0, 6.0, 0.0]) == ([1, 1, 0], [5.0, 6.0, 0.0])
    assert admitted(problem, 9.8, [1, 1, 1], [4.0, 3.0, 2.0]) == ([1, 1, 0], [4.0, 3.0, 0.0])
    assert admitted(problem, 4.0, [1, 1, 1], [4.0, 3.0, 2.0]) == ([0, 1, 0], [0.0, 3.0, 0.0])
    assert admitted(problem, 2.0, [1, 1, 1], [4.0, 3.0, 2.0]) == ([0, 0, 0], [0.0, 0.0, 0.0])
    # 14 - 7.75 = 6.25 are left for 5 + 7.5 beyond the minima
    assert admitted(problem, 14.0, [1, 1, 0], [9.0, 10.5, 0.0]) == ([1, 1, 0], [6.5, 6.75, 0.0])


@pytest.mark.parametrize("hard", [True, False])
def test_admitting_twice_changes_nothing_and_wealth_stays_positive(hard):
    problem = MinInvestment(**THREE)
    rng = np.random.default_rng(1)
    batch = 500
    on = rng.random((batch, 3))
    on = np.round(on) if hard else on
    gate = np.stack([1 - on, on], axis=-1).reshape(batch, 6)
    quantity = np.clip(rng.uniform(0, 15, (batch, 6)), problem.layout.low, problem.layout.high)
    state = InvestmentState(rng.uniform(0, 15, batch), np.zeros(batch))
    once = problem.admit(state, gate, quantity)
    twice = problem.admit(state, *once)
    np.testing.assert_allclose(twice[0], once[0], atol=1e-12)
    np.testing.assert_allclose(twice[1], once[1], atol=1e-9)
    np.testing.assert_allclose(once[0].reshape(batch, 3, 2).sum(-1), 1.0)
    spent = (once[0] * once[1]).sum(-1) + once[0][:, 1::2] @ problem.entry_costs
    assert np.all(spent <= state.wealth + 1e-9)
    after, _ = problem.step(state, gate, quantity, np.full((batch, 3), -0.5))
    assert np.all(after.wealth >= 0)


@pytest.mark.parametrize("wealth", [14.0, 10.5])  # with wealth to spare, and scaled down
def test_gradient_in_the_amounts(wealth):
    problem = MinInvestment(**{**THREE, "horizon": 1})
    gate, quantity = map(torch.tensor, flat(problem, [1, 1, 0], [4.5, 4.0, 0.0]))
    noise = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)

    def cost(quantity, wealth):
        state = InvestmentState(wealth, torch.zeros((), dtype=torch.float64))
        return problem.step(state, gate, quantity, noise)[1].sum()

    inputs = (quantity.requires_grad_(), torch.tensor(wealth, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(cost, inputs)
    gradient = torch.autograd.grad(cost(*inputs), inputs[0])[0]
    assert gradient[1] != 0
    assert gradient[3] != 0
    assert gradient[[0, 2, 4, 5]].abs().max() == 0


def test_gradients_are_finite_where_nothing_is_left():
    problem = MinInvestment(
        min_investment=0.0, entry_costs=1.0, returns=scipy.stats.uniform(-0.5, 1.0), horizon=1
    )
    quantity = torch.tensor([[0.0, 5.0], [0.0, 0.0]], dtype=torch.float32, requires_grad=True)
    gate = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    state = InvestmentState(torch.ones(2), torch.zeros(2))
    _, cost = problem.step(state, gate, quantity, torch.zeros(2, 1))
    cost.sum().backward()
    assert torch.isfinite(cost).all()
    assert torch.isfinite(quantity.grad).all()


def test_linear_in_the_weights_where_wealth_is_enough():
    problem = MinInvestment(**{**THREE, "horizon": 1, "utility": "linear"}, initial_wealth=100.0)
    state = problem.initial_state(np.zeros(()))
    quantity = np.array([0.0, 5.0, 0.0, 4.0, 0.0, 3.0])
    noise = np.array([0.1, -0.2, 0.3])

    def cost(on):
        return problem.step(state, np.stack([1 - on, on], -1).reshape(6), quantity, noise)[1].sum()

    corners = np.eye(3)
    none = cost(np.zeros(3))
    weights = np.array([0.3, 0.8, 0.5])
    expected = none + sum(w * (cost(corner) - none) for w, corner in zip(weights, corners, strict=True))
    assert cost(weights) == pytest.approx(expected, abs=1e-12)


def test_observation_bounds_hold_for_the_luckiest_episode():
    problem = MinInvestment(min_investment=(2.0, 20.0), entry_costs=0.0, max_investment=(5.0, 1000.0))
    state = problem.initial_state(np.ones(()))
    for _ in range(problem.horizon):
        gate, quantity = flat(problem, [1, 1], [1000.0, 1000.0])
        state, _ = problem.step(state, gate, quantity, problem.returns.max)
    assert np.isfinite(problem.observation_high).all()
    assert 20.0 < state.wealth <= problem.observation_high[0]


def test_traces_are_replayed_jointly():
    traces = np.random.default_rng(2).uniform(-0.3, 0.4, (5, 4, 3))
    problem = MinInvestment(**{**THREE, "returns": traces})
    drawn = problem.noise(np.random.default_rng(0).random((50, 4, 3)))
    assert all(any(np.array_equal(row, trace) for trace in traces) for row in drawn)
    problem.check_noise(traces)
    with pytest.raises(ValueError, match="noise: returns must lie between"):
        problem.check_noise(traces - 0.5)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        (
            {"min_investment": (2.0, 50.0), "returns": scipy.stats.uniform(-0.1, 0.2)},
            ValueError,
            r"min_investment: vehicle 1 takes at least 50, and 0\.5 to enter, but wealth never exceeds 35\.3",
        ),
        ({"min_investment": (2.0, 2e3)}, ValueError, "must be at most max_investment"),
        ({"min_investment": (-1.0, 2.0)}, ValueError, r"min_investment=-1\.0 must be a finite number"),
        ({"min_investment": ()}, ValueError, r"not min_investment: 0"),
        ({"entry_costs": (1.0, 2.0, 3.0)}, ValueError, r"entry_costs: 3"),
        ({"returns": scipy.stats.norm(0.05, 0.2)}, ValueError, "returns"),
        ({"returns": [scipy.stats.uniform(0, 1)]}, ValueError, "returns"),
        (
            {"returns": scipy.stats.rv_discrete(values=([-1, 1], [0.1, 0.9]))},
            ValueError,
            "utility='log' none may lose everything",
        ),
        ({"returns": np.full((3, 10, 2), -1.5)}, ValueError, "returns"),
        ({"utility": "crra"}, ValueError, "utility='crra' must be one of 'log', 'linear'"),
        ({"initial_wealth": 0.0}, ValueError, r"initial_wealth=0\.0 must be greater than 0"),
        ({"initial_wealth": "10"}, TypeError, "initial_wealth='10' must be a number"),
        ({"risk_free": -2.0}, ValueError, r"risk_free=-2\.0 must be"),
        ({"horizon": None}, TypeError, "horizon=None must be an integer"),
        ({"horizon": 100_000}, ValueError, "wealth may exceed"),
    ],
)
def test_bad_parameters(parameters, error, message):
    with pytest.raises(error, match=message):
        MinInvestment(**parameters)
