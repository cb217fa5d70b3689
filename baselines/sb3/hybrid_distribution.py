"""The distribution of hybrid actions: a categorical for each gate, and Gaussian quantities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.distributions import Distribution as SB3Distribution
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
