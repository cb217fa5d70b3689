"""Training with evaluations on the way, which can be interrupted and resumed."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path
from typing import Any

from .files import replace_file
from .measure import Gap, Reference
from .method import Method
from .status import Status

CURVE_EPISODES = 1024
"""Episodes of each evaluation during training."""

CURVE_START, CURVE_SHARE, CURVE_FACTOR = 1.0, 0.02, 1.4
"""The first evaluation during training comes after so many CPU seconds, or after this share of a budget in
transitions; each further one when the spent budget has grown by the factor."""


def moments(cpu_seconds: float | None, total_timesteps: int | None) -> list[float]:
    """Return the CPU seconds, or transitions if the budget is in transitions, at which to evaluate."""
    if cpu_seconds is not None:
        due, end = CURVE_START, cpu_seconds
    else:
        assert total_timesteps is not None
        due, end = CURVE_SHARE * total_timesteps, float(total_timesteps)
    times = []
    while due < end:
        times.append(due)
        due *= CURVE_FACTOR
    return times


def point(model: Any, gap: Gap) -> dict[str, float]:
    """Return a point of a learning curve: what a model has spent so far, and its gap."""
    return {
        "cpu_seconds": model.clock.elapsed,
        "transitions": model.num_timesteps,
        "gap_percent": gap.gap_percent,
        "gap_se_percent": gap.gap_se_percent,
    }


def train(
    method: Method,
    model: Any,
    measure: Reference,
    curve: list[dict[str, float]],
    *,
    cpu_seconds: float | None = None,
    total_timesteps: int | None = None,
    at_rest: Any = None,
) -> dict[str, Any]:
    """Train a model on a budget, and evaluate it at the moments of ``moments``.

    Args:
        method: method of the model.
        model: new, or loaded to continue.
        measure: reference that the model is compared with.
        curve: the evaluations are appended to it.
        cpu_seconds, total_timesteps: the budget, exactly one of the two, with what the model has spent.
        at_rest: see ``Method.train``.

    Returns:
        ``transitions``, ``cpu_seconds``, ``compile_seconds``, ``wall_seconds``, ``engine``, ``status`` and
        ``note``.
    """

    def spent() -> float:
        return float(model.num_timesteps if cpu_seconds is None else model.clock.elapsed)

    budget = total_timesteps if cpu_seconds is None else cpu_seconds
    assert budget is not None
    ahead = deque(moment for moment in moments(cpu_seconds, total_timesteps) if moment > spent())

    def evaluate_when_due(model: Any) -> None:
        elapsed = spent()
        if ahead and ahead[0] <= elapsed < budget:
            while ahead and ahead[0] <= elapsed:
                ahead.popleft()
            with model.clock.pause():
                curve.append(point(model, measure.gap(model, model.get_env(), CURVE_EPISODES)))

    start = time.perf_counter()
    status, note = Status.OK, ""
    try:
        method.train(
            model, evaluate_when_due, at_rest, cpu_seconds=cpu_seconds, total_timesteps=total_timesteps
        )
    except FloatingPointError as error:  # a method that diverges is a result, not a failure
        status, note = Status.DIVERGED, str(error)
    return {
        "transitions": model.num_timesteps,
        "cpu_seconds": model.clock.elapsed,
        "compile_seconds": getattr(model, "compile_seconds", 0.0),
        "wall_seconds": time.perf_counter() - start,
        "engine": getattr(model, "engine", ""),
        "status": status,
        "note": note,
    }


class Keeper:
    """Writes checkpoints of a training, two files that are removed at its end, and resumes from them.

    Args:
        method: method that is trained.
        identity: what JSON can hold; a checkpoint of another identity is removed, and training starts anew.
        path: path of the files, without suffix.
        every: CPU seconds between two checkpoints.

    Attributes:
        wall_seconds: wall seconds of the training before it was interrupted.
    """

    def __init__(self, method: Method, identity: dict[str, Any], path: Path, every: float) -> None:
        self.method = method
        self.key = identity
        self.every = every
        self._curve_path = path.with_name(f"{path.name}.training.json")
        self._model_path = path.with_name(f"{path.name}.training.zip")
        self.wall_seconds = 0.0
        self._start = time.perf_counter()
        self._last = 0.0

    def resume(self, env: Any) -> tuple[Any, list[dict[str, float]]] | None:
        """Return the model of the last checkpoint and its learning curve, or None if there is none."""
        try:
            stored = json.loads(self._curve_path.read_bytes())
            if {name: stored[name] for name in self.key} != self.key:
                raise ValueError("it is of another run")
            model = self.method.load(self._model_path, env)
            curve = [at for at in stored["curve"] if at["transitions"] <= model.num_timesteps]
            self.wall_seconds, self._last = stored["wall_seconds"], model.clock.elapsed
        except (OSError, ValueError, KeyError, TypeError):
            self.forget()  # so that no model is ever combined with the curve of another
            return None
        return model, curve

    def keep_when_due(self, model: Any, curve: list[dict[str, float]]) -> None:
        """Write a checkpoint if the last one is long ago; this does not count as training time.

        The curve is written before the model: if a kill comes between, ``resume`` drops the extra points.
        """
        if model.clock.elapsed - self._last < self.every:
            return
        with model.clock.pause():
            wall_seconds = self.wall_seconds + time.perf_counter() - self._start
            stored = {**self.key, "curve": curve, "wall_seconds": wall_seconds}
            replace_file(self._curve_path, json.dumps(stored).encode())
            self.method.save(model, self._model_path)
            self._last = model.clock.elapsed

    def forget(self) -> None:
        """Remove the checkpoint."""
        for path in (self._model_path, self._curve_path):
            path.unlink(missing_ok=True)
