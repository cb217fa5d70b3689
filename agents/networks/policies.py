"""Policies: observation to gate logits and quantities in every regime, or to undecomposed quantities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem, checks

from .. import arrays
from ..arrays import Array
from .features import Features
from .gates import Choice, gumbel_noise, most_probable, sampled_gate
from .perceptrons import mlp

QuantityHead = Literal["problem", "bounded", "raw", "order_up_to", "bounded_order_up_to"]
HEADS = {name: name for name in ("problem", "bounded", "raw")}
HEADS |= {"order_up_to": "problem", "bounded_order_up_to": "bounded"}
"""Forms of the quantity by their names; for an inventory, the problem's form is an order-up-to level."""


class Quantities(nn.Module):
    """Turn network outputs into quantities (..., columns), by ``problem.quantity_from``.

    Scales are stored with the weights. If the weights were trained on a problem with other scales, outputs
    are converted so that the quantities stay the same. The intervals are those of the problem in which the
    policy acts.

    Args:
        problem: the problem in which the policy acts.
    """

    low: Tensor
    high: Tensor
    scale: Tensor
    anchors: Tensor
    own_anchors: Tensor
    start: Tensor
    gate: Tensor
    option: Tensor
    shift: Tensor
    stretch: Tensor

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__()
        self.problem = problem
        layout = problem.layout
        nowhere, columns = np.zeros(len(problem.observation_low)), len(layout.low)
        anchors = [problem.quantity_from(nowhere, np.full(columns, output)) for output in (0.0, 1.0)]
        scale = np.where(problem.quantity_scale > 0, problem.quantity_scale, 1.0)
        self._hold(True, torch.float32, anchors=np.stack(anchors), scale=scale)
        self._hold(False, torch.float32, own_anchors=np.stack(anchors), low=layout.low, high=layout.high)
        self._hold(
            False,
            torch.int64,
            start=layout.quantity_start,
            gate=layout.quantity_gate,
            option=layout.option_of_column,
        )
        self._hold(False, torch.float32, shift=np.zeros(columns), stretch=np.ones(columns))
        self.converted = False
        self.register_load_state_dict_post_hook(lambda module, keys: module._convert())

    def _hold(self, persistent: bool, dtype: torch.dtype, **arrays: Any) -> None:
        for name, array in arrays.items():
            self.register_buffer(name, torch.tensor(np.asarray(array), dtype=dtype), persistent=persistent)

    def _convert(self) -> None:
        """Find shift and stretch of outputs that give the quantities of the problem that was learnt.

        Exact where ``quantity_from`` is linear in the output with a slope that no observation changes.
        """
        own_slope = self.own_anchors[1] - self.own_anchors[0]
        fixed = own_slope == 0
        divisor = torch.where(fixed, 1.0, own_slope)
        shift = torch.where(fixed, 0.0, (self.anchors[0] - self.own_anchors[0]) / divisor)
        stretch = torch.where(fixed, 1.0, (self.anchors[1] - self.anchors[0]) / divisor)
        self.shift, self.stretch = shift, stretch
        self.converted = not self.anchors.equal(self.own_anchors)

    def forward(self, observation: Array, output: Array) -> Array:
        """Quantities (..., columns), not projected, of observations (..., n) and outputs (..., columns)."""
        if self.converted:
            output = self.shift + self.stretch * output
        return self.problem.quantity_from(observation, output)

    def project(self, quantity: Array) -> Array:
        """Quantities (..., columns) projected on their intervals."""
        return arrays.namespace(quantity).clip(quantity, self.low, self.high)

    def columns(self, regime: Array) -> Array:
        """The column of each quantity (..., n) in the chosen regimes (..., G)."""
        return self.start + regime[..., self.gate]


class HybridPolicy(nn.Module):
    """The policy of most agents: gates and quantities as functions of the observation.

    With one gate, a single network has a head for each regime. With several coupled gates, decisions are made
    one after the other, because the best choice of one may jump where another's does, which a smooth function
    of the state alone cannot follow. The gates of the items come first. Shared gates (those before the first
    gate with a quantity, such as a number of trucks) see the choices of the items' gates, and the quantities
    see the choices of all gates. Shared gates come after the items', because the items that order determine
    how many trucks are worth while; in the opposite order, agents never tried a single truck.

    If the problem says that its gates are not ``coupled``, one network gives all logits and quantities, and
    shared gates start almost certainly open. If they could easily learn to close, they would close for all
    items in every second period, and all items would learn to order at the same time.

    Args:
        problem: the problem to decide on.
        hidden: widths of the hidden layers of each network.
        quantity_head: ``"problem"`` (also ``"order_up_to"``): the form that ``problem.quantity_from`` gives,
            for an inventory a level y(s), quantity = y - inventory position, projected on the regime's
            interval; ``"bounded"`` (also ``"bounded_order_up_to"``): the same, with its argument kept within
            [-1, 1] by a sigmoid; ``"raw"``: the quantity itself, by a sigmoid inside the interval.
        detached: if True, the networks treat observations as constants, so that gradients pass only through
            the simulator and through "quantity = level - inventory position".
    """

    LOGIT_SCALE = 5.0
    OPEN = 20.0
    ALIVE = 0.05
    opening: Tensor

    def __init__(
        self,
        problem: HindsightProblem,
        hidden: Sequence[int],
        quantity_head: QuantityHead,
        detached: bool = False,
    ) -> None:
        super().__init__()
        self.detached = detached
        self.quantity_head = HEADS[checks.choice("quantity_head", quantity_head, tuple(HEADS))]
        self.layout = layout = problem.layout
        self.features = Features(problem)
        self.quantities = Quantities(problem)
        columns, inputs = len(layout.low), self.features.dim
        sequential = len(layout.gates) > 1 and problem.coupled
        shared_gates = layout.gates[: min(layout.quantity_gate)]
        self.shared = sum(shared_gates) if sequential else 0
        self.own = layout.options - self.shared
        self.net: nn.Module = mlp(inputs, hidden, self.own + (0 if sequential else columns))
        self.follow: nn.Module | None = None
        self.heads: nn.Module | None = None
        if self.shared:
            self.follow = mlp(inputs + self.own, hidden, self.shared)
        if sequential:
            self.heads = mlp(inputs + layout.options, hidden, columns)
        opening = torch.zeros(layout.options)
        if not problem.coupled:
            opening[: sum(shared_gates)] = self.OPEN
            opening[layout.gate_start[: len(shared_gates)]] = 0.0
        self.register_buffer("opening", opening, persistent=False)

    def forward(
        self, observation: Array, choice: Choice, noise: Array | float = 0.0
    ) -> tuple[Array, Array, Array]:
        """Logits and weights (..., options) of all gates, and the quantities (..., columns) in every regime.

        Args:
            observation: shape (..., n).
            choice: function from logits to weights; it is first called with logits 0 for the shared gates.
            noise: added to the outputs that the quantities follow from, (..., columns).
        """
        logits, weights, head = self._outputs(observation, choice)
        head = head + noise
        return logits, weights, self._quantity(observation, head)

    def _outputs(self, observation: Array, choice: Choice) -> tuple[Array, Array, Array]:
        xp = arrays.namespace(observation)
        features = self.features(arrays.detach(observation) if self.detached else observation)
        out = self.net(features)
        logits = self.LOGIT_SCALE * out[..., : self.own] + self.opening[self.shared :]
        if self.follow is not None:
            undecided = xp.broadcast_to(xp.zeros_like(logits[..., :1]), (*logits.shape[:-1], self.shared))
            chosen = choice(xp.concat([undecided, logits], axis=-1))[..., self.shared :]
            shared = self.LOGIT_SCALE * self.follow(xp.concat([features, chosen], axis=-1))
            logits = xp.concat([shared, logits], axis=-1)
        weights = choice(logits)
        if self.heads is None:
            return logits, weights, out[..., self.own :]
        return logits, weights, self.heads(xp.concat([features, weights], axis=-1))

    def _quantity(self, observation: Array, head: Array) -> Array:
        if self.quantity_head == "raw":
            low, high = self.quantities.low, self.quantities.high
            return low + (high - low) * arrays.sigmoid(head)
        return self.quantities.project(self._unprojected(observation, head))

    def _unprojected(self, observation: Array, head: Array) -> Array:
        if self.quantity_head == "bounded":
            head = 2 * arrays.sigmoid(head) - 1
        return self.quantities(observation, head)

    def choose(
        self, observation: Tensor, generator: torch.Generator, deterministic: bool
    ) -> tuple[Tensor, Tensor]:
        """Regimes (m, G), the most probable ones or sampled, and quantities (m, n) of observations."""
        groups = self.layout.gate_groups
        shape = (*observation.shape[:-1], self.layout.options)
        noise = observation.new_zeros(shape) if deterministic else gumbel_noise(shape, generator, observation)
        gate = sampled_gate(noise[None], groups)
        _, weights, quantity = self(observation, lambda logits: gate(logits, 0))
        regime = most_probable(weights, groups)
        return regime, quantity.gather(-1, self.quantities.columns(regime))

    def revival(self, observations: Array, gates: Array, quantities: Array) -> Array:
        """Loss that draws the heads without a gradient back to their intervals; 0 while all have one.

        Where a head puts the quantity outside the regime's interval, the projection has no gradient; a head
        for which this happens in (nearly) all decisions that the gate gave to it stays there for good, say at
        "exactly the minimum order". The loss is the squared distance to the interval in units of the
        quantity's scale, summed over periods, mean over episodes and quantities; it fades as the share of
        decisions inside the interval reaches ``ALIVE``. It leaves the state's gradient alone: observations
        (T, m, n), gates (T, m, options) and quantities (T, m, columns) are taken as constants.
        """
        xp, q = arrays.namespace(gates), self.quantities
        if self.quantity_head == "raw":
            return xp.zeros_like(gates[0, 0, 0])
        inside = (quantities > q.low) & (quantities < q.high)
        chosen = gates[..., q.option]
        alive = (chosen * inside).sum((0, 1)) / xp.clip(chosen.sum((0, 1)), min=1.0)
        dead = xp.where(q.high > q.low, xp.clip(1 - alive / self.ALIVE, min=0.0), 0.0)

        def distances() -> Array:
            *_, head = self._outputs(observations, lambda logits: gates)
            quantity = self._unprojected(observations, head)
            distance = (quantity - q.project(quantity)) / q.scale
            return (dead * chosen * distance**2).sum((0, 2)).mean() / len(q.start)

        return arrays.when(dead.any(), distances, gates)


class QuantityPolicy(nn.Module):
    """Undecomposed quantities (..., n), with one network output each; they may lie outside every interval.

    They have the form that ``problem.quantity_from`` gives them in the last regime of their gates.

    Args:
        problem: the problem to decide on.
        hidden: widths of the hidden layers.
    """

    regimes: Tensor
    owner: Tensor
    last: Tensor

    def __init__(self, problem: HindsightProblem, hidden: Sequence[int]) -> None:
        super().__init__()
        layout = problem.layout
        counts = torch.tensor([layout.gates[gate] for gate in layout.quantity_gate])
        self.features = Features(problem)
        self.quantities = Quantities(problem)
        self.net = mlp(self.features.dim, hidden, len(counts))
        owner = torch.repeat_interleave(torch.arange(len(counts)), counts)
        self.register_buffer("owner", owner, persistent=False)
        self.register_buffer("last", counts.cumsum(0) - 1, persistent=False)

    def forward(self, observation: Array) -> Array:
        """Quantities (..., n) of every observation."""
        output = self.net(self.features(observation))
        return self.quantities(observation, self.placed(output))[..., self.last]

    def placed(self, quantity: Array) -> Array:
        """Numbers (..., n), one for each quantity, put in all its columns (..., columns)."""
        return quantity[..., self.owner]
