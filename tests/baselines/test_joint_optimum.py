"""``solve_joint`` against brute force, single-item optima, published figures and simulation."""

import itertools

import numpy as np
import pytest
import scipy.stats

from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.exact import joint
from jumpgym.baselines.exact.joint import solve_joint
from jumpgym.baselines.exact.joint_lattice import least_in_reach
from jumpgym.baselines.optimum import solve
from jumpgym.baselines.studies.published import full_trucks, vanvuchelen
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

poisson = scipy.stats.poisson


def two_point(*values, probability=0.4):
    return scipy.stats.rv_discrete(values=(values, (probability, 1 - probability)))


def brute_force(problem, grids):
    """Least expected cost over all regimes and the quantities of ``grids``, through ``problem.step``."""
    demands = [(demand.values, demand.probabilities) for demand in problem.demand.items]
    noise = np.array(list(itertools.product(*(values for values, _ in demands))))
    weights = np.array([np.prod(p) for p in itertools.product(*(p for _, p in demands))])
    regimes = np.array(list(itertools.product(*(range(count) for count in problem.layout.gates))))
    quantities = np.array(list(itertools.product(*grids)))
    regime = np.repeat(regimes, len(quantities), axis=0)
    quantity = np.tile(quantities, (len(regimes), 1))
    decisions = problem.layout.flat(regime, problem.layout.project(regime, quantity))
    # Orders that are cut arise from others too; cutting them would only multiply the states.
    whole = [
        np.isclose(x, y).all(axis=1) for x, y in zip(decisions, problem.admit(None, *decisions), strict=True)
    ]
    both = np.unique(np.concatenate(decisions, axis=1)[whole[0] & whole[1]], axis=0)
    gate, flat = np.split(both, [problem.layout.options], axis=1)
    shape = (len(gate), len(noise))
    decisions = [np.repeat(x[:, None], len(noise), axis=1) for x in (gate, flat)]
    kind = type(problem.initial_state(np.zeros(problem.items)))
    known = {}

    def cost_to_go(stock, pipeline, period):
        if period == problem.horizon:
            return 0.0
        if (period, stock, pipeline) not in known:
            under_way = np.reshape(pipeline, (problem.lead_time, problem.items))
            state = kind(*(np.broadcast_to(x, (*shape, *np.shape(x))) for x in (stock, under_way, period)))
            after, cost = problem.step(state, *decisions, np.broadcast_to(noise, (*shape, problem.items)))
            pairs = np.concatenate([after.inventory, after.pipeline.reshape(*shape, -1)], axis=-1)
            distinct, index = np.unique(pairs.reshape(-1, pairs.shape[-1]), axis=0, return_inverse=True)
            split = ((tuple(row[: problem.items]), tuple(row[problem.items :])) for row in distinct.tolist())
            later = np.array([cost_to_go(*parts, period + 1) for parts in split])[index.reshape(shape)]
            known[period, stock, pipeline] = ((cost.sum(axis=-1) + problem.discount * later) @ weights).min()
        return known[period, stock, pipeline]

    start = tuple(problem.initial_inventory[0].tolist())
    return cost_to_go(start, (0.0,) * problem.lead_time * problem.items, 0)


HALVES = np.arange(0, 4.5, 0.5)
TWO = [two_point(0, 2), two_point(1, 2)]
COSTS = {"holding_cost": [1, 2], "shortage_cost": [6, 9], "unit_costs": [0.5, 0.25], "discount": 0.9}


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize(
    "trucks",
    [
        {"truck_capacity": 2, "max_trucks": 2, "truck_cost": 4},
        {"truck_capacity": 1.5, "max_trucks": 2, "truck_cost": 3, "max_order": [2.5, 1]},
        {"truck_capacity": 2, "max_trucks": 2, "truck_cost": 4, "full_trucks": True},
        {"truck_capacity": np.inf, "truck_cost": 5, "max_order": [4, 3]},
    ],
)
def test_brute_force_of_joint_replenishment(trucks, unmet_demand):
    problem = JointReplenishment(
        demand=TWO, item_costs=[1, 2], unmet_demand=unmet_demand, initial_inventory=np.array([1.0, 0.0]),
        horizon=3, **COSTS, **trucks,
    )  # fmt: skip
    optimum = solve_joint(problem)
    assert optimum.discretisation_error == 0
    # Quantities off the lattice do not help.
    assert optimum.expected_cost == pytest.approx(brute_force(problem, [HALVES, HALVES]), rel=1e-12)


def test_brute_force_with_a_lead_time():
    problem = JointReplenishment(
        demand=TWO,
        item_costs=[1, 2],
        lead_time=1,
        truck_capacity=2,
        max_trucks=2,
        truck_cost=4,
        horizon=4,
        **COSTS,
    )
    expected = brute_force(problem, [np.arange(5.0)] * 2)
    assert solve_joint(problem).expected_cost == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize(
    ("setup_times", "unit_times", "capacity", "steps"),
    [([1, 0.5], [1, 1], 4, [0.5, 0.5]), ([1, 1], [1, 2], 5, [1, 0.5])],
)
def test_brute_force_of_lot_sizing(setup_times, unit_times, capacity, steps, unmet_demand):
    problem = CapacitatedLotSizing(
        demand=TWO, setup_costs=[3, 2], setup_times=setup_times, unit_times=unit_times, capacity=capacity,
        unmet_demand=unmet_demand, horizon=3, **COSTS,
    )  # fmt: skip
    optimum = solve_joint(problem)
    np.testing.assert_array_equal(optimum.rule.steps, steps)
    grids = [np.arange(0, high + 0.1, 0.25 if high <= 2 else 0.5) for high in problem.max_order]
    assert optimum.expected_cost == pytest.approx(brute_force(problem, grids), rel=1e-12)


@pytest.mark.parametrize("fill", [False, True])
def test_least_in_reach(fill):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 50, (2, 6, 7)).astype(float)
    most = np.array([5, 3, 3, 1, 0])
    least, where = least_in_reach(values, most, fill)
    for row, i, j in np.ndindex(*values.shape):
        reach = [
            values[row, i + a, j + b]
            for a in range(len(most))
            for b in range(most[a] + 1)
            if i + a < 6 and j + b < 7 and (b == most[a] or not fill)
        ]
        assert least[row, i, j] == min(reach, default=np.inf)
        if reach:
            assert values[row].ravel()[where[row, i, j]] == least[row, i, j]


@pytest.mark.parametrize(
    "shared",
    [
        {"lead_time": 2, "discount": 0.97, "horizon": 12},
        {"unmet_demand": "lost", "unit_costs": 1.0},
        {"initial_inventory": 9.0, "horizon": None, "discount": 0.9},
        {"horizon": None, "discount": 0.9, "unmet_demand": "lost"},
    ],
)
def test_items_that_share_nothing_are_solved_alone(shared):
    joint = JointReplenishment(
        truck_capacity=np.inf, truck_cost=0, item_costs=[20, 5], demand=[poisson(6), poisson(3)],
        shortage_cost=[9, 19], max_order=100, **{"horizon": 30} | shared,
    )  # fmt: skip
    own = {name.replace("unit_costs", "unit_cost"): value for name, value in shared.items()}
    own = {"horizon": 30, "max_order": 100} | own
    if own["horizon"] is None:
        own["horizon"] = 300  # .9 ** 300 = 2e-14
    single = [
        solve(setup_cost(fixed_cost=cost, demand=poisson(mean), shortage_cost=shortage, **own)).expected_cost
        for cost, mean, shortage in ((20, 6, 9), (5, 3, 19))
    ]
    optimum = solve_joint(joint)
    assert optimum.expected_cost == pytest.approx(sum(single), rel=1e-9)


def test_one_item_in_trucks():
    shared = {"truck_capacity": 7, "truck_cost": 12, "max_trucks": 3, "demand": poisson(6), "horizon": 20}
    joint = solve_joint(JointReplenishment(items=1, item_costs=0, **shared))
    assert joint.expected_cost == pytest.approx(solve(truck_capacity(**shared)).expected_cost, rel=1e-9)


def test_average_cost_of_zheng_federgruen():
    problem = JointReplenishment(
        truck_capacity=np.inf, truck_cost=0, item_costs=64, demand=[poisson(10), poisson(15)], horizon=None,
        max_order=200,
    )  # fmt: skip
    optimum = solve_joint(problem)
    assert optimum.average_cost == pytest.approx(35.022 + 42.698, abs=1.1e-3)
    assert optimum.error_bound < 1e-6
    assert optimum.expected_cost is None


def test_full_trucks_of_vanvuchelen():
    """They report the average cost of the policy that is optimal at discount 0.99."""
    assert full_trucks() == pytest.approx(71.558, abs=5e-4)
    assert 71.4 < solve_joint(vanvuchelen(1.0)).average_cost < 71.558
    regime, quantity = solve_joint(vanvuchelen(0.99)).decide(np.array([[5.0, 0.0]]))
    assert (regime.tolist(), quantity.tolist()) == ([[1, 0, 1]], [[0.0, 6.0]])


def test_average_cost_is_that_of_a_longer_horizon():
    long, longer = (solve_joint(JointReplenishment(horizon=h)).expected_cost for h in (30, 40))
    optimum = solve_joint(JointReplenishment(horizon=None))
    assert optimum.average_cost == pytest.approx((longer - long) / 10, rel=1e-5)


def test_periodic_chains_converge():
    one = scipy.stats.rv_discrete(values=([1], [1.0]))
    problem = JointReplenishment(
        items=1, item_costs=0, truck_cost=28, truck_capacity=np.inf, max_order=20, demand=one,
        shortage_cost=1e4, horizon=None,
    )  # fmt: skip
    # 8 every 8 periods: (28 + 7 + ... + 0) / 8, as much as 7 every 7 periods.
    assert solve_joint(problem).average_cost == pytest.approx(7, rel=1e-6)


def test_continuous_demand():
    problem = JointReplenishment(
        truck_capacity=np.inf, truck_cost=0, item_costs=[20, 5], max_order=100, horizon=5,
        demand=[scipy.stats.gamma(6), scipy.stats.gamma(3)], initial_inventory=(0, 8),
    )  # fmt: skip
    single = [
        solve(
            setup_cost(
                fixed_cost=cost,
                demand=scipy.stats.gamma(mean),
                max_order=100,
                horizon=5,
                initial_inventory=(0, 8),
            )
        ).expected_cost
        for cost, mean in ((20, 6), (5, 3))
    ]
    optimum = solve_joint(problem)
    assert 0 < optimum.discretisation_error < 0.01 * optimum.expected_cost
    assert optimum.expected_cost == pytest.approx(sum(single), abs=optimum.discretisation_error)


@pytest.mark.parametrize(
    "problem",
    [
        JointReplenishment(),
        JointReplenishment(unmet_demand="lost", discount=0.95, initial_inventory=(0.0, 20.0), horizon=5),
        JointReplenishment(full_trucks=True, max_trucks=2, horizon=20),
        CapacitatedLotSizing(lead_time=2, horizon=20),
        CapacitatedLotSizing(unit_times=[1, 0.7], capacity=15.3, horizon=4),
    ],
    ids=["trucks", "lost", "full", "lots", "grid"],
)
def test_policy_costs_what_solve_joint_expects(problem):
    optimum = solve_joint(problem)
    result = evaluate(optimum, problem, episodes=4096, seed=1)
    slack = 4 * result.standard_error + optimum.discretisation_error
    assert abs(result.mean - optimum.expected_cost) < slack


@pytest.mark.parametrize(
    "problem",
    [
        JointReplenishment(horizon=10),
        JointReplenishment(horizon=None),
        JointReplenishment(horizon=10, full_trucks=True, shortage_cost=2.0),
        CapacitatedLotSizing(horizon=None, discount=0.95),
    ],
)
def test_cost_does_not_depend_on_the_cut(problem, monkeypatch):
    small = solve_joint(problem)
    extent = joint.extent
    monkeypatch.setattr(joint, "extent", lambda problem, margin: extent(problem, 1.7 * margin))
    large = solve_joint(problem)
    assert np.prod(large.rule.process.shape) > 1.5 * np.prod(small.rule.process.shape)
    assert small.cost == pytest.approx(large.cost, rel=2e-9)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (JointReplenishment(items=3), "items=3"),
        (JointReplenishment(unmet_demand="lost", lead_time=1), "lead_time=1"),
        (JointReplenishment(demand=np.ones((3, 50, 2))), "traces"),
        (CapacitatedLotSizing(capacity=8, horizon=None), "keep up"),
    ],
)
def test_unsupported_problems_are_named(problem, message):
    with pytest.raises(NotImplementedError, match=message):
        solve(problem)
