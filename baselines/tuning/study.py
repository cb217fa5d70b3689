"""A study of ``jumpgym tune``: trials of hyperparameters, stored on disk by Optuna."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runs.provenance import named_files
from .report import Candidate, objective
from .search_spaces import Range, default_values, hyperparameters, space_of

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

CONFIRMED, CONFIRMATIONS = 3, 2
"""How many of the best trials are trained again, besides the defaults, and from how many further seeds."""

UNPRUNED = 5
"""Trials that are finished in all environments before any is pruned."""

DEFAULTS = "defaults of the method"
"""Name of the setting that holds the method's present values in the search space."""

Measure = Callable[[str, int, dict[str, Any], float], tuple[float, float]]
"""A function of environment, number of the training seed, hyperparameters and CPU seconds of a training. It
returns the final gap in per cent and the CPU seconds that the training took."""


def costs(envs: int, trial_seconds: float, seeds: int) -> tuple[float, float]:
    """CPU seconds of a trial, and of training the best trials and the defaults again."""
    again = (CONFIRMED + 1) * CONFIRMATIONS
    return envs * seeds * trial_seconds, envs * again * trial_seconds


class MethodStudy:
    """The study of one method. Only one process at a time may work on it.

    Args:
        method: one of ``SPACES``.
        envs: environment ids.
        trial_seconds: CPU seconds of each training.
        seeds: trainings of a trial in each environment.
        seed: of the search.
        path: of the data base.
        measure: trains and evaluates the method.

    Attributes:
        study: the study of Optuna. Each trial has the user attributes ``defaults`` (whether it uses the
            defaults), ``hyperparameters``, ``gaps`` (in per cent, a list over the seeds for each environment)
            and ``cpu_seconds``. The study has the user attribute ``settings`` and, for every trial that was
            trained again, ``confirmation NUMBER`` with ``gaps`` and ``cpu_seconds``.

    Raises:
        ValueError: if ``path`` is a study with other settings.
    """

    def __init__(
        self,
        method: str,
        envs: tuple[str, ...],
        trial_seconds: float,
        seeds: int,
        seed: int,
        path: Path,
        measure: Measure,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.method, self.envs, self.measure = method, envs, measure
        self.trial_seconds, self.seeds, self.seed = trial_seconds, seeds, seed
        self.space = space_of(method)
        self.settings: dict[str, Any] = {
            "--env": list(envs),
            "--trial-seconds": trial_seconds,
            "--seeds": seeds,
            "--seed": seed,
            DEFAULTS: default_values(method, envs[0]),
            **{f"content of {path}": digest for env in envs for path, digest in named_files(env, {}).items()},
        }
        self.study = optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name=method,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
            load_if_exists=True,
        )
        stored = self.study.user_attrs.get("settings")
        if stored is None:
            self.study.set_user_attr("settings", self.settings)
        elif others := [name for name, value in self.settings.items() if stored.get(name) != value]:
            before = ", ".join(f"{name} {stored.get(name)!r}" for name in others)
            raise ValueError(f"{path} is a study with {before}, which must stay; give another --output")
        self._recover()

    @property
    def spent(self) -> float:
        """CPU seconds of all trainings so far."""
        of_study = self.study.user_attrs
        attributes = [trial.user_attrs for trial in self.study.trials]
        attributes += [of_study[name] for name in of_study if name.startswith("confirmation")]
        return float(sum(trained.get("cpu_seconds", 0.0) for trained in attributes))

    def search(self, budget: float) -> None:
        """Do trials as long as half a trial fits into the budget, without the part that ``confirm`` needs."""
        trial_cost, reserve = costs(len(self.envs), self.trial_seconds, self.seeds)
        while self.spent + reserve + trial_cost / 2 <= budget:
            trial = self._do_trial()
            print(f"{self.spent:.0f} of {budget:g} CPU s  {self._line(trial)}", flush=True)

    def confirm(self) -> list[Candidate]:
        """Train the best trials and the defaults from further seeds, unless that is done already.

        Returns:
            The candidates, the best over all seeds first; on a tie the defaults come first.
        """
        finished = [trial for trial in self._done() if trial.state.name == "COMPLETE"]
        finished.sort(key=lambda trial: (trial.values[0], trial.number))
        others = [trial for trial in finished if not trial.user_attrs["defaults"]]
        candidates = [trial for trial in finished if trial.user_attrs["defaults"]] + others[:CONFIRMED]
        return sorted(map(self._candidate, candidates), key=lambda candidate: candidate.value)

    def _candidate(self, trial: FrozenTrial) -> Candidate:
        keywords, defaults = trial.user_attrs["hyperparameters"], trial.user_attrs["defaults"]
        name = f"confirmation {trial.number}"
        again = self.study.user_attrs.get(name, {"gaps": {}, "cpu_seconds": 0.0})
        for env in self.envs:
            gaps = again["gaps"].setdefault(env, [])
            while len(gaps) < CONFIRMATIONS:
                gap, seconds = self.measure(env, self.seeds + len(gaps), keywords, self.trial_seconds)
                gaps.append(gap)
                again["cpu_seconds"] += seconds
                self.study.set_user_attr(name, again)
        fresh, first = _together(again["gaps"]), _together(trial.user_attrs["gaps"])
        candidate = Candidate(trial.number, keywords, defaults, objective(first + fresh), objective(fresh))
        print(f"trial {trial.number} from further seeds: gap {math.exp(candidate.fresh):.3g} %", flush=True)
        return candidate

    def _do_trial(self) -> FrozenTrial:
        import optuna

        # Each trial has a sampler of its own, so that an interrupted search samples as an uninterrupted one.
        state = np.random.SeedSequence([self.seed, len(self._done())]).generate_state(1)
        self.study.sampler = optuna.samplers.TPESampler(seed=int(state[0]))
        trial = self.study.ask()
        keywords = self._draw(trial)
        gaps: dict[str, list[float]] = {}
        cpu_seconds = 0.0
        for step, env in enumerate(self.envs):
            gaps[env] = []
            for number in range(self.seeds):
                gap, seconds = self.measure(env, number, keywords, self.trial_seconds)
                gaps[env].append(gap)
                cpu_seconds += seconds
                trial.set_user_attr("cpu_seconds", cpu_seconds)
            trial.set_user_attr("gaps", gaps)
            value = objective(_together(gaps))
            trial.report(value, step)
            if len(gaps) < len(self.envs) and trial.should_prune():
                return self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return self.study.tell(trial, value)

    def _draw(self, trial: Trial) -> dict[str, Any]:
        """Sample the hyperparameters of a trial; there are none if it uses the defaults."""
        defaults = trial.user_attrs.get("defaults", False)
        values: dict[str, Any] = {}
        for name in self.settings[DEFAULTS] if defaults else self.space:
            allowed = self.space[name]
            if isinstance(allowed, Range):
                values[name] = trial.suggest_float(name, allowed.low, allowed.high, log=allowed.log)
            else:
                values[name] = trial.suggest_categorical(name, allowed)
        keywords = {} if defaults else hyperparameters(self.method, values)
        trial.set_user_attr("defaults", defaults)
        trial.set_user_attr("hyperparameters", keywords)
        return keywords

    def _done(self) -> list[FrozenTrial]:
        return [trial for trial in self.study.trials if trial.state.name in ("COMPLETE", "PRUNED")]

    def _recover(self) -> None:
        """Mark trials that a killed process left unfinished as failed, and enqueue them again."""
        from optuna.trial import TrialState

        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            if trial.params and not trial.user_attrs.get("defaults", False):
                self.study.enqueue_trial(trial.params)
            self.study.tell(trial.number, state=TrialState.FAIL)
        valid = [trial for trial in self.study.trials if trial.state != TrialState.FAIL]
        if not any(trial.user_attrs.get("defaults", False) for trial in valid):
            self.study.enqueue_trial(self.settings[DEFAULTS], user_attrs={"defaults": True})

    def _line(self, trial: FrozenTrial) -> str:
        attributes = trial.user_attrs
        gaps = attributes["gaps"]
        gap = math.exp(objective(_together(gaps)))
        gaps_so_far = [math.exp(done.values[0]) for done in self._done() if done.state.name == "COMPLETE"]
        best = f" (best {min(gaps_so_far):.3g} %)" if gaps_so_far else ""
        pruned = trial.state.name == "PRUNED"
        pruning = f", pruned after {len(gaps)} of {len(self.envs)} environments" if pruned else ""
        description = "the defaults" if attributes["defaults"] else json.dumps(attributes["hyperparameters"])
        return f"trial {trial.number}: gap {gap:.3g} %{best}{pruning}, {description}"


def _together(gaps: dict[str, list[float]]) -> list[float]:
    return [gap for of_env in gaps.values() for gap in of_env]
