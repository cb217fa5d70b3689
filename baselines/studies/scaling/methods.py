"""The methods of the scaling study. All see the same observations and choose the same actions."""

from __future__ import annotations

from typing import Any

from jumpgym import as_problem

from ...runs.methods import AgentMethod, Method, SB3Method


class ScaledPPO(SB3Method):
    """PPO of ``jumpgym.baselines.sb3`` with its own hyperparameters and all shared gates open at the start.

    If shared gates may close, all items learn to order in lockstep. Those of our agents start open, see
    ``HybridPolicy``, so those of PPO do, too.

    Args:
        name, description: see ``SB3Method``.
        few: hyperparameters for at most ``FEW`` items, which replace those of ``sb3.yml``.
        many: hyperparameters for more items.
    """

    OPEN = 20.0
    FEW = 20

    def __init__(self, name: str, description: str, few: dict[str, Any], many: dict[str, Any]) -> None:
        super().__init__(name, description)
        self.few, self.many = few, many

    def make(self, env: Any, seed: int, **hyperparameters: Any) -> Any:
        """See ``Method.make``."""
        import torch

        layout = as_problem(env).layout
        settings = self.few if len(layout.quantity_gate) <= self.FEW else self.many
        model = super().make(env, seed, **{**settings, **hyperparameters})
        with torch.no_grad():
            start = 0
            for regimes in layout.gates[: min(layout.quantity_gate)]:
                model.policy.action_net.bias[start + 1 : start + regimes] = self.OPEN
                start += regimes
        return model


WIDE = (128, 128)
"""Widths of the hidden layers of all networks that see all items."""

PPO = {
    "n_steps": 25,
    "batch_size": 800,
    "n_epochs": 4,
    "gae_lambda": 0.8,
    "logit_scale": 4.0,
    "log_std_init": -1.5,
    "net_arch": list(WIDE),
}
"""The best of six settings for 20 items, 30 CPU seconds and open trucks; the rest is as in ``sb3.yml``."""

PPO_MANY = {**PPO, "learning_rate": 1e-3}
"""With 50 items both ``PPO`` and ``sb3.yml``, whose learning rate is 3e-3, diverge within 120 CPU seconds."""

METHODS: dict[str, Method] = {
    "mixed": AgentMethod("jumpgym.agents:MixedGradient", "our default, one network", hidden=WIDE),
    "mixed-shared": AgentMethod(
        "jumpgym.agents:MixedGradient",
        "one network that is applied to each item",
        hidden=(32, 32),
        policy="shared",
        batch_size=24,
    ),
    "hpo": AgentMethod("jumpgym.agents:HPO", "with its published settings, one network", hidden=WIDE),
    "ppo": ScaledPPO("ppo-gate", "gate and Gaussian order-up-to level, one network", PPO, PPO_MANY),
}

BASELINE = "ppo"
"""The other methods are timed until they reach the final gap of this one."""
