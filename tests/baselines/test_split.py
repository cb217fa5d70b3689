"""Comparisons on recorded demand: trained and fitted on the earlier part, judged on the later one."""

import json

import numpy as np
import pandas as pd
import pytest

from jumpgym import as_problem
from jumpgym.baselines import best_classical, evaluate
from jumpgym.baselines.cli import main
from jumpgym.baselines.comparison.plans import plan
from jumpgym.baselines.runs.perform import make_reference, read_reference
from jumpgym.baselines.runs.split import IN_SAMPLE, description, parts, split_for

SETUP = "jumpgym/SetupCost-v0"
PERIODS, HORIZON = 100, 10


@pytest.fixture
def file(tmp_path):
    """Daily demand that doubles after 70 days."""
    demand = np.random.default_rng(0).poisson(np.where(np.arange(PERIODS) < 70, 15.0, 30.0))
    dates = pd.date_range("2024-01-01", periods=PERIODS)
    pd.DataFrame({"date": dates, "units": demand}).to_csv(tmp_path / "demand.csv", index=False)
    return str(tmp_path / "demand.csv")


def series(env):
    return as_problem(env).demand.series


@pytest.mark.parametrize("split", ["0.7", "2024-03-11"])
def test_the_parts_follow_each_other_and_share_no_period(file, split):
    earlier, later = parts(SETUP, {"demand": file, "horizon": HORIZON}, split)
    whole = pd.read_csv(file).units
    np.testing.assert_array_equal(series(earlier), whole[:70])
    np.testing.assert_array_equal(series(later), whole[70:])
    assert as_problem(later).demand.records.dates[0] == pd.Timestamp("2024-03-11")


def test_in_sample_is_the_same_twice_and_distributions_are_not_split(file):
    parameters = {"demand": file, "horizon": HORIZON}
    both = [series(part) for part in parts(SETUP, parameters, IN_SAMPLE)]
    np.testing.assert_array_equal(*both)
    assert split_for(SETUP, {"horizon": HORIZON}, "0.7") is None
    assert "in sample: policies are judged on the 91 distinct windows (10 disjoint) that" in description(
        SETUP, parameters, IN_SAMPLE
    )


def test_whole_episodes_and_several_items_are_split_too():
    episodes = np.random.default_rng(0).poisson(20.0, (10, 5))
    earlier, later = parts(SETUP, {"demand": episodes, "horizon": 5}, "0.7")
    np.testing.assert_array_equal(series(earlier).reshape(-1, 5), episodes[:7])
    np.testing.assert_array_equal(series(later).reshape(-1, 5), episodes[7:])
    items = np.random.default_rng(0).poisson(5.0, (20, 2))
    parameters = {"demand": pd.DataFrame(items, columns=["a", "b"]), "horizon": 5}
    earlier, later = parts("jumpgym/JointReplenishment-v0", parameters, "0.5")
    np.testing.assert_array_equal(series(later), items[10:])
    assert as_problem(later).item_names == ("a", "b")


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("0.95", "the later part of the records, split at 0.95: demand: .* at least horizon=10 periods"),
        ("2", "--train-share=2.0 must be"),
        ("someday", "date='someday' must be a date"),
        ("2031-01-01", "must be after 2024-01-01"),
    ],
)
def test_a_split_that_cannot_be_is_refused_before_anything_runs(file, split, message):
    with pytest.raises(ValueError, match=message):
        plan("quick", [SETUP], ["mixed"], settings=[{"demand": file, "horizon": HORIZON}], split=split)


def test_references_are_fitted_to_the_earlier_part(file, tmp_path):
    settings = {"demand": file, "horizon": HORIZON}
    problems = [
        plan("quick", [SETUP], ["mixed"], episodes=256, settings=[settings], split=split)[0].problem
        for split in ("0.7", IN_SAMPLE)
    ]
    assert len({problem.name for problem in problems}) == 2
    make_reference(problems[0], tmp_path)
    found = read_reference(problems[0], tmp_path)
    earlier, later = parts(SETUP, settings, "0.7")
    fitted = best_classical(as_problem(earlier))
    assert found.cost == pytest.approx(evaluate(fitted, later, 16_384).mean)
    assert "trained and fitted on 70 periods (2024-01-01 to 2024-03-10)" in found.note
    assert "judged on 21 distinct windows (3 disjoint) of 30 periods" in found.note


@pytest.mark.usefixtures("in_this_process")
def test_a_comparison_says_what_was_trained_and_judged_on(file, tmp_path, capsys):
    command = ["compare", "--env", "SetupCost", "--methods", "mixed", "ppo-gate", "--timesteps", "1000"]
    command += ["--episodes", "64", "--workers", "1", "--set", f"demand={file}", f"horizon={HORIZON}"]
    assert main([*command, "--output", str(tmp_path / "out")]) == 0
    rows = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert rows.parameters.str.contains('"split": "0.7"').all()
    for method in ("mixed", "ppo-gate"):
        (row,) = rows[rows.method == method].itertuples()
        assert "on the records of its training" in row.note
        assert row.standard_error > 0
    texts = [path.read_text() for path in (tmp_path / "out").iterdir() if path.suffix in (".md", ".html")]
    assert len(texts) >= 2
    for text in texts:
        assert "judged on 21 distinct windows (3 disjoint) of 30 periods" in text
    (record,) = (tmp_path / "out" / "runs").glob("*mixed_seed0*steps.json")
    assert json.loads(record.read_text())["settings"]["split"] == "0.7"


def test_evaluate_names_what_is_in_sample_and_fits_elsewhere(file, tmp_path, capsys):
    table = pd.read_csv(file)
    table[:70].to_csv(tmp_path / "earlier.csv", index=False)
    table[70:].to_csv(tmp_path / "later.csv", index=False)
    settings = ["--set", f"demand={tmp_path / 'earlier.csv'}", f"horizon={HORIZON}"]
    saved = str(tmp_path / "agent.zip")
    assert main(["train", "SetupCost", "--timesteps", "1000", "--save", saved, *settings]) == 0
    judged = ["evaluate", saved, "--env", "SetupCost", "--episodes", "64"]
    judged += ["--set", f"demand={tmp_path / 'later.csv'}", f"horizon={HORIZON}"]
    capsys.readouterr()
    assert main(judged) == 0
    shown = capsys.readouterr().out
    assert "21 distinct windows (3 disjoint); the reference is in sample" in shown
    assert main([*judged, "--fit-set", f"demand={tmp_path / 'earlier.csv'}"]) == 0
    fitted = capsys.readouterr().out
    assert "the reference is fitted by --fit-set" in fitted
    cost = [float(text.split("classical ")[1].split()[0]) for text in (shown, fitted)]
    assert cost[0] < cost[1]
    table[70:85].to_csv(tmp_path / "later.csv", index=False)
    assert main(judged) == 0
    assert "without a standard error: fewer than two disjoint windows" in capsys.readouterr().out
