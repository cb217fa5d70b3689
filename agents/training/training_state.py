"""What training changes, as named tensors: the content of a checkpoint."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem

NETWORKS, OPTIMIZER = "networks/", "optimizer/"
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


def signature(problem: HindsightProblem) -> dict[str, Any]:
    """What problems must have in common for one policy to fit them."""
    return {
        "observation": len(problem.observation_low),
        "gates": list(problem.layout.gates),
        "quantities": list(problem.layout.quantity_gate),
        "horizon": problem.horizon,
    }


def training_tensors(
    networks: nn.Module, optimizer: torch.optim.Adam, generator: torch.Generator
) -> dict[str, Tensor]:
    """Everything that training changes, by name."""
    tensors = {f"{NETWORKS}{name}": tensor for name, tensor in networks.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"{OPTIMIZER}{index}/{name}": tensor for name, tensor in slots.items()}
    return {**tensors, "generator": generator.get_state()}


def restore_tensors(
    tensors: dict[str, Tensor], networks: nn.Module, optimizer: torch.optim.Adam, stepped: bool
) -> None:
    """Set networks and optimizer to what ``training_tensors`` returned.

    Args:
        tensors: by name.
        networks, optimizer: of the same shapes.
        stepped: whether the optimizer had taken a step: before its first, Adam has no state.

    Raises:
        KeyError: if a tensor is missing.
        RuntimeError, ValueError: if a tensor has another shape.
    """
    networks.load_state_dict(
        {name.removeprefix(NETWORKS): t for name, t in tensors.items() if name.startswith(NETWORKS)}
    )
    stepped = stepped or any(name.startswith(OPTIMIZER) for name in tensors)
    parameters = list(networks.parameters()) if stepped else []
    slots = {
        index: {name: tensors[f"{OPTIMIZER}{index}/{name}"] for name in ADAM_STATE}
        for index in range(len(parameters))
    }
    for parameter, state in zip(parameters, slots.values(), strict=True):  # load_state_dict does not check
        for name, tensor in state.items():
            if tensor.shape != (() if name == "step" else parameter.shape):
                raise ValueError(f"{name} of the optimizer has shape {tuple(tensor.shape)}")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
