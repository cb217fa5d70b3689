"""The ranges from which instances are drawn, by environment.

Sizes are in units of the mean demand of a period, and costs in units of the holding cost of one unit and
period (1, or 0.1 for ``BudgetDiscount`` as in its defaults), unless an entry says otherwise. Sizes are whole
numbers, as demand is; costs are rounded to three digits.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, cos, sin
from typing import Any

from numpy.random import Generator

Parameters = dict[str, Any]
"""Of ``gym.make``: numbers, texts and lists, which YAML can hold."""

SHAPES = {
    "regular": lambda mean: f"poisson({mean})",
    "lumpy": lambda mean: f"nbinom(0.6, {0.6 / (0.6 + mean):.4f})",
    "bimodal": lambda mean: f"betabinom({round(2 * mean)}, 0.3, 0.3)",
    "heavy": lambda mean: f"nbinom(1.5, {1.5 / (1.5 + mean):.4f})",
}
"""Demand of a given mean: Poisson; zero in many periods; low or high, hardly ever in between; a long tail."""


def _draw(rng: Generator, low: float, high: float, unit: float = 1.0) -> float:
    """Return a number between two multiples of a unit, rounded to three digits."""
    return float(f"{unit * rng.uniform(low, high):.3g}")


def _units(rng: Generator, low: float, high: float, unit: float = 1.0) -> float:
    """Return a whole number between two multiples of a unit: demand is in whole units as well."""
    return float(round(unit * rng.uniform(low, high)))


def _demand(rng: Generator, means: tuple[float, float] = (8, 30)) -> tuple[float, Parameters]:
    """Draw the mean demand, and what all inventories have: demand, shortages, discount, horizon."""
    mean = _units(rng, *means)
    shape = SHAPES[rng.choice(list(SHAPES))]
    return mean, {
        "demand": shape(mean),
        "shortage_cost": float(rng.choice([4, 9, 19])),
        "unmet_demand": str(rng.choice(["backlog", "lost"])),
        "discount": float(rng.choice([1.0, 0.98])),
        "horizon": int(rng.choice([25, 50])),
    }


def _inventory(rng: Generator) -> tuple[float, Parameters]:
    """Draw an inventory of one item; its lead time is 0 to 2 with backlogs, and 0 or 1 with lost sales."""
    mean, parameters = _demand(rng)
    longest = 2 if parameters["unmet_demand"] == "backlog" else 1
    parameters["lead_time"] = int(rng.integers(longest + 1))
    parameters["max_order"] = 10 * mean
    return mean, parameters


def setup_cost(rng: Generator) -> Parameters:
    """A setup costs 1 to 8."""
    mean, parameters = _inventory(rng)
    return {"fixed_cost": _draw(rng, 1, 8, mean), **parameters}


def min_order(rng: Generator) -> Parameters:
    """The least order is 1 to 3, and a setup costs 0.3 to 3."""
    mean, parameters = _inventory(rng)
    return {"min_order": _units(rng, 1, 3, mean), "fixed_cost": _draw(rng, 0.3, 3, mean), **parameters}


def truck_capacity(rng: Generator) -> Parameters:
    """A truck carries 0.7 to 3, and costs 0.5 to 2 for each unit that it carries."""
    mean, parameters = _inventory(rng)
    del parameters["max_order"]
    capacity = _units(rng, 0.7, 3, mean)
    trucks = ceil(4 * mean / capacity) + 1
    cost = _draw(rng, 0.5, 2, capacity)
    return {"truck_capacity": capacity, "truck_cost": cost, "max_trucks": trucks, **parameters}


def quantity_discount(rng: Generator) -> Parameters:
    """Two breakpoints, at 0.7 to 2 and 1.5 to 3 times as much; 5 to 20 % off a price of 3 at each."""
    mean, parameters = _inventory(rng)
    first = _units(rng, 0.7, 2, mean)
    prices = [3.0, _draw(rng, 2.4, 2.85)]
    return {
        "breakpoints": [first, _units(rng, 1.5, 3, first)],
        "unit_costs": [*prices, _draw(rng, 0.8, 0.95, prices[1])],
        "schedule": str(rng.choice(["all_units", "incremental"])),
        "fixed_cost": _draw(rng, 0, 1, mean),
        **parameters,
    }


def free_shipping(rng: Generator) -> Parameters:
    """The fee is 0.5 to 3, and orders from 2 to 4 on are free of it."""
    mean, parameters = _inventory(rng)
    return {"shipping_fee": _draw(rng, 0.5, 3, mean), "free_from": _units(rng, 2, 4, mean), **parameters}


def order_size_lead_time(rng: Generator) -> Parameters:
    """Orders up to 0.5 to 1.2 arrive 1 or 2 periods earlier than larger ones; a setup costs 0.3 to 1.5."""
    mean, parameters = _demand(rng, (5, 10))
    short = int(rng.integers(2))
    return {
        "breakpoints": [_units(rng, 0.5, 1.2, mean)],
        "lead_times": [short, short + int(rng.integers(1, 3))],
        "fixed_cost": _draw(rng, 0.3, 1.5, mean),
        "max_order": 10 * mean,
        **parameters,
    }


def _two_items(rng: Generator) -> tuple[float, Parameters]:
    """Draw two items with a mean demand of 3 to 8 each, and the sum of the means."""
    mean, parameters = _demand(rng, (3, 8))
    shapes, other = list(SHAPES.values()), _units(rng, 3, 8)
    parameters["demand"] = [parameters["demand"], shapes[rng.integers(len(shapes))](other)]
    parameters["holding_cost"] = [1.0, _draw(rng, 0.7, 1.3)]
    return mean + other, parameters


def joint_replenishment(rng: Generator) -> Parameters:
    """A truck carries 0.6 to 2 times the sum of the means, and costs 0.5 to 2 a unit; an item 0 to 1."""
    total, parameters = _two_items(rng)
    capacity = _units(rng, 0.6, 2, total)
    return {
        "truck_capacity": capacity,
        "truck_cost": _draw(rng, 0.5, 2, capacity),
        "max_trucks": ceil(2.5 * total / capacity),
        "item_costs": [_draw(rng, 0, 1, total), _draw(rng, 0, 1, total)],
        **parameters,
    }


def capacitated_lot_sizing(rng: Generator) -> Parameters:
    """The capacity is 1.3 to 2 times both means; a setup takes 5 to 25 % of it, and costs 0.3 to 2."""
    total, parameters = _two_items(rng)
    capacity = _units(rng, 1.3, 2, total)
    return {
        "capacity": capacity,
        "setup_times": [_units(rng, 0.05, 0.25, capacity), _units(rng, 0.05, 0.25, capacity)],
        "setup_costs": [_draw(rng, 0.3, 2, total), _draw(rng, 0.3, 2, total)],
        **parameters,
    }


def budget_discount(rng: Generator) -> Parameters:
    """Income buys 0.6 to 1; prices fall by 0.1 or 0.2 at 1 to 3, and again at twice as much.

    Prices are tenths, which the exact solver's lattice holds.
    """
    mean, parameters = _demand(rng, (6, 12))
    first = _units(rng, 1, 3, mean)
    second = round(1 - float(rng.choice([0.1, 0.2])), 1)
    return {
        "budget": _units(rng, 2, 5, mean),
        "income": _units(rng, 0.6, 1, mean),
        "breakpoints": [first, 2 * first],
        "unit_costs": [1.0, second, round(second - float(rng.choice([0.1, 0.2])), 1)],
        "max_order": 8 * mean,
        **parameters,
        "shortage_cost": float(rng.choice([1, 2, 4])),
        "unmet_demand": "lost",
    }


def loan_brackets(rng: Generator) -> Parameters:
    """Cash needs have a deviation of 40,000 to 80,000; two lenders differ in rates, fees, sizes and terms."""
    return {
        "cash_need": f"norm(0, {_draw(rng, 40_000, 80_000)})",
        "brackets": [
            [_draw(rng, 500, 5_000), _draw(rng, 50_000, 150_000)],
            [_draw(rng, 200_000, 600_000), 5e6],
        ],
        "rates": [_draw(rng, 0.015, 0.03), _draw(rng, 0.005, 0.012)],
        "fees": [_draw(rng, 100, 400), _draw(rng, 2_000, 8_000)],
        "terms": [1, int(rng.integers(1, 4))],
        "shortfall_cost": _draw(rng, 0.05, 0.2),
        "horizon": int(rng.choice([12, 24])),
    }


def min_investment(rng: Generator) -> Parameters:
    """Least amounts of 1 to 4 and 4 to 12, entry costs of 0.1 to 0.4 and 0.3 to 0.8; wealth 5 to 15."""
    return {
        "min_investment": [_draw(rng, 1, 4), _draw(rng, 4, 12)],
        "entry_costs": [_draw(rng, 0.1, 0.4), _draw(rng, 0.3, 0.8)],
        "risk_free": _draw(rng, 0, 0.02),
        "horizon": int(rng.choice([6, 10])),
    }


def switched_lqr(rng: Generator) -> Parameters:
    """Two modes that grow by 0 to 15 % a period and turn by up to half a radian; a mode costs 0 to 0.5."""

    def dynamics() -> list[list[float]]:
        growth, angle = rng.uniform(1, 1.15), rng.uniform(-0.5, 0.5)
        entries = [[cos(angle), sin(angle)], [-sin(angle), cos(angle)]]
        return [[round(growth * entry, 3) for entry in row] for row in entries]

    return {
        "A": [dynamics(), dynamics()],
        "B": [[[1.0], [0.0]], [[0.0], [_draw(rng, 0.3, 1.5)]]],
        "R": _draw(rng, 0.05, 0.5),
        "mode_costs": [0.0, _draw(rng, 0, 0.5)],
        "noise_covariance": _draw(rng, 0.02, 0.1),
    }


RANGES: dict[str, Callable[[Generator], Parameters]] = {
    "jumpgym/SetupCost-v0": setup_cost,
    "jumpgym/MinOrder-v0": min_order,
    "jumpgym/TruckCapacity-v0": truck_capacity,
    "jumpgym/QuantityDiscount-v0": quantity_discount,
    "jumpgym/FreeShipping-v0": free_shipping,
    "jumpgym/OrderSizeLeadTime-v0": order_size_lead_time,
    "jumpgym/JointReplenishment-v0": joint_replenishment,
    "jumpgym/CapacitatedLotSizing-v0": capacitated_lot_sizing,
    "jumpgym/BudgetDiscount-v0": budget_discount,
    "jumpgym/LoanBrackets-v0": loan_brackets,
    "jumpgym/MinInvestment-v0": min_investment,
    "jumpgym/SwitchedLQR-v0": switched_lqr,
}
"""What draws the parameters of each environment."""
