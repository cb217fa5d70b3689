import json
import operator
import os
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from synthetic_comparison import made_up_records

import jumpgym
from jumpgym.baselines.cli import main
from jumpgym.baselines.comparison.plans import plan
from jumpgym.baselines.comparison.progress import REFERENCE_SECONDS, planned_seconds
from jumpgym.baselines.comparison.sweep import compare
from jumpgym.baselines.comparison.workers import Failure, Workers
from jumpgym.baselines.hindsight.program import HindsightTimeout
from jumpgym.baselines.optimum import solve
from jumpgym.baselines.report.headline import headline
from jumpgym.baselines.report.tables import COLUMNS, tables_of
from jumpgym.baselines.report.write import write_report
from jumpgym.baselines.runs import methods
from jumpgym.baselines.runs import perform as performing
from jumpgym.baselines.runs.measure import Reference
from jumpgym.baselines.runs.methods import METHODS, REFERENCES
from jumpgym.baselines.runs.perform import perform, read_reference
from jumpgym.baselines.runs.record import read_failure, read_record
from jumpgym.baselines.runs.run import Problem, Run

EXAMPLES = Path(__file__).parents[1] / "examples"
SETUP_COST = "jumpgym/SetupCost-v0"
SWITCHED_LQR = "jumpgym/SwitchedLQR-v0"
COMMAND = ["compare", "--env", SETUP_COST, "--agents", "mixed", "ppo-level", "--episodes", "256"]
DEFAULTS = Problem(SETUP_COST, (), 256)
TINY = [*COMMAND, "--budget", "1.2", "--seeds", "1", "--workers", "1"]


@pytest.fixture(scope="module")
def finished(local_pools_in_this_process, tmp_path_factory):
    output = tmp_path_factory.mktemp("comparison")
    assert main([*TINY, "--output", str(output)]) == 0
    return output


@pytest.fixture
def output(finished, tmp_path):
    """A copy of the finished comparison, to be damaged."""
    return shutil.copytree(finished, tmp_path / "copy")


def run_of(method, env=SETUP_COST, seed=0, seconds=1.2, episodes=256):
    return Run(env, (), method, seed, None if method in REFERENCES else seconds, None, episodes)


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "runs").glob("*.json")}


def records_of(folder):
    return [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*.json"))]


def test_files(finished):
    names = {path.name for path in finished.iterdir()}
    pictures = {"curves-SetupCost.png", "policies-SetupCost.png"}
    tables = {"comparison.csv", "curves.csv", "policies.csv.gz", "environments.csv"}
    assert names == {"runs", "comparison.md", "report.html"} | tables | pictures
    for picture in pictures:
        content = (finished / picture).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 20_000
    kept = {path.name for path in (finished / "runs").iterdir()}
    learned = {
        f"SetupCost-v0_{name}_seed0_1.2s.{end}" for name in ("mixed", "ppo-level") for end in ("json", "zip")
    }
    references = {f"SetupCost-v0_{name}.json" for name in REFERENCES}
    assert kept == learned | references | {"reference_SetupCost-v0.npz", ".locks"}


def test_csv(finished):
    rows = pd.read_csv(finished / "comparison.csv", index_col="method")
    assert set(rows.reset_index().columns) == set(COLUMNS["comparison"])
    assert sorted(rows.index) == ["classical", "hindsight", "mixed", "optimum", "ppo-level"]
    assert rows.gap_percent["optimum"] == 0
    assert set(rows.reference) == {"optimum"}
    assert set(rows.exactness) == {"exact"}
    np.testing.assert_allclose(rows.reference_cost, 2463.146, atol=0.01)
    np.testing.assert_allclose(rows.gap_percent, 100 * rows.difference / rows.reference_cost, rtol=1e-4)
    known = rows.loc["hindsight"]
    assert known.gap_percent < -5 * known.gap_se_percent
    assert known.note == "64 episodes"
    rows = rows.drop("hindsight")
    classical = rows.loc["classical"]  # its cost is exact, so it is compared with the exact optimum
    assert classical.standard_error == classical.difference_se == 0
    assert classical.difference == pytest.approx(classical.mean_cost - classical.reference_cost, abs=0.02)
    learned = rows.loc[["mixed", "ppo-level"]]
    above = learned.mean_cost - rows.mean_cost["optimum"]  # paired, on the same noise
    np.testing.assert_allclose(learned.difference, above, atol=0.02)
    assert (learned.cpu_seconds >= 1.2).all()
    assert (learned.transitions > 1000).all()
    assert (learned.seed == 0).all()
    assert rows.seed.isna().sum() == 2
    assert set(rows.jumpgym) == {jumpgym.__version__}
    assert rows.command.iloc[0].startswith(f"jumpgym compare --env {SETUP_COST} --agents mixed ppo-level")
    curves = pd.read_csv(finished / "curves.csv")
    assert set(curves.method) == {"mixed", "ppo-level"}
    assert (curves[curves.method == "mixed"].cpu_seconds >= 1.0).all()
    assert curves.groupby("method").gap_percent.last()["mixed"] == rows.gap_percent["mixed"]


def test_markdown_has_the_best_first(finished):
    text = (finished / "comparison.md").read_text()
    assert "jumpgym compare --env" in text
    assert "SSPolicy(s=14, S=62)" in text
    assert "Expected cost 2463.146" in text
    own = text[text.index("### 1.2 CPU seconds") :]
    table = [line.split("|")[1].strip() for line in own.splitlines() if line.startswith("| ")]
    assert table[:4] == ["method", "---", "hindsight (bound)", "optimum"]
    gaps = pd.read_csv(finished / "comparison.csv").set_index("method").gap_percent.drop("hindsight")
    assert table[3:] == list(gaps.sort_values().index)


@pytest.mark.usefixtures("in_this_process", "only_tables")
def test_finished_runs_are_skipped_and_missing_or_damaged_ones_repeated(output, capfd):
    before = stamps(output)
    solved = output / "runs" / "reference_SetupCost-v0.npz"
    kept = solved.stat().st_mtime_ns
    assert main([*TINY, "--output", str(output)]) == 0
    assert stamps(output) == before
    out = capfd.readouterr().out
    assert "5 already" in out
    assert "0 environments to solve" in out
    records = [output / "runs" / f"SetupCost-v0_{name}.json" for name in ("classical", "hindsight")]
    records[0].unlink()
    records[1].write_bytes(records[1].read_bytes()[:-100])
    assert main([*TINY, "--output", str(output)]) == 0
    after = stamps(output)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {record.name for record in records}
    assert solved.stat().st_mtime_ns == kept
    records[0].unlink()
    solved.write_bytes(solved.read_bytes()[:-100])
    assert read_reference(DEFAULTS, solved.parent) is None
    assert main([*TINY, "--output", str(output)]) == 0
    assert read_reference(DEFAULTS, solved.parent).cost == pytest.approx(2463.146, abs=0.01)
    assert read_reference(Problem(SETUP_COST, (), 255), solved.parent) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"settings": 1}', '{"row": NaN'])
def test_records_of_something_else_do_not_count(tmp_path, content):
    run = run_of("mixed")
    run.record_path(tmp_path).write_text(content)
    assert read_record(run, tmp_path) is None


def test_records_of_other_settings_or_code_do_not_count(finished, tmp_path):
    run = run_of("mixed")
    record = read_record(run, finished / "runs")
    assert record is not None
    for change in ({"code": "0.0.0"}, {"settings": {**record["settings"], "episodes": 64}}):
        run.record_path(tmp_path).write_text(json.dumps(record | change))
        assert read_record(run, tmp_path) is None


def test_a_figure_is_repeated_from_the_saved_model(finished, capsys):
    """``jumpgym evaluate`` prints the gap of the table."""
    rows = pd.read_csv(finished / "comparison.csv").set_index("method")
    for name in ("mixed", "ppo-level"):
        checkpoint = str(finished / "runs" / f"SetupCost-v0_{name}_seed0_1.2s.zip")
        assert main(["evaluate", checkpoint, "--env", SETUP_COST, "--episodes", "256"]) == 0
        assert f"gap       {rows.gap_percent[name]:.3f} %" in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process", "only_tables")
def test_settings_are_problems_of_their_own(tmp_path):
    settings = ["--set", "lead_time=2", "fixed_cost=32", "--set", "horizon=10"]
    command = ["compare", "--env", SETUP_COST, "--agents", "mixed", "--episodes", "64", "--seeds", "1"]
    command += ["--timesteps", "6400", "--workers", "1", "--output", str(tmp_path), *settings]
    assert main(command) == 0
    rows = pd.read_csv(tmp_path / "comparison.csv", keep_default_na=False)
    assert sorted(set(rows.parameters)) == ['{"fixed_cost": 32, "lead_time": 2}', '{"horizon": 10}']
    costs = rows.groupby("parameters").reference_cost.first()
    solved = {text: solve(gym.make(SETUP_COST, **json.loads(text))).expected_cost for text in costs.index}
    assert costs.to_dict() == pytest.approx(solved, rel=1e-5)
    assert (tmp_path / "runs" / "SetupCost-v0_horizon=10_mixed_seed0_6400steps.zip").exists()


def test_names_of_problems_differ_and_are_file_names():
    values = ["a/b", "a b", "ab", "x" * 100, "x" * 101, (1, 2), (12,)]
    names = {Problem(SETUP_COST, (("demand", value),), 64).name for value in values}
    assert len(names) == len(values)
    assert all("/" not in name and len(name) < 100 for name in names)


@pytest.mark.usefixtures("in_this_process", "only_tables")
def test_a_failing_run_is_reported_and_stops_no_other(output, capfd):
    planned = plan("quick", [SETUP_COST], ["mixed"], 1, 1.2, episodes=256)
    impossible = run_of("mixed", seed=-1)
    other = run_of("optimum", "jumpgym/MinOrder-v0")
    runs = [impossible, other, *planned]
    assert compare(runs, output, 1) == 1
    out, err = capfd.readouterr()
    assert "seed=-1 must be an integer" in out
    assert "Traceback" in out
    assert "1 run failed; --retry-failed repeats them" in err
    assert impossible.name in err
    assert read_record(other, output / "runs") is not None
    table = pd.read_csv(output / "comparison.csv")
    assert table.status.tolist().count("ok") == len(table) - 1 == 5
    assert table.note[table.status == "failed"].item().startswith("ValueError: seed=-1 must be an integer")
    assert "seed=-1 must be an integer" in read_failure(impossible, output / "runs")
    assert compare(runs, output, 1) == 1  # it is remembered
    out, err = capfd.readouterr()
    assert "0 to do" in out
    assert "ValueError: seed=-1" in err
    assert compare(runs, output, 1, retry_failed=True) == 1
    assert "1 to do" in capfd.readouterr().out


@pytest.mark.usefixtures("in_this_process", "only_tables")
def test_an_environment_without_a_reference_is_solved_once_and_loses_its_runs_only(
    output, capfd, monkeypatch
):
    monkeypatch.syspath_prepend(EXAMPLES)
    with pytest.raises(ValueError, match="--env: generator:Generator-v0: Generator has no reference"):
        plan("quick", ["generator:Generator-v0"], ["mixed"], 1, 1.2)
    lost = [run_of(name, "generator:Generator-v0") for name in ("optimum", "classical")]
    assert compare([*lost, *plan("quick", [SETUP_COST], ["mixed"], 1, 1.2, episodes=256)], output, 1) == 2
    out, err = capfd.readouterr()
    assert out.count("FAILED") == 1
    assert "generator:Generator-v0 has no reference to measure gaps by: Generator is not supported" in err
    assert all(run.name in err for run in lost)
    assert pd.read_csv(output / "comparison.csv").status.tolist() == [*["ok"] * 4, "failed", "failed"]


def test_what_does_not_apply_is_recorded_as_that(tmp_path, monkeypatch):
    small = Reference(gym.make(SWITCHED_LQR, horizon=2))
    monkeypatch.setattr(performing, "reference", lambda *_: small)
    monkeypatch.setattr(Problem, "make", lambda _: gym.make(SWITCHED_LQR, horizon=2))
    records = []
    for name in ("smoothed", "ppo-level", "ppo-quantity", "ppo-box"):
        run = run_of(name, SWITCHED_LQR)
        records.append(perform(run, tmp_path, "typed", 60.0))
        row = read_record(run, tmp_path)["row"]
        assert row["status"] == "not_applicable"
        assert row["note"].startswith("S")
    for name in ("optimum", "mixed"):
        records.append(perform(run_of(name, SWITCHED_LQR), tmp_path, "typed", 60.0))
    write_report(records, tmp_path)
    assert (
        "Not applicable: ppo-level, ppo-quantity, ppo-box (SwitchedLQR: the regime does not fo"
        in (tmp_path / "comparison.md").read_text()
    )
    rows = pd.read_csv(tmp_path / "comparison.csv").set_index("method")
    assert rows.mean_cost[["smoothed", "ppo-box"]].isna().all()
    assert rows.mean_cost[["optimum", "mixed"]].notna().all()
    assert (tmp_path / "policies-SwitchedLQR.png").stat().st_size > 10_000


@pytest.mark.parametrize("method", ["mixed", "ppo-gate"])
def test_a_mistyped_hyperparameter_is_a_failure_and_not_a_method_that_does_not_apply(
    finished, tmp_path, monkeypatch, method
):
    shutil.copy(DEFAULTS.reference_path(finished / "runs"), tmp_path)
    monkeypatch.setattr(methods, "tuned", lambda *_: {"lerning_rate": 0.1})
    with pytest.raises((TypeError, ValueError), match="lerning_rate") as caught:
        perform(run_of(method), tmp_path, "typed", 60.0)
    assert not isinstance(caught.value, jumpgym.NotApplicable)
    assert read_record(run_of(method), tmp_path) is None


def test_a_worker_that_dies_costs_one_item():
    with Workers(1) as pool:
        results = dict(pool.run_all(operator.truediv, [(1, 0), (1, 2)]))
        assert "ZeroDivisionError" in results[1, 0]
        assert isinstance(results[1, 0], Failure)
        assert results[1, 2] == 0.5
        assert "exit code 3" in dict(pool.run_all(os._exit, [(3,)]))[3,]
        assert dict(pool.run_all(operator.add, [(1, 2)])) == {(1, 2): 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "SetupCots"], "unknown environment 'SetupCots': did you mean jumpgym/SetupCost-v0"),
        (["--agents", "mixed", "mixt"], "--methods: unknown method 'mixt': did you mean mixed"),
        (["--agents", "nowhere:Class"], "--methods: method 'nowhere:Class': cannot import nowhere"),
        (["--seeds", "0"], "--seeds=0 must be an integer in [1, 10000]"),
        (["--budget", "0"], "--budget=0.0 must be a number of CPU seconds greater than 0"),
        (["--budget", "nan"], "--budget=nan must be a finite number"),
        (["--episodes", "1"], "--episodes=1 must be an integer of at least 16"),
        (["--workers", "0"], "--workers=0 must be an integer of at least 1"),
        (["--timesteps", "0"], "--timesteps=0 must be an integer of at least 1"),
        (["--set", "horizon=None"], "has horizon=None, but runs are compared by the cost of whole episodes"),
        (["--set", "lead_time=-1"], "lead_time=-1 must be"),
        (["--set", "lead_time"], "--set 'lead_time' must be name=value"),
        (["--checkpoint-seconds", "-1"], "--checkpoint-seconds=-1.0 must be"),
        (
            ["--address", "nowhere:1"],
            "--address='nowhere:1' is the address of a Ray cluster",
        ),
    ],
)
def test_wrong_options(tmp_path, capsys, arguments, message):
    command = ["compare", "--env", SETUP_COST, *arguments, "--output", str(tmp_path / "new")]
    assert main(command) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["", "runs"])
def test_output_that_cannot_be_written(tmp_path, capsys, place):
    output = tmp_path / "output"
    if place:
        output.mkdir()
    (output / place).write_text("in the way")
    assert main([*TINY, "--output", str(output)]) == 2
    out, err = capsys.readouterr()
    assert "--output: " in err
    assert "must be a folder that can be written" in err
    assert out == ""


def test_presets():
    assert {f"jumpgym/{name}" for name in REFERENCE_SECONDS} == set(jumpgym.ENVIRONMENTS)
    environments, references = len(jumpgym.ENVIRONMENTS), len(REFERENCES)
    quick = plan("quick")
    problems = {run.problem for run in quick}
    assert len(quick) == environments * (2 + references)
    assert 60 < planned_seconds(quick, 2, problems) < 360
    assert planned_seconds(quick, 2, []) < planned_seconds(quick, 2, problems) - 10
    standard = plan("standard")
    assert len(standard) == environments * (3 * 5 + references)
    assert {run.seed for run in standard} == set(range(3))
    assert 2000 < planned_seconds(standard, 2, problems) < 3600
    assert {run.method for run in plan("all")} == {*METHODS, *REFERENCES}
    overridden = plan("standard", [SETUP_COST], ["mixed"], 2, 3.0, episodes=64)
    assert {(run.method, run.seed, run.budget_seconds) for run in overridden} == {
        *((name, 0, None) for name in REFERENCES),
        ("mixed", 0, 3.0),
        ("mixed", 1, 3.0),
    }


def test_headline():
    envs = [SETUP_COST, "jumpgym/JointReplenishment-v0"]
    small = headline(tables_of(made_up_records(methods=["mixed", "ppo-gate"], seeds=1)).comparison)
    lines = small.splitlines()
    assert lines[0] == "Median gap to the optimum in per cent after 20 CPU seconds, 1 seed:"
    assert set(lines[1].split()) == {"hindsight", "classical", "mixed", "ppo-gate"}
    assert len(lines) == 2 + len(jumpgym.ENVIRONMENTS)
    large = headline(tables_of(made_up_records(envs)).comparison).splitlines()
    assert len(large) == 2 + 2 + len(METHODS)
    assert len({len(line) for line in large[1:]}) == 1
    (refused,) = [line for line in large if line.startswith("ppo-level ")]
    assert "n/a" in refused


def test_a_hindsight_bound_out_of_time_is_not_applicable(finished, tmp_path, monkeypatch):
    def out_of_time(*_):
        raise HindsightTimeout("HiGHS found no proven optimum in 300 s")

    shutil.copy(DEFAULTS.reference_path(finished / "runs"), tmp_path)
    monkeypatch.setattr(Reference, "hindsight_gap", out_of_time)
    row = perform(run_of("hindsight"), tmp_path, "typed", 60.0)["row"]
    assert (row["status"], row["note"]) == ("not_applicable", "HiGHS found no proven optimum in 300 s")


def test_references_alone_need_no_curves(output):
    references = [run_of(name) for name in REFERENCES]
    assert compare(references, output) == 0
