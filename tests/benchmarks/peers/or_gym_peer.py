"""or-gym: transitions a second of its inventory environments.

or-gym 0.5.0 asks for gym 0.19 or older, which does not install with current setuptools, and uses ``np.Inf``,
which NumPy 2 has not. All that it takes from gym are base class, spaces and registration, which Gymnasium
has under the same names, so here Gymnasium stands in for gym. Its environments are stepped directly, without
the wrappers of ``make``: their ``reset`` takes no seed, as Gymnasium's wrappers ask for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import gymnasium as gym
import numpy as np
import scipy.stats

from .players import MANY, ONE, Policy, constant, many, one
from .rows import RATE, Row, Settings, compared, interleaved, rate

PART = "or-gym"
SETUP, JOINT = "jumpgym/SetupCost-v0", "jumpgym/JointReplenishment-v0"
MEAN, PERIODS = 20, 30

# The retailer of InvManagement-v0 without sales price, who pays what the next stage charges for a unit.
ONE_STAGE = {"I0": [100], "p": 0, "r": [1.5, 1.0], "k": [0.1, 0.075], "h": [0.15], "c": [100], "L": [3]}
SAME = {
    "fixed_cost": 0.0, "unit_cost": 1.0, "shortage_cost": 0.1, "holding_cost": 0.15, "lead_time": 3,
    "initial_inventory": 100.0, "max_order": 100.0, "horizon": PERIODS, "demand": scipy.stats.poisson(MEAN),
}  # fmt: skip


def supply_chain() -> Any:
    """or-gym's module of supply chains, with Gymnasium for gym."""
    vars(np).setdefault("Inf", np.inf)
    sys.modules.setdefault("gym", gym)
    for name in ("error", "core", "spaces", "envs", "envs.registration"):
        sys.modules.setdefault(f"gym.{name}", import_module(f"gymnasium.{name}"))
    return import_module("or_gym.envs.supply_chain")


def newsvendor() -> Any:
    """or-gym's news vendor, over several periods."""
    supply_chain()
    return import_module("or_gym.envs.classic_or.newsvendor").NewsvendorEnv()


def player(env: Any, action: Any) -> Callable[[], int]:
    """Plays an episode of an or-gym environment, with the same action always."""

    def episode() -> int:
        env.reset()
        transitions, over = 0, False
        while not over:
            over = env.step(action)[2]
            transitions += 1
        return transitions

    return episode


def rates(
    settings: Settings,
    measured: str,
    play: Callable[[], int],
    env_id: str,
    policy: Policy,
    note: str,
    **parameters: Any,
) -> list[Row]:
    """or-gym's transitions a second against one environment and against a native batch."""
    players = play, one(env_id, policy, **parameters), many(env_id, policy, **parameters)
    measurements = [lambda each=each: rate(each, settings.seconds) for each in players]
    values = interleaved(measurements, settings.repetitions)
    name = env_id.rsplit("/", 1)[-1]
    return [
        compared(
            PART, measured, ("one environment", f"{name}, {side}"), RATE,
            [(value[0], value[index]) for value in values], note,
        )
        for index, side in ((1, ONE), (2, MANY))
    ]  # fmt: skip


def same_problem(settings: Settings, kind: str, unmet_demand: str) -> list[Row]:
    """One stage of or-gym, and the same problem here; the costs are compared on the same demand."""
    make = getattr(supply_chain(), kind)
    difference = cost_difference(make, unmet_demand)
    note = f"the same problem; costs on the same demand differ by at most {difference:.1g}"
    return rates(
        settings,
        f"one stage, {unmet_demand}",
        player(make(periods=PERIODS, alpha=1.0, dist_param={"mu": MEAN}, **ONE_STAGE), np.array([MEAN])),
        SETUP,
        constant(1, float(MEAN)),
        note,
        unmet_demand=unmet_demand,
        **SAME,
    )


def cost_difference(make: Any, unmet_demand: str, episodes: int = 20) -> float:
    """Greatest relative difference between the costs of or-gym's stage and ours, on random orders."""
    rng, differences = np.random.default_rng(0), []
    ours = gym.make(SETUP, unmet_demand=unmet_demand, **SAME)
    for _ in range(episodes):
        demand, orders = rng.poisson(MEAN, PERIODS), rng.integers(0, 2 * MEAN, PERIODS)
        theirs = make(periods=PERIODS, alpha=1.0, dist=5, user_D=demand, **ONE_STAGE)
        theirs.reset()
        ours.reset(options={"noise": demand.astype(float)})
        costs = [
            (-theirs.step(np.array([order]))[1], -float(ours.step((1, [float(order)]))[1]))
            for order in orders
        ]
        total, own = np.sum(costs, axis=0)
        differences.append(abs(total - own) / abs(own))
    return float(np.max(differences))


def network(settings: Settings, measured: str, kind: str, items: int, note: str) -> list[Row]:
    """A chain or network of stages as or-gym ships it, and as many items here."""
    env = getattr(supply_chain(), kind)()
    action = np.full(env.action_space.shape, MEAN)
    policy = constant([1] * (items + 1), [float(MEAN)] * items)
    return rates(settings, measured, player(env, action), JOINT, policy, note, items=items, horizon=PERIODS)


def news(settings: Settings) -> list[Row]:
    """The news vendor, and lost sales with the same lead time here."""
    note = (
        "nearest: in or-gym stock perishes, and costs are drawn anew in each episode; its action is given as "
        "a number, since arrays fail under NumPy 2"
    )
    return rates(
        settings,
        "Newsvendor-v0",
        player(newsvendor(), float(MEAN)),
        SETUP,
        constant(1, float(MEAN)),
        note,
        unmet_demand="lost",
        lead_time=5,
        fixed_cost=0.0,
        horizon=40,
    )


def jobs(settings: Settings) -> dict[str, Callable[[], list[Row]]]:
    """What is compared, by name."""
    chain = "nearest: or-gym's 3 stages supply each other, our 3 items share trucks"
    nodes = "nearest: or-gym's 6 nodes supply each other over 11 links, our 6 items share trucks"
    chains = {
        "InvManagement-v0": ("InvManagementBacklogEnv", 3, chain),
        "InvManagement-v1": ("InvManagementLostSalesEnv", 3, chain),
        "NetworkManagement-v0": ("NetInvMgmtBacklogEnv", 6, nodes),
        "NetworkManagement-v1": ("NetInvMgmtLostSalesEnv", 6, nodes),
    }
    return {
        "one stage, backlog": lambda: same_problem(settings, "InvManagementBacklogEnv", "backlog"),
        "one stage, lost": lambda: same_problem(settings, "InvManagementLostSalesEnv", "lost"),
        **{
            name: lambda name=name, each=each: network(settings, name, *each) for name, each in chains.items()
        },
        "Newsvendor-v0": lambda: news(settings),
    }
