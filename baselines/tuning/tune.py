"""``jumpgym tune``: search for better hyperparameters of a method, in a budget of CPU time.

A study of Optuna lies in ``OUTPUT/METHOD.db``, so that it can be stopped at any time, and the same command
goes on with it. Its first trial is the method as it is. What wins the search is partly luck, so the best
trials and the method as it is are trained again from other seeds, and of these candidates the one that is
best over all seeds is chosen; ``OUTPUT/METHOD.yml`` has it, in the form of ``tuned.yml``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from jumpgym import ENVIRONMENTS, checks

from ..comparison.plans import check_writable
from ..runs.measure import Reference
from ..runs.methods import METHODS, make, one_thread
from .report import write_result
from .search_spaces import space_of
from .study import MethodStudy, costs

EVALUATION_SEED = 1_000_001
"""Of the noise of the evaluation; those of the trainings follow. The comparison has other seeds."""

EPISODES = 8192
"""Episodes of each evaluation."""

LARGEST = 10_000.0
"""Gap in per cent that no result exceeds; what diverges has it."""


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
    """Search for hyperparameters, or go on with a search; write the files of the module and of the trials.

    What is minimised is the mean of log(gap) over environments and training seeds, the gap to the reference
    in per cent and from 0.01 to 10,000.

    Args:
        method: one of ``METHODS`` with a search space.
        envs: environment ids.
        budget: CPU seconds of all trainings of the study together, earlier sessions included. Of a finished
            study it can be raised; ``costs`` tells what is kept back to train the best ones again.
        trial_seconds: CPU seconds of each training.
        seeds: trainings of a trial in each environment.
        seed: of the search.
        output: folder.
        command: what was typed, for the files.

    Returns:
        The chosen hyperparameters, as keywords of ``Method.make``; none if the method stays as it is.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed; or if ``output`` holds a
            study of the method with other settings, or another process works on it.
        NotImplementedError: if the method does not apply to an environment.
    """
    _check(method, envs, budget, trial_seconds, seeds, seed)
    check_writable(output, "--output")
    one_thread()
    for env in envs:
        make(method, env, 0, trial_seconds)  # refuses what it does not apply to

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
    """Gap in per cent of a method after a training, at most ``LARGEST``, and the CPU seconds that it took."""
    from jumpgym.agents.training.clock import CpuClock

    reference = _reference(env)
    model = make(method, env, seed, cpu_seconds, **hyperparameters)
    clock = CpuClock()
    try:
        METHODS[method].train(model, lambda model: None, cpu_seconds=cpu_seconds)
        clock.stop()
        gap = reference.gap(model, model.get_env(), EPISODES).gap_percent
    except FloatingPointError:
        gap = LARGEST
    except ValueError:  # PyTorch's distributions refuse what weights that are not finite give
        if _finite(model):
            raise
        gap = LARGEST
    clock.stop()
    return (min(gap, LARGEST) if math.isfinite(gap) else LARGEST), clock.elapsed


@cache
def _reference(env: str) -> Reference:
    return Reference(env, EVALUATION_SEED)


def _finite(model: Any) -> bool:
    """Whether all weights are finite; those of our agents lie in ``networks``, those of SB3 in ``policy``."""
    networks = model.networks if hasattr(model, "networks") else model.policy
    return all(bool(weights.isfinite().all()) for weights in networks.parameters())


def _check(
    method: str, envs: Sequence[str], budget: float, trial_seconds: float, seeds: int, seed: int
) -> None:
    """Raise ValueError or TypeError if an option is wrong."""
    space_of(method)
    for env in envs:
        checks.choice("--env", env, ENVIRONMENTS)
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
            f"for each of two trials and {reserve:g} to train the best again"
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Within it no other process holds the lock at ``path``; ValueError if one does."""
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
