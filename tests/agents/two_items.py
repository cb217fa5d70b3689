"""Two independent items with gates of their own and a cost that they share: a problem made for tests."""

from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from array_api_compat import array_namespace

from jumpgym import HindsightProblem, InventoryState, RegimeTable, SingleItemInventory
from jumpgym.layout import ActionLayout

DEMANDS = np.array([[3.0, 9.0], [2.0, 6.0]])
CHANCE = 0.6
"""Of the lower demand of each item."""


class TwoItemsState(NamedTuple):
    """Net stocks (..., 2) and the period (...,)."""

    inventory: Any
    period: Any


def items(horizon):
    """An item that orders nothing or up to 30; one that orders nothing, up to 8 or up to 25."""
    tables = [
        RegimeTable([0, 0], [0, 30], [0, 8], [0, 0], [0, 0]),
        RegimeTable([0, 0, 8], [0, 8, 25], [0, 4, 7], [0, 0, 0], [0, 0, 0]),
    ]
    return [
        SingleItemInventory(
            table,
            shortage_cost=4.0,
            demand=scipy.stats.rv_discrete(values=(demands, [CHANCE, 1 - CHANCE])),
            horizon=horizon,
            discount=0.9,
        )
        for table, demands in zip(tables, DEMANDS, strict=True)
    ]


class TwoItems(HindsightProblem):
    """Costs: of each item, and ``shared`` where either orders. The items do not meet otherwise."""

    def __init__(self, horizon=3, shared=5.0):
        self.items = items(horizon)
        self.shared, self.horizon, self.discount = shared, horizon, 0.9
        self.noise_shape = (2,)
        self.layout = ActionLayout(
            (2, 3),
            (0, 1),
            np.concatenate([item.layout.low for item in self.items]),
            np.concatenate([item.layout.high for item in self.items]),
            [[1, 0, 1], [0, 1, 1]],
        )
        self.boundaries = tuple(item.boundaries[0] for item in self.items)
        scales = np.array([item.level_scale for item in self.items])
        period = [] if horizon is None else [1.0]
        self.observation_low = np.array([-np.inf, -np.inf, *(0 for _ in period)])
        self.observation_high = np.array([np.inf, np.inf, *(horizon for _ in period)])
        self.observation_scale = np.array([*scales, *period])
        self.quantity_scale = np.repeat(scales, self.layout.gates)
        self.state_scale = (scales, None)
        super().__init__()

    def initial_state(self, uniforms):
        nothing = 0 * uniforms
        return TwoItemsState(array_namespace(uniforms).stack([nothing, nothing], axis=-1), nothing)

    def noise(self, uniforms):
        parts = [item.demand.sample(uniforms[..., i]) for i, item in enumerate(self.items)]
        return array_namespace(uniforms).stack(parts, axis=-1)

    def step(self, state, gate, quantity, noise):
        xp = array_namespace(quantity)
        stocks, costs = [], []
        for i, (item, columns) in enumerate(zip(self.items, (slice(0, 2), slice(2, 5)), strict=True)):
            none = state.inventory[..., :0]
            before = InventoryState(state.inventory[..., i], none, state.period)
            after, cost = item.step(before, gate[..., columns], quantity[..., columns], noise[..., i])
            stocks.append(after.inventory)
            costs.append(cost[..., 0])
        costs.append(self.shared * (1 - gate[..., 0] * gate[..., 2]))
        return TwoItemsState(xp.stack(stocks, axis=-1), state.period + 1), xp.stack(costs, axis=-1)

    def observe(self, state):
        parts = [state.inventory] if self.horizon is None else [state.inventory, state.period[..., None]]
        return array_namespace(state.period).concat(parts, axis=-1)

    def quantity_from(self, observation, output):
        parts = [
            item.quantity_from(observation[..., i : i + 1], output[..., columns])
            for i, (item, columns) in enumerate(zip(self.items, (slice(0, 2), slice(2, 5)), strict=True))
        ]
        return array_namespace(output).concat(parts, axis=-1)

    def drivers(self, quantity):
        return quantity
