"""``jumpgym scaling``: n items that share nothing, learnt by several methods in equal CPU time."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import jumpgym
from jumpgym import checks

from ..comparison.plans import check_writable, cores
from ..comparison.workers import Failure, Workers
from ..runs.files import replace_file
from ..runs.methods import AgentMethod, Method, SB3Method
from ..runs.provenance import hardware, versions
from ..runs.training import point, train
from .separate_items import MOST_ITEMS, SeparateOptima

ITEMS = (1, 2, 5, 10, 20, 50, 100)
"""Numbers of items of the study."""

EPISODES = 16_384
"""Of each final evaluation."""

BUDGET = 120.0
"""CPU seconds of each training."""

START_SECONDS = 15.0
"""Wall seconds of a run for the plan, beside the training: start, and solving the items."""

POINT_SECONDS, FINAL_SECONDS = 0.05, 0.1
"""Wall seconds per item for the plan: each evaluation in training, and the final one."""


class ScaledPPO(SB3Method):
    """PPO of ``jumpgym.baselines.sb3``, with hyperparameters of its own, and every shared gate open.

    Where shared gates may close, all items learn to order in lockstep; those of our agents are open, see
    ``HybridPolicy``, and so are PPO's.

    Args:
        name, description: see ``SB3Method``.
        few: hyperparameters that replace those of ``sb3.yml`` up to ``FEW`` items.
        many: the like beyond.
    """

    OPEN = 20.0
    FEW = 20

    def __init__(self, name: str, description: str, few: dict[str, Any], many: dict[str, Any]) -> None:
        super().__init__(name, description)
        self.few, self.many = few, many

    def make(self, env: Any, seed: int, **hyperparameters: Any) -> Any:
        """See ``Method.make``."""
        import torch

        from ..sb3.learners import make_learner

        problem = jumpgym.as_problem(env)
        settings = self.few if len(problem.layout.quantity_gate) <= self.FEW else self.many
        model: Any = make_learner(self.name, env, seed, {**settings, **hyperparameters})
        with torch.no_grad():
            start = 0
            layout = problem.layout
            for regimes in layout.gates[: min(layout.quantity_gate)]:
                model.policy.action_net.bias[start + 1 : start + regimes] = self.OPEN
                start += regimes
        return model


WIDE = (128, 128)
"""Widths of the hidden layers of every central network."""

PPO = {
    "n_steps": 25,
    "batch_size": 800,
    "n_epochs": 4,
    "gae_lambda": 0.8,
    "logit_scale": 4.0,
    "log_std_init": -1.5,
    "net_arch": list(WIDE),
}
"""The best for 20 items and 30 CPU seconds of 6 settings with open trucks; else those of ``sb3.yml``."""

PPO_MANY = {**PPO, "learning_rate": 1e-3}
"""With 50 items both ``PPO`` and ``sb3.yml`` diverge in 120 CPU seconds at their learning rate of 3e-3."""

METHODS: dict[str, Method] = {
    "mixed": AgentMethod("jumpgym.agents:MixedGradient", "our default, one network", hidden=WIDE),
    "mixed-shared": AgentMethod(
        "jumpgym.agents:MixedGradient",
        "one network that all items share",
        hidden=(32, 32),
        policy="shared",
        batch_size=24,
    ),
    "hpo": AgentMethod("jumpgym.agents:HPO", "at its published settings, one network", hidden=WIDE),
    "ppo": ScaledPPO("ppo-gate", "gate and Gaussian order-up-to level, one network", PPO, PPO_MANY),
}
"""The methods of the study. All see the same inputs and pick the same actions."""

BASELINE = "ppo"
"""The method whose final gap the others are timed to."""


@dataclass(frozen=True)
class ScalingRun:
    """What defines a run; two runs with equal settings are the same.

    Attributes:
        items: number of items.
        method: one of ``METHODS``.
        seed: of networks and training noise.
        budget: CPU seconds of training.
        episodes: of the final evaluation.
    """

    items: int
    method: str
    seed: int
    budget: float
    episodes: int

    @property
    def name(self) -> str:
        """Name of its file, without suffix."""
        return f"n{self.items}_{self.method}_seed{self.seed}_{self.budget:g}s"


@functools.lru_cache(maxsize=1)
def reference(items: int) -> SeparateOptima:
    """The reference of a number of items; the last one is kept in the process."""
    return SeparateOptima(items)


def perform(run: ScalingRun, folder: Path, command: str) -> dict[str, Any]:
    """Do a run, write its record into ``folder``, and return it."""
    measure = reference(run.items)
    curve: list[dict[str, float]] = []
    method = METHODS[run.method]
    model = method.make(measure.problem, run.seed)
    row = train(method, model, measure, curve, cpu_seconds=run.budget)
    gap = measure.gap(model, model.get_env(), run.episodes)
    curve.append(point(model, gap))
    record = {
        "settings": asdict(run),
        "version": jumpgym.__version__,
        "row": {**asdict(gap), **row},
        "curve": curve,
        "reference_cost": measure.cost,
        "versions": versions(),
        "hardware": hardware(),
        "command": command,
    }
    replace_file(folder / f"{run.name}.json", json.dumps(record).encode())
    return record


def read_record(run: ScalingRun, folder: Path) -> dict[str, Any] | None:
    """The record of a run, or None if it is missing, damaged, or of other settings or another version."""
    try:
        record: dict[str, Any] = json.loads((folder / f"{run.name}.json").read_bytes())
        complete = {"row", "curve", "reference_cost", "command"} <= record.keys()
        same = record["settings"] == asdict(run) and record["version"] == jumpgym.__version__
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if complete and same else None


def all_records(folder: Path) -> list[dict[str, Any]]:
    """The records of all runs in a folder, in order; without those that are damaged or of another version."""
    runs = []
    for path in folder.glob("*.json"):
        try:
            runs.append(ScalingRun(**json.loads(path.read_bytes())["settings"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    order = {name: place for place, name in enumerate(METHODS)}
    known = sorted(
        (run for run in runs if run.method in order),
        key=lambda run: (run.budget, run.items, order[run.method], run.seed),
    )
    return [record for run in known if (record := read_record(run, folder)) is not None]


def plan(
    items: Sequence[int] | None = None,
    methods: Sequence[str] | None = None,
    seeds: int = 3,
    budget: float = BUDGET,
    episodes: int = EPISODES,
) -> list[ScalingRun]:
    """The runs of a study.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed.
    """
    for number in items or ():
        checks.integer("--items", number, low=1, high=MOST_ITEMS)
    for name in methods or ():
        checks.choice("--methods", name, tuple(METHODS))
    checks.integer("--seeds", seeds, low=1)
    if checks.number("--budget", budget) <= 0:
        raise ValueError(f"--budget={budget!r} must be a number of CPU seconds greater than 0")
    checks.integer("--episodes", episodes, low=16)
    runs = [
        ScalingRun(number, name, seed, float(budget), episodes)
        for number in items or ITEMS
        for seed in range(seeds)
        for name in methods or METHODS
    ]
    return list(dict.fromkeys(runs))


def planned_seconds(run: ScalingRun) -> float:
    """Wall seconds that a run is expected to take in a process of its own."""
    points = np.ceil(np.log(max(run.budget, 1.0)) / np.log(1.4))
    evaluation = points * POINT_SECONDS + FINAL_SECONDS * run.episodes / EPISODES
    return run.budget + START_SECONDS + run.items * evaluation


def scale(runs: Sequence[ScalingRun], output: Path, workers: int | None = None, command: str = "") -> int:
    """Do the runs that ``output`` does not hold yet, and write table and pictures of all that it then holds.

    Args:
        runs: see ``plan``.
        output: folder for the tables and pictures; its subfolder ``runs`` keeps the records.
        workers: worker processes; None for the number of cores.
        command: what was typed, for the records.

    Returns:
        How many runs failed.

    Raises:
        ValueError, TypeError: if ``output`` cannot be written, or ``workers`` is none or negative.
    """
    from .scaling_report import write_scaling

    workers = checks.integer("--workers", cores() if workers is None else workers, low=1)
    folder = output / "runs"
    check_writable(folder, "--output")
    records = {run: record for run in runs if (record := read_record(run, folder)) is not None}
    missing = [run for run in runs if run not in records]
    minutes = sum(map(planned_seconds, missing)) / min(workers, max(len(missing), 1)) / 60
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{len(runs)} runs, {len(records)} of them in {folder} already; {len(missing)} to do in {workers} "
        f"processes, about {minutes:.1f} minutes"
    )
    failures = []
    with Workers(workers) as pool:
        for (run, *_), result in pool.run_all(perform, [(run, folder, command) for run in missing]):
            if isinstance(result, Failure):
                failures.append(run)
                outcome = "FAILED\n" + result
            else:
                records[run] = result
                outcome = f"gap {result['row']['gap_percent']:.3f} % {result['row']['note']}"
            done = len(records) + len(failures)
            console.print(f"[{done}/{len(runs)}] {run.name}: {outcome}", markup=False)
    if records:
        write_scaling(all_records(folder), output)
        console.print(f"table and pictures are in {output}")
    if failures:
        names = ", ".join(run.name for run in failures)
        print(f"{len(failures)} runs failed; the same command repeats them: {names}", file=sys.stderr)
    return len(failures)
