"""Policies as text, for tables."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np


def describe(policy: Any) -> str:
    """A policy with its parameters as text, such as ``SSPolicy(s=14, S=62)``.

    The parameters are those of its class but for the problem, as attributes or in ``parameters``.
    """
    known = {**vars(policy), **getattr(policy, "parameters", {})}
    names = [name for name in inspect.signature(type(policy)).parameters if name in known]
    return f"{type(policy).__name__}({', '.join(f'{n}={_text(known[n])}' for n in names if n != 'problem')})"


def _text(value: Any) -> str:
    values = np.asarray(value)
    if values.ndim == 0:
        return f"{values:g}"
    if values.ndim > 1:
        return f"shape {values.shape}"
    if len(values) > 2 and np.all(values == values[0]):
        return f"{len(values)} x {values[0]:g}"
    return f"({', '.join(f'{v:g}' for v in values)})"
