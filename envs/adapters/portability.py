"""Checks that a problem computes the same in every array library: NumPy, PyTorch and JAX."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem import HindsightProblem

PERIODS, BATCH = 2, 8
"""Periods and episodes of the rollout that is compared."""

TOLERANCE = 1e-6
"""Largest difference relative to the largest number; quotients of gradients may lose digits."""


def differences(problem: HindsightProblem) -> Iterator[str]:
    """One line for each way in which the libraries that are installed differ from NumPy, or fail.

    Args:
        problem: the problem.
    """
    rng = np.random.default_rng(0)
    periods = PERIODS if problem.horizon is None else problem.horizon
    start = rng.random((BATCH, *problem.start_shape))
    uniforms = rng.random((BATCH, periods, *problem.noise_shape))
    layout = problem.layout
    regime = np.stack([rng.integers(count, size=(PERIODS, BATCH)) for count in layout.gates], axis=-1)
    gates = np.concatenate([np.eye(count)[regime[..., g]] for g, count in enumerate(layout.gates)], axis=-1)
    outputs = rng.uniform(-1.0, 1.0, (PERIODS, BATCH, len(layout.low)))

    def rollout(start: Any, uniforms: Any, gates: Any, outputs: Any) -> list[Any]:
        """Noise, observations and costs by period, from arrays of one library."""
        state, noise = problem.begin(start, uniforms)
        results = [noise]
        for period in range(min(periods, PERIODS)):
            observation = problem.observe(state)
            quantity = problem.quantity_from(observation, outputs[period])
            gate, quantity = problem.admit(state, gates[period], _clip(quantity, layout.low, layout.high))
            state, cost = problem.step(state, gate, quantity, noise[:, period])
            results += [observation, cost]
        return results

    numpy_arrays = start, uniforms, gates, outputs
    expected = rollout(*numpy_arrays)
    slopes: dict[str, NDArray[np.float64]] = {}
    for library, run in (("torch", _in_torch), ("jax", _in_jax)):
        if importlib.util.find_spec(library) is None:
            continue
        try:
            library_results, slopes[library] = run(rollout, numpy_arrays)
        except Exception as error:  # whatever a library says about a problem is what the author must know
            text = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
            yield f"{library} fails: {text[:200]}"
            continue
        names = [
            "noise",
            *(f"{kind} in period {t}" for t in range(PERIODS) for kind in ("observation", "cost")),
        ]
        for name, ours, theirs in zip(names, expected, library_results, strict=False):
            if not _equal(ours, theirs):
                yield f"{library}: the {name} differs from that of NumPy"
        if not np.isfinite(slopes[library]).all():
            yield f"{library}: the gradient of the cost is not finite"
    if len(slopes) == 2 and not _equal(*slopes.values()):
        yield "the gradients of torch and jax differ"


def _clip(values: Any, low: NDArray[np.float64], high: NDArray[np.float64]) -> Any:
    if isinstance(values, np.ndarray):
        return np.clip(values, low, high)
    library = type(values).__module__.partition(".")[0]
    if library == "torch":
        return values.clamp(values.new_tensor(low), values.new_tensor(high))
    return values.clip(low, high)


def _equal(expected: Any, actual: Any) -> bool:
    expected, actual = np.asarray(expected), np.asarray(actual)
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return expected.shape == actual.shape and bool(np.all(np.abs(expected - actual) <= TOLERANCE * scale))


def _in_torch(rollout: Callable[..., list[Any]], numpy_arrays: Any) -> tuple[list[Any], NDArray[np.float64]]:
    """What a rollout gives in PyTorch, and the gradient of its cost with respect to the outputs."""
    torch = importlib.import_module("torch")

    start, uniforms, gates, outputs = (torch.tensor(entry, dtype=torch.float64) for entry in numpy_arrays)
    outputs.requires_grad_()
    results = rollout(start, uniforms, gates, outputs)
    (slope,) = torch.autograd.grad(sum(cost.sum() for cost in results[2::2]), outputs)
    return [entry.detach().numpy() for entry in results], slope.numpy()


def _in_jax(rollout: Callable[..., list[Any]], numpy_arrays: Any) -> tuple[list[Any], NDArray[np.float64]]:
    """The same in JAX, compiled: no data may decide a shape, and constants must outlive a trace."""
    jax = importlib.import_module("jax")

    with jax.enable_x64(True):
        arrays = [jax.numpy.asarray(entry) for entry in numpy_arrays]

        def cost(outputs: Any) -> Any:
            results = rollout(*arrays[:3], outputs)
            return sum(entry.sum() for entry in results[2::2]), results

        slope, results = jax.jit(jax.grad(cost, has_aux=True))(arrays[3])
        jax.eval_shape(cost, arrays[3])  # a second trace meets the constants that the first one has kept
        return [np.asarray(entry) for entry in results], np.asarray(slope)
