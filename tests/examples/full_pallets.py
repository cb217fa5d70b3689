"""An environment from outside the package: orders are whole pallets, so only their number is chosen."""

import gymnasium as gym

from jumpgym import HybridEnv, HybridVectorEnv, RegimeTable, checks
from jumpgym.inventory import single_item


@single_item()
def full_pallets(*, pallet_size=10.0, pallet_cost=12.0, max_pallets=6):
    """Regime k orders exactly k pallets: both ends of its interval are the same."""
    checks.number("pallet_size", pallet_size, low=0)
    checks.number("pallet_cost", pallet_cost, low=0)
    pallets = range(checks.integer("max_pallets", max_pallets, low=1, high=1000) + 1)
    sizes = [checks.number("max_pallets * pallet_size", k * pallet_size, low=0) for k in pallets]
    costs = [checks.number("max_pallets * pallet_cost", k * pallet_cost, low=0) for k in pallets]
    return RegimeTable(
        low=sizes, high=sizes, fixed_cost=costs, unit_cost=[0] * len(sizes), lead_time=[0] * len(sizes)
    )


class FullPalletsEnv(HybridEnv):
    """A warehouse whose supplier delivers whole pallets only."""

    make_problem = staticmethod(full_pallets)


class FullPalletsVectorEnv(HybridVectorEnv):
    """A native batch of it."""

    make_problem = staticmethod(full_pallets)


if "examples/FullPallets-v0" not in gym.registry:
    gym.register(
        "examples/FullPallets-v0",
        entry_point="full_pallets:FullPalletsEnv",
        vector_entry_point="full_pallets:FullPalletsVectorEnv",
        disable_env_checker=True,
        order_enforce=False,
    )
