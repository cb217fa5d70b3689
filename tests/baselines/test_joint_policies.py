"""Classical policies of several items: their orders by hand, what they refuse, and their search."""

import numpy as np
import pytest
import scipy.stats

from jumpgym.baselines.evaluation import draw, evaluate
from jumpgym.baselines.exact.joint import solve_joint
from jumpgym.baselines.policies.joint_policies import (
    CanOrderPolicy,
    JointFullTruckPolicy,
    PeriodicPolicy,
    PeriodicReorderPolicy,
    QSPolicy,
)
from jumpgym.baselines.policies.joint_search import best_joint, best_of_family, costs, starts
from jumpgym.baselines.policies.run_out_policy import RunOutPolicy
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.setup_cost import setup_cost

TRUCKS = JointReplenishment(truck_capacity=10, max_trucks=3)
UNLIMITED = JointReplenishment(truck_capacity=np.inf)
FULL = JointReplenishment(truck_capacity=10, max_trucks=3, full_trucks=True)
SMALL = dict(demand=[scipy.stats.poisson(2), scipy.stats.poisson(1)], horizon=12)


def orders(policy, *stocks, period=0):
    """Regimes and quantities at stocks, as lists."""
    regime, quantity = policy.decide(np.array([[*stock, period] for stock in stocks], dtype=float))
    return [(r.tolist(), q.tolist()) for r, q in zip(regime, quantity, strict=True)]


def test_can_order():
    policy = CanOrderPolicy(UNLIMITED, s=[2, 1], c=[6, 4], S=[12, 8])
    assert orders(policy, [3, 2], [2, 5], [2, 4], [9, 1]) == [
        ([0, 0, 0], [0, 0]), ([1, 1, 0], [10, 0]), ([1, 1, 1], [10, 4]), ([1, 0, 1], [0, 7]),
    ]  # fmt: skip
    # 14 need two trucks; trimmed to one, 4 less at demands of 6 and 3, rounded.
    assert orders(CanOrderPolicy(TRUCKS, [2, 1], [6, 4], [12, 8]), [2, 4]) == [([2, 1, 1], [10, 4])]
    assert orders(CanOrderPolicy(TRUCKS, [2, 1], [6, 4], [12, 8], 5), [2, 4]) == [([1, 1, 1], [7, 3])]
    # One truck goes once an item must be ordered, however little it carries.
    assert orders(CanOrderPolicy(TRUCKS, [2, 1], [6, 4], [12, 8], 10), [7, 1]) == [([1, 0, 1], [0, 7])]


def test_periodic():
    policy = PeriodicPolicy(UNLIMITED, R=3, S=[12, 8])
    assert orders(policy, [3, 2], period=0) == orders(policy, [3, 2], period=6) == [([1, 1, 1], [9, 6])]
    assert orders(policy, [3, 2], period=4) == [([0, 0, 0], [0, 0])]
    policy = PeriodicReorderPolicy(UNLIMITED, R=3, s=[2, 2], S=[12, 8])
    assert orders(policy, [3, 2], period=3) == [([1, 0, 1], [0, 6])]


def test_total_order():
    policy = QSPolicy(UNLIMITED, Q=9, S=[12, 8])
    assert orders(policy, [7, 5], [7, 4], [1, 10]) == [
        ([0, 0, 0], [0, 0]), ([1, 1, 1], [5, 4]), ([1, 1, 0], [11, 0]),
    ]  # fmt: skip


def test_full_trucks():
    policy = JointFullTruckPolicy(TRUCKS, S=[20, 10], tau=6)
    assert orders(policy, [15, 10], [14, 10], [12, 8], [-20, -20]) == [
        ([0, 0, 0], [0, 0]), ([1, 1, 0], [6, 0]), ([1, 1, 1], [8, 2]), ([3, 1, 1], [13, 17]),
    ]  # fmt: skip
    # Only full trucks: a rest of tau or more is filled up, in proportion to mean demand.
    policy = JointFullTruckPolicy(FULL, S=[20, 10], tau=6)
    assert orders(policy, [15, 10], [15, 8], [13, 4]) == [
        ([0, 0, 0], [0, 0]), ([1, 1, 1], [7, 3]), ([1, 1, 1], [5, 5]),
    ]  # fmt: skip


@pytest.mark.parametrize("problem", [TRUCKS, FULL, UNLIMITED, JointReplenishment(items=5, lead_time=1)])
def test_orders_need_no_cut(problem):
    """What a policy orders fits the trucks that it orders, and trimming lowers all by the same time."""
    rng = np.random.default_rng(0)
    state = problem.initial_state(np.zeros((300, problem.items)))
    state = state._replace(inventory=rng.integers(-15, 15, state.inventory.shape).astype(float))
    for policy in starts(problem):
        regime, quantity = policy.decide(problem.observe(state))
        gate, placed = problem.layout.flat(regime, quantity)
        for admitted, asked in zip(problem.admit(state, gate, placed), (gate, placed), strict=True):
            assert admitted == pytest.approx(asked)
        assert (regime[:, 1:].any(1) == (regime[:, 0] > 0)).all()
        if problem.full_trucks:
            assert quantity.sum(1) == pytest.approx(regime[:, 0] * problem.truck_capacity)


def test_trimming_is_by_time():
    problem = JointReplenishment(demand=[scipy.stats.gamma(6), scipy.stats.gamma(3), scipy.stats.gamma(1)])
    policy = JointFullTruckPolicy(problem, S=40, tau=10)
    rng = np.random.default_rng(1)
    position = 40 - rng.exponential(5, (500, 3))
    regime, quantity = policy.act(position, np.zeros(500))
    assert quantity.sum(1) == pytest.approx(regime[:, 0] * 10)
    lowered = (40 - position - quantity) / problem.demand.mean
    for row, items in zip(lowered, quantity > 0, strict=True):
        if items.any():
            assert np.ptp(row[items]) == pytest.approx(0, abs=1e-6)
            assert np.all(row[~items] <= row[items].max() + 1e-6)


def test_run_out():
    problem = CapacitatedLotSizing(capacity=16, setup_times=2, unit_times=[1, 2])
    policy = RunOutPolicy(problem, s=[4, 4], S=[12, 6])
    # Mean demands 6 and 3: item 2 lasts half a period, item 1 two thirds.
    assert orders(policy, [5, 5], [4, 1.5], [4, 3], [-30, -1]) == [
        ([0, 0], [0, 0]), ([1, 1], [3, 4.5]),
        ([1, 1], [8, 2]), ([1, 0], [14, 0]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CanOrderPolicy(TRUCKS, [2, 1], [1, 4], [12, 8]), "s must be at most c"),
        (lambda: CanOrderPolicy(TRUCKS, [2, 1, 3], 5, 9), "s has 3 entries"),
        (lambda: CanOrderPolicy(setup_cost(), 1, 2, 3), "JointReplenishment"),
        (lambda: CanOrderPolicy(CapacitatedLotSizing(), 1, 2, 3), "JointReplenishment"),
        (lambda: CanOrderPolicy(UNLIMITED, 1, 2, 3, tau=2), "tau must be 0"),
        (lambda: QSPolicy(TRUCKS, 4, 9, tau=11), "tau=11"),
        (lambda: QSPolicy(TRUCKS, 0, 9), "Q must be greater"),
        (lambda: PeriodicPolicy(TRUCKS, 0, 9), "R=0"),
        (lambda: PeriodicPolicy(JointReplenishment(horizon=None), 2, 9), "horizon=None"),
        (lambda: JointFullTruckPolicy(UNLIMITED, 9, 5), "finite truck_capacity"),
        (lambda: JointFullTruckPolicy(TRUCKS, 9, 0), "tau must be greater"),
        (lambda: RunOutPolicy(TRUCKS, 1, 9), "CapacitatedLotSizing"),
    ],
)
def test_policies_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_no_family_fits():
    with pytest.raises(NotImplementedError, match="SingleItemInventory"):
        best_joint(setup_cost())


@pytest.mark.parametrize("problem", [TRUCKS, CapacitatedLotSizing(), JointReplenishment(horizon=None)])
def test_many_parameters_at_once_cost_what_each_costs(problem):
    state, noise = draw(problem, 20, seed=3, periods=60)
    for policy in starts(problem):
        other = {**policy.parameters, "S": policy.parameters["S"] + 3}
        both = costs([policy.parameters, other], policy, state, noise)
        each = [costs([entry], policy, state, noise)[0] for entry in (policy.parameters, other)]
        assert both == pytest.approx(each)
        if problem.horizon is not None:
            shifted = evaluate(policy.with_parameters(other), problem, episodes=20, seed=3)
            assert both[1] == pytest.approx(shifted.mean)


def test_search_finds_the_best_of_all():
    """Every (Q, S) policy in a box, on the episodes of the search."""
    problem = JointReplenishment(truck_capacity=np.inf, truck_cost=12, item_costs=3, **SMALL)
    start = next(policy for policy in starts(problem) if isinstance(policy, QSPolicy))
    state, noise = draw(problem, 256, seed=0)
    _, found = best_of_family(start, state, noise)
    everything = [
        {"Q": np.array(float(Q)), "tau": np.array(0.0), "S": np.array([S1, S2], dtype=float)}
        for Q in range(1, 19) for S1 in range(2, 14) for S2 in range(1, 9)
    ]  # fmt: skip
    every = min(costs(everything[i : i + 96], start, state, noise).min() for i in range(0, 1728, 96))
    assert every <= found * (1 + 1e-9)
    assert found < 1.005 * every


def test_best_lots_are_close_above_the_optimum():
    problem = CapacitatedLotSizing(capacity=6, setup_times=1, setup_costs=4, **SMALL)
    result = evaluate(best_joint(problem), problem, episodes=4096, seed=1)
    optimum = solve_joint(problem).expected_cost
    assert optimum - 3 * result.standard_error < result.mean < 1.06 * optimum


def test_trimmed_can_order_is_close_above_the_optimum():
    problem = JointReplenishment(truck_capacity=4, truck_cost=8, item_costs=4, **SMALL)
    plain, trimmed = (policy for policy in starts(problem) if isinstance(policy, CanOrderPolicy))
    episodes = draw(problem, 256, seed=0)
    best, _ = best_of_family(trimmed, *episodes)
    _, worse = best_of_family(plain, *episodes)
    result = evaluate(best, problem, episodes=4096, seed=1)
    optimum = solve_joint(problem).expected_cost
    assert optimum - 3 * result.standard_error < result.mean < 1.05 * optimum < worse
