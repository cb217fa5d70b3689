"""stockpyl: periods a second of its simulator, its exact (s, S), and its finite-horizon dynamic programme."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import scipy.stats
from numpy.typing import NDArray
from stockpyl.finite_horizon import finite_horizon_dp
from stockpyl.sim import simulation
from stockpyl.ss import s_s_discrete_exact
from stockpyl.supply_chain_network import single_stage_system

from jumpgym.baselines import SSPolicy, solve, stationary_cost
from jumpgym.problems.setup_cost import setup_cost

from .players import MANY, ONE, many, one
from .rows import RATE, SECONDS, Row, Settings, compared, interleaved, rate

PART = "stockpyl"
SETUP = "jumpgym/SetupCost-v0"
FIXED, HOLDING, SHORTAGE, MEAN = 64.0, 1.0, 9.0, 20
S_LOW, S_HIGH, PERIODS, RUNS = 14, 62, 100, 100
ZHENG_FEDERGRUEN = (10, 20, 40, 60)
"""Poisson means of the instances."""

HORIZONS, DEVIATION = (10, 20), 4.0
"""Periods, and standard deviation of the normal demand, of the finite-horizon instances."""


def network(**demand: Any) -> Any:
    """One stage under (s, S), starting from S.

    stockpyl orders after the demand of a period, so that its lead time of 1 is our 0.
    """
    return single_stage_system(
        local_holding_cost=HOLDING, stockout_cost=SHORTAGE, policy_type="sS", reorder_point=S_LOW,
        order_up_to_level=S_HIGH, initial_inventory_level=S_HIGH, shipment_lead_time=1, **demand,
    )  # fmt: skip


def simulated_cost(system: Any, seed: int) -> float:
    """Cost of a run of ``PERIODS``, with the fixed costs, which stockpyl does not charge."""
    cost = simulation(system, PERIODS, rand_seed=seed, progress_bar=False, consistency_checks="N")
    # An order of the last period is placed after its demand: here it would be one of the next period.
    periods = system.nodes[0].state_vars[: PERIODS - 1]
    placed = sum(
        order > 0 for period in periods for by in period.order_quantity.values() for order in by.values()
    )
    return float(cost) + FIXED * placed


def play_ss(observation: NDArray[np.float32]) -> tuple[Any, Any]:
    """The (s, S) policy."""
    position = observation[:, 0]
    order = position <= S_LOW
    return order.astype(np.int64), np.where(order, S_HIGH - position, 0.0).astype(np.float32)[:, None]


def difference_on_the_same_demand(runs: int = 10) -> float:
    """Greatest relative difference between the costs of stockpyl's runs and of our episodes."""
    env = gym.make(SETUP, horizon=PERIODS, initial_inventory=S_HIGH)
    rng, differences = np.random.default_rng(0), []
    for _ in range(runs):
        demand = rng.poisson(MEAN, PERIODS)
        theirs = simulated_cost(network(demand_type="D", demand_list=demand.tolist()), 0)
        observation, _ = env.reset(options={"noise": demand.astype(float)})
        ours = 0.0
        for _ in range(PERIODS):
            regime, quantity = play_ss(observation[None])
            observation, reward, *_ = env.step((regime[0], quantity[0]))
            ours -= float(reward)
        differences.append(abs(theirs - ours) / ours)
    return float(np.max(differences))


def simulator(settings: Settings) -> list[Row]:
    """Periods a second, the same policy on the same problem, and whether the costs agree."""
    parameters: dict[str, Any] = {"horizon": PERIODS, "initial_inventory": float(S_HIGH)}
    system = network(demand_type="P", mean=MEAN)
    costs = np.array([simulated_cost(system, seed) for seed in range(RUNS)])
    exact = stationary_cost(SSPolicy(setup_cost(**parameters), S_LOW, S_HIGH))
    error = costs.std(ddof=1) / np.sqrt(RUNS)
    note = (
        f"costs on the same demand differ by at most {difference_on_the_same_demand():.1g}; on its own "
        f"demand stockpyl's mean over {RUNS} runs of {PERIODS} periods is {costs.mean():,.0f} with "
        f"standard error {error:.0f}, exact {exact:,.0f}; its lead time of 1 is our 0, as it orders "
        "after the demand, and the fixed costs, which it leaves out, are added"
    )

    def play_stockpyl() -> int:
        simulation(system, PERIODS, rand_seed=None, progress_bar=False, consistency_checks="N")
        return PERIODS

    players = play_stockpyl, one(SETUP, play_ss, **parameters), many(SETUP, play_ss, **parameters)
    values = interleaved(
        [lambda each=each: rate(each, settings.seconds) for each in players], settings.repetitions
    )
    return [
        compared(
            PART, "simulation under (s, S)", ("simulation()", f"SetupCost-v0, {side}"), RATE,
            [(value[0], value[index]) for value in values], note,
        )
        for index, side in ((1, ONE), (2, MANY))
    ]  # fmt: skip


class Timed:
    """Calls a solver, and keeps what it gave last.

    Args:
        solver: takes nothing.

    Attributes:
        result: what it gave.
    """

    def __init__(self, solver: Callable[[], Any]) -> None:
        self._solver = solver
        self.result: Any = None

    def __call__(self) -> float:
        """CPU seconds of one call."""
        start = time.process_time()
        self.result = self._solver()
        return time.process_time() - start


def exact_ss(settings: Settings, mean: int) -> list[Row]:
    """Zheng and Federgruen's algorithm against our dynamic programme, with infinite horizon."""
    theirs = Timed(lambda: s_s_discrete_exact(HOLDING, SHORTAGE, FIXED, True, mean))
    ours = Timed(lambda: solve(setup_cost(horizon=None, demand=scipy.stats.poisson(mean))).average_cost)
    values = interleaved([theirs, ours], settings.repetitions)
    s, S, cost = theirs.result
    note = (
        f"cost of a period {cost:.6f} and {ours.result:.6f}, relative difference "
        f"{abs(cost - ours.result) / cost:.0e}; (s, S) = ({s:.0f}, {S:.0f}); solve searches all policies"
    )
    sides = "s_s_discrete_exact", "solve"
    return [compared(PART, f"(s, S), Poisson mean {mean}", sides, SECONDS, values, note)]


def finite_horizon(settings: Settings, horizon: int) -> list[Row]:
    """Both dynamic programmes on normal demand, cut at 0 here, five standard deviations below the mean."""
    demand = scipy.stats.truncnorm(-MEAN / DEVIATION, np.inf, loc=MEAN, scale=DEVIATION)
    theirs = Timed(
        lambda: finite_horizon_dp(horizon, HOLDING, SHORTAGE, 0.0, 0.0, 0.0, FIXED, MEAN, DEVIATION)[2]
    )
    solved = Timed(lambda: solve(setup_cost(horizon=horizon, demand=demand)))
    values = interleaved([theirs, solved], settings.repetitions)
    ours = solved.result
    note = (
        f"cost {theirs.result:.3f} and {ours.expected_cost:.3f} (its estimated error "
        f"{ours.discretisation_error:.3f}), relative difference "
        f"{abs(theirs.result - ours.expected_cost) / ours.expected_cost:.0e}; stockpyl rounds demand to "
        "integers, we spread it over a finer grid"
    )
    sides = "finite_horizon_dp", "solve"
    return [compared(PART, f"{horizon} periods, normal demand", sides, SECONDS, values, note)]


def jobs(settings: Settings) -> dict[str, Callable[[], list[Row]]]:
    """What is compared, by name."""
    return {
        "simulation": lambda: simulator(settings),
        **{
            f"(s, S), Poisson mean {mean}": lambda mean=mean: exact_ss(settings, mean)
            for mean in ZHENG_FEDERGRUEN
        },
        **{f"{T} periods": lambda T=T: finite_horizon(settings, T) for T in HORIZONS},
    }
