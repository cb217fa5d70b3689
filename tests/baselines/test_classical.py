"""Classical policies: their orders, their exact costs, and the search for the best."""

import numpy as np
import pytest
import scipy.stats

from jumpgym import NotApplicable, as_problem
from jumpgym.adapters.registry import make_env
from jumpgym.baselines import (
    FullTruckPolicy,
    MinOrderPolicy,
    SSPolicy,
    best_classical,
    best_full_truck,
    best_min_order,
    best_ss,
    jump_ignoring,
    stationary_cost,
)
from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.optimum import solve
from jumpgym.baselines.policies.stationary import stationary_costs
from jumpgym.problems.min_order import min_order
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity


def orders(policy, positions):
    regime, quantity = policy.decide(np.array([[x, 0.0] for x in positions]))
    return list(zip(regime.tolist(), quantity.tolist(), strict=True))


def test_orders():
    assert orders(SSPolicy(setup_cost(), 14, 62), [15, 14, -4]) == [(0, 0), (1, 48), (1, 66)]
    assert orders(SSPolicy(setup_cost(max_order=50), 14, 62), [-4]) == [(1, 50)]
    problem = min_order(min_order=35)
    assert orders(MinOrderPolicy(problem, 10, 40), [11, 10, 5, -4]) == [(0, 0), (1, 35), (1, 35), (1, 44)]
    trucks = truck_capacity(truck_capacity=13, max_trucks=4)
    policy = FullTruckPolicy(trucks, 40, 5)
    assert orders(policy, [40, 36, 35, 27, 23, 22, -30]) == [
        (0, 0), (0, 0), (1, 5), (1, 13), (1, 13), (2, 18), (4, 52),
    ]  # fmt: skip
    assert orders(FullTruckPolicy(trucks, 40, 13), [28, 27, 2, 1]) == [(0, 0), (1, 13), (2, 26), (3, 39)]


@pytest.mark.parametrize(
    "policy",
    [
        SSPolicy(setup_cost(), 14, 62),
        SSPolicy(setup_cost(max_order=21, initial_inventory=-90), 30, 70),
        SSPolicy(setup_cost(lead_time=2, discount=0.97), 50, 100),
        SSPolicy(setup_cost(unmet_demand="lost", lead_time=1, initial_inventory=120), 30, 75),
        MinOrderPolicy(min_order(), 10, 30),
        MinOrderPolicy(min_order(unmet_demand="lost"), 10, 50),
        FullTruckPolicy(truck_capacity(truck_capacity=14.5), 35, 6),
        FullTruckPolicy(
            truck_capacity(unmet_demand="lost", lead_time=2, demand=scipy.stats.poisson(8)), 40, 6
        ),
        SSPolicy(setup_cost(demand=scipy.stats.gamma(4, scale=5), initial_inventory=(-20, 90)), 12, 65),
    ],
)
def test_cost_is_that_of_simulation(policy):
    result = evaluate(policy, policy.problem, seed=2)
    # Where the lattice is not exact, the grid's error is of this order.
    error = solve(policy.problem).discretisation_error * 5
    assert abs(result.mean - stationary_cost(policy)) < 4 * result.standard_error + error


@pytest.mark.parametrize(
    "problem",
    [
        setup_cost(demand=scipy.stats.poisson(4), fixed_cost=12, horizon=12, shortage_cost=5),
        min_order(demand=scipy.stats.poisson(4), min_order=7, horizon=12, shortage_cost=5),
    ],
)
def test_search_finds_the_best_of_all(problem):
    best = best_classical(problem)
    family = type(best)
    everything = [family(problem, s, S) for s in range(-15, 16) for S in range(s, 30)]
    costs = stationary_costs(everything)
    assert stationary_cost(best) == pytest.approx(costs.min(), rel=1e-12)


def test_search_finds_the_best_trucks():
    problem = truck_capacity(demand=scipy.stats.poisson(7), truck_capacity=5, truck_cost=8, horizon=12)
    best = best_full_truck(problem)
    costs = stationary_costs([FullTruckPolicy(problem, S, tau) for S in range(-5, 40) for tau in range(1, 6)])
    assert stationary_cost(best) == pytest.approx(costs.min(), rel=1e-12)


def test_stationary_policies_over_long_horizons():
    long, longer = (stationary_cost(SSPolicy(setup_cost(horizon=horizon), 14, 62)) for horizon in (300, 600))
    assert (longer - long) / 300 == pytest.approx(49.173, abs=6e-4)
    lost = dict(
        demand=scipy.stats.poisson(5), fixed_cost=5, lead_time=2, shortage_cost=14, unmet_demand="lost"
    )
    long, longer = (stationary_cost(SSPolicy(setup_cost(horizon=h, **lost), 17, 23)) for h in (100, 200))
    assert (longer - long) / 100 == pytest.approx(11.62, abs=5.1e-3)


def test_best_ss_with_continuous_demand():
    problem = setup_cost(demand=scipy.stats.gamma(20), initial_inventory=(0, 60))
    best = best_ss(problem)
    assert stationary_cost(best) / 50 == pytest.approx(49.06, rel=5e-4)
    assert best.s == pytest.approx(14.5, abs=1)
    assert abs(best.S - 62) < 1.5


@pytest.mark.parametrize(
    ("problem", "family"),
    [
        (setup_cost(), SSPolicy),
        (min_order(), MinOrderPolicy),
        (truck_capacity(), FullTruckPolicy),
    ],
)
def test_best_classical_is_close_above_the_optimum(problem, family):
    best = best_classical(problem)
    optimum = solve(problem).expected_cost
    assert type(best) is family
    assert optimum < stationary_cost(best) < 1.03 * optimum


def test_traces_are_searched_by_simulation():
    traces = np.random.default_rng(0).poisson(20, (40, 20)).astype(float)
    problem = setup_cost(demand=traces, horizon=20)
    best = best_ss(problem)
    assert stationary_cost(best) < 0.97 * stationary_cost(SSPolicy(problem, 5, 50))


@pytest.mark.parametrize(
    ("env", "sale"), [("BudgetDiscount", 0), ("MinOrder", 1), ("CapacitatedLotSizing", 20_000)]
)
def test_never_behind_the_policy_that_ignores_the_jump(env, sale):
    """Where hardly anything is sold it is best not to order, which few members of the families amount to."""
    demand = np.zeros((60, 2) if env == "CapacitatedLotSizing" else 60)
    demand[30] = sale
    problem = as_problem(make_env(env, {"demand": demand, "horizon": 3}))
    classical, ignoring = (
        evaluate(policy, problem, episodes=256, seed=0).mean
        for policy in (best_classical(problem), jump_ignoring(problem))
    )
    assert classical <= ignoring * (1 + 1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SSPolicy(min_order(), 1, 2), "use MinOrderPolicy"),
        (lambda: SSPolicy(setup_cost(), 5, 2), "S=2"),
        (lambda: best_min_order(truck_capacity()), "two regimes"),
        (lambda: FullTruckPolicy(setup_cost(), 40, 300), "tau=300"),
        (lambda: best_full_truck(min_order()), "trucks"),
        (lambda: FullTruckPolicy(truck_capacity(), 40, 0), "tau=0"),
    ],
)
def test_policies_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("search", "purpose"),
    [(best_classical, "a classical policy"), (jump_ignoring, "a policy that ignores the jump")],
)
def test_a_class_from_outside_is_registered_in_one_line(search, purpose):
    base = type(setup_cost())

    class Foreign(base.__mro__[1]):
        initial_state = noise = step = observe = None

        def __init__(self):
            pass

    with pytest.raises(NotApplicable, match=f"Foreign is not supported: {purpose} .*SingleItemInventory"):
        search(Foreign())
    policy = SSPolicy(setup_cost(), 1, 2)
    search.register(Foreign, lambda problem, progress=None: policy)
    assert search(Foreign()) is policy


def test_a_search_is_silent_unless_it_is_given_a_progress(capsys):
    problem = setup_cost(demand=scipy.stats.poisson(2), horizon=4)
    lines = []
    assert repr(best_ss(problem, lines.append)) == repr(best_ss(problem))
    assert lines
    assert all("policies compared" in line for line in lines)
    assert capsys.readouterr() == ("", "")
