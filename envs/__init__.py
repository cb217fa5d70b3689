"""jumpgym: Gymnasium environments for decisions whose jumps are known in advance.

Importing the package registers its environments. It needs neither PyTorch nor Stable-Baselines3.
"""

import gymnasium as gym

from . import wrappers
from .adapters.env import HybridEnv, as_problem
from .adapters.noise_inference import infer_noise
from .adapters.vector import HybridVectorEnv
from .layout import ActionLayout
from .problem import HindsightProblem, NotApplicable
from .problems.budget_discount import BudgetDiscountEnv
from .problems.capacitated_lot_sizing import CapacitatedLotSizing, CapacitatedLotSizingEnv
from .problems.free_shipping import FreeShippingEnv
from .problems.joint_replenishment import JointReplenishment, JointReplenishmentEnv
from .problems.loan_brackets import LoanBracketsEnv
from .problems.min_investment import MinInvestmentEnv
from .problems.min_order import MinOrderEnv
from .problems.order_size_lead_time import OrderSizeLeadTimeEnv
from .problems.quantity_discount import QuantityDiscountEnv
from .problems.setup_cost import SetupCostEnv
from .problems.single_item import InventoryState, SingleItemInventory
from .problems.switched_lqr import SwitchedLQREnv
from .problems.truck_capacity import TruckCapacityEnv
from .regimes import RegimeTable

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
    "NotApplicable",
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
    "SetupCost": "jumpgym.problems.setup_cost",
    "MinOrder": "jumpgym.problems.min_order",
    "TruckCapacity": "jumpgym.problems.truck_capacity",
    "QuantityDiscount": "jumpgym.problems.quantity_discount",
    "FreeShipping": "jumpgym.problems.free_shipping",
    "OrderSizeLeadTime": "jumpgym.problems.order_size_lead_time",
    "JointReplenishment": "jumpgym.problems.joint_replenishment",
    "CapacitatedLotSizing": "jumpgym.problems.capacitated_lot_sizing",
    "BudgetDiscount": "jumpgym.problems.budget_discount",
    "LoanBrackets": "jumpgym.problems.loan_brackets",
    "MinInvestment": "jumpgym.problems.min_investment",
    "SwitchedLQR": "jumpgym.problems.switched_lqr",
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
