"""Training with evaluations on the way, which can be interrupted and gone on with."""

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
"""The first evaluation during training is after these CPU seconds, or this share of a budget in transitions;
from each to the next it is a factor."""


def moments(cpu_seconds: float | None, total_timesteps: int | None) -> list[float]:
    """CPU seconds, or transitions where they are the budget, after which a training is evaluated."""
    if cpu_seconds is not None:
        due, end = CURVE_START, cpu_seconds
    else:
        assert total_timesteps is not None
        due, end = CURVE_SHARE * total_timesteps, float(total_timesteps)
    found = []
    while due < end:
        found.append(due)
        due *= CURVE_FACTOR
    return found


def point(model: Any, gap: Gap) -> dict[str, float]:
    """A point of a learning curve: what a model has spent so far, and where it stands."""
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
    """Train a model for CPU seconds or transitions, evaluate it now and then, and tell what that took.

    Args:
        method: of the model.
        model: new, or loaded to go on.
        measure: what it is evaluated by.
        curve: the evaluations are added to it.
        cpu_seconds, total_timesteps: the budget, one of both; it includes what the model has spent already.
        at_rest: see ``Method.train``.
    """

    def spent() -> float:
        return float(model.num_timesteps if cpu_seconds is None else model.clock.elapsed)

    budget = total_timesteps if cpu_seconds is None else cpu_seconds
    assert budget is not None
    ahead = deque(moment for moment in moments(cpu_seconds, total_timesteps) if moment > spent())

    def evaluate_when_due(model: Any) -> None:
        now = spent()
        if ahead and ahead[0] <= now < budget:
            while ahead and ahead[0] <= now:
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
        "wall_seconds": time.perf_counter() - start,
        "status": status,
        "note": note,
    }


class Keeper:
    """Checkpoints of a training that may be interrupted, in two files that are removed at its end.

    Args:
        method: what is trained.
        identity: what JSON can hold; a checkpoint of another identity is removed, and training starts anew.
        path: of the files, without suffix.
        every: CPU seconds between two checkpoints.

    Attributes:
        wall_seconds: of the training before it was interrupted.
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
        """The model of the last checkpoint and its learning curve, or None if there is none."""
        try:
            kept = json.loads(self._curve_path.read_bytes())
            if {name: kept[name] for name in self.key} != self.key:
                raise ValueError("it is of another run")
            model = self.method.load(self._model_path, env)
            curve = [each for each in kept["curve"] if each["transitions"] <= model.num_timesteps]
            self.wall_seconds, self._last = kept["wall_seconds"], model.clock.elapsed
        except (OSError, ValueError, KeyError, TypeError):
            self.forget()  # a model that was left must not be met by another's curve
            return None
        return model, curve

    def keep_when_due(self, model: Any, curve: list[dict[str, float]]) -> None:
        """Write a checkpoint if the last one is long ago; the time does not count as training.

        The curve is written first: of points beyond those of the model ``resume`` lets go.
        """
        if model.clock.elapsed - self._last < self.every:
            return
        with model.clock.pause():
            wall_seconds = self.wall_seconds + time.perf_counter() - self._start
            kept = {**self.key, "curve": curve, "wall_seconds": wall_seconds}
            replace_file(self._curve_path, json.dumps(kept).encode())
            self.method.save(model, self._model_path)
            self._last = model.clock.elapsed

    def forget(self) -> None:
        """Remove the checkpoint."""
        for path in (self._model_path, self._curve_path):
            path.unlink(missing_ok=True)
