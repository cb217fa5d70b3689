"""The surrogate loss of a general stochastic computation graph.

Schulman, Heess, Weber and Abbeel (2015), "Gradient estimation using stochastic computation graphs". The
expected sum of the costs depends on the parameters in two ways: through the probabilities of the samples, and
through the costs themselves. The gradient of ``surrogate_loss`` contains both. ``estimators.surrogate_loss``
is its special case for the rollouts of this package, in which the nodes are gates.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import torch
from torch import Tensor

Name = Hashable
"""The name of a node, for example ``"z"`` or ``("gate", 3)``."""


def downstream_costs(
    edges: Mapping[Any, Iterable[Name]], nodes: Iterable[Name], costs: Iterable[Name]
) -> dict[Name, frozenset[Name]]:
    """The costs that each stochastic node influences, that is, those to which a path leads from the node.

    Args:
        edges: for a node of any kind (stochastic, deterministic, parameter, cost) the nodes that are computed
            from it, or sampled from a distribution that is computed from it.
        nodes: the stochastic nodes.
        costs: the costs.

    Raises:
        ValueError: if the graph has a cycle, or a name is not in it.

    Example:
        >>> edges = {"theta": ["z"], "z": ["order"], "order": ["cost"], "noise": ["cost", "fee"]}
        >>> {node: sorted(names) for node, names in downstream_costs(edges, ["z"], ["cost", "fee"]).items()}
        {'z': ['cost']}
    """
    followers = {node: tuple(following) for node, following in edges.items()}
    costs = frozenset(costs)
    try:  # the sorter expects predecessors; given the followers, it puts them first, as needed here
        followers_first = tuple(TopologicalSorter(followers).static_order())
    except CycleError as error:
        cycle = " -> ".join(map(repr, reversed(error.args[1])))
        raise ValueError(
            f"edges: the graph has a cycle, {cycle}; use one node per period to unroll a loop in time"
        ) from None
    influenced: dict[Name, frozenset[Name]] = {}
    for node in followers_first:
        influenced[node] = (costs & {node}).union(
            *(influenced[following] for following in followers.get(node, ()))
        )
    for cost in costs:
        _checked("costs", cost, influenced)
    return {node: influenced[_checked("nodes", node, influenced)] for node in nodes}


def surrogate_loss(
    log_probs: Mapping[Any, Tensor],
    costs: Mapping[Any, Tensor],
    downstream: Mapping[Any, Collection[Name]],
    baselines: Mapping[Any, Tensor] | None = None,
) -> Tensor:
    """``sum_z log p(z) detach(sum_{c downstream of z} c - b_z) + sum_c c`` of each sample (Schulman, eq. 8).

    The mean over samples of its gradient is an unbiased estimate of the gradient of the expected sum of the
    costs (theorem 1). Without the detach, the product rule would add a term ``log p(z) grad c``. Without the
    first sum the probabilities would count as fixed, and without the second the costs. Costs that are not
    downstream of a node are left out of its factor, where they would only add variance: given everything
    before z, the expected gradient of log p(z) is 0. For the same reason any baseline is valid that z does
    not influence.

    Args:
        log_probs: log-probability of the sample of each stochastic node, given the inputs of its
            distribution; all of one batch shape (...,), connected to the parameters.
        costs: cost of each cost node, of the batch shape or broadcast to it, connected to the parameters if
            they influence it other than through probabilities.
        downstream: for each stochastic node the costs that it influences, see ``downstream_costs``.
        baselines: of some of the nodes, of the batch shape or broadcast to it; they are detached.

    Returns:
        The loss of each sample, of the batch shape. Only its gradient has a meaning, not its value.

    Raises:
        ValueError: if a name is unknown, a shape does not fit, or a log-probability has no gradient.
    """
    baselines = baselines or {}
    zeros = _zeros(log_probs, costs, downstream, baselines)
    loss = sum(costs.values(), start=zeros)
    for node, log_prob in log_probs.items():
        influenced = sum((costs[cost].detach() for cost in downstream[node]), start=zeros)
        baseline = baselines[node].detach() if node in baselines else zeros
        loss = loss + log_prob * (influenced - baseline)
    return loss


def _zeros(
    log_probs: Mapping[Any, Tensor],
    costs: Mapping[Any, Tensor],
    downstream: Mapping[Any, Collection[Name]],
    baselines: Mapping[Any, Tensor],
) -> Tensor:
    """Zeros of the batch shape, after checking that names and shapes fit together."""
    if not log_probs:
        raise ValueError("log_probs is empty; without a stochastic node the sum of the costs is the loss")
    for node in downstream:
        _checked("downstream", node, log_probs)
    for node in baselines:
        _checked("baselines", node, log_probs)
    zeros = torch.zeros_like(next(iter(log_probs.values())), requires_grad=False)
    for node, log_prob in log_probs.items():
        if not log_prob.requires_grad:
            raise ValueError(
                f"log_probs: that of node {node!r} has no gradient; compute it from the parameters outside "
                "of torch.no_grad() and do not detach it, or leave the node out"
            )
        if log_prob.shape != zeros.shape:
            first = next(iter(log_probs))
            raise ValueError(
                f"log_probs: that of node {node!r} has shape {tuple(log_prob.shape)}, that of {first!r} "
                f"{tuple(zeros.shape)}; all must have one batch shape: sum over the other axes"
            )
        for cost in downstream[_checked("log_probs", node, downstream)]:
            _checked(f"downstream of {node!r}", cost, costs)
    for kind, tensors in (("costs", costs), ("baselines", baselines)):
        for name, tensor in tensors.items():
            _check_shape(kind, name, tensor, zeros.shape)
    return zeros


def _check_shape(kind: str, name: Name, tensor: Tensor, batch: torch.Size) -> None:
    try:
        fits = torch.broadcast_shapes(tensor.shape, batch) == batch
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"{kind}: that of {name!r} has shape {tuple(tensor.shape)}, which does not broadcast to the "
            f"batch shape {tuple(batch)} of the log-probabilities"
        )


def _checked(where: str, name: Name, names: Collection[Name]) -> Name:
    if name not in names:
        allowed = ", ".join(map(repr, names)) or "none"
        raise ValueError(f"{where}: unknown node {name!r}; the nodes are {allowed}")
    return name
