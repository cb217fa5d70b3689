"""``hindsight_cost`` against brute force, replayed decisions, Wagner-Whitin and simulated policies."""

import itertools

import numpy as np
import pytest
import scipy.stats

from jumpgym import InventoryState, RegimeTable, SingleItemInventory
from jumpgym.baselines import SSPolicy, solve
from jumpgym.baselines.evaluation import draw, simulated_costs
from jumpgym.baselines.hindsight import HindsightTimeout
from jumpgym.baselines.hindsight import cost as hindsight
from jumpgym.baselines.hindsight.cost import hindsight_cost, hindsight_plan
from jumpgym.baselines.hindsight.wagner_whitin import fits
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.free_shipping import free_shipping
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.loan_brackets import LoanBrackets
from jumpgym.problems.min_investment import InvestmentState, MinInvestment
from jumpgym.problems.min_order import min_order
from jumpgym.problems.order_size_lead_time import order_size_lead_time
from jumpgym.problems.quantity_discount import quantity_discount
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.switched_lqr import SwitchedLQR
from jumpgym.problems.truck_capacity import truck_capacity

UP_TO_4 = scipy.stats.randint(0, 5)


def replay(problem, plan, state, noise):
    """Cost (episodes,) of a plan carried out in ``problem.step``."""
    costs = np.zeros(len(noise))
    for period in range(noise.shape[1]):
        regime = plan.regime[:, period]
        quantity = problem.layout.project(regime, plan.quantity[:, period])
        state, cost = problem.step(state, *problem.layout.flat(regime, quantity), noise[:, period])
        costs += problem.discount**period * cost.sum(-1)
    return costs


def brute_force(problem, noise, state, step):
    """Least cost (episodes,) over all decisions in multiples of ``step``, each carried out in ``step``."""
    layout, decisions = problem.layout, []
    for regimes in itertools.product(*(range(count) for count in layout.gates)):
        column = layout.columns(np.array(regimes)).reshape(-1)
        ends = zip(layout.low[column], layout.high[column], strict=True)
        grids = [np.arange(np.ceil(low / step), high / step + 1e-9) * step for low, high in ends]
        decisions += [(regimes, quantity) for quantity in itertools.product(*grids)]
    gate, quantity = layout.flat(
        np.array([d[0] for d in decisions]), np.array([d[1] for d in decisions], dtype=float)
    )
    return np.array(
        [
            _least(problem, trace, type(state)(*(entry[i] for entry in state)), gate, quantity)
            for i, trace in enumerate(noise)
        ]
    )


def _least(problem, trace, start, gate, quantity):
    """Forward over all states that can be reached, those that are equal merged at the least cost."""
    states, costs = type(start)(*(np.asarray(entry)[None] for entry in start)), np.zeros(1)
    for period, noise in enumerate(trace):
        count, options = len(costs), len(gate)
        repeated = type(start)(*(np.repeat(entry, options, axis=0) for entry in states))
        after, cost = problem.step(
            repeated, np.tile(gate, (count, 1)), np.tile(quantity, (count, 1)), np.asarray(noise)
        )
        total = np.repeat(costs, options) + problem.discount**period * cost.sum(-1)
        first = np.argsort(total, kind="stable")
        keys = np.column_stack([np.asarray(e).reshape(len(total), -1) for e in after])[first]
        kept = first[np.unique(keys.round(9), axis=0, return_index=True)[1]]
        states, costs = type(start)(*(entry[kept] for entry in after)), total[kept]
    return costs.min()


SMALL = {"horizon": 4, "demand": UP_TO_4}
ITEMS = {"items": 2, "horizon": 3, "demand": UP_TO_4, "holding_cost": [1, 2]}

EXACT = {
    "setup": setup_cost(max_order=9, fixed_cost=7, **SMALL),
    "min order, lost": min_order(min_order=5, max_order=8, fixed_cost=3, unmet_demand="lost", **SMALL),
    "trucks": truck_capacity(truck_capacity=3, truck_cost=5, max_trucks=3, discount=0.9, **SMALL),
    "shipping, lead time": free_shipping(
        shipping_fee=6, free_from=5, max_order=9, lead_time=1, initial_inventory=-2, **SMALL
    ),
    "discount, lost": quantity_discount(
        breakpoints=(3, 6), unit_costs=(4, 3, 2), max_order=9, unmet_demand="lost", shortage_cost=5, **SMALL
    ),
    "lead times": order_size_lead_time(
        breakpoints=(2,), lead_times=(0, 2), fixed_cost=2, max_order=7, initial_inventory=3, **SMALL
    ),
    "trucks of items": JointReplenishment(
        truck_capacity=3, truck_cost=4, max_trucks=2, item_costs=[1, 3], unit_costs=0.5, **ITEMS
    ),
    "full trucks": JointReplenishment(
        truck_capacity=3, truck_cost=4, max_trucks=2, item_costs=2, full_trucks=True, discount=0.8, **ITEMS
    ),
    "one large truck": JointReplenishment(
        truck_capacity=np.inf, truck_cost=9, max_order=6, lead_time=1, unmet_demand="lost", **ITEMS
    ),
    "lots": CapacitatedLotSizing(
        setup_costs=[3, 5], setup_times=[1, 2], capacity=7, initial_inventory=np.array([1.0, -1.0]), **ITEMS
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_equals_brute_force_on_integers(name):
    """With the gates given these are flows in a network, so that whole quantities are optimal."""
    problem = EXACT[name]
    state, noise = draw(problem, 4, 0)
    np.testing.assert_allclose(
        hindsight_cost(problem, noise), brute_force(problem, noise, state, 1.0), rtol=1e-6
    )


CONTINUOUS = {
    # Purchases at 1 and 0.5 from money in halves: all that is bought or saved is a multiple of a half.
    "budget": BudgetDiscount(
        budget=2, breakpoints=(4,), unit_costs=(1.0, 0.5), income=1, max_order=6, leftover_value=0.3, **SMALL
    ),
    "budget, backlog, lead time": BudgetDiscount(
        budget=3, breakpoints=(4,), unit_costs=(1.0, 0.5), income=1, max_order=6, lead_time=1,
        unmet_demand="backlog", **SMALL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTINUOUS)
def test_budget_equals_brute_force(name):
    problem = CONTINUOUS[name]
    state, noise = draw(problem, 4, 0)
    expected = brute_force(problem, noise, state, 0.5)
    np.testing.assert_allclose(hindsight_cost(problem, noise), expected, rtol=1e-6)


@pytest.mark.parametrize("shortfall_cost", [0.5, 0.01])
def test_loans_equal_brute_force_of_gates_and_a_grid(shortfall_cost):
    """On the grid no plan is cheaper, and one is nearly as cheap; also where a deposit beats an overdraft."""
    problem = LoanBrackets(
        brackets=((1, 2), (5, 8)), rates=(0.1, 0.05), fees=(0.05, 0.1), terms=(1, 2), deposit_rate=0.04,
        shortfall_cost=shortfall_cost, cash_need=scipy.stats.norm(1, 3), initial_cash=1.0, horizon=3,
    )  # fmt: skip
    state, noise = draw(problem, 4, 1)
    found, grid = hindsight_cost(problem, noise), brute_force(problem, noise, state, 0.1)
    assert np.all(found <= grid + 1e-9)
    np.testing.assert_allclose(found, grid, atol=0.1)


@pytest.mark.parametrize("utility", ["log", "linear"])
def test_investment_equals_brute_force_on_a_grid(utility):
    problem = MinInvestment(
        min_investment=(2.0, 4.0), max_investment=(4.0, 6.0), horizon=3, utility=utility, initial_wealth=6.0
    )
    state, noise = draw(problem, 4, 1)
    found, grid = hindsight_cost(problem, noise), brute_force(problem, noise, state, 0.5)
    assert np.all(found <= grid + 1e-9)
    np.testing.assert_allclose(found, grid, atol=0.02 if utility == "log" else 0.2)


def test_switched_lqr_is_stationary_in_the_controls():
    """Brute force over modes, in each of which no change of any control costs less."""
    problem = SwitchedLQR(horizon=3, terminal_cost=0.7, discount=0.9, mode_costs=(0.1, 0.3))
    state, noise = draw(problem, 3, 0)
    plan = hindsight_plan(problem, noise, state)
    np.testing.assert_allclose(replay(problem, plan, state, noise), plan.costs)
    rng = np.random.default_rng(0)
    best = np.full(3, np.inf)
    for modes in itertools.product(range(2), repeat=3):
        regime = np.broadcast_to(np.array(modes)[:, None], plan.regime.shape)
        for i in range(3):

            def cost(controls, i=i, regime=regime):
                one = hindsight.HindsightPlan(np.zeros(1), regime[i : i + 1], controls[None, :, None])
                start = type(state)(*(entry[i : i + 1] for entry in state))
                return replay(problem, one, start, noise[i : i + 1])[0]

            best[i] = min(best[i], scipy.optimize.minimize(cost, rng.normal(size=3), tol=1e-12).fun)
    np.testing.assert_allclose(plan.costs, best, rtol=1e-6)


@pytest.mark.parametrize(
    "problem",
    [
        *EXACT.values(),
        *CONTINUOUS.values(),
        BudgetDiscount(horizon=8, demand=scipy.stats.gamma(4, scale=2)),
        LoanBrackets(horizon=12),
        MinInvestment(),
        CapacitatedLotSizing(horizon=12, demand=scipy.stats.gamma(2, scale=2), setup_costs=[3.0, 9.0]),
        JointReplenishment(horizon=8, lead_time=1, demand=scipy.stats.gamma(2, scale=2)),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_the_decisions_cost_what_is_stated(problem):
    state, noise = draw(problem, 3, 5)
    plan = hindsight_plan(problem, noise, state)
    np.testing.assert_allclose(replay(problem, plan, state, noise), plan.costs, rtol=1e-6, atol=1e-6)


def test_wagner_whitin_of_the_literature():
    problem = setup_cost(
        fixed_cost=500, max_order=1000, holding_cost=2, shortage_cost=1e6, horizon=4,
        demand=np.array([[90.0, 120.0, 80.0, 70.0]]),
    )  # fmt: skip
    assert hindsight_cost(problem, [90, 120, 80, 70]) == 1380


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize("lead_time", [0, 2])
@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_wagner_whitin_equals_the_programme(unmet_demand, lead_time, discount):
    rng = np.random.default_rng(lead_time)
    for unit_cost, holding_cost, shortage_cost in rng.uniform((0, 0.2, 0.5), (4, 2, 6), (2, 3)):
        problem = setup_cost(
            fixed_cost=9, unit_cost=unit_cost, holding_cost=holding_cost, shortage_cost=shortage_cost,
            lead_time=lead_time, unmet_demand=unmet_demand, discount=discount, horizon=9,
            demand=scipy.stats.gamma(1.0, scale=5),
        )  # fmt: skip
        _, noise = draw(problem, 3, 3)
        inventory = np.array([0.0, 12.3, 200.0 if unmet_demand == "lost" else -7.7])
        state = InventoryState(inventory, np.zeros((3, lead_time)), np.zeros(3))
        assert fits(problem, noise, state)
        plan = hindsight_plan(problem, noise, state)
        np.testing.assert_allclose(hindsight_cost(problem, noise, state), plan.costs, rtol=1e-6)


def test_what_is_under_way_counts():
    """It is beyond ``wagner_whitin``; four units arrive in time for the demand of the second period."""
    problem = setup_cost(lead_time=2, horizon=3, demand=np.array([[0.0, 4.0, 0.0]]))
    state = InventoryState(np.zeros(1), np.array([[0.0, 4.0]]), np.zeros(1))
    assert not fits(problem, np.array([[0.0, 4.0, 0.0]]), state)
    np.testing.assert_allclose(hindsight_cost(problem, [[0.0, 4.0, 0.0]], state), 0, atol=1e-9)


def test_wagner_whitin_fits_where_the_largest_order_is_far_from_binding():
    problem = setup_cost(horizon=12)  # at most 200, of some 240 units in all
    state, noise = draw(problem, 5, 0)
    assert fits(problem, noise, state)
    assert (noise.sum(axis=1) > problem.regimes.high[1]).all()
    np.testing.assert_allclose(hindsight_cost(problem, noise), hindsight_plan(problem, noise).costs)


def test_a_binding_largest_order_is_beyond_wagner_whitin():
    problem = setup_cost(max_order=2, fixed_cost=1, shortage_cost=2, horizon=3, demand=np.full((1, 3), 3.0))
    state, noise = draw(problem, 1, 0)
    assert not fits(problem, noise, state)
    np.testing.assert_allclose(hindsight_cost(problem, noise), brute_force(problem, noise, state, 1.0))


def test_no_policy_costs_less():
    problem = setup_cost(horizon=8, demand=scipy.stats.poisson(5), max_order=60)
    state, noise = draw(problem, 200, 0)
    bound = hindsight_cost(problem, noise, state)
    optimum = solve(problem)
    costs = simulated_costs(optimum, problem, state, noise).costs
    assert np.all(bound <= costs + 1e-9)
    assert np.all(bound <= simulated_costs(SSPolicy(problem, 2, 25), problem, state, noise).costs + 1e-9)
    assert bound.mean() < optimum.expected_cost


def test_a_wider_gap_gives_a_lower_bound():
    problem = JointReplenishment(horizon=9)
    _, noise = draw(problem, 2, 0)
    exact, rough = hindsight_cost(problem, noise), hindsight_cost(problem, noise, gap=0.1)
    assert np.all((0.9 * exact <= rough) & (rough <= exact + 1e-6))


def test_without_a_horizon_the_cost_is_per_period():
    problem = setup_cost(horizon=None)
    trace = np.full((1, 20), 20.0)
    finite = setup_cost(horizon=20, demand=trace)
    np.testing.assert_allclose(hindsight_cost(problem, trace), hindsight_cost(finite, trace) / 20)
    discounted = setup_cost(horizon=None, discount=0.9)
    finite = setup_cost(horizon=20, demand=trace, discount=0.9)
    np.testing.assert_allclose(hindsight_cost(discounted, trace), hindsight_cost(finite, trace))


def test_a_single_trace_has_no_axis_of_episodes():
    problem = EXACT["trucks of items"]
    state, noise = draw(problem, 2, 0)
    both = hindsight_plan(problem, noise, state)
    one = hindsight_plan(problem, noise[1], type(state)(*(entry[1] for entry in state)))
    assert hindsight_cost(problem, noise[1]).shape == ()
    assert (one.regime.shape, one.quantity.shape) == ((3, 3), (3, 2))
    np.testing.assert_allclose(one.costs, both.costs[1])


def test_wrong_arguments():
    problem = setup_cost(horizon=3, initial_inventory=(0.0, 5.0))
    with pytest.raises(ValueError, match="initial state is drawn"):
        hindsight_cost(problem, np.zeros((2, 3)))
    start = InventoryState(np.zeros(1), np.zeros((1, 0)), np.zeros(1))
    with pytest.raises(ValueError, match="one state for each trace"):
        hindsight_cost(problem, np.zeros((2, 3)), start)
    with pytest.raises(ValueError, match="period=1"):
        hindsight_cost(problem, np.zeros((1, 3)), start._replace(period=np.ones(1)))
    with pytest.raises(ValueError, match="axis of episodes"):
        hindsight_cost(problem, np.zeros((1, 1, 3)))
    with pytest.raises(ValueError, match="gap=-1"):
        hindsight_cost(problem, np.zeros((1, 3)), start, gap=-1)
    with pytest.raises(NotImplementedError, match=r"2\^21"):
        hindsight_cost(SwitchedLQR(horizon=21, initial_state=(1.0, 1.0)), np.zeros((21, 2)))


def test_no_proof_in_time_is_an_error(monkeypatch):
    monkeypatch.setattr("jumpgym.baselines.hindsight.program.TIME_LIMIT", 0.0)
    problem = JointReplenishment()
    with pytest.raises(HindsightTimeout, match="no proven optimum"):
        hindsight_cost(problem, draw(problem, 1, 0)[1])


def test_a_subclass_of_a_family_is_solved_as_that():
    class Renamed(SingleItemInventory):
        pass

    table = RegimeTable([0, 0], [0, 9], [0, 4], [0, 0], [0, 0])
    same = [kind(table, horizon=3, demand=UP_TO_4) for kind in (Renamed, SingleItemInventory)]
    costs = [hindsight_cost(problem, [[3, 0, 4]]) for problem in same]
    assert costs[0] == costs[1] == 8


def test_investment_from_given_wealth():
    """With certain returns below the risk-free rate nothing is invested."""
    problem = MinInvestment(
        returns=np.full((1, 2, 1), -0.1), min_investment=(1.0,), entry_costs=(0.0,), horizon=2
    )
    state = InvestmentState(np.array([6.0]), np.zeros(1))
    np.testing.assert_allclose(hindsight_cost(problem, np.full((1, 2, 1), -0.1), state), -np.log(6 * 1.01**2))
