"""What the tests over all environments share: which have which parameters, and actions for any of them."""

import functools
import inspect
import itertools
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import jumpgym

sys.path.append(str(Path(__file__).parents[1] / "examples"))
import full_pallets  # noqa: F401 (registers the environment)

ENVIRONMENTS = (*jumpgym.ENVIRONMENTS, "examples/FullPallets-v0")
"""Those of the package, and one from outside, whose orders are not continuous."""


def class_of(env_id):
    return type(gym.make(env_id).unwrapped)


@functools.cache
def defaults_of(env_id):
    """Parameters and their defaults."""
    known = inspect.signature(class_of(env_id).make_problem).parameters
    return {name: parameter.default for name, parameter in known.items()}


INVENTORIES = tuple(i for i in ENVIRONMENTS if "unmet_demand" in defaults_of(i))
SINGLE_ITEM = tuple(i for i in INVENTORIES if isinstance(jumpgym.as_problem(i), jumpgym.SingleItemInventory))
STATIONARY = (*INVENTORIES, "jumpgym/LoanBrackets-v0")
"""Those that need no horizon."""
COSTS_ONLY = (*INVENTORIES, "jumpgym/SwitchedLQR-v0")
"""Those in which nothing is earned, by default."""

every_environment = pytest.mark.parametrize("env_id", ENVIRONMENTS)
LAGGED_AND_LOST = {"lead_time": 2, "unmet_demand": "lost"}


def variant(env_id, **wanted):
    """The parameters of these that the environment has, under the names that it has for them."""
    known = {*defaults_of(env_id), "max_episode_steps"}  # the latter is Gymnasium's
    if "lead_time" in wanted and "lead_times" in known:
        wanted["lead_times"] = wanted["lead_time"], wanted["lead_time"] + 1
    return {name: value for name, value in wanted.items() if name in known}


def with_variants(*variants, environments=ENVIRONMENTS):
    """Parametrise by environment and parameters; see ``cases``."""
    return pytest.mark.parametrize(("env_id", "parameters"), cases(*variants, environments=environments))


def cases(*variants, environments=ENVIRONMENTS):
    """Environments with their parameters, leaving out what is the same in an environment."""
    found = [(env_id, wanted, variant(env_id, **wanted)) for env_id in environments for wanted in variants]
    return [(env_id, known) for env_id, wanted, known in found if known or not wanted]


def certain(env_id, horizon):
    """Parameters under which all episodes meet the same noise and begin in the same state."""
    rng, problem = np.random.default_rng(7), jumpgym.as_problem(env_id)
    shape = (1, horizon, *problem.noise_shape)
    found = variant(
        env_id,
        horizon=horizon,
        demand=rng.integers(0, 30, shape).astype(float),
        cash_need=1e3 * rng.integers(-90, 90, shape),
        returns=rng.uniform(-0.3, 0.5, shape),
        initial_inventory=5.0,
        initial_wealth=12.0,
    )
    return {**found, **variant(env_id, noise_covariance=0.0, A=LQR_A, initial_state=(1.0, -0.5))}


LQR_A = [[[0.9, 0.2], [-0.2, 0.9]]] * 2


def as_action(regimes, quantities):
    """An action of the environment from regimes (G,) and quantities (n,)."""
    regimes = np.asarray(regimes)
    return (int(regimes[0]) if len(regimes) == 1 else regimes), np.asarray(quantities, dtype=float)


def regimes_of(problem):
    """Every combination of regimes, each an array (G,)."""
    return [np.array(regimes) for regimes in itertools.product(*map(range, problem.layout.gates))]


def active(problem, share=0.25):
    """An action in the last regime of each gate, its quantities this far into their intervals."""
    layout = problem.layout
    regimes = np.array(layout.gates) - 1
    column = layout.columns(regimes)
    return as_action(regimes, layout.low[column] + share * (layout.high[column] - layout.low[column]))


def passive(problem):
    """An action in the first regime of each gate, of quantities 0."""
    return as_action(np.zeros(len(problem.layout.gates), int), np.zeros(len(problem.layout.quantity_gate)))


def flat(*values):
    """Numbers and arrays as one list of numbers."""
    return np.concatenate([np.ravel(value) for value in values]).tolist()
