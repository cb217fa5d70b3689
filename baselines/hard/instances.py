"""Hard instances, drawn by a seed: random parameters of each environment whose jump matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jumpgym import HindsightProblem, NotApplicable, as_problem, checks, environment_id
from jumpgym.adapters.registry import make_env

from ..evaluation import Period, draw, simulated_periods, total_costs
from ..optimum import solve
from ..policies.jump_ignoring import jump_ignoring
from ..policy import Policy
from .ranges import RANGES

LEAST_SHARE = 0.05
"""Least share of the optimum's decisions that a second regime has."""

LEAST_GAP = 1.0
"""Per cent above the optimum that a policy costs at least which ignores the jump."""

EPISODES, SEED = 512, 0
"""Of the simulations that find out whether the jump matters."""

ATTEMPTS = 100


@dataclass(frozen=True)
class Instance:
    """A problem with its yardsticks.

    Attributes:
        env: environment id.
        parameters: of ``gym.make``.
        optimum: expected cost of the optimum.
        ignoring_percent: how much more the best policy costs that ignores the jump, in per cent.
        seed, index: from which it was drawn.
    """

    env: str
    parameters: dict[str, Any]
    optimum: float
    ignoring_percent: float
    seed: int
    index: int


def draw_instances(count: int, seed: int = 0, envs: Sequence[str] | None = None) -> Iterator[Instance]:
    """Draw hard instances: problems that ``solve`` solves exactly and whose jump matters.

    The jump matters if the optimum takes a second regime of some gate in at least ``LEAST_SHARE`` of its
    decisions, and if ignoring the jump costs at least ``LEAST_GAP`` per cent.

    Args:
        count: number of instances; they go round the environments.
        seed: with which instance i does not depend on ``count``.
        envs: names of environments. None: all.

    Raises:
        RuntimeError: if ``ATTEMPTS`` draws in a row are too easy.
    """
    checks.integer("count", count, low=1)
    names = [environment_id(name) for name in envs or RANGES]
    for index in range(count):
        yield _instance(names[index % len(names)], seed, index)


def read_instances(path: Path | None = None) -> list[Instance]:
    """Read the instances of a file that ``write_instances`` wrote. None: those of ``compare --preset hard``.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it does not hold instances.
    """
    file = resources.files(__package__).joinpath("instances.yml") if path is None else path
    try:
        entries = yaml.safe_load(file.read_text(encoding="utf-8"))
        return [Instance(**entry) for entry in entries]
    except (TypeError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(
            f"{file} must be a list of instances, as 'jumpgym hard' writes: {str(error).splitlines()[0]}"
        ) from error


def write_instances(path: Path, instances: Sequence[Instance], command: str) -> None:
    """Write instances as YAML, with the command that drew them."""
    text = yaml.safe_dump([asdict(instance) for instance in instances], sort_keys=False, width=110)
    path.write_text(f"# Drawn by: {command}\n{text}", encoding="utf-8")


def _instance(env: str, seed: int, index: int) -> Instance:
    """Draw until a problem is hard."""
    rng = np.random.default_rng([seed, index, *env.encode()])
    for _ in range(ATTEMPTS):
        parameters = RANGES[env](rng)
        try:
            problem = as_problem(make_env(env, parameters))
            optimum = solve(problem)
        except (NotApplicable, ValueError):  # limits of the problem or of its solver
            continue
        best = _periods(problem, optimum)
        if _second_share(best) < LEAST_SHARE:
            continue
        ignoring = _periods(problem, jump_ignoring(problem))
        costs, least = (total_costs(problem, periods, EPISODES).costs for periods in (ignoring, best))
        percent = 100 * float(np.mean(costs - least)) / abs(optimum.cost)
        if percent >= LEAST_GAP:
            return Instance(env, parameters, round(float(optimum.cost), 4), round(percent, 2), seed, index)
    raise RuntimeError(f"{env}, seed {seed}, index {index}: {ATTEMPTS} draws were all too easy")


def _periods(problem: HindsightProblem, policy: Policy) -> list[Period]:
    return list(simulated_periods(policy, problem, *draw(problem, EPISODES, SEED)))


def _second_share(periods: Sequence[Period]) -> float:
    """Return the share of decisions with a gate's second most frequent regime, the largest of all gates."""
    regimes = np.concatenate([period.decision.regime for period in periods])
    shares = [np.bincount(column, minlength=2) / len(column) for column in regimes.T]
    return max(float(np.sort(share)[-2]) for share in shares)
