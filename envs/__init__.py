"""jumpgym: Gymnasium environments for decisions whose jumps are known in advance.

Importing the package registers its environments. It needs neither PyTorch nor Stable-Baselines3.
"""

import gymnasium as gym

from . import wrappers
from .env import HybridEnv, as_problem
from .inventory import InventoryState, SingleItemInventory
from .min_order import MinOrderEnv
from .problem import HindsightProblem
from .regimes import RegimeTable
from .setup_cost import SetupCostEnv
from .truck_capacity import TruckCapacityEnv
from .vector import HybridVectorEnv

__version__ = "0.1.0"

__all__ = [
    "ENVIRONMENTS",
    "HindsightProblem",
    "HybridEnv",
    "HybridVectorEnv",
    "InventoryState",
    "MinOrderEnv",
    "RegimeTable",
    "SetupCostEnv",
    "SingleItemInventory",
    "TruckCapacityEnv",
    "as_problem",
    "wrappers",
]

_MODULES = {
    "SetupCost": "jumpgym.setup_cost",
    "MinOrder": "jumpgym.min_order",
    "TruckCapacity": "jumpgym.truck_capacity",
}

ENVIRONMENTS = tuple(f"jumpgym/{name}-v0" for name in _MODULES)
"""Ids of all registered environments."""

for _id, (_name, _module) in zip(ENVIRONMENTS, _MODULES.items(), strict=True):
    if _id not in gym.registry:
        # The environments check actions and the order of calls themselves, with clearer errors.
        gym.register(
            id=_id,
            entry_point=f"{_module}:{_name}Env",
            vector_entry_point=f"{_module}:{_name}VectorEnv",
            disable_env_checker=True,
            order_enforce=False,
        )
