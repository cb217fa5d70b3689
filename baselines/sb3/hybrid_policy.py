"""A Stable-Baselines3 policy for hybrid actions: a categorical for each gate, Gaussian quantities.

Stable-Baselines3 has no Tuple actions. Here the environment shows a ``Box`` of shape (G + n,), whose first G
columns are the indices of the regimes: ``Box([0, low], [K - 1, high])`` for one gate. The policy's
distribution is nevertheless hybrid: in every action these columns are whole numbers, drawn from categorical
distributions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution as SB3Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn
from torch.distributions import Distribution, constraints
from torch.distributions.kl import register_kl

from jumpgym.layout import ActionLayout, split

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class Hybrid(Distribution):
    """Distribution of (regimes, quantities): categorical regimes, Gaussian quantities in the regimes chosen.

    Events have shape (G + n,): the index of each gate's regime as a float, then the quantities. In regimes in
    which a quantity is not active it is a constant, and does not contribute to the log-probability.

    Args:
        layout: gates and quantities; its intervals do not matter here.
        logits: of the regimes of all gates, shape (..., options).
        loc: mean of each quantity in each regime of its gate, shape (..., columns).
        scale: standard deviation of each quantity in each regime, greater than 0, shape (..., columns).
        active: 1 where the quantity is a decision in the regime, otherwise 0, shape (columns,).
    """

    arg_constraints = {  # noqa: RUF012 (torch declares it so)
        "logits": constraints.independent(constraints.real, 1),
        "loc": constraints.independent(constraints.real, 1),
        "scale": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = False

    def __init__(
        self,
        layout: ActionLayout,
        logits: Tensor,
        loc: Tensor,
        scale: Tensor,
        active: Tensor,
        validate_args: bool | None = None,
    ) -> None:
        self.layout = layout
        self.logits = torch.cat(
            [split(logits, group).log_softmax(-1).flatten(-2) for group in layout.gate_groups], dim=-1
        )
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        self.active = active
        events = len(layout.gates) + len(layout.quantity_gate)
        super().__init__(logits.shape[:-1], torch.Size([events]), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Hybrid:
        """The same distribution with another batch shape; see ``torch.distributions.Distribution.expand``."""
        shape = torch.Size(batch_shape)
        logits, loc, scale = (x.expand(*shape, x.shape[-1]) for x in (self.logits, self.loc, self.scale))
        return Hybrid(self.layout, logits, loc, scale, self.active, validate_args=False)

    @property
    def probs(self) -> Tensor:
        """Probabilities of the regimes of each gate, shape (..., options)."""
        return self.logits.exp()

    @property
    def mode(self) -> Tensor:
        """The most likely regime of each gate, and the mean quantities in them, shape (..., G + n)."""
        regime = self._best(self.logits)
        return torch.cat([regime.to(self.loc.dtype), self.loc.gather(-1, self._columns(regime))], dim=-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Samples of shape (*sample_shape, ..., G + n), without gradient."""
        shape = torch.Size(sample_shape)
        with torch.no_grad():
            # The largest logit plus Gumbel noise is a categorical draw, for any batch shape.
            noise = -torch.empty(shape + self.logits.shape, device=self.loc.device).exponential_().log()
            regime = self._best(self.logits + noise)
            column = self._columns(regime)
            loc, scale = (x.expand(shape + x.shape).gather(-1, column) for x in (self.loc, self.scale))
            quantity = loc + self.active[column] * scale * torch.randn_like(loc)
            return torch.cat([regime.to(loc.dtype), quantity], dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """sum_g log p(regime g) + sum_j active * log p(quantity j | regime), (...,) of (..., G + n)."""
        gates = len(self.layout.gates)
        regime, quantity = value[..., :gates].long(), value[..., gates:]
        shape, column = value.shape[:-1], self._columns(regime)
        loc, scale = (x.expand(*shape, x.shape[-1]).gather(-1, column) for x in (self.loc, self.scale))
        option = regime + self._tensor(self.layout.gate_start)
        gate = self.logits.expand(*shape, self.logits.shape[-1]).gather(-1, option)
        normal = -0.5 * ((quantity - loc) / scale) ** 2 - scale.log() - LOG_SQRT_2PI
        return gate.sum(-1) + (self.active[column] * normal).sum(-1)

    def entropy(self) -> Tensor:
        """sum_g H(regime g) + sum_j sum_k p_k H(quantity j | k), shape (...,)."""
        normal = self.scale.log() + LOG_SQRT_2PI + 0.5
        return -(self.probs * self.logits).sum(-1) + self.expectation(normal)

    def expectation(self, values: Tensor) -> Tensor:
        """Expected sum (...,) of values (..., columns) of the quantities that are active in the regimes."""
        return (self.probs[..., self._tensor(self.layout.option_of_column)] * self.active * values).sum(-1)

    def _best(self, logits: Tensor) -> Tensor:
        """Regime (..., G) of each gate with the largest entry."""
        return torch.cat([split(logits, group).argmax(-1) for group in self.layout.gate_groups], dim=-1)

    def _columns(self, regime: Tensor) -> Tensor:
        """The column of each quantity (..., n) in the regimes (..., G)."""
        gate_of = self._tensor(np.array(self.layout.quantity_gate))
        return self._tensor(self.layout.quantity_start) + regime[..., gate_of]

    def _tensor(self, index: Any) -> Tensor:
        return torch.as_tensor(index, dtype=torch.int64, device=self.loc.device)


@register_kl(Hybrid, Hybrid)
def _kl_hybrid_hybrid(p: Hybrid, q: Hybrid) -> Tensor:
    """sum of p log(p / q) over regimes, and the expected KL of the quantities given them, shape (...,)."""
    if not torch.equal(p.active, q.active):
        raise ValueError(
            f"active regimes differ: {p.active.tolist()} and {q.active.tolist()}; the KL is not defined"
        )
    quantity = q.scale.log() - p.scale.log() + (p.scale**2 + (p.loc - q.loc) ** 2) / (2 * q.scale**2) - 0.5
    return (p.probs * (p.logits - q.logits)).sum(-1) + p.expectation(quantity)


class HybridDistribution(SB3Distribution):
    """``Hybrid`` as a Stable-Baselines3 action distribution.

    Args:
        layout: gates and quantities.
    """

    distribution: Hybrid

    def __init__(self, layout: ActionLayout) -> None:
        super().__init__()
        self.layout = layout

    def proba_distribution_net(
        self, latent_dim: int, log_std_init: float = 0.0
    ) -> tuple[nn.Linear, nn.Parameter]:
        """The layer that gives logits and means, and the log standard deviations (columns,)."""
        columns = len(self.layout.low)
        net = nn.Linear(latent_dim, self.layout.options + columns)
        return net, nn.Parameter(torch.full((columns,), float(log_std_init)))

    def proba_distribution(
        self, logits: Tensor, loc: Tensor, scale: Tensor, active: Tensor
    ) -> HybridDistribution:
        """Set the parameters, shaped as in ``Hybrid``."""
        self.distribution = Hybrid(self.layout, logits, loc, scale, active)
        return self

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probability (batch,) of actions (batch, G + n)."""
        return self.distribution.log_prob(actions)

    def entropy(self) -> Tensor:
        """Entropy, shape (batch,)."""
        return self.distribution.entropy()

    def sample(self) -> Tensor:
        """An action, shape (batch, G + n)."""
        return self.distribution.sample()

    def mode(self) -> Tensor:
        """The most likely regimes and their mean quantities, shape (batch, G + n)."""
        return self.distribution.mode

    def actions_from_params(
        self, logits: Tensor, loc: Tensor, scale: Tensor, active: Tensor, deterministic: bool = False
    ) -> Tensor:
        """An action of the distribution with these parameters."""
        return self.proba_distribution(logits, loc, scale, active).get_actions(deterministic=deterministic)

    def log_prob_from_params(
        self, logits: Tensor, loc: Tensor, scale: Tensor, active: Tensor
    ) -> tuple[Tensor, Tensor]:
        """An action of the distribution with these parameters, and its log-probability."""
        actions = self.actions_from_params(logits, loc, scale, active)
        return actions, self.log_prob(actions)


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
