"""Prices of what items share, one set for each period, and how their bound changes with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment

from ..policy import FloatArray


class Prices(NamedTuple):
    """What items pay for what they share; all arrays hold costs of their period.

    Attributes:
        setup: for each order of an item, shape (T, n).
        unit: for each unit ordered, shape (T, n).
        refund: amount by which the payments of a period may exceed its shared cost, shape (T,).
    """

    setup: FloatArray
    unit: FloatArray
    refund: FloatArray


class SharedPrices(ABC):
    """Prices as a function of free parameters (T, k), so that any parameters give a bound.

    Whatever the orders, the payments less the refund are at most the shared cost of the period.
    """

    start: FloatArray
    """Parameters to start from, shape (T, k)."""

    @abstractmethod
    def prices(self, parameters: FloatArray) -> Prices:
        """The prices that the parameters stand for."""

    @abstractmethod
    def slope(self, parameters: FloatArray, setups: FloatArray, units: FloatArray) -> FloatArray:
        """Derivative (T, k) of the payments less the refund, at expected orders (T, n) that stay the same."""

    @abstractmethod
    def project(self, parameters: FloatArray) -> FloatArray:
        """The nearest parameters that are allowed."""


class TruckPrices(SharedPrices):
    """Prices of trucks: the shares of a truck that its load and the items on it pay, and of scarce trucks.

    If k trucks carry the orders q, then ``k >= sum(q) / capacity``, and ``k >= 1`` if any item is ordered. So
    for shares that add up to 1, k trucks cost at least the share of the load times ``truck_cost * sum(q) /
    capacity`` plus, for each item ordered, its share of ``truck_cost``. As k is at most ``max_trucks``, any
    price of scarcity may be charged on the load, if that of ``max_trucks`` full ones is refunded.

    The parameters of a period are logits of the share of the load (unless a truck carries everything) and of
    the items, and last the price of scarcity of a truck in units of ``scale``.
    """

    LEAST = -15.0
    """Least difference of a logit to the largest one, below which a share would never grow again."""

    def __init__(self, problem: JointReplenishment) -> None:
        assert problem.horizon is not None
        self.problem, self.limited = problem, problem.truck_capacity < np.inf
        carried = problem.truck_capacity if self.limited else float(problem.demand.mean.sum())
        self.scale = problem.truck_cost or max(float(problem.shortage_cost.mean()) * carried, 1.0)
        # The load pays as much as all items at first.
        shares = np.zeros((problem.horizon, problem.items + self.limited))
        shares[:, : int(self.limited)] = np.log(problem.items)
        self.start = np.pad(shares, ((0, 0), (0, 1)))

    def prices(self, parameters: FloatArray) -> Prices:
        """See ``SharedPrices.prices``."""
        cost, scarcity = self.problem.truck_cost, self.scale * parameters[:, -1]
        shares = cost * _softmax(parameters[:, :-1])
        unit = np.zeros((len(shares), self.problem.items))
        if self.limited:
            unit += ((shares[:, 0] + scarcity) / self.problem.truck_capacity)[:, None]
        return Prices(shares[:, int(self.limited) :], unit, scarcity * self.problem.max_trucks)

    def slope(self, parameters: FloatArray, setups: FloatArray, units: FloatArray) -> FloatArray:
        """See ``SharedPrices.slope``."""
        share, loads = (
            _softmax(parameters[:, :-1]),
            units.sum(-1, keepdims=True) / self.problem.truck_capacity,
        )
        bases = np.concatenate([loads, setups], -1) if self.limited else setups
        of_shares = self.problem.truck_cost * share * (bases - (share * bases).sum(-1, keepdims=True))
        of_scarcity = self.scale * (loads - self.problem.max_trucks)
        return np.concatenate([of_shares, of_scarcity], -1)

    def project(self, parameters: FloatArray) -> FloatArray:
        """See ``SharedPrices.project``."""
        logits, scarcity = parameters[:, :-1], parameters[:, -1:]
        logits = np.maximum(logits, logits.max(-1, keepdims=True) + self.LEAST)
        return np.concatenate([logits, np.maximum(scarcity, 0.0) * self.limited], -1)


class MachinePrices(SharedPrices):
    """The price of the machine's time in each period, of which the capacity is refunded."""

    def __init__(self, problem: CapacitatedLotSizing) -> None:
        assert problem.horizon is not None
        self.problem = problem
        self.scale = max(float((problem.shortage_cost / problem.unit_times).mean()), 1e-6)
        self.start = np.zeros((problem.horizon, 1))

    def prices(self, parameters: FloatArray) -> Prices:
        """See ``SharedPrices.prices``."""
        time = self.scale * parameters
        return Prices(
            time * self.problem.setup_times,
            time * self.problem.unit_times,
            time[:, 0] * self.problem.capacity,
        )

    def slope(self, parameters: FloatArray, setups: FloatArray, units: FloatArray) -> FloatArray:
        """See ``SharedPrices.slope``."""
        taken = setups @ self.problem.setup_times + units @ self.problem.unit_times
        return self.scale * (taken - self.problem.capacity)[:, None]

    def project(self, parameters: FloatArray) -> FloatArray:
        """See ``SharedPrices.project``."""
        return np.maximum(parameters, 0.0)


def prices_of(problem: Any) -> SharedPrices:
    """The prices of what the items of a problem share."""
    return TruckPrices(problem) if isinstance(problem, JointReplenishment) else MachinePrices(problem)


def _softmax(logits: FloatArray) -> FloatArray:
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)
