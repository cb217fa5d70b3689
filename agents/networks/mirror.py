"""Copies of networks that run the same code on other arrays, such as constants or arrays of JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import nn

from .. import arrays
from ..arrays import Array

Module = TypeVar("Module", bound=nn.Module)


def named_arrays(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Array]]:
    """Yield the parameters and the buffers of a network, or of a mirror of one, by their full names."""
    for name in _names(module):
        yield prefix + name, getattr(module, name)
    for name, child in module._modules.items():
        if child is not None:
            yield from named_arrays(child, f"{prefix}{name}.")


def mirrored(module: Module, replaced: Callable[[str, Array], Array], prefix: str = "") -> Module:
    """Return a copy of a network with other arrays in place of its parameters and buffers.

    It shares everything else with the network. Whatever its methods assign to a buffer stays in the copy.

    Args:
        module: the network.
        replaced: from the full name and the array to the one that takes its place.
        prefix: of the names.
    """
    mirror = object.__new__(type(module))
    names = _names(module)
    absent = dict.fromkeys([*module._parameters, *module._buffers])
    mirror.__dict__.update({**absent, **module.__dict__}, _parameters={}, _buffers={}, _mirrored=names)
    for name in names:
        mirror.__dict__[name] = replaced(prefix + name, getattr(module, name))
    mirror.__dict__["_modules"] = {
        name: None if child is None else mirrored(child, replaced, f"{prefix}{name}.")
        for name, child in module._modules.items()
    }
    return mirror


def set_arrays(mirror: nn.Module, values: dict[str, Array], prefix: str = "") -> None:
    """Replace arrays of a mirror, by their full names."""
    for name in _names(mirror):
        if prefix + name in values:
            mirror.__dict__[name] = values[prefix + name]
    for name, child in mirror._modules.items():
        if child is not None:
            set_arrays(child, values, f"{prefix}{name}.")


def assign(module: nn.Module, **values: Array) -> None:
    """Set parameters of a network, or of a mirror of one, outside of any gradient."""
    for name, value in values.items():
        if name in module._parameters:
            with torch.no_grad():
                getattr(module, name).copy_(value)
        else:
            module.__dict__[name] = value


def frozen(module: Module) -> Module:
    """Return the network as a function that is not differentiable in its parameters."""
    return mirrored(module, lambda name, array: arrays.detach(array))


def _names(module: nn.Module) -> tuple[str, ...]:
    mirrored_names = module.__dict__.get("_mirrored")
    if mirrored_names is not None:
        return mirrored_names
    entries = {**module._parameters, **module._buffers}
    return tuple(name for name, tensor in entries.items() if tensor is not None)
