"""``jumpgym tune``: search for better hyperparameters of a method within a budget of CPU time.

The search is a study of Optuna in ``OUTPUT/METHOD.db``. It can be interrupted at any time, and the same
command continues it. The first trial uses the method's present settings, the defaults. Since the winner of a
search is partly lucky, the best trials and the defaults are trained again from further seeds, and the one
that is best over all seeds is chosen. It is written to ``OUTPUT/METHOD.yml``, in the format of ``tuned.yml``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from jumpgym import as_problem, checks
from jumpgym.adapters.registry import environment_id

from ..runs.files import check_writable
from ..runs.measure import Reference, check_measurable
from ..runs.methods import METHODS, make, one_thread
from .report import write_result
from .search_spaces import space_of
from .study import MethodStudy, costs

EVALUATION_SEED = 1_000_001
"""Seed of the evaluation's noise; the seeds of the trainings follow it. The comparison uses other seeds."""

EPISODES = 8192
"""Episodes of each evaluation."""

LARGEST = 10_000.0
"""Largest gap in per cent of any result, and the gap of a training that diverged."""


def tune(
    method: str,
    envs: Sequence[str],
    budget: float,
    trial_seconds: float,
    *,
    seeds: int = 1,
    seed: int = 0,
    output: Path = Path("results/tuning"),
    command: str = "",
) -> dict[str, Any]:
    """Start or continue a search for hyperparameters, and write its results.

    The search minimises the mean of log(gap) over environments and training seeds. The gap to the reference
    is in per cent, clipped to the range from 0.01 to 10,000.

    Args:
        method: a method with a search space, see ``SPACES``.
        envs: environment ids.
        budget: CPU seconds of all trainings of the study together, earlier sessions included. It can be
            raised later. ``costs`` gives the part that is reserved to train the best ones again.
        trial_seconds: CPU seconds of each training.
        seeds: trainings of a trial in each environment.
        seed: of the search.
        output: folder.
        command: what was typed, for the files.

    Returns:
        The chosen hyperparameters, as keywords of ``Method.make``; empty if the defaults are the best.

    Raises:
        ValueError, TypeError: if an option is wrong (the message names it, its value and what is allowed), or
            if ``output`` holds a study of the method with other settings, or another process works on it.
        NotApplicable: if the method is not made for one of the environments, or one of them has no reference.
    """
    envs = [environment_id(env) for env in envs]
    _check(method, envs, budget, trial_seconds, seeds, seed)
    check_writable(output, "--output")
    one_thread()
    for env in envs:
        check_measurable(as_problem(env))
        make(method, env, 0)  # raises NotApplicable where the method is not made for it

    def measure(env: str, number: int, keywords: dict[str, Any], cpu_seconds: float) -> tuple[float, float]:
        return measure_gap(method, env, EVALUATION_SEED + 1 + number, keywords, cpu_seconds)

    with _alone(output / f"{method}.db.lock"):
        path = output / f"{method}.db"
        study = MethodStudy(method, tuple(envs), trial_seconds, seeds, seed, path, measure)
        study.search(budget)
        return write_result(study.study, study.confirm(), output / method, command)


def measure_gap(
    method: str, env: str, seed: int, hyperparameters: dict[str, Any], cpu_seconds: float
) -> tuple[float, float]:
    """Train a method, and return its gap in per cent, at most ``LARGEST``, and the CPU seconds of training.

    Wrong hyperparameters raise the error of the method; only a training that diverges has a gap for it.
    """
    from jumpgym.agents.training.clock import CpuClock

    reference = _reference(env)
    model = make(method, env, seed, **hyperparameters)
    clock = CpuClock()
    try:
        METHODS[method].train(model, lambda model: None, cpu_seconds=cpu_seconds)
        clock.stop()
        gap = reference.gap(model, model.get_env(), EPISODES).gap_percent
    except FloatingPointError:
        gap = LARGEST
    except ValueError:  # PyTorch's distributions raise it if weights are not finite
        if _finite(model):
            raise
        gap = LARGEST
    clock.stop()
    return (min(gap, LARGEST) if math.isfinite(gap) else LARGEST), clock.elapsed


@cache
def _reference(env: str) -> Reference:
    return Reference(env, EVALUATION_SEED)


def _finite(model: Any) -> bool:
    """Whether all weights are finite; our agents have them in ``networks``, SB3's models in ``policy``."""
    networks = model.networks if hasattr(model, "networks") else model.policy
    return all(bool(weights.isfinite().all()) for weights in networks.parameters())


def _check(
    method: str, envs: Sequence[str], budget: float, trial_seconds: float, seeds: int, seed: int
) -> None:
    """Raise ValueError or TypeError if an option is wrong."""
    space_of(method)
    if not envs or len(set(envs)) < len(envs):
        raise ValueError(f"--env={list(envs)!r} must be one environment id or more, each once")
    checks.integer("--seeds", seeds, low=1)
    checks.integer("--seed", seed, low=0)
    if checks.number("--trial-seconds", trial_seconds) <= 0:
        raise ValueError(f"--trial-seconds={trial_seconds:g} must be greater than 0")
    trial_cost, reserve = costs(len(envs), trial_seconds, seeds)
    if checks.number("--budget", budget) < reserve + 2 * trial_cost:
        raise ValueError(
            f"--budget={budget:g} must be at least {reserve + 2 * trial_cost:g} CPU seconds: {trial_cost:g} "
            f"for each of two trials and {reserve:g} to train the best ones again"
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the inter-process lock at ``path``; ValueError if another process holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"another process works on {path.with_suffix('')}: wait until it ends, or give another --output"
        ) from None
    try:
        yield
    finally:
        lock.release()
