"""Inventories of several items: periods by hand, what is cut, gradients, agreement with single items."""

import pickle

import numpy as np
import pytest
import scipy.stats
import torch

from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.item_parameters import economic_cycles
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

INF = np.inf

PROBLEMS = [
    JointReplenishment(items=3),
    JointReplenishment(items=3, full_trucks=True),
    JointReplenishment(items=3, truck_capacity=INF, lead_time=2),
    JointReplenishment(items=1, max_trucks=30, unmet_demand="lost"),
    JointReplenishment(items=3, max_trucks=1, horizon=None),
    CapacitatedLotSizing(items=3, unit_times=[1.0, 0.5, 2.0]),
    CapacitatedLotSizing(items=3, setup_times=7.0, lead_time=1, unmet_demand="lost", unit_costs=2.0),
]
IDS = [f"{i} {type(problem).__name__}" for i, problem in enumerate(PROBLEMS)]


def random_actions(problem, batch, seed=0):
    """Regimes (batch, G) and quantities (batch, n) projected on their intervals, a third of them 0."""
    rng = np.random.default_rng(seed)
    regime = np.stack([rng.integers(0, options, batch) for options in problem.layout.gates], -1)
    asked = rng.random((batch, problem.items)) * problem.max_order * rng.integers(0, 3, (batch, 1)) / 2
    return regime, problem.layout.project(regime, asked)


def random_state(problem, batch, seed=1):
    rng = np.random.default_rng(seed)
    state = problem.initial_state(rng.random((batch, problem.items)))
    low = 0 if problem.unmet_demand == "lost" else -20
    return state._replace(
        inventory=rng.integers(low, 20, state.inventory.shape).astype(float),
        pipeline=rng.integers(0, 9, state.pipeline.shape).astype(float),
    )


def one_period(problem, regime, quantity, demand, stock=0.0):
    """Next state and cost by component of one period from equal stocks, decided hard."""
    gate, placed = problem.layout.flat(np.array([regime]), np.array([quantity], dtype=float))
    state = problem.initial_state(np.zeros((1, problem.items)))
    state = state._replace(inventory=state.inventory + stock)
    state, cost = problem.step(state, gate, placed, np.array([demand], dtype=float))
    return state, cost[0].tolist()


TWO = dict(item_costs=[5, 8], holding_cost=[1, 2], shortage_cost=[9, 4], unit_costs=[0.5, 0], horizon=9)


def test_trucks_by_hand():
    problem = JointReplenishment(truck_capacity=10, truck_cost=20, max_trucks=3, **TWO)
    # Two trucks carry 16 and 8 cut by 20/24.
    state, cost = one_period(problem, [2, 1, 1], [16, 8], [4, 10])
    x = 16 * 20 / 24, 8 * 20 / 24
    assert state.inventory[0] == pytest.approx([x[0] - 4, x[1] - 10])
    assert cost == pytest.approx([5 + 0.5 * x[0] + (x[0] - 4), 8 + 4 * (10 - x[1]), 40])
    # A truck too many is paid; an item ordered by 0 units costs as one ordered.
    state, cost = one_period(problem, [3, 1, 1], [6, 0], [4, 1])
    assert state.inventory[0].tolist() == [2, -1]
    assert cost == [5 + 3 + 2, 8 + 4, 60]
    # Without a truck nothing is ordered, and no item cost is due.
    state, cost = one_period(problem, [0, 1, 1], [6, 5], [4, 1], stock=4)
    assert state.inventory[0].tolist() == [0, 3]
    assert cost == [0, 6, 0]


def test_full_trucks_by_hand():
    problem = JointReplenishment(
        truck_capacity=9,
        truck_cost=20,
        full_trucks=True,
        demand=[scipy.stats.poisson(m) for m in (4, 2)],
        **TWO,
    )
    # 3 units are missing: 2 of the item with twice the demand.
    state, _ = one_period(problem, [1, 1, 1], [4, 2], [0, 0])
    assert state.inventory[0] == pytest.approx([6, 3])
    state, _ = one_period(problem, [2, 0, 1], [4, 2], [0, 0])
    assert state.inventory[0] == pytest.approx([0, 18])
    state, _ = one_period(problem, [1, 1, 1], [12, 6], [0, 0])
    assert state.inventory[0] == pytest.approx([6, 3])
    state, cost = one_period(problem, [1, 0, 0], [0, 0], [0, 0])
    assert state.inventory[0].tolist() == [0, 0]
    assert cost == [0, 0, 20]


def test_lots_by_hand():
    problem = CapacitatedLotSizing(
        setup_costs=[5, 8], setup_times=[2, 3], unit_times=[1, 2], capacity=11, unmet_demand="lost",
        holding_cost=[1, 2], shortage_cost=[9, 4], unit_costs=[0.5, 0],
    )  # fmt: skip
    # 6 units of time are left, 4 + 2 * 4 are needed.
    state, cost = one_period(problem, [1, 1], [4, 4], [1, 5])
    assert state.inventory[0].tolist() == [1, 0]
    assert cost == [5 + 1 + 1, 8 + 12]
    state, cost = one_period(problem, [1, 0], [9, 4], [1, 0])
    assert state.inventory[0].tolist() == [8, 0]
    assert cost == [5 + 4.5 + 8, 0]
    crowded = CapacitatedLotSizing(items=2, setup_times=6, capacity=11, setup_costs=[5, 8])
    state, cost = one_period(crowded, [1, 1], [4, 4], [1, 0])
    assert state.inventory[0].tolist() == [-1, 0]
    assert cost == [5 + 9, 8]


def test_orders_arrive_after_the_lead_time():
    problem = JointReplenishment(items=2, lead_time=2, truck_capacity=INF, demand=scipy.stats.poisson(1))
    state = problem.initial_state(np.zeros((1, 2)))
    arrived = []
    for order in ([3, 4], [5, 6], [0, 0], [0, 0]):
        gate, quantity = problem.layout.flat(np.array([[1, 1, 1]]), np.array([order], dtype=float))
        state, _ = problem.step(state, gate, quantity, np.zeros((1, 2)))
        arrived.append(state.inventory[0].tolist())
    assert arrived == [[0, 0], [0, 0], [3, 4], [8, 10]]
    state = random_state(problem, 5)
    observation = problem.observe(state)
    assert observation.shape == (5, 7)
    assert observation[:, :2].tolist() == state.inventory.tolist()
    assert observation[:, 2:4].tolist() == state.pipeline[:, 0].tolist()
    assert problem.position(observation) == pytest.approx(state.inventory + state.pipeline.sum(1))


@pytest.mark.parametrize("problem", PROBLEMS, ids=IDS)
def test_what_is_admitted(problem):
    regime, quantity = random_actions(problem, 500)
    state, demand = random_state(problem, 500), np.full((500, problem.items), 3.0)
    gate, placed = problem.layout.flat(regime, quantity)
    admitted = problem.admit(state, gate, placed)
    for once, twice in zip(admitted, problem.admit(state, *admitted), strict=True):
        assert twice == pytest.approx(once, abs=1e-9)
    after, cost = problem.step(state, gate, placed, demand)
    again, same = problem.step(state, *admitted, demand)
    assert again.inventory == pytest.approx(after.inventory)
    assert same == pytest.approx(cost)
    carried, applied = problem.layout.chosen(*admitted)
    assert np.all(applied >= 0)
    assert np.all(applied <= problem.max_order + 1e-9)
    assert np.all(applied[carried[:, -problem.items :] == 0] == 0)
    if isinstance(problem, CapacitatedLotSizing):
        time = np.where(carried == 1, problem.setup_times, 0).sum(1)
        time = time + np.where(time <= problem.capacity, applied @ problem.unit_times, 0)
        assert np.all((time <= problem.capacity + 1e-9) | (applied.sum(1) == 0))
        assert (applied.sum(1) < quantity.sum(1) - 1e-6).any()
    elif problem.truck_capacity < INF:
        load = carried[:, 0] * problem.truck_capacity
        assert np.all(applied.sum(1) <= load + 1e-9)
        assert (applied.sum(1) < quantity.sum(1) - 1e-6).any()
        if problem.full_trucks:
            some = carried[:, 1:].any(1)
            assert applied.sum(1)[some] == pytest.approx(load[some])


@pytest.mark.parametrize("problem", PROBLEMS, ids=IDS)
def test_relaxed_gates(problem):
    """Weights between 0 and 1: admitting twice changes nothing."""
    rng = np.random.default_rng(0)
    weights = [rng.dirichlet(np.ones(options), 50) for options in problem.layout.gates]
    gate = np.concatenate(weights, -1)
    quantity = rng.random((50, len(problem.layout.high))) * problem.layout.high
    state = random_state(problem, 50)
    admitted = problem.admit(state, gate, quantity)
    for once, twice in zip(admitted, problem.admit(state, *admitted), strict=True):
        assert twice == pytest.approx(once, abs=1e-9)
    demand = np.full((50, problem.items), 3.0)
    after, cost = problem.step(state, gate, quantity, demand)
    again, same = problem.step(state, *admitted, demand)
    assert again.inventory == pytest.approx(after.inventory)
    assert same == pytest.approx(cost)


@pytest.mark.parametrize("problem", PROBLEMS, ids=IDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_agrees_and_its_gradients_are_finite(problem, dtype):
    """Cut, uncut, empty trucks, and nothing ordered at all."""
    regime, quantity = random_actions(problem, 300)
    gate, placed = problem.layout.flat(regime, quantity)
    placed[:20], placed[20:30] = 0, 1e-38
    demand = np.full((300, problem.items), 3.0)
    state = random_state(problem, 300)
    expected, costs = problem.step(state, gate, placed, demand)

    def tensor(array):
        return torch.tensor(array, dtype=dtype, requires_grad=True)

    inputs = tensor(gate), tensor(placed)
    start = type(state)(*(torch.tensor(entry, dtype=dtype) for entry in state))
    after, cost = problem.step(start, *inputs, torch.tensor(demand, dtype=dtype))
    assert cost.dtype == dtype
    assert cost.detach().numpy() == pytest.approx(costs, rel=1e-4, abs=1e-3)
    assert after.inventory.detach().numpy() == pytest.approx(expected.inventory, rel=1e-4, abs=1e-3)
    (cost.sum() + (after.inventory**2).sum() + (after.pipeline**2).sum()).backward()
    for entry in inputs:
        assert torch.isfinite(entry.grad).all()
    order = regime[:, -problem.items :] == 1
    if isinstance(problem, JointReplenishment):
        order &= regime[:, :1] > 0
    assert (inputs[1].grad.numpy()[:, 1::2][order] != 0).mean() > 0.5
    assert np.all(inputs[1].grad.numpy()[:, 1::2][~order] == 0)


@pytest.mark.parametrize("problem", PROBLEMS, ids=IDS)
def test_gradient_of_the_quantities_is_that_of_differences(problem):
    regime, quantity = random_actions(problem, 200, seed=3)
    gate, placed = problem.layout.flat(regime, quantity + 0.0137)
    state, demand = random_state(problem, 200), np.full((200, problem.items), 3.3)

    def total(placed):
        after, cost = problem.step(state, gate, placed, demand)
        return cost.sum(-1) + (after.inventory**2).sum(-1) + (after.pipeline**2).sum((-1, -2))

    placed_torch = torch.tensor(placed, requires_grad=True)
    start = type(state)(*(torch.tensor(entry) for entry in state))
    after, cost = problem.step(start, torch.tensor(gate), placed_torch, torch.tensor(demand))
    (cost.sum() + (after.inventory**2).sum() + (after.pipeline**2).sum()).backward()
    for column in range(placed.shape[1]):
        shift = np.zeros(placed.shape[1])
        shift[column] = 1e-6
        slope = (total(placed + shift) - total(placed - shift)) / 2e-6
        assert placed_torch.grad[:, column].numpy() == pytest.approx(slope, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
def test_one_item_is_truck_capacity(unmet_demand):
    shared = dict(
        truck_capacity=10.0, truck_cost=25.0, max_trucks=4, holding_cost=1.5, lead_time=1,
        demand=scipy.stats.poisson(12), unmet_demand=unmet_demand, initial_inventory=3.0,
    )  # fmt: skip
    many = JointReplenishment(items=1, item_costs=0, unit_costs=0.5, **shared)
    one = truck_capacity(unit_cost=0.5, **shared)
    rng = np.random.default_rng(0)
    trucks = rng.integers(0, 5, (100, 8))
    asked = np.maximum(trucks - rng.random((100, 8)), 0) * 10
    demand = rng.poisson(12, (100, 8)).astype(float)
    start = rng.random((100, 1))
    items, item = many.initial_state(start), one.initial_state(start[:, 0])
    for t in range(8):
        regime = np.stack([trucks[:, t], trucks[:, t] > 0], -1).astype(int)
        items, cost = many.step(items, *many.layout.flat(regime, asked[:, t, None]), demand[:, t, None])
        flat = one.layout.flat(trucks[:, t, None], asked[:, t, None])
        item, expected = one.step(item, *flat, demand[:, t])
        assert cost.sum(-1) == pytest.approx(expected[:, 0])
        assert many.observe(items) == pytest.approx(one.observe(item))


def test_without_shared_cost_items_are_independent():
    costs, means = (20.0, 64.0, 5.0), (4, 9, 2)
    many = JointReplenishment(
        truck_capacity=INF, truck_cost=0, item_costs=costs, demand=[scipy.stats.poisson(m) for m in means]
    )
    singles = [
        setup_cost(fixed_cost=cost, demand=scipy.stats.poisson(mean))
        for cost, mean in zip(costs, means, strict=True)
    ]
    rng = np.random.default_rng(0)
    regime, quantity = rng.integers(0, 2, (60, 3)), rng.random((60, 3)) * 30
    quantity = quantity * regime
    start, demand = rng.random((60, 3)), rng.poisson(5, (60, 3)).astype(float)
    flat = many.layout.flat(np.hstack([np.ones((60, 1), int), regime]), quantity)
    after, cost = many.step(many.initial_state(start), *flat, demand)
    assert np.all(cost[:, -1] == 0)
    for i, single in enumerate(singles):
        flat = single.layout.flat(regime[:, i : i + 1], quantity[:, i : i + 1])
        state, expected = single.step(single.initial_state(start[:, i]), *flat, demand[:, i])
        assert cost[:, i] == pytest.approx(expected[:, 0])
        assert after.inventory[:, i] == pytest.approx(state.inventory)
        # The default policy of an agent, orders up to the level scale, is that of the single item.
        assert many.level_scale[i] == pytest.approx(single.level_scale)


@pytest.mark.parametrize("problem", PROBLEMS, ids=IDS)
def test_any_batch_axes(problem):
    regime, quantity = random_actions(problem, 12)
    gate, placed = problem.layout.flat(regime, quantity)
    state, demand = random_state(problem, 12), np.full((12, problem.items), 2.0)
    _, cost = problem.step(state, gate, placed, demand)
    shape = (3, 4)

    def reshape(array):
        return array.reshape(*shape, *array.shape[1:])

    grid = type(state)(*map(reshape, state))
    folded, costs = problem.step(grid, reshape(gate), reshape(placed), reshape(demand))
    assert costs.reshape(cost.shape) == pytest.approx(cost)
    single = type(state)(*(entry[5] for entry in state))
    _, alone = problem.step(single, gate[5], placed[5], demand[5])
    assert alone == pytest.approx(cost[5])
    _, applied = problem.admit(single, gate[5], placed[5])
    assert applied == pytest.approx(problem.admit(state, gate, placed)[1][5])
    assert problem.observe(folded).shape == (*shape, len(problem.observation_low))
    output = np.random.default_rng(0).normal(size=(*shape, len(problem.layout.low)))
    wanted = problem.quantity_from(problem.observe(grid), output)
    level = wanted[..., 1::2] + problem.position(problem.observe(grid))
    assert level == pytest.approx(problem.level_scale * (1 + output[..., 1::2]))
    assert np.all(wanted[..., ::2] == 0)


@pytest.mark.parametrize("problem", PROBLEMS, ids=IDS)
def test_shapes_bounds_and_names(problem):
    rng = np.random.default_rng(0)
    periods = problem.horizon or 30
    state = problem.initial_state(rng.random((40, *problem.start_shape)))
    noise = problem.noise(rng.random((40, periods, *problem.noise_shape)))
    assert np.array_equal(problem.check_noise(noise), noise)
    regime, quantity = random_actions(problem, 40)
    entries = len(problem.observation_low)
    assert len(problem.observation_names) == len(problem.observation_scale) == entries
    assert len(problem.quantity_names) == problem.items
    assert len(problem.quantity_scale) == len(problem.layout.low)
    assert problem.layout.credit.shape[1] == problem.items + isinstance(problem, JointReplenishment)
    for t in range(periods):
        state, cost = problem.step(state, *problem.layout.flat(regime, quantity), noise[:, t])
        observation = problem.observe(state)
        assert observation.shape == (40, entries)
        assert np.all(observation >= problem.observation_low)
        assert np.all(observation <= problem.observation_high)
    assert cost.shape == (40, problem.layout.credit.shape[1])
    twin = pickle.loads(pickle.dumps(problem))
    assert np.array_equal(twin.observe(state), observation)


def test_gates_are_credited_with_what_they_enter():
    credit = JointReplenishment(items=3).layout.credit
    assert credit.astype(int).tolist() == [[1, 1, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]]
    assert CapacitatedLotSizing(items=3).layout.credit.all()


def test_regimes_of_quantities():
    problem = JointReplenishment(items=2, truck_capacity=10, max_trucks=3)
    orders = np.array([[0, 0], [0, 4], [10, 0], [7, 4], [9, 20]])
    assert problem.membership(orders).tolist() == [[0, 0, 0], [1, 0, 1], [1, 1, 0], [2, 1, 1], [3, 1, 1]]
    full = JointReplenishment(items=2, truck_capacity=10, max_trucks=3, full_trucks=True)
    assert full.membership(orders)[:, 0].tolist() == [0, 0, 1, 1, 3]
    unlimited = JointReplenishment(items=2, truck_capacity=INF)
    assert unlimited.membership(orders).tolist() == [[0, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert CapacitatedLotSizing().membership(orders[:2]).tolist() == [[0, 0], [0, 1]]


def test_economic_cycles_against_a_search():
    rng = np.random.default_rng(0)
    for shared in (0.0, 5.0, 80.0):
        costs, rates = rng.uniform(1, 60, 4), rng.uniform(0.5, 6, 4)
        base = np.linspace(0.5, 60, 200_000)[:, None]
        cycles = np.maximum(base, np.sqrt(2 * costs / rates))
        rate = shared / base[:, 0] + (costs / cycles + rates * cycles / 2).sum(1)
        best = cycles[rate.argmin()]
        assert economic_cycles(shared, costs, rates) == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize(
    ("items", "value", "low", "high"),
    [
        (2, [(4, 6), (0, 10)], [4, 0], [6, 10]),  # (low, high) of both would fall from 4 to 0
        (2, [(4, 6), (10, 6)], [4, 6], [10, 6]),  # no range for the second item
        (2, ((0, 0), (6, 4)), [0, 0], [6, 4]),
        (2, ([1, 3], [3, 5]), [1, 3], [3, 5]),  # the same either way
        (3, [(4, 6), (0, 10), (1, 1)], [4, 0, 1], [6, 10, 1]),
        (3, [4, 6, 5], [4, 6, 5], [4, 6, 5]),
    ],
)
def test_start_may_have_a_range_for_each_item(items, value, low, high):
    problem = JointReplenishment(items=items, initial_inventory=value)
    assert [end.tolist() for end in problem.initial_inventory] == [low, high]


def test_an_ambiguous_start_is_refused_and_a_falling_pair_says_how_to_give_one_per_item():
    with pytest.raises(ValueError, match=r"may be a range for each of two items, or .*numpy\.array"):
        JointReplenishment(initial_inventory=[(0, 6), (2, 9)])
    with pytest.raises(
        ValueError, match=r"for one stock per item give an array, such as numpy\.array"
    ) as error:
        JointReplenishment(initial_inventory=(6, 4))
    assert len(str(error.value)) <= 300


def test_start_is_drawn_for_each_item():
    low, high = np.array([0.0, -5.0]), np.array([10.0, 5.0])
    problem = JointReplenishment(initial_inventory=(low, high))
    start = problem.initial_state(np.array([[0.5, 0.25], [0.0, 1.0]])).inventory
    assert start.tolist() == [[5, -2.5], [0, 5]]
    fixed = JointReplenishment(initial_inventory=np.array([3.0, 4.0]))
    assert fixed.initial_state(np.random.default_rng(0).random((1, 2))).inventory.tolist() == [[3, 4]]
    pair = JointReplenishment(initial_inventory=(3, 4)).initial_state(np.array([[0.0, 1.0]]))
    assert pair.inventory.tolist() == [[3, 4]]


def test_items_follow_from_the_vectors():
    assert JointReplenishment().items == 2
    assert JointReplenishment(item_costs=[1, 2, 3]).items == 3
    assert JointReplenishment(demand=[scipy.stats.poisson(3)] * 4).items == 4
    assert JointReplenishment(demand=np.ones((6, 50, 5))).items == 5
    assert CapacitatedLotSizing(items=7, unit_times=[0.2] * 7).items == 7
    assert JointReplenishment(items=1000, max_trucks=60).layout.options == 61 + 2000


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: JointReplenishment(item_costs=[1], holding_cost=[1, 2]), ValueError, "number of items"),
        (lambda: JointReplenishment(items=3, demand=[scipy.stats.poisson(3)] * 2), ValueError, "demand: 2"),
        (lambda: JointReplenishment(items=0), ValueError, "items=0"),
        (lambda: JointReplenishment(item_costs=[]), ValueError, "item_costs"),
        (lambda: JointReplenishment(item_costs=[1, -2]), ValueError, r"item_costs\[1\]=-2"),
        (lambda: JointReplenishment(item_costs=[1, "a"]), TypeError, r"item_costs\[1\]='a'"),
        (lambda: JointReplenishment(item_costs=None), TypeError, "item_costs=None"),
        (lambda: JointReplenishment(truck_capacity=0), ValueError, "truck_capacity=0"),
        (lambda: JointReplenishment(truck_capacity=np.nan), ValueError, "truck_capacity=nan"),
        (lambda: JointReplenishment(truck_capacity=INF, max_trucks=3), ValueError, "max_trucks=3"),
        (lambda: JointReplenishment(truck_capacity=INF, full_trucks=True), ValueError, "full_trucks"),
        (lambda: JointReplenishment(full_trucks=True, max_order=9), ValueError, "max_order"),
        (lambda: JointReplenishment(max_trucks=2.5), TypeError, "max_trucks=2.5"),
        (lambda: JointReplenishment(lead_time=-1), ValueError, "lead_time=-1"),
        (lambda: JointReplenishment(initial_inventory=(4, 3)), ValueError, "initial_inventory"),
        (lambda: JointReplenishment(initial_inventory=[4, 3, 2]), ValueError, "initial_inventory"),
        (lambda: JointReplenishment(unmet_demand="lost", initial_inventory=-1), ValueError, "initial_inv"),
        (lambda: JointReplenishment(trucks=3), TypeError, "trucks"),
        (lambda: CapacitatedLotSizing(setup_times=16), ValueError, "setup_times"),
        (lambda: CapacitatedLotSizing(unit_times=[1, 0]), ValueError, "unit_times"),
        (lambda: CapacitatedLotSizing(capacity=-1), ValueError, "capacity=-1"),
        (lambda: CapacitatedLotSizing().check_noise(np.ones((4, 50, 3))), ValueError, "shape"),
        (lambda: CapacitatedLotSizing().check_noise(-np.ones((4, 50, 2))), ValueError, "at least 0"),
        (lambda: CapacitatedLotSizing().check_noise(np.full((50, 2), 1e6)), ValueError, "item 0"),
    ],
)  # fmt: skip
def test_errors_name_the_parameter(make, error, message):
    with pytest.raises(error, match=message):
        make()
