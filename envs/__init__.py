"""jumpgym: Gymnasium environments for decisions whose jumps are known in advance.

Importing the package registers its environments. It needs neither PyTorch nor Stable-Baselines3.
"""

import importlib
from typing import Any

from . import wrappers
from .adapters.env import HybridEnv
from .adapters.noise_inference import infer_noise
from .adapters.registry import as_problem, environment_id, register
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

__version__ = "0.2.0"

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
    "environment_id",
    "infer_noise",
    "wrappers",
]


def __getattr__(name: str) -> Any:
    """The module ``traces``, which imports pandas, when it is asked for."""
    if name == "traces":
        return importlib.import_module(".traces", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


ENVIRONMENTS = tuple(
    register(environment)
    for environment in (
        SetupCostEnv,
        MinOrderEnv,
        TruckCapacityEnv,
        QuantityDiscountEnv,
        FreeShippingEnv,
        OrderSizeLeadTimeEnv,
        JointReplenishmentEnv,
        CapacitatedLotSizingEnv,
        BudgetDiscountEnv,
        LoanBracketsEnv,
        MinInvestmentEnv,
        SwitchedLQREnv,
    )
)
"""Ids of all environments of this package, which are registered here."""
