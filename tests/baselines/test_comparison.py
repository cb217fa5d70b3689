import json
import operator
import os
import shutil
import signal
import subprocess
import sys
import time

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

import jumpgym
from jumpgym.baselines import comparison, runs
from jumpgym.baselines.cli import main
from jumpgym.baselines.comparison import PRESETS, compare, plan
from jumpgym.baselines.measure import Reference
from jumpgym.baselines.methods import METHODS, REFERENCES
from jumpgym.baselines.progress import OWN_SECONDS, planned_seconds
from jumpgym.baselines.report import COLUMNS, first_time, write_report
from jumpgym.baselines.runs import Run, perform, read_record, read_reference
from jumpgym.baselines.workers import Failure, Workers

SETUP_COST = "jumpgym/SetupCost-v0"
SWITCHED_LQR = "jumpgym/SwitchedLQR-v0"
COMMAND = ["compare", "--env", SETUP_COST, "--agents", "mixed", "ppo-level", "--episodes", "256"]
TINY = [*COMMAND, "--budget", "1.2", "--seeds", "1", "--workers", "1"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    output = tmp_path_factory.mktemp("comparison")
    assert main([*TINY, "--output", str(output)]) == 0
    return output


@pytest.fixture
def output(finished, tmp_path):
    """A copy of the finished comparison, to be damaged."""
    return shutil.copytree(finished, tmp_path / "copy")


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "runs").glob("*.json")}


def records_of(folder):
    return [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*.json"))]


def test_files(finished):
    names = {path.name for path in finished.iterdir()}
    pictures = {"curves-SetupCost.png", "policies-SetupCost.png"}
    assert names == {"runs", "comparison.csv", "curves.csv", "comparison.md", *pictures}
    for picture in pictures:
        content = (finished / picture).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 20_000
    kept = {path.name for path in (finished / "runs").iterdir()}
    learned = {
        f"SetupCost-v0_{name}_seed0_1.2s.{end}" for name in ("mixed", "ppo-level") for end in ("json", "zip")
    }
    references = {f"SetupCost-v0_{name}_seed0_0s.json" for name in ("optimum", "classical")}
    assert kept == learned | references | {"reference_SetupCost-v0.npz"}


def test_csv(finished):
    rows = pd.read_csv(finished / "comparison.csv", index_col="method")
    assert tuple(rows.reset_index()[list(COLUMNS)].columns) == COLUMNS
    assert list(rows.index) == ["optimum", "classical", "mixed", "ppo-level"]
    assert rows.gap_percent["optimum"] == 0
    assert set(rows.reference) == {"optimum"}
    assert set(rows.exactness) == {"exact"}
    np.testing.assert_allclose(rows.reference_cost, 2463.146, atol=0.01)
    np.testing.assert_allclose(rows.gap_percent, 100 * rows.difference / rows.reference_cost, rtol=1e-4)
    np.testing.assert_allclose(rows.difference, rows.mean_cost - rows.mean_cost["optimum"], atol=0.02)
    learned = rows.loc[["mixed", "ppo-level"]]
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
    assert "expected cost 2463.146" in text
    table = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert table[:3] == ["method", "---", "optimum"]
    gaps = pd.read_csv(finished / "comparison.csv").set_index("method").gap_percent
    assert table[2:] == list(gaps.sort_values().index)


def test_finished_runs_are_skipped_and_missing_or_damaged_ones_repeated(output, capfd):
    before = stamps(output)
    solved = output / "runs" / "reference_SetupCost-v0.npz"
    kept = solved.stat().st_mtime_ns
    assert main([*TINY, "--output", str(output)]) == 0
    assert stamps(output) == before
    out = capfd.readouterr().out
    assert "4 of them" in out
    assert "0 environments to solve" in out
    records = sorted((output / "runs").glob("*0s.json"))
    records[0].unlink()
    records[1].write_bytes(records[1].read_bytes()[:-100])
    assert main([*TINY, "--output", str(output)]) == 0
    after = stamps(output)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {record.name for record in records}
    assert solved.stat().st_mtime_ns == kept
    records[0].unlink()
    solved.write_bytes(solved.read_bytes()[:-100])
    assert read_reference(SETUP_COST, 256, solved.parent) is None
    assert main([*TINY, "--output", str(output)]) == 0
    assert read_reference(SETUP_COST, 256, solved.parent).cost == pytest.approx(2463.146, abs=0.01)
    assert read_reference(SETUP_COST, 255, solved.parent) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"settings": 1}', '{"row": NaN'])
def test_records_of_something_else_do_not_count(tmp_path, content):
    run = Run(SETUP_COST, "mixed", 0, 1.0, 64)
    run.record_path(tmp_path).write_text(content)
    assert read_record(run, tmp_path) is None


def test_records_of_other_settings_or_versions_do_not_count(finished, tmp_path):
    run = Run(SETUP_COST, "mixed", 0, 1.2, 256)
    record = read_record(run, finished / "runs")
    assert record is not None
    for change in ({"version": "0.0.0"}, {"settings": {**record["settings"], "episodes": 64}}):
        run.record_path(tmp_path).write_text(json.dumps(record | change))
        assert read_record(run, tmp_path) is None


def test_killed_and_resumed(tmp_path):
    arguments = [*COMMAND, "--budget", "0.5", "--seeds", "2", "--workers", "1", "--output", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "jumpgym.baselines.cli", *arguments], stdout=subprocess.DEVNULL
    )
    first = tmp_path / "runs" / "SetupCost-v0_mixed_seed0_0.5s.json"
    deadline = time.monotonic() + 120
    while not first.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "comparison.csv").exists()
    kept = stamps(tmp_path)
    assert len(kept) < 6
    assert main(arguments) == 0
    after = stamps(tmp_path)
    assert len(after) == 6
    assert {name: after[name] for name in kept} == kept
    assert len(pd.read_csv(tmp_path / "comparison.csv")) == 6


def test_a_failing_run_is_reported_and_stops_no_other(output, capfd, monkeypatch):
    planned = plan("quick", [SETUP_COST], ["mixed"], 1, 1.2, 256)
    impossible = Run(SETUP_COST, "mixed", -1, 1.0, 256)
    other = Run("jumpgym/MinOrder-v0", "optimum", 0, 0.0, 256)
    monkeypatch.setattr(comparison, "plan", lambda *_: [impossible, other, *planned])
    assert main([*TINY, "--output", str(output)]) == 1
    out, err = capfd.readouterr()
    assert "seed=-1 must be an integer" in out
    assert "Traceback" in out
    assert "1 runs failed" in err
    assert impossible.name in err
    assert read_record(other, output / "runs") is not None
    assert len(pd.read_csv(output / "comparison.csv")) == 4


def test_an_environment_without_a_reference_is_solved_once_and_loses_its_runs_only(
    output, capfd, monkeypatch
):
    monkeypatch.setitem(OWN_SECONDS, "Nowhere-v0", (1.0, 1.0))
    lost = [Run("jumpgym/Nowhere-v0", name, 0, 0.0, 256) for name in ("optimum", "classical")]
    assert compare([*lost, *plan("quick", [SETUP_COST], ["mixed"], 1, 1.2, 256)], output, 1) == 2
    out, err = capfd.readouterr()
    assert out.count("Traceback") == out.count("FAILED") == 1
    assert all(run.name in err for run in lost)
    assert len(pd.read_csv(output / "comparison.csv")) == 3


def test_what_does_not_apply_is_recorded_as_that(tmp_path, monkeypatch, finished):
    small = Reference(gym.make(SWITCHED_LQR, horizon=2))
    monkeypatch.setattr(runs, "reference", lambda *_: small)
    records = []
    for name in ("smoothed", "ppo-level", "ppo-quantity", "ppo-box"):
        run = Run(SWITCHED_LQR, name, 0, 1.0, 64)
        records.append(perform(run, tmp_path, "typed"))
        assert read_record(run, tmp_path)["row"]["note"].startswith("does not apply: S")
    for name, budget in (("optimum", 0.0), ("mixed", 1.0)):
        records.append(perform(Run(SWITCHED_LQR, name, 0, budget, 64), tmp_path, "typed"))
    write_report(records_of(finished) + records, tmp_path)
    text = (tmp_path / "comparison.md").read_text()
    columns, *overview = [line for line in text.splitlines() if line.startswith(("| env", "| ["))]
    assert columns == "| environment | classical | mixed | smoothed | ppo-level | ppo-quantity | ppo-box |"
    lqr = next(line for line in overview if "SwitchedLQR" in line).split(" | ")
    assert lqr[1] == ""
    assert lqr[3:] == ["n/a"] * 3 + ["n/a |"]
    assert lqr[2] not in ("", "n/a")
    assert "Not applicable: ppo-level, ppo-quantity, ppo-box (SwitchedLQR: the regime does not fo" in text
    rows = pd.read_csv(tmp_path / "comparison.csv").set_index("method")
    assert rows.mean_cost[["smoothed", "ppo-box"]].isna().all()
    assert (tmp_path / "policies-SwitchedLQR.png").stat().st_size > 10_000


def test_a_worker_that_dies_costs_one_item():
    with Workers(1) as pool:
        results = dict(pool.each(operator.truediv, [(1, 0), (1, 2)]))
        assert "ZeroDivisionError" in results[1, 0]
        assert isinstance(results[1, 0], Failure)
        assert results[1, 2] == 0.5
        assert "exit code 3" in dict(pool.each(os._exit, [(3,)]))[3,]
        assert dict(pool.each(operator.add, [(1, 2)])) == {(1, 2): 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "nowhere"], "--env='nowhere' must be one of 'jumpgym/SetupCost-v0'"),
        (["--agents", "mixed", "magic"], "--agents='magic' must be one of 'mixed'"),
        (["--seeds", "0"], "--seeds=0 must be an integer of at least 1"),
        (["--budget", "0"], "--budget=0.0 must be a number of CPU seconds greater than 0"),
        (["--budget", "nan"], "--budget=nan must be a finite number"),
        (["--episodes", "1"], "--episodes=1 must be an integer of at least 16"),
        (["--workers", "0"], "--workers=0 must be an integer of at least 1"),
    ],
)
def test_wrong_options(tmp_path, capsys, arguments, message):
    assert main(["compare", *arguments, "--output", str(tmp_path / "new")]) == 2
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
    assert {f"jumpgym/{name}" for name in OWN_SECONDS} == set(jumpgym.ENVIRONMENTS)
    environments = len(jumpgym.ENVIRONMENTS)
    quick = plan("quick")
    assert len(quick) == environments * 4
    assert 60 < planned_seconds(quick, 2) < 360
    assert planned_seconds(quick, 2, jumpgym.ENVIRONMENTS) < planned_seconds(quick, 2) - 10
    suite = plan("full")
    assert len(suite) == environments * (3 * len(METHODS) + 2)
    assert 3600 < planned_seconds(suite, 2) < 5400
    standard = plan("standard")
    assert {run.env for run in standard} == {
        SETUP_COST,
        "jumpgym/MinOrder-v0",
        "jumpgym/TruckCapacity-v0",
    }
    assert {block.seeds for block in PRESETS["standard"]} == {3, 1}
    methods = {run.method for run in standard} - set(REFERENCES)
    assert {"mixed", "gumbel-plain", "smoothed", "ppo-stock"} < methods < set(METHODS)
    assert len(standard) == 3 * (3 * len(methods) + 2) + len(methods)
    overridden = plan("standard", [SETUP_COST], ["mixed"], 2, 3.0, 64)
    assert {(run.method, run.seed, run.budget) for run in overridden} == {
        ("optimum", 0, 0.0),
        ("classical", 0, 0.0),
        ("mixed", 0, 3.0),
        ("mixed", 1, 3.0),
    }


def test_first_time():
    curve = [{"cpu_seconds": 1.0, "gap_percent": 2.0}, {"cpu_seconds": 1.4, "gap_percent": 1.0}]
    assert first_time(curve, 1.0) == 1.4
    assert np.isnan(first_time(curve, 0.3))
    assert np.isnan(first_time([], 0.3))


def test_report_of_several_seeds_budgets_and_a_divergence(finished, tmp_path):
    records = records_of(finished)
    more = []
    for record in records:
        if record["settings"]["method"] == "mixed":
            for seed, budget, gap in ((1, 1.2, 0.5), (2, 1.2, float("nan")), (0, 6.0, -0.01)):
                row = record["row"] | {"gap_percent": gap, "note": "diverged: nan" if seed == 2 else ""}
                settings = record["settings"] | {"seed": seed, "budget": budget}
                curve = [point | {"gap_percent": gap} for point in record["curve"]]
                more.append(record | {"row": row, "settings": settings, "curve": curve})
    write_report(records + more, tmp_path)
    text = (tmp_path / "comparison.md").read_text()
    assert "### 1.2 CPU seconds, 3 seeds" in text
    assert "### 6 CPU seconds, 1 seed" in text
    assert "mixed (diverged)" in text
    assert "| median gap | worst | best |" in text
    assert len(pd.read_csv(tmp_path / "comparison.csv")) == 7
    assert (tmp_path / "curves-SetupCost.png").stat().st_size > 20_000


def test_references_alone_need_no_curves(output):
    references = [Run(SETUP_COST, name, 0, 0.0, 256) for name in ("optimum", "classical")]
    assert compare(references, output) == 0
