"""A Stable-Baselines3 policy for ``Tuple(Discrete(K), Box((n,)))`` actions: a gate and a Gaussian quantity.

Stable-Baselines3 has no Tuple actions. Here the environment shows ``Box([0, low], [K - 1, high])`` of shape
(1 + n,), whose first column is the index of the regime. The policy's distribution is the hybrid one all the
same: the first column of every action is a whole number, and the gate learns as a categorical does.
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

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class Hybrid(Distribution):
    """Distribution of (regime, quantity): a categorical regime, a Gaussian quantity in each active regime.

    Events have shape (1 + n,): the index of the regime as a float, then the quantity. In a regime that is not
    active the quantity is no decision: it is a constant, and it changes no log-probability.

    Args:
        logits: of the regimes, shape (..., K).
        loc: mean quantity by regime, shape (..., K, n).
        scale: standard deviation of the quantity by regime, greater than 0, shape (..., K, n).
        active: 1 where the regime has a quantity, else 0, shape (K,).
    """

    arg_constraints = {  # noqa: RUF012 (torch declares it so)
        "logits": constraints.independent(constraints.real, 1),
        "loc": constraints.independent(constraints.real, 2),
        "scale": constraints.independent(constraints.positive, 2),
    }
    support = constraints.real_vector
    has_rsample = False

    def __init__(
        self, logits: Tensor, loc: Tensor, scale: Tensor, active: Tensor, validate_args: bool | None = None
    ) -> None:
        self.logits = logits.log_softmax(-1)
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        self.active = active
        super().__init__(logits.shape[:-1], torch.Size([1 + loc.shape[-1]]), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Hybrid:
        """The same distribution with another batch shape; see ``torch.distributions.Distribution.expand``."""
        shape = torch.Size(batch_shape)
        regimes, quantities = self.loc.shape[-2:]
        loc, scale = (x.expand(*shape, regimes, quantities) for x in (self.loc, self.scale))
        return Hybrid(self.logits.expand(*shape, regimes), loc, scale, self.active, validate_args=False)

    @property
    def probs(self) -> Tensor:
        """Probabilities of the regimes, shape (..., K)."""
        return self.logits.exp()

    @property
    def mode(self) -> Tensor:
        """The most likely regime, and its mean quantity, shape (..., 1 + n)."""
        regime = self.logits.argmax(-1, keepdim=True)
        return torch.cat([regime.to(self.loc.dtype), _of_regime(self.loc, regime)], dim=-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Samples of shape (*sample_shape, ..., 1 + n), without gradient."""
        shape = torch.Size(sample_shape)
        with torch.no_grad():
            # The largest logit plus Gumbel noise is a categorical draw, for any batch shape.
            noise = -torch.empty(shape + self.logits.shape, device=self.loc.device).exponential_().log()
            regime = (self.logits + noise).argmax(-1, keepdim=True)
            loc, scale = (_of_regime(x.expand(shape + x.shape), regime) for x in (self.loc, self.scale))
            quantity = loc + self.active[regime] * scale * torch.randn_like(loc)
            return torch.cat([regime.to(loc.dtype), quantity], dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(regime) + active * log p(quantity | regime), shape (...,), of events (..., 1 + n)."""
        regime = value[..., :1].long()
        shape = value.shape[:-1]
        loc, scale = (_of_regime(x.expand(*shape, *x.shape[-2:]), regime) for x in (self.loc, self.scale))
        gate = self.logits.expand(*shape, self.logits.shape[-1]).gather(-1, regime)
        quantity = -0.5 * ((value[..., 1:] - loc) / scale) ** 2 - scale.log() - LOG_SQRT_2PI
        return gate[..., 0] + self.active[regime[..., 0]] * quantity.sum(-1)

    def entropy(self) -> Tensor:
        """H(regime) + sum_k p_k H(quantity | k), shape (...,)."""
        quantity = self.active * (self.scale.log() + LOG_SQRT_2PI + 0.5).sum(-1)
        return (self.probs * (quantity - self.logits)).sum(-1)


def _of_regime(values: Tensor, regime: Tensor) -> Tensor:
    """Entries (..., n) of ``values`` (..., K, n) at ``regime`` (..., 1)."""
    index = regime[..., None].expand(*regime.shape, values.shape[-1])
    return values.gather(-2, index)[..., 0, :]


@register_kl(Hybrid, Hybrid)
def _kl_hybrid_hybrid(p: Hybrid, q: Hybrid) -> Tensor:
    """sum_k p_k (log p_k / q_k + KL of the quantities given k), shape (...,)."""
    if not torch.equal(p.active, q.active):
        raise ValueError(
            f"active regimes differ: {p.active.tolist()} and {q.active.tolist()}; the KL is not defined"
        )
    quantity = q.scale.log() - p.scale.log() + (p.scale**2 + (p.loc - q.loc) ** 2) / (2 * q.scale**2) - 0.5
    return (p.probs * (p.logits - q.logits + p.active * quantity.sum(-1))).sum(-1)


class HybridDistribution(SB3Distribution):
    """``Hybrid`` as a Stable-Baselines3 action distribution.

    Args:
        regimes: number of regimes K.
        quantities: number of quantities n.
    """

    distribution: Hybrid

    def __init__(self, regimes: int, quantities: int) -> None:
        super().__init__()
        self.regimes, self.quantities = regimes, quantities

    def proba_distribution_net(
        self, latent_dim: int, log_std_init: float = 0.0
    ) -> tuple[nn.Linear, nn.Parameter]:
        """The layer that gives K logits and K * n means, and the log standard deviations (K, n)."""
        net = nn.Linear(latent_dim, self.regimes * (1 + self.quantities))
        return net, nn.Parameter(torch.full((self.regimes, self.quantities), float(log_std_init)))

    def proba_distribution(
        self, logits: Tensor, loc: Tensor, scale: Tensor, active: Tensor
    ) -> HybridDistribution:
        """Set the parameters, shaped as in ``Hybrid``."""
        self.distribution = Hybrid(logits, loc, scale, active)
        return self

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probability (batch,) of actions (batch, 1 + n)."""
        return self.distribution.log_prob(actions)

    def entropy(self) -> Tensor:
        """Entropy, shape (batch,)."""
        return self.distribution.entropy()

    def sample(self) -> Tensor:
        """An action, shape (batch, 1 + n)."""
        return self.distribution.sample()

    def mode(self) -> Tensor:
        """The most likely regime and its mean quantity, shape (batch, 1 + n)."""
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

    The mean quantity of a regime is ``quantity_offset + quantity_scale * output``, its standard deviation
    ``quantity_scale * exp(log_std)``, so that the network works at unit scale.

    Args:
        active_regimes: for each regime, whether it has a quantity; False where its interval is a point. By
            default all have.
        quantity_offset: mean quantity of a network that gives 0: a number, or of shape (n,) or (K, n); by
            default the middle of the Box.
        quantity_scale: quantity per unit of network output, in the same form; by default a quarter of the
            width of the Box.
        logit_scale: factor on the outputs that are logits of the gate; larger lets the gate sharpen sooner.

    Raises:
        ValueError: if the action space is not such a Box, or ``active_regimes`` has not one entry per regime.
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
        active_regimes: Sequence[bool] | None = None,
        quantity_offset: Any = None,
        quantity_scale: Any = None,
        logit_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.regimes, self.quantities = _hybrid_shape(action_space)
        if active_regimes is not None and len(active_regimes) != self.regimes:
            raise ValueError(
                f"active_regimes={active_regimes!r} must have {self.regimes} entries, one per regime"
            )
        self._hybrid_kwargs = {
            "active_regimes": active_regimes,
            "quantity_offset": quantity_offset,
            "quantity_scale": quantity_scale,
            "logit_scale": logit_scale,
        }
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)  # builds an action net for a Gaussian over the whole Box, replaced here
        action_dist = HybridDistribution(self.regimes, self.quantities)
        self.action_net, self.log_std = action_dist.proba_distribution_net(
            self.mlp_extractor.latent_dim_pi, self.log_std_init
        )
        self.action_dist = action_dist
        if self.ortho_init:
            self.action_net.apply(partial(self.init_weights, gain=0.01))
        box = cast(spaces.Box, self.action_space)
        low, high = box.low[1:], box.high[1:]
        self._constant("active", self._hybrid_kwargs["active_regimes"], np.ones(self.regimes))
        self._constant("quantity_offset", self._hybrid_kwargs["quantity_offset"], (low + high) / 2)
        self._constant("quantity_scale", self._hybrid_kwargs["quantity_scale"], (high - low) / 4)
        optimizer_class: Any = self.optimizer_class
        self.optimizer = optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _constant(self, name: str, value: Any, default: Any) -> None:
        self.register_buffer(name, torch.as_tensor(default if value is None else value, dtype=torch.float32))

    def _get_action_dist_from_latent(self, latent_pi: Tensor) -> HybridDistribution:
        out = self.action_net(latent_pi)
        logits = self._hybrid_kwargs["logit_scale"] * out[:, : self.regimes]
        means = out[:, self.regimes :].reshape(-1, self.regimes, self.quantities)
        loc = self.quantity_offset + self.quantity_scale * means
        scale = self.quantity_scale * self.log_std.exp()
        return cast(HybridDistribution, self.action_dist).proba_distribution(logits, loc, scale, self.active)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self._hybrid_kwargs}


def _hybrid_shape(action_space: spaces.Space[Any]) -> tuple[int, int]:
    """Number of regimes and of quantities of a Box that shows a hybrid action."""
    if not isinstance(action_space, spaces.Box) or len(action_space.shape) != 1 or action_space.shape[0] < 2:
        raise ValueError(
            f"{action_space} must be a Box of shape (1 + n,): the regime's index, then n quantities"
        )
    low, high = float(action_space.low[0]), float(action_space.high[0])
    if low != 0 or high < 1 or high != round(high):
        raise ValueError(
            f"{action_space}: the first column must run from 0 to K - 1, with at least 2 regimes"
        )
    if not action_space.is_bounded():
        raise ValueError(f"{action_space} must be bounded")
    return round(high) + 1, action_space.shape[0] - 1
