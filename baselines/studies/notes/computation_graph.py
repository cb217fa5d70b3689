"""The surrogate loss of a general stochastic computation graph.

Schulman, Heess, Weber and Abbeel (2015), "Gradient estimation using stochastic computation graphs". The
expected sum of the costs depends on parameters in two ways: through the probabilities of what is sampled, and
through the costs themselves. ``surrogate_loss`` is one number whose gradient holds both;
``estimators.surrogate_loss`` is its special case for the rollouts of this package, with gates for nodes.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import torch
from torch import Tensor

Name = Hashable
"""Of a node, for example ``"z"`` or ``("gate", 3)``."""


def downstream_costs(
    edges: Mapping[Any, Iterable[Name]], nodes: Iterable[Name], costs: Iterable[Name]
) -> dict[Name, frozenset[Name]]:
    """For each stochastic node ``z`` the costs ``c`` that it influences: those with a path from z to c.

    Args:
        edges: from a node of any kind (stochastic, deterministic, parameter, cost) to those that are
            computed from it, or sampled from a distribution that is.
        nodes: the stochastic ones.
        costs: the costs.

    Raises:
        ValueError: if the graph has a cycle, or a name is not in it.

    Example:
        >>> edges = {"theta": ["z"], "z": ["order"], "order": ["cost"], "noise": ["cost", "fee"]}
        >>> {node: sorted(found) for node, found in downstream_costs(edges, ["z"], ["cost", "fee"]).items()}
        {'z': ['cost']}
    """
    followers = {node: tuple(following) for node, following in edges.items()}
    costs = frozenset(costs)
    try:  # the sorter wants predecessors: told the followers, it puts them first, which is what is needed
        followers_first = tuple(TopologicalSorter(followers).static_order())
    except CycleError as error:
        cycle = " -> ".join(map(repr, reversed(error.args[1])))
        raise ValueError(
            f"edges: the graph has a cycle, {cycle}; a node per period makes a loop in time a graph without"
        ) from None
    influenced: dict[Name, frozenset[Name]] = {}
    for node in followers_first:
        own = costs & {node}
        influenced[node] = own.union(*(influenced[following] for following in followers.get(node, ())))
    for cost in costs:
        _known("costs", cost, influenced)
    return {node: influenced[_known("nodes", node, influenced)] for node in nodes}


def surrogate_loss(
    log_probs: Mapping[Any, Tensor],
    costs: Mapping[Any, Tensor],
    downstream: Mapping[Any, Collection[Name]],
    baselines: Mapping[Any, Tensor] | None = None,
) -> Tensor:
    """``sum_z log p(z) detach(sum_{c downstream of z} c - b_z) + sum_c c`` of each sample (Schulman, eq. 8).

    The mean over samples of its gradient is an unbiased estimate of the gradient of the expected sum of the
    costs (theorem 1). Without the detach the product rule would add a term ``log p(z) grad c``; without the
    first sum the probabilities are taken to be fixed, without the second the costs. Costs that are not
    downstream of a node may be left out of its factor, since given what came before the expected gradient of
    log p(z) is 0: they only add variance. For the same reason any baseline will do that z does not influence.

    Args:
        log_probs: of what was sampled at each stochastic node, given what its distribution is computed from;
            all of one batch shape (...,), connected to the parameters.
        costs: of each cost node, of the batch shape or broadcast to it, connected to the parameters where
            they influence it other than through probabilities.
        downstream: for each stochastic node the costs that it influences, see ``downstream_costs``.
        baselines: of some of the nodes, of the batch shape or broadcast to it; they are detached.

    Returns:
        The loss of each sample, of the batch shape; its value means nothing, its gradient does.

    Raises:
        ValueError: if a name is unknown, a shape does not fit, or a log-probability has no gradient.
    """
    baselines = baselines or {}
    nothing = _nothing(log_probs, costs, downstream, baselines)
    loss = sum(costs.values(), start=nothing)
    for node, log_prob in log_probs.items():
        influenced = sum((costs[cost].detach() for cost in downstream[node]), start=nothing)
        baseline = baselines[node].detach() if node in baselines else nothing
        loss = loss + log_prob * (influenced - baseline)
    return loss


def _nothing(
    log_probs: Mapping[Any, Tensor],
    costs: Mapping[Any, Tensor],
    downstream: Mapping[Any, Collection[Name]],
    baselines: Mapping[Any, Tensor],
) -> Tensor:
    """Zeros of the batch shape, if all fit together."""
    if not log_probs:
        raise ValueError("log_probs is empty; without a stochastic node the sum of the costs is the loss")
    for node in downstream:
        _known("downstream", node, log_probs)
    for node in baselines:
        _known("baselines", node, log_probs)
    nothing = torch.zeros_like(next(iter(log_probs.values())), requires_grad=False)
    for node, log_prob in log_probs.items():
        if not log_prob.requires_grad:
            raise ValueError(
                f"log_probs: that of node {node!r} has no gradient; compute it from the parameters outside "
                "of torch.no_grad() and do not detach it, or leave the node out"
            )
        if log_prob.shape != nothing.shape:
            first = next(iter(log_probs))
            raise ValueError(
                f"log_probs: that of node {node!r} has shape {tuple(log_prob.shape)}, that of {first!r} "
                f"{tuple(nothing.shape)}; all must have one batch shape: sum over the other axes"
            )
        for cost in downstream[_known("log_probs", node, downstream)]:
            _known(f"downstream of {node!r}", cost, costs)
    for kind, tensors in (("costs", costs), ("baselines", baselines)):
        for name, tensor in tensors.items():
            _check_shape(kind, name, tensor, nothing.shape)
    return nothing


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


def _known(where: str, name: Name, known: Collection[Name]) -> Name:
    if name not in known:
        allowed = ", ".join(map(repr, known)) or "none"
        raise ValueError(f"{where}: unknown node {name!r}; known are {allowed}")
    return name
