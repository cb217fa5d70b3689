"""The base class of classical policies for several items."""

from __future__ import annotations

import copy
from abc import abstractmethod
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jumpgym import checks
from jumpgym.demand import discrete_values
from jumpgym.problems.several_items import MultiItemInventory

from ..policy import FloatArray, Policy


class ItemsPolicy(Policy):
    """A policy that orders by the inventory positions of the items, with parameters that a search can vary.

    Attributes:
        problem: the problem that the policy orders for.
        shared_parameters: names of the parameters that are a single number for all items.
        item_parameters: names of the parameters that have an entry for each item, shape (n,). They are in
            ascending order: for each item, none may exceed the one after it.
        parameters: value of each parameter, by name. To evaluate c sets of parameters at once, shared
            parameters may have shape (c, 1) and item parameters shape (c, 1, n); positions then have shape
            (c, m, n).
        on_integers: True if demand takes integer values only; orders are then rounded to integers.
        mean: mean demand of each item, greater than 0, shape (n,).
    """

    shared_parameters: ClassVar[tuple[str, ...]] = ()
    item_parameters: ClassVar[tuple[str, ...]] = ("S",)
    problem: MultiItemInventory

    def _set(self, problem: MultiItemInventory, **parameters: Any) -> None:
        """Set the attributes.

        Raises:
            TypeError, ValueError: naming the parameter that is wrong.
        """
        self.problem, n = problem, problem.items
        values = [discrete_values(demand) for demand in problem.demand.items]
        self.on_integers = all(v is not None and np.all(v % 1 == 0) for v in values)
        self.mean = np.maximum(problem.demand.mean, 1e-9)
        self.parameters: dict[str, FloatArray] = {}
        for name, value in parameters.items():
            if name in self.shared_parameters:
                self.parameters[name] = np.array(checks.number(name, value, low=0))
                continue
            entries = np.full(n, value, dtype=np.float64) if np.ndim(value) == 0 else value
            if len(entries) != n:
                raise ValueError(f"{name} has {len(entries)} entries, it must have one for each of {n} items")
            self.parameters[name] = np.array(
                [checks.number(f"{name}[{i}]", entry) for i, entry in enumerate(entries)]
            )
        error = self.violation(self.parameters)
        if error:
            raise ValueError(f"{type(self).__name__}: {error}")

    def __getattr__(self, name: str) -> FloatArray:
        # As in every policy, each parameter is an attribute. "parameters" itself is missing during a copy.
        parameters: dict[str, FloatArray] = self.__dict__.get("parameters", {})
        if name not in parameters:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return parameters[name]

    def violation(self, parameters: dict[str, FloatArray]) -> str:
        """Return which condition the parameters violate; an empty string if none."""
        for lower, upper in pairwise(self.item_parameters):
            if np.any(parameters[lower] > parameters[upper]):
                return f"{lower} must be at most {upper}, for each item"
        return ""

    def with_parameters(self, parameters: dict[str, FloatArray]) -> ItemsPolicy:
        """Return a copy of the policy with other parameters, which are not checked."""
        policy = copy.copy(self)
        policy.parameters = parameters
        return policy

    @abstractmethod
    def act(self, position: FloatArray, period: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Return regimes (..., G) and quantities (..., n) at inventory positions (..., n).

        Args:
            position: inventory positions, shape (..., n).
            period: elapsed periods, shape (...,).
        """

    def decide(self, observation: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Regimes (m, G) and quantities (m, n), inside their intervals, of observations (m, d).

        With order multiples they are the nearest ones; an order of which nothing is left is not placed.
        """
        regime, quantity = self.act(self.problem.position(observation), observation[..., -1])
        ordered = self.problem.layout.project(regime, quantity)
        if self.problem.order_multiple is not None:
            shared = len(self.problem.layout.gates) - self.problem.items
            items = regime[..., shared:] * (ordered > 0)
            regime = np.concatenate([regime[..., :shared], items], axis=-1)
        return regime, ordered
