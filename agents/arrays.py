"""Array operations for PyTorch and JAX alike, so that an agent's code runs on the arrays of either library.

PyTorch runs this code eagerly; JAX traces it and compiles it, see ``compiled``. ``namespace`` gives the
functions that both libraries have under the same name and with the same meaning; this module holds the
others. Each function tells the library by its arguments.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = Any
"""A tensor of PyTorch, or an array of JAX."""


def is_torch(x: Array) -> bool:
    """Return whether ``x`` is a tensor of PyTorch."""
    return isinstance(x, Tensor)


def namespace(x: Array) -> Any:
    """Return the module of array functions for ``x``: ``torch`` or ``jax.numpy``."""
    return torch if isinstance(x, Tensor) else _jax().numpy


def detach(x: Array) -> Array:
    """Return ``x`` as a constant, through which no gradient passes."""
    return x.detach() if isinstance(x, Tensor) else _jax().lax.stop_gradient(x)


def number(x: Array) -> Any:
    """Return a scalar as a Python float; a scalar of JAX stays an array, since it may not be known yet."""
    return float(x.detach()) if isinstance(x, Tensor) else detach(x)


def constant(array: Any, like: Array) -> Array:
    """Return an array of NumPy, or a sequence of numbers, in the library, dtype and device of ``like``."""
    if isinstance(like, Tensor):
        return torch.as_tensor(np.asarray(array), dtype=like.dtype, device=like.device)
    return _jax().numpy.asarray(np.asarray(array), dtype=like.dtype)


def indices(x: Array) -> Array:
    """Return whole numbers of a floating-point dtype as integers."""
    return x.long() if isinstance(x, Tensor) else x.astype("int32")


def one_hot(index: Array, options: int, like: Array) -> Array:
    """Return one-hot vectors (..., options) of indices (...), in the dtype of ``like``."""
    if isinstance(index, Tensor):
        return torch.eye(options, dtype=like.dtype, device=like.device)[index]
    return _jax().nn.one_hot(index, options, dtype=like.dtype)


def gather(x: Array, index: Array) -> Array:
    """Return the entries of ``x`` (..., n) at indices (..., k) of its last axis, (..., k)."""
    return x.gather(-1, index) if isinstance(x, Tensor) else _jax().numpy.take_along_axis(x, index, -1)


def flatten(x: Array, axes: int) -> Array:
    """Return ``x`` with its first axes merged into one."""
    return x.reshape(math.prod(x.shape[:axes]), *x.shape[axes:])


def flatten_last(x: Array) -> Array:
    """Return ``x`` with its last two axes merged into one."""
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


def precise(x: Array) -> Array:
    """Return ``x`` in the precision for differences of probabilities: float64 in PyTorch."""
    return x.double() if isinstance(x, Tensor) else x


def normal_quantile(x: Array) -> Array:
    """Return the quantile function of the standard normal distribution."""
    return torch.special.ndtri(x) if isinstance(x, Tensor) else _jax().scipy.special.ndtri(x)


def deviation(x: Array, axis: int | tuple[int, ...]) -> Array:
    """Return the standard deviation over one or more axes, with Bessel's correction."""
    return x.std(axis) if isinstance(x, Tensor) else x.std(axis, ddof=1)


def softmax(x: Array) -> Array:
    """Return the softmax over the last axis."""
    return torch.softmax(x, -1) if isinstance(x, Tensor) else _jax().nn.softmax(x)


def log_softmax(x: Array) -> Array:
    """Return the logarithm of the softmax over the last axis."""
    return torch.log_softmax(x, -1) if isinstance(x, Tensor) else _jax().nn.log_softmax(x)


def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``."""
    return torch.sigmoid(x) if isinstance(x, Tensor) else _jax().nn.sigmoid(x)


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    return _Tanh.apply(x) if isinstance(x, Tensor) else _jax().numpy.tanh(x)


class _Tanh(torch.autograd.Function):
    """``tanh(x) = 2 sigmoid(2 x) - 1``: on the CPU torch's sigmoid is some 10 times faster than its tanh."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.mul(x, 2).sigmoid_().mul_(2).sub_(1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return torch.ops.aten.tanh_backward(gradients[0], ctx.saved_tensors[0])


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    """Return ``x weight^T + bias``, for ``x`` (..., inputs) and ``weight`` (outputs, inputs)."""
    if isinstance(x, Tensor):
        return torch.nn.functional.linear(x, weight, bias)
    product = x @ weight.T
    return product if bias is None else product + bias


def uniform(shape: Sequence[int], generator: Any, like: Array | None = None) -> Array:
    """Return independent uniforms in [0, 1).

    Args:
        shape: of the result.
        generator: a ``torch.Generator`` for PyTorch, ``compiled.Keys`` for JAX.
        like: its dtype is that of the result, on the device of the generator. None: float32.
    """
    if isinstance(generator, torch.Generator):
        dtype = torch.float32 if like is None else like.dtype
        return torch.rand(tuple(shape), generator=generator, dtype=dtype, device=generator.device)
    dtype = "float32" if like is None else like.dtype
    return _jax().random.uniform(generator.next(), tuple(shape), dtype)


def normal(shape: Sequence[int], generator: Any, like: Array) -> Array:
    """Return independent standard normals; the arguments are those of ``uniform``."""
    if isinstance(generator, torch.Generator):
        return torch.randn(tuple(shape), generator=generator, dtype=like.dtype, device=generator.device)
    return _jax().random.normal(generator.next(), tuple(shape), like.dtype)


def permutation(count: int, generator: Any) -> Array:
    """Return the numbers from 0 to ``count - 1`` in random order; for the generator see ``uniform``."""
    if isinstance(generator, torch.Generator):
        return torch.randperm(count, generator=generator, device=generator.device)
    return _jax().random.permutation(generator.next(), count)


def limited(x: Array, bound: Any) -> Array:
    """Return ``x``, whose gradient is clipped to [-bound, bound] in back-propagation.

    Args:
        x: if it is a tensor of PyTorch that requires a gradient, a hook is added to it.
        bound: a number, or an array of NumPy.
    """
    if not isinstance(x, Tensor):
        return _limiting(bound)(x)
    if x.requires_grad:
        limit = torch.as_tensor(bound, dtype=x.dtype, device=x.device) if np.ndim(bound) else bound
        x.register_hook(functools.partial(torch.clamp, min=-limit, max=limit))
    return x


def cut(x: Array, condition: Array) -> Array:
    """Return ``x``, as a constant where a condition holds."""
    if isinstance(x, Tensor):
        return x.detach() if condition else x
    return _jax().numpy.where(condition, detach(x), x)


def when(condition: Array, value: Callable[[], Array], like: Array) -> Array:
    """Return ``value()``, a scalar, if a condition holds, otherwise 0 of the dtype of ``like``.

    The value is computed only if the condition holds.
    """
    if isinstance(like, Tensor):
        return value() if condition else torch.zeros((), dtype=like.dtype, device=like.device)
    jax = _jax()
    return jax.lax.cond(condition, value, lambda: jax.numpy.zeros((), like.dtype))


def scan(
    step: Callable[[Any, Any], tuple[Any, tuple[Array, ...]]], state: Any, periods: int, like: Array
) -> tuple[list[Any], tuple[Array, ...]]:
    """Apply ``state, outputs = step(state, period)`` for all periods.

    Args:
        step: a pure function; ``outputs`` is a tuple of arrays.
        state: before the first period, a NamedTuple of arrays.
        periods: their number T, at least 1.
        like: an array of the library to use.

    Returns:
        the states, and the outputs of all periods, (T, ...) each. PyTorch keeps all T + 1 states; JAX keeps
        the first and the last one.
    """
    if not isinstance(like, Tensor):
        jax = _jax()
        last, outputs = jax.lax.scan(step, state, jax.numpy.arange(periods))
        return [state, last], outputs
    states, parts = [state], []
    for period in range(periods):
        state, outputs = step(state, period)
        states.append(state)
        parts.append(outputs)
    return states, tuple(torch.stack(entries) for entries in zip(*parts, strict=True))


def cosine(angle: Any) -> Any:
    """Return the cosine of a Python float, or of a scalar of JAX."""
    return math.cos(angle) if isinstance(angle, float) else _jax().numpy.cos(angle)


def largest(x: Any, y: float) -> Any:
    """Return the larger of a Python number, or a scalar of JAX, and a Python number."""
    return max(x, y) if isinstance(x, (int, float)) else _jax().numpy.maximum(x, y)


@functools.cache
def _jax() -> Any:
    import jax

    return jax


def _limiting(bound: Any) -> Callable[[Array], Array]:
    jax = _jax()
    identity = jax.custom_vjp(lambda x: x)

    def backward(_: None, gradient: Array) -> tuple[Array]:
        limit = np.asarray(bound, dtype=gradient.dtype)
        return (jax.numpy.clip(gradient, -limit, limit),)

    identity.defvjp(lambda x: (x, None), backward)
    return identity
