"""A Stable-Baselines3 policy for hybrid actions: a categorical for each gate, Gaussian quantities.

Stable-Baselines3 has no Tuple actions. Here the environment shows a ``Box`` of shape (G + n,), whose first G
columns are the indices of the regimes: ``Box([0, low], [K - 1, high])`` for one gate. The policy's
distribution is nevertheless hybrid: in every action these columns are whole numbers, drawn from categorical
distributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor

from jumpgym.layout import ActionLayout

from .hybrid_distribution import HybridDistribution


class HybridActorCriticPolicy(ActorCriticPolicy):
    """Actor and critic for hybrid actions shown as one Box: ``ActorCriticPolicy`` with further keywords.

    The mean of a quantity in a regime is ``quantity_offset + quantity_scale * output``, its standard
    deviation ``quantity_scale * exp(log_std)``, so that the network works at unit scale.

    Args:
        gates: number of regimes of each gate; by default one gate, with as many regimes as the first column
            of the Box has values.
        quantity_gate: for each quantity the index of its gate; by default all belong to the first one.
        active: for each quantity and each regime of its gate, False if its interval is a point, so that there
            is nothing to decide; shape (columns,). By default all are True.
        quantity_offset: mean of a quantity if the network's output is 0: a number, or shape (columns,); by
            default the middle of the Box.
        quantity_scale: quantity per unit of the network's output: a number, or shape (columns,); by default a
            quarter of the width of the Box.
        logit_scale: factor on the outputs that are logits of the gates. With a larger factor the gates become
            decisive sooner.

    Raises:
        ValueError: if the action space is not such a Box, or a keyword does not fit it.
    """

    active: Tensor
    quantity_offset: Tensor
    quantity_scale: Tensor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *args: Any,
        gates: Sequence[int] | None = None,
        quantity_gate: Sequence[int] | None = None,
        active: Sequence[bool] | None = None,
        quantity_offset: Any = None,
        quantity_scale: Any = None,
        logit_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.layout = _layout(action_space, gates, quantity_gate)
        if active is not None and len(active) != len(self.layout.low):
            raise ValueError(f"active={active!r} must have {len(self.layout.low)} entries")
        self._hybrid_kwargs = {
            "gates": gates,
            "quantity_gate": quantity_gate,
            "active": active,
            "quantity_offset": quantity_offset,
            "quantity_scale": quantity_scale,
            "logit_scale": logit_scale,
        }
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)  # builds an action net for a Gaussian over the whole Box, replaced here
        action_dist = HybridDistribution(self.layout)
        self.action_net, self.log_std = action_dist.proba_distribution_net(
            self.mlp_extractor.latent_dim_pi, self.log_std_init
        )
        self.action_dist = action_dist
        if self.ortho_init:
            self.action_net.apply(partial(self.init_weights, gain=0.01))
        low, high = self.layout.low, self.layout.high
        self._constant("active", self._hybrid_kwargs["active"], np.ones(len(low)))
        self._constant("quantity_offset", self._hybrid_kwargs["quantity_offset"], (low + high) / 2)
        self._constant("quantity_scale", self._hybrid_kwargs["quantity_scale"], (high - low) / 4)
        optimizer_class: Any = self.optimizer_class
        self.optimizer = optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _constant(self, name: str, value: Any, default: Any) -> None:
        self.register_buffer(name, torch.as_tensor(default if value is None else value, dtype=torch.float32))

    def _get_action_dist_from_latent(self, latent_pi: Tensor) -> HybridDistribution:
        out = self.action_net(latent_pi)
        logits = self._hybrid_kwargs["logit_scale"] * out[:, : self.layout.options]
        loc = self.quantity_offset + self.quantity_scale * out[:, self.layout.options :]
        scale = self.quantity_scale * self.log_std.exp()
        return cast(HybridDistribution, self.action_dist).proba_distribution(logits, loc, scale, self.active)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self._hybrid_kwargs}


def _layout(
    action_space: spaces.Space[Any], gates: Sequence[int] | None, quantity_gate: Sequence[int] | None
) -> ActionLayout:
    """The layout of the hybrid action that a Box shows; intervals are those of the Box in all regimes."""
    if not isinstance(action_space, spaces.Box) or len(action_space.shape) != 1 or action_space.shape[0] < 2:
        raise ValueError(
            f"{action_space} must be a Box of shape (G + n,): the regimes' indices, then n quantities"
        )
    count = 1 if gates is None else len(gates)
    low, high = action_space.low[:count], action_space.high[:count]
    if np.any(low != 0) or np.any(high < 1) or np.any(high != np.round(high)):
        raise ValueError(
            f"{action_space}: the first column must run from 0 to K - 1, with at least 2 regimes"
            if count == 1
            else f"{action_space}: the first {count} columns must run from 0 to K - 1 each"
        )
    if not action_space.is_bounded():
        raise ValueError(f"{action_space} must be bounded")
    shown_gates = (high + 1).astype(int).tolist()
    quantities = action_space.shape[0] - count
    owner = [0] * quantities if quantity_gate is None else list(quantity_gate)
    if (gates is not None and list(gates) != shown_gates) or len(owner) != quantities:
        raise ValueError(
            f"{action_space} shows gates {shown_gates} and {quantities} quantities, not gates={gates!r} and "
            f"quantity_gate={quantity_gate!r}"
        )
    regimes = [shown_gates[gate] for gate in owner]
    bounds = (np.repeat(end[count:].astype(float), regimes) for end in (action_space.low, action_space.high))
    return ActionLayout(shown_gates, owner, *bounds)
