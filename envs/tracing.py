"""What code needs so that JAX can trace it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from array_api_compat import is_jax_array, is_jax_namespace, is_torch_array


def untraced(xp: Any) -> AbstractContextManager[Any]:
    """A context for arrays that are kept.

    What JAX makes while it traces a function belongs to this trace and cannot be used after it. In this
    context it makes arrays that can. For other libraries the context does nothing.

    Args:
        xp: the namespace whose arrays are made.
    """
    return sys.modules["jax"].ensure_compile_time_eval() if is_jax_namespace(xp) else nullcontext()


def index_dtype(xp: Any) -> Any:
    """The integer type for indices: int64, or int32 where JAX is not set up for 64 bits."""
    if is_jax_namespace(xp) and not sys.modules["jax"].config.jax_enable_x64:
        return xp.int32
    return xp.int64


def straight_through(value: Any, quantity: Any) -> Any:
    """``value``, with the gradient of ``quantity``; both are arrays of one library and one shape.

    The derivative of rounding is 0 almost everywhere, which would tell nothing about the quantity that was
    rounded. See Y. Bengio, N. Léonard and A. Courville (2013), Estimating or propagating gradients through
    stochastic neurons for conditional computation, arXiv:1308.3432.
    """
    if is_torch_array(quantity):
        return value.detach() + (quantity - quantity.detach())
    if is_jax_array(quantity):
        stop_gradient = sys.modules["jax"].lax.stop_gradient
        return stop_gradient(value) + (quantity - stop_gradient(quantity))
    return value
