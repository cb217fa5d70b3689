"""What code needs so that JAX can trace it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from array_api_compat import is_jax_namespace


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
