"""Networks that all items share: what an item sees is its own state, its parameters and a pooled summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jumpgym import HindsightProblem, NotApplicable

from .. import arrays
from ..arrays import Array
from .perceptrons import Linear, Tanh, Value, mlp
from .policies import HybridPolicy, QuantityHead


class ItemNetwork(nn.Module):
    """The same function of every item, and one of all of them, in place of one network of all inputs.

    Item i with inputs ``x_i`` (its entries of the observation and its parameters) and the inputs ``c`` that
    items have in common (such as the time) gets the outputs ``f(e_i, s)``, where ``e_i = tanh(A x_i + B c)``
    and the summary ``s`` has the mean and the maximum of all ``e_i``; what is shared gets ``g(s, c)``. So the
    number of weights does not depend on the number of items, the cost of a pass is linear in it, and to
    permute items permutes their outputs (Zaheer et al. 2017, "Deep sets").

    The maximum shows the most urgent item, which the mean of many hides. If items share a capacity, how much
    of it they need decides, for instance on the number of trucks, and saturating embeddings show that only
    roughly. So the summary then also has totals by load (``problem.item_loads``): of the items' entries of
    the observation, and of these and of the loads for each option that the items have chosen.

    Inputs and outputs are laid out as those of the network that it replaces. The inputs are features (...,
    dim), then, where it sees decisions, the weights of the shared gates and those of the items, item by item.
    The outputs are blocks, in each those of item 1, then those of item 2 and so on; those of what is shared
    come first, or, if ``shared_last``, last.

    Args:
        problem: one with items, see ``check_items``.
        features: number of features, of which the first are the entries of the observation.
        hidden: widths of the hidden layers; the first is that of the summary.
        blocks: outputs of each item in each block.
        shared: outputs of what is shared.
        sees_shared: weights of the shared gates among the inputs.
        sees_own: weights of each item's gate among the inputs.
        shared_last: where the shared outputs are.
    """

    loads: Tensor
    own: Tensor
    common: Tensor
    parameters_of_items: Tensor

    def __init__(
        self,
        problem: HindsightProblem,
        features: int,
        hidden: Sequence[int],
        *,
        blocks: Sequence[int] = (),
        shared: int = 0,
        sees_shared: int = 0,
        sees_own: int = 0,
        shared_last: bool = False,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("hidden=() must name at least one width, that of the pooled summary")
        entries, parameters = check_items(problem)
        items, first_own = len(entries), features + sees_shared
        weights = first_own + np.arange(items * sees_own).reshape(items, sees_own)
        item_inputs = np.concatenate([entries, weights], -1)
        common = np.setdiff1d(np.arange(first_own), entries)
        self.register_buffer("own", torch.as_tensor(item_inputs), persistent=False)
        self.register_buffer("common", torch.as_tensor(common), persistent=False)
        self.register_buffer(
            "parameters_of_items", torch.tensor(parameters, dtype=torch.float32), persistent=False
        )
        self.blocks, self.shared_last = list(blocks), shared_last
        width, *further = hidden
        self.of_item = Linear(item_inputs.shape[1] + parameters.shape[1], width)
        self.of_common = Linear(len(common), width, bias=False)
        self.tanh = Tanh()
        loads, self.rows = problem.item_loads, entries.shape[1]
        self.limited = loads is not None
        totals = (self.rows + (self.rows + 1) * sees_own) * self.limited
        summary = 2 * width + totals
        if loads is not None:
            self.register_buffer("loads", torch.tensor(loads, dtype=torch.float32), persistent=False)
        self.item = mlp(width + summary, further, sum(blocks)) if blocks else None
        self.all = mlp(summary + len(common), further, shared) if shared else None

    def forward(self, inputs: Array) -> Array:
        """Outputs (..., all blocks and shared) of inputs (..., features and weights)."""
        xp = arrays.namespace(inputs)
        common = inputs[..., self.common]
        own, layer = inputs[..., self.own], self.of_item
        seen = own.shape[-1]
        # What all episodes or all items have in common passes the layer once, not once for each.
        of_parameters = arrays.linear(self.parameters_of_items, layer.weight[:, seen:], layer.bias)
        item = arrays.linear(own, layer.weight[:, :seen], None) + of_parameters
        embedding = self.tanh(item + self.of_common(common)[..., None, :])
        parts = [embedding.mean(-2), xp.amax(embedding, -2)]
        if self.limited:
            parts.append(self._totals(own))
        summary = xp.concat(parts, axis=-1)
        outputs = []
        if self.item is not None:
            output, ends = self._of_both(embedding, summary), np.cumsum(self.blocks)
            blocks = [output[..., end - width : end] for end, width in zip(ends, self.blocks, strict=True)]
            outputs = [arrays.flatten_last(block) for block in blocks]
        if self.all is not None:
            shared = self.all(xp.concat([summary, common], axis=-1))
            outputs = [*outputs, shared] if self.shared_last else [shared, *outputs]
        return xp.concat(outputs, axis=-1)

    def _totals(self, own: Array) -> Array:
        """Sums over the items, by what they take of the common capacity: of entries, and of those by option.

        Args:
            own: entries of the items and weights of their options, shape (..., n, rows + options).
        """
        entries, weights = own[..., : self.rows], own[..., self.rows :]
        loaded = entries * self.loads[:, None]
        totals = [loaded.sum(-2)]
        for option in range(weights.shape[-1]):
            weight = weights[..., option]
            totals += [(weight[..., None] * loaded).sum(-2), (weight * self.loads).sum(-1)[..., None]]
        return arrays.namespace(own).concat(totals, axis=-1)

    def _of_both(self, embedding: Array, summary: Array) -> Array:
        """``self.item`` of each embedding (..., n, width) beside the summary (..., width)."""
        assert self.item is not None
        first: Any
        first, *further = self.item
        width = embedding.shape[-1]
        of_summary = arrays.linear(summary, first.weight[:, width:], first.bias)
        output = arrays.linear(embedding, first.weight[:, :width], None) + of_summary[..., None, :]
        for layer in further:
            output = layer(output)
        return output


class ItemPolicy(HybridPolicy):
    """``HybridPolicy`` with networks that all items share, see ``ItemNetwork``.

    What follows a choice sees it as the items see each other: shared gates see the pooled choices of the
    items, and the quantity of an item its own gate, the shared gates, and the pooled choices of the others.

    Args:
        problem: one with items, see ``check_items``.
        hidden, quantity_head, detached: see ``HybridPolicy``.
    """

    def __init__(
        self,
        problem: HindsightProblem,
        hidden: Sequence[int],
        quantity_head: QuantityHead,
        detached: bool = False,
    ) -> None:
        items = len(check_items(problem)[0])
        super().__init__(problem, hidden, quantity_head, detached)
        layout, inputs = self.layout, self.features.dim
        options, columns = layout.gates[-1], len(layout.low) // items
        first = layout.options - items * options
        if self.heads is None:
            self.net = ItemNetwork(problem, inputs, hidden, blocks=(options, columns), shared=first)
        else:
            self.net = ItemNetwork(problem, inputs, hidden, blocks=(options,))
            self.heads = ItemNetwork(
                problem, inputs, hidden, blocks=(columns,), sees_shared=first, sees_own=options
            )
        if self.follow is not None:
            self.follow = ItemNetwork(problem, inputs, hidden, shared=first, sees_own=options)


class ItemValue(Value):
    """``Value`` with a network that all items share, see ``ItemNetwork``.

    The components of the items see their own item and the summary, shared components the summary.

    Args:
        problem: one with items, see ``check_items``.
        hidden: see ``Value``.
    """

    def __init__(self, problem: HindsightProblem, hidden: Sequence[int]) -> None:
        items = len(check_items(problem)[0])
        super().__init__(problem, hidden)
        shared = problem.layout.credit.shape[1] - items
        self.net = ItemNetwork(
            problem, self.features.dim, hidden, blocks=(1,), shared=shared, shared_last=True
        )


def check_items(problem: HindsightProblem) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which entries of an observation belong to each item, (items, entries), and the items' parameters.

    Raises:
        NotApplicable: if the problem has no items, or if its last gates and its quantities are not one for
            each item, with equally many regimes.
    """
    entries, parameters, layout = problem.item_entries, problem.item_parameters, problem.layout
    items = 0 if entries is None else len(entries)
    gates = range(len(layout.gates) - items, len(layout.gates))
    alike = len({layout.gates[gate] for gate in gates}) == 1
    if entries is None or parameters is None or not alike or layout.quantity_gate != tuple(gates):
        raise NotApplicable(
            f"policy='shared' needs a problem with items, each with a gate and a quantity, and "
            f"{type(problem).__name__} has none; use policy='central'"
        )
    return entries, parameters
