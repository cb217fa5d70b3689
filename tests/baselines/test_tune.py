import itertools
import json
import os
import signal
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
import warm
import yaml
from filelock import FileLock
from sqlalchemy import event
from sqlalchemy.engine import Engine

from jumpgym.agents import MixedGradient
from jumpgym.baselines.runs.methods import METHODS, AgentMethod, make, tuned
from jumpgym.baselines.sb3.learners import hyperparameters_of
from jumpgym.baselines.tuning import tune as module
from jumpgym.baselines.tuning.search_spaces import MINIBATCHES, SPACES, Range, default_values, hyperparameters
from jumpgym.baselines.tuning.study import CONFIRMATIONS, CONFIRMED
from jumpgym.baselines.tuning.tune import EVALUATION_SEED, LARGEST, measure_gap, tune

SETUP_COST, MIN_ORDER = "jumpgym/SetupCost-v0", "jumpgym/MinOrder-v0"
BUDGET = 2.0 * 5 + (CONFIRMED + 1) * CONFIRMATIONS * 2
"""Five trials of two environments at a second each, and what trains the best again."""


class Trainings:
    """Stands for ``measure_gap``: a second each, a gap by what is trained; remembers all calls."""

    def __init__(self, gap=None, stop_after=None):
        self.calls = []
        self.gap = gap or (lambda env, seed, keywords: 1000 * keywords.get("learning_rate", 0.003))
        self.stop_after = stop_after

    def __call__(self, method, env, seed, keywords, cpu_seconds):
        if len(self.calls) == self.stop_after:
            raise KeyboardInterrupt
        self.calls.append((env, seed, keywords))
        return self.gap(env, seed, keywords), cpu_seconds


@pytest.fixture(autouse=True)
def _do_not_wait_for_the_disk():
    def connect(connection, record):
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", connect)
    yield
    event.remove(Engine, "connect", connect)


@pytest.fixture
def trainings(monkeypatch):
    def install(**kwargs):
        installed = Trainings(**kwargs)
        monkeypatch.setattr(module, "measure_gap", installed)
        return installed

    return install


def search(output, method="mixed", budget=BUDGET, envs=(SETUP_COST, MIN_ORDER), **kwargs):
    return tune(method, envs, budget, 1.0, output=output, **kwargs)


def table(output, method="mixed"):
    return pd.read_csv(output / f"{method}.csv")


def tried(output):
    found = table(output)
    return found[found["state"] != "FAIL"]["hyperparameters"].tolist()


def drawn(method, rng):
    values = {}
    for name, allowed in SPACES[method].items():
        if isinstance(allowed, Range):
            uniform = rng.uniform(np.log(allowed.low), np.log(allowed.high)) if allowed.log else None
            values[name] = float(
                np.exp(uniform) if uniform is not None else rng.uniform(allowed.low, allowed.high)
            )
        else:
            values[name] = allowed[rng.integers(len(allowed))]
    return values


def test_the_first_trial_is_the_method_as_it_is(trainings, tmp_path):
    calls = trainings().calls
    search(tmp_path)
    assert [keywords for _, _, keywords in calls[:2]] == [{}, {}]
    assert all(keywords for _, _, keywords in calls[2:10])
    assert table(tmp_path)["defaults"].tolist() == [True] + 4 * [False]


def test_no_training_has_the_noise_of_the_comparison_or_of_the_evaluation(trainings, tmp_path):
    calls = trainings().calls
    search(tmp_path, seeds=2, budget=BUDGET + 6)
    searched = {seed for _, seed, _ in calls[: -2 * 2 * (CONFIRMED + 1)]}
    again = {seed for _, seed, _ in calls[-2 * 2 * (CONFIRMED + 1) :]}
    assert searched == {EVALUATION_SEED + 1, EVALUATION_SEED + 2}
    assert again == {EVALUATION_SEED + 3, EVALUATION_SEED + 4}


def test_the_best_is_found_and_written(trainings, tmp_path):
    trainings(gap=lambda env, seed, keywords: abs(1000 * keywords.get("learning_rate", 0.1) - 5) + 1)
    best = search(tmp_path, command="jumpgym tune mixed")
    found = table(tmp_path)
    least = found.loc[found["value"].idxmin()]
    assert best == json.loads(least["hyperparameters"])
    text = (tmp_path / "mixed.yml").read_text()
    assert text.startswith("# jumpgym tune mixed\n")
    assert yaml.safe_load(text) == {"default": {"mixed": best}}
    assert np.exp(least["value"]) == pytest.approx(least["gap_percent_SetupCost-v0"])


@pytest.mark.parametrize("method", ["mixed", "ppo-gate"])
def test_what_is_written_makes_the_method(trainings, tmp_path, method):
    trainings(gap=lambda env, seed, keywords: 1.0 if keywords else 2.0)
    best = search(tmp_path, method=method)
    read = yaml.safe_load((tmp_path / f"{method}.yml").read_text())["default"][method]
    assert read == best != {}
    model = METHODS[method].make(SETUP_COST, 0, **read)
    if method == "mixed":
        assert model.settings == replace(model.settings, **read)
    else:
        made = {"batch_size": model.batch_size, "n_steps": model.n_steps}
        assert made == made | {name: value for name, value in read.items() if name in made}
        assert made.keys() & read.keys()


def test_a_lucky_trial_does_not_beat_the_defaults(trainings, tmp_path, capsys):
    def gap(env, seed, keywords):
        lucky = keywords and seed == EVALUATION_SEED + 1
        return 0.5 if lucky else 8.0 if keywords else 1.0

    trainings(gap=gap)
    assert search(tmp_path) == {}
    assert yaml.safe_load((tmp_path / "mixed.yml").read_text()) == {"default": {"mixed": {}}}
    told = capsys.readouterr().out
    assert "the defaults: 1 %, 1 %  <- chosen" in told
    assert "3.17 %, 8 %" in told  # (0.5 * 8 * 8)^(1/3)
    assert table(tmp_path)["value"].idxmin() != 0  # the search alone would have chosen it


def test_a_tie_keeps_the_defaults(trainings, tmp_path):
    trainings(gap=lambda env, seed, keywords: 3.0)
    assert search(tmp_path) == {}


def test_the_budget_counts_what_was_spent_before(trainings, tmp_path):
    first = trainings(stop_after=5)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path)
    second = trainings()
    search(tmp_path)
    assert abs(len(first.calls) + len(second.calls) - BUDGET) <= 1  # half a trial
    done = trainings()
    search(tmp_path)
    assert done.calls == []
    more = trainings()
    search(tmp_path, budget=2 * BUDGET)
    assert len(more.calls) >= 10
    found = table(tmp_path)
    spent = found["cpu_seconds"].sum() + found["confirmation_cpu_seconds"].sum()
    assert spent == sum(len(each.calls) for each in (first, second, more))


@pytest.mark.parametrize("stop_after", [1, 5])
def test_a_search_that_was_stopped_draws_as_one_that_was_not(trainings, tmp_path, stop_after):
    trainings()
    search(tmp_path / "whole")
    trainings(stop_after=stop_after)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "stopped")
    trainings()
    search(tmp_path / "stopped")
    assert tried(tmp_path / "stopped") == tried(tmp_path / "whole")
    assert len(set(tried(tmp_path / "whole"))) == 5
    assert "FAIL" in table(tmp_path / "stopped")["state"].tolist()


def test_training_again_goes_on_where_it_was_stopped(trainings, tmp_path):
    first = trainings(stop_after=BUDGET - 3)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path)
    second = trainings()
    search(tmp_path)
    assert len(second.calls) == 3
    assert not any(call in first.calls for call in second.calls)


def search_until_killed(output):
    """Search in a process that dies in its fourth training."""
    calls = []

    def killing(method, env, seed, keywords, cpu_seconds):
        calls.append(env)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1.0, cpu_seconds

    module.measure_gap = killing
    search(output)


def test_a_killed_process_loses_one_training(trainings, tmp_path):
    code, out = warm.Process(search_until_killed, tmp_path, folder=tmp_path).finish()
    assert code == -signal.SIGKILL, out
    rest = trainings()
    search(tmp_path)
    found = table(tmp_path)
    assert found["state"].tolist()[:3] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert found["cpu_seconds"].tolist()[:3] == [2.0, 1.0, 2.0]
    assert found["hyperparameters"][1] == found["hyperparameters"][2]
    assert rest.calls[0][0] == SETUP_COST


def test_hopeless_trials_are_given_up(trainings, tmp_path):
    calls = trainings(gap=lambda env, seed, keywords: 1.0 if len(calls) <= 10 else 50.0).calls
    search(tmp_path, budget=BUDGET + 4)
    found = table(tmp_path)
    assert found["state"].tolist()[:6] == 5 * ["COMPLETE"] + ["PRUNED"]
    assert found["cpu_seconds"][5] == 1
    assert np.isnan(found["gap_percent_MinOrder-v0"][5])


def test_other_settings_are_refused(trainings, tmp_path):
    trainings()
    search(tmp_path)
    with pytest.raises(
        ValueError, match=r"mixed\.db is a study with --env \['jumpgym/SetupCost-v0', 'jumpgym/M"
    ):
        search(tmp_path, envs=[SETUP_COST])
    with pytest.raises(ValueError, match=r"--seeds 1, which must stay; give another --output"):
        search(tmp_path, seeds=2, budget=100)
    search(tmp_path)


def test_another_process_is_refused(trainings, tmp_path):
    trainings()
    with FileLock(tmp_path / "mixed.db.lock"), pytest.raises(ValueError, match="another process works on"):
        search(tmp_path)
    search(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "ppo-stock"}, "'ppo-stock' has no search space; those with one are mixed, .*sac"),
        ({"envs": ["SetupCosts"]}, "did you mean jumpgym/SetupCost-v0"),
        ({"envs": ["SetupCost", SETUP_COST]}, "each once"),
        ({"envs": []}, "must be one environment id or more"),
        ({"envs": [SETUP_COST, SETUP_COST]}, "each once"),
        ({"budget": 19}, "--budget=19 must be at least 20 CPU seconds: 2 for each of two trials and 16"),
        ({"seeds": 0}, "--seeds=0"),
        ({"seed": -1}, "--seed=-1"),
    ],
)
def test_wrong_options_are_refused(trainings, tmp_path, changes, message):
    calls = trainings().calls
    with pytest.raises(ValueError, match=message):
        search(tmp_path, **changes)
    assert calls == []
    assert not list(tmp_path.iterdir())


def test_what_a_method_does_not_apply_to_is_refused(trainings, tmp_path):
    calls = trainings().calls
    with pytest.raises((NotImplementedError, TypeError, ValueError), match="SmoothedCost"):
        search(tmp_path, method="smoothed", envs=["jumpgym/SwitchedLQR-v0"])
    assert calls == []


@pytest.mark.parametrize("method", ["mixed", "ppo-level"])
def test_a_mistyped_hyperparameter_is_an_error_and_no_divergence(method):
    with pytest.raises((TypeError, ValueError), match="learning_rat"):
        measure_gap(method, SETUP_COST, 5, {"learning_rat": 0.01}, 0.1)


@pytest.mark.parametrize("method", ["mixed", "ppo-level"])
def test_a_training_is_measured(method):
    gap, seconds = measure_gap(method, SETUP_COST, 5, {"learning_rate": 0.01}, 0.1)
    assert 0 < gap < LARGEST
    assert 0.1 <= seconds < 2


def test_what_diverges_has_the_largest_gap(monkeypatch):
    def train(model, callback, **budget):
        raise FloatingPointError("the loss is nan")

    monkeypatch.setattr(METHODS["mixed"], "train", train)
    gap, seconds = measure_gap("mixed", SETUP_COST, 0, {}, 0.1)
    assert gap == LARGEST
    assert seconds >= 0


@pytest.mark.parametrize("method", ["hpo", "ppo-gate"])
def test_errors_count_as_divergence_only_where_weights_are_not_finite(monkeypatch, method):
    def train(model, callback, **budget):
        if spoilt:
            networks = model.networks if method == "hpo" else model.policy
            with torch.no_grad():
                next(networks.parameters()).fill_(torch.nan)
        raise ValueError("Expected parameter loc")

    monkeypatch.setattr(METHODS[method], "train", train)
    spoilt = True
    assert measure_gap(method, SETUP_COST, 0, {}, 0.1)[0] == LARGEST
    spoilt = False
    with pytest.raises(ValueError, match="Expected parameter loc"):
        measure_gap(method, SETUP_COST, 0, {}, 0.1)


@pytest.mark.parametrize("method", SPACES)
def test_every_value_of_a_space_makes_the_method(method):
    rng = np.random.default_rng(0)
    for _ in range(2):
        keywords = yaml.safe_load(yaml.safe_dump(hyperparameters(method, drawn(method, rng))))
        model = METHODS[method].make(SETUP_COST, 0, **keywords)
        if isinstance(METHODS[method], AgentMethod):
            assert model.settings == replace(model.settings, **keywords)


@pytest.mark.parametrize("method", SPACES)
def test_the_space_holds_the_method_as_it_is(method):
    values = default_values(method, SETUP_COST)
    assert SPACES[method].keys() - values.keys() <= {"noise"}  # SVG's follows from its steps
    keywords = hyperparameters(method, values)
    if isinstance(METHODS[method], AgentMethod):
        settings = json.loads(json.dumps(asdict(make(method, SETUP_COST, 0).settings)))
    else:
        settings = hyperparameters_of(METHODS[method].name, SETUP_COST) | tuned(method)
    assert settings.keys() & keywords.keys() >= {"learning_rate", "batch_size"} & settings.keys()
    assert all(settings[name] == keywords[name] for name in settings.keys() & keywords.keys())


def test_tuned_values_replace_those_of_the_class_unless_others_are_given():
    values = tuned("mixed-torch")
    assert values
    settings = make("mixed-torch", SETUP_COST, 0).settings
    assert settings == replace(settings, **values) != MixedGradient(SETUP_COST).settings
    assert make("mixed-torch", SETUP_COST, 0, batch_size=8).settings.batch_size == 8
    assert make("ppo-gate", SETUP_COST, 0).n_epochs == tuned("ppo-gate")["n_epochs"]
    assert tuned("ppo-stock") == {}


def test_minibatches_divide_every_rollout():
    for space in (space for space in SPACES.values() if MINIBATCHES in space):
        for *sizes, parts in itertools.product(space["n_envs"], space["n_steps"], space[MINIBATCHES]):
            assert np.prod(sizes) % parts == 0
