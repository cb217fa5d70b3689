import os
import re
import shutil
import signal
import time
from dataclasses import replace

import killing
import numpy as np
import pytest
import warm
from killing import PROBLEM, RUNS, TIMES

from jumpgym.agents.training import checkpoint
from jumpgym.baselines.comparison.sweep import compare
from jumpgym.baselines.runs import perform as performing
from jumpgym.baselines.runs import training
from jumpgym.baselines.runs.methods import one_thread
from jumpgym.baselines.runs.perform import perform
from jumpgym.baselines.runs.record import read_failure, read_record

KILLS = 2  # one of the process group and one of the parent


def killed_in_its_middle(run, kept):
    """Perform a run in a process that dies when the run would keep its state for the third time."""
    keep, calls = training.Keeper.keep_when_due, []

    def keep_twice(*arguments):
        calls.append(None)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        keep(*arguments)

    training.Keeper.keep_when_due = keep_twice
    one_thread()
    perform(run, kept, "", 0.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The sweep without interruption, and its seconds."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, killing.whole_sweep(folder)


@pytest.fixture
def folder(whole, tmp_path):
    """A folder for runs with the reference."""
    (tmp_path / "runs").mkdir()
    shutil.copy(PROBLEM.reference_path(whole[0] / "runs"), tmp_path / "runs")
    return tmp_path


def test_killed_at_random_moments_and_resumed(whole, tmp_path):
    expected, seconds = whole
    found = killing.killed_sweep(tmp_path, KILLS, seconds, np.random.default_rng(0))
    assert found
    killing.assert_equal_tables(tmp_path, expected)
    kept = {path.name for path in (tmp_path / "runs").iterdir() if path.name != ".locks"}
    assert kept == {path.name for path in (expected / "runs").iterdir() if path.name != ".locks"}


def test_two_sweeps_at_once_do_each_run_once(whole, tmp_path):
    sweeps = [killing.start(tmp_path) for _ in range(2)]
    paths = [run.record_path(tmp_path / "runs") for run in RUNS]
    written = set()
    while any(sweep.returncode is None for sweep in sweeps):
        written |= {(path.name, path.stat().st_mtime_ns) for path in paths if path.exists()}
        time.sleep(0.05)
    for sweep in sweeps:
        code, out = sweep.finish()
        assert code == 0, out
        to_do = int(re.search(r"(\d+) to do", out)[1])
        assert to_do > len(RUNS) / 2  # the one that begins later may find the first runs done
    assert len(written) == len(RUNS)
    killing.assert_equal_tables(tmp_path, whole[0])


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("method", killing.METHODS)
def test_a_training_killed_in_its_middle_goes_on_bit_by_bit(whole, folder, monkeypatch, method):
    run = next(run for run in RUNS if run.method == method)
    kept = folder / "runs"
    code, out = warm.Process(killed_in_its_middle, run, kept, folder=folder).finish()
    assert code == -signal.SIGKILL, out
    assert (kept / f"{run.name}.training.zip").exists()
    assert read_record(run, kept) is None
    met = []
    resume = training.Keeper.resume

    def watched(*arguments):
        found = resume(*arguments)
        met.append(found and found[0].num_timesteps)
        return found

    monkeypatch.setattr(training.Keeper, "resume", watched)
    record = perform(run, kept, "", 60.0)
    assert 0 < met[0] < killing.TIMESTEPS
    assert not list(kept.glob(f"{run.name}.training.*"))
    expected = read_record(run, whole[0] / "runs")
    for part in ("row", "drawn"):
        assert without_times(record[part]) == without_times(expected[part])
    assert list(map(without_times, record["curve"])) == list(map(without_times, expected["curve"]))
    settings, arrays = checkpoint.read(run.checkpoint_path(kept))
    settings_expected, arrays_expected = checkpoint.read(run.checkpoint_path(whole[0] / "runs"))
    assert without_times(settings) == without_times(settings_expected)
    assert arrays.keys() == arrays_expected.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, arrays_expected[name], name)


def without_times(values):
    return {name: value for name, value in values.items() if name not in TIMES} if values else values


@pytest.mark.usefixtures("in_this_process", "only_tables")
def test_a_failure_is_remembered_until_it_is_retried(folder, capfd):
    run = replace(RUNS[-2], method="mixed", budget_timesteps=1000)
    kept = folder / "runs"
    run.checkpoint_path(kept).mkdir()  # so it cannot be saved
    assert compare([run], folder, 1) == 1
    out, err = capfd.readouterr()
    assert "FAILED\nTraceback" in out
    assert f"{run.name}.failed.json: " in err
    traceback = read_failure(run, kept)
    assert "cannot write the checkpoint" in traceback
    os.rmdir(run.checkpoint_path(kept))
    failed = run.failure_path(kept).read_bytes()
    assert compare([run], folder, 1) == 1
    out, err = capfd.readouterr()
    assert "0 to do" in out
    assert traceback.splitlines()[-1] in err
    assert run.failure_path(kept).read_bytes() == failed
    assert not run.record_path(kept).exists()
    assert read_failure(replace(run, episodes=32), kept) is None
    assert compare([run], folder, 1, retry_failed=True) == 0
    assert not run.failure_path(kept).exists()
    assert read_record(run, kept)["row"]["transitions"] >= 1000
    assert compare([run], folder, 1) == 0


def test_files_that_a_killed_run_left_are_removed_and_those_of_others_are_not(folder, monkeypatch):
    run, other = RUNS[0], RUNS[1]
    kept = folder / "runs"
    for each in (run, other):
        (kept / f".{each.name}.json.1.partial").write_text("half")
    perform(run, kept, "", 60.0)
    assert not (kept / f".{run.name}.json.1.partial").exists()
    assert (kept / f".{other.name}.json.1.partial").exists()
    monkeypatch.setattr(performing, "_outcome", lambda *_: pytest.fail("it is there already"))
    perform(run, kept, "", 60.0)
