"""The study of real demand: its data, its windows, its references and its report."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from jumpgym import as_problem
from jumpgym.baselines.evaluation import simulated_costs
from jumpgym.baselines.studies.real import POLICIES, SERIES, plan
from jumpgym.baselines.studies.real.policies import CLASSICAL
from jumpgym.baselines.studies.real.report import block_bootstrap, summaries, write_report
from jumpgym.baselines.studies.real.series import HORIZON, Series, all_windows
from jumpgym.baselines.studies.real.study import RealRun
from jumpgym.baselines.studies.real.weekdays import WeekdayOptimum
from jumpgym.traces import Records


@pytest.mark.parametrize("name", SERIES)
def test_the_data_are_days_without_gaps_and_split_where_the_study_says(name):
    earlier, later = SERIES[name].records()
    dates = earlier.dates.append(later.dates)
    assert pd.date_range(dates[0], dates[-1], freq="D").equals(dates)
    assert later.dates[0] == pd.Timestamp(SERIES[name].split)
    assert min(len(earlier), len(later)) > 5 * HORIZON


def test_every_window_of_the_later_records_is_judged_once_and_knows_the_days_before():
    _, later = SERIES["restaurant"].make(memory=True)
    values = SERIES["restaurant"].records()[1].values
    state, noise = all_windows(later)
    expected = np.lib.stride_tricks.sliding_window_view(values, HORIZON, axis=0)
    np.testing.assert_array_equal(noise, np.moveaxis(expected, -1, 1))
    np.testing.assert_array_equal(state.history[0, 0], SERIES["restaurant"].records()[0].values[-1])
    np.testing.assert_array_equal(state.history[9, 0], values[8])


@dataclass(frozen=True)
class Weekly(Series):
    """A week of certain demand that repeats."""

    def records(self):
        dates = pd.date_range("2024-01-02", periods=140, freq="D")
        values = np.array([20.0, 10.0, 0.0, 40.0, 10.0, 10.0, 70.0])[np.asarray(dates.day_of_week)]
        return Records(values[:, None], ("bread",), dates).split(date="2024-04-09")


def test_the_optimum_by_weekday_knows_every_day_that_an_episode_begins_on():
    series = Weekly("", "jumpgym/SetupCost-v0", "", "", {"fixed_cost": 15.0, "max_order": 200.0})
    policy = WeekdayOptimum(series)
    earlier, later = series.make(memory=True)
    costs = simulated_costs(policy, earlier, *all_windows(later)).costs
    phases = as_problem(later).phase(all_windows(later)[0])
    assert sorted(set(phases)) == list(range(7))
    np.testing.assert_allclose(costs, [policy.optima[phase].cost for phase in phases], rtol=1e-9)


def test_the_block_bootstrap_covers_what_it_resamples():
    rng = np.random.default_rng(1)
    reference = rng.uniform(50, 150, 200)
    same = block_bootstrap(1.1 * reference, reference, 10)
    np.testing.assert_allclose(same, 10.0)
    noisy = reference + rng.normal(0, 30, 200)
    few, many = (block_bootstrap(noisy, reference, disjoint) for disjoint in (4, 64))
    assert few.low < many.low < many.middle < many.high < few.high
    error = 100 * 30 / 100 / np.sqrt(64)
    assert many.high - many.low == pytest.approx(2 * 1.96 * error, rel=0.25)


def record(run, scale):
    later = scale * (1000 + 10 * np.arange(300) % 70)
    return {
        "settings": run.__dict__,
        "earlier": 900.0,
        "later": later.tolist(),
        "row": {"note": "", "cpu_seconds": 1.0, "transitions": 1}
        | ({"policy": "(1, 2)"} if scale == 1 else {}),
        "versions": {"python": "3"},
        "hardware": "1 core",
        "command": "jumpgym real",
    }


def test_the_report_compares_seeds_and_series_with_the_classical_policy(tmp_path):
    runs = plan(["bakery"], ["mixed"], seeds=2, budget=3)
    assert [(run.policy, run.seed, run.budget) for run in runs] == [
        ("classical", 0, 0.0),
        ("mixed", 0, 3.0),
        ("mixed", 1, 3.0),
    ]
    records = [record(run, scale) for run, scale in zip(runs, (1.0, 0.8, 0.9), strict=True)]
    row = summaries(records).set_index("policy").loc["mixed"]
    expected = (-15.0, -15.0, -15.0, -20.0, -10.0)
    names = ("excess", "low", "high", "best_seed", "worst_seed")
    np.testing.assert_allclose([row[f"{name}_percent"] for name in names], expected)
    failure = {"settings": runs[2].__dict__, "traceback": "Traceback:\nValueError: out of luck\n"}
    assert write_report(records, [failure], tmp_path)
    text = (tmp_path / "real.md").read_text()
    assert "| `mixed` | 900 |" in text
    assert "| bakery | mixed | 1 | 3.0 | ValueError: out of luck |" in text
    assert {"real.csv", "runs.csv", "real.png"} <= {path.name for path in tmp_path.iterdir()}
    assert not write_report([], [], tmp_path)
    assert not write_report(records[1:], [], tmp_path)


def test_the_plan():
    runs = plan()
    assert {run.policy for run in runs} == set(POLICIES)
    assert RealRun("restaurant", "weekday-optimum", 0, 0.0) not in runs
    assert sum(run.policy == CLASSICAL for run in runs) == len(SERIES)
    with pytest.raises(ValueError, match="--series='flowers' must be one of 'bakery', 'restaurant'"):
        plan(["flowers"])
    with pytest.raises(ValueError, match="--budget"):
        plan(budget=0)
