"""jumpgym: Gymnasium environments for decisions whose jumps are known in advance.

Importing the package registers its environments. It needs neither PyTorch nor Stable-Baselines3.
"""

import gymnasium as gym

from . import wrappers
from .budget_discount import BudgetDiscountEnv
from .env import HybridEnv, as_problem
from .free_shipping import FreeShippingEnv
from .inventory import InventoryState, SingleItemInventory
from .joint_replenishment import JointReplenishment, JointReplenishmentEnv
from .layout import ActionLayout
from .loan_brackets import LoanBracketsEnv
from .lot_sizing import CapacitatedLotSizing, CapacitatedLotSizingEnv
from .min_investment import MinInvestmentEnv
from .min_order import MinOrderEnv
from .noise_inference import infer_noise
from .order_size_lead_time import OrderSizeLeadTimeEnv
from .problem import HindsightProblem
from .quantity_discount import QuantityDiscountEnv
from .regimes import RegimeTable
from .setup_cost import SetupCostEnv
from .switched_lqr import SwitchedLQREnv
from .truck_capacity import TruckCapacityEnv
from .vector import HybridVectorEnv

__version__ = "0.1.0"

__all__ = [
    "ENVIRONMENTS",
    "ActionLayout",
    "BudgetDiscountEnv",
    "CapacitatedLotSizing",
    "CapacitatedLotSizingEnv",
    "FreeShippingEnv",
    "HindsightProblem",
    "HybridEnv",
    "HybridVectorEnv",
    "InventoryState",
    "JointReplenishment",
    "JointReplenishmentEnv",
    "LoanBracketsEnv",
    "MinInvestmentEnv",
    "MinOrderEnv",
    "OrderSizeLeadTimeEnv",
    "QuantityDiscountEnv",
    "RegimeTable",
    "SetupCostEnv",
    "SingleItemInventory",
    "SwitchedLQREnv",
    "TruckCapacityEnv",
    "as_problem",
    "infer_noise",
    "wrappers",
]

_MODULES = {
    "SetupCost": "jumpgym.setup_cost",
    "MinOrder": "jumpgym.min_order",
    "TruckCapacity": "jumpgym.truck_capacity",
    "QuantityDiscount": "jumpgym.quantity_discount",
    "FreeShipping": "jumpgym.free_shipping",
    "OrderSizeLeadTime": "jumpgym.order_size_lead_time",
    "JointReplenishment": "jumpgym.joint_replenishment",
    "CapacitatedLotSizing": "jumpgym.lot_sizing",
    "BudgetDiscount": "jumpgym.budget_discount",
    "LoanBrackets": "jumpgym.loan_brackets",
    "MinInvestment": "jumpgym.min_investment",
    "SwitchedLQR": "jumpgym.switched_lqr",
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
