import operator
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from jumpgym.baselines.comparison import cluster as cluster_module
from jumpgym.baselines.comparison.cluster import RayWorkers, make_workers
from jumpgym.baselines.comparison.plans import plan
from jumpgym.baselines.comparison.sweep import compare
from jumpgym.baselines.comparison.workers import ONE_THREAD, Failure, Workers
from jumpgym.baselines.runs import provenance
from jumpgym.baselines.runs.perform import perform
from jumpgym.baselines.runs.record import read_failure, read_record
from jumpgym.baselines.runs.run import Run

SETUP_COST = "jumpgym/SetupCost-v0"
RUNS = [
    run
    for run in plan("quick", [SETUP_COST], ["mixed", "ppo-level"], seeds=1, timesteps=3000, episodes=64)
    if run.method != "hindsight"
]
IMPOSSIBLE = Run(SETUP_COST, (), "mixed", -1, None, 3000, 64)
TIMES = ["cpu_seconds", "wall_seconds", "cpu_to_1_percent", "cpu_to_0.3_percent"]


pytestmark = pytest.mark.usefixtures("only_tables_in_this_file")


@pytest.fixture(scope="module")
def local(only_tables_in_this_file, local_pools_in_this_process, tmp_path_factory):
    output = tmp_path_factory.mktemp("local")
    assert compare([IMPOSSIBLE, *RUNS], output, workers=1) == 1
    return output


@pytest.fixture(scope="module")
def cluster():
    """A Ray of two CPUs, which all the tests of this file share."""
    ray = pytest.importorskip("ray", reason="Ray is not installed, see the extra 'cluster'")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # which the tasks cannot import
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # by default all other tests come first
        with RayWorkers(2, None) as pool:
            yield pool


def table(output, name):
    return pd.read_csv(output / name).drop(columns=TIMES, errors="ignore")


def surroundings(*_):
    return os.getpid(), {name: os.environ.get(name) for name in ONE_THREAD}


def write_and_fail(run, folder):
    """Leaves what an interrupted training does; says where, and what it found."""
    found = sorted(path.name for path in folder.iterdir() if path.is_file())
    (folder / f"{run.name}.training.zip").unlink()
    (folder / f"{run.name}.training.json").write_text("went on")
    raise RuntimeError(f"{folder.name} had {found}")


def test_a_sweep_gives_the_same_tables_and_goes_on_after_a_failure(local, cluster, tmp_path, capfd):
    assert compare([IMPOSSIBLE, *RUNS], tmp_path, engine="ray") == 1
    out, err = capfd.readouterr()
    assert f"{len(RUNS) + 1} to do" in out
    assert "2 at a time" in out
    assert f"[{len(RUNS) + 1}/{len(RUNS) + 1}]" in out
    assert "seed=-1 must be an integer" in err
    assert "Traceback" in read_failure(IMPOSSIBLE, tmp_path / "runs")
    for name in ("comparison.csv", "curves.csv", "policies.csv.gz", "environments.csv"):
        pd.testing.assert_frame_equal(table(tmp_path, name), table(local, name), check_exact=True)
    assert len(table(tmp_path, "comparison.csv")) == len(RUNS) + 1


def test_what_a_task_finds_and_what_becomes_of_one_that_raises_or_dies(cluster):
    pid, threads = dict(cluster.run_all(surroundings, [(0,)]))[0,]
    assert pid != os.getpid()
    assert threads == ONE_THREAD
    results = dict(cluster.run_all(operator.truediv, [(1, 0), (1, 2)]))
    assert isinstance(results[1, 0], Failure)
    assert "ZeroDivisionError" in results[1, 0]
    assert results[1, 2] == 0.5
    died = dict(cluster.run_all(os._exit, [(3,)]))[3,]
    assert isinstance(died, Failure)
    assert "The worker died unexpectedly" in died
    assert dict(cluster.run_all(operator.add, [(1, 2)])) == {(1, 2): 3}


def test_a_node_that_does_not_share_the_folder_sends_the_files(local, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module._Folder, "MARK", ".unknown")  # here, but not where the tasks run
    run = next(run for run in RUNS if run.method == "mixed")
    references = [path.name for path in (local / "runs").glob("reference_*")]
    for name in references:
        shutil.copy(local / "runs" / name, tmp_path)
    before = (tmp_path / references[0]).stat().st_mtime_ns
    item = run, tmp_path, "typed", 60.0
    assert dict(cluster.run_all(perform, [item]))[item] == read_record(run, tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {".unknown", f"{run.name}.json", f"{run.name}.zip", *references}
    assert (tmp_path / references[0]).stat().st_mtime_ns == before

    (tmp_path / f"{run.name}.training.zip").write_text("model")
    failure = dict(cluster.run_all(write_and_fail, [(run, tmp_path)]))[run, tmp_path]
    given = sorted([f"{run.name}.json", f"{run.name}.training.zip", f"{run.name}.zip", *references])
    assert f"had {given}" in failure
    assert tmp_path.name not in failure
    assert not (tmp_path / f"{run.name}.training.zip").exists()
    assert (tmp_path / f"{run.name}.training.json").read_text() == "went on"


def test_a_node_with_other_code_does_nothing(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "code_version", lambda: "0.0.0+0")
    work = Path.mkdir, [(tmp_path / "made",)]
    monkeypatch.setattr(cluster_module._Folder, "of", lambda _: None)
    (failure,) = dict(cluster.run_all(*work)).values()
    assert "install the same versions on all machines: here ('0.0.0+0'" in failure
    assert provenance.code_version() in failure
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("slurm", None, None), "--engine='slurm' must be one of 'local', 'ray'"),
        (("local", 0, None), "--workers=0 must be an integer of at least 1"),
        (("ray", 0, None), "--workers=0 must be an integer of at least 1"),
        (
            ("local", 1, "10.0.0.1:6379"),
            "--address='10.0.0.1:6379' is the address of a Ray cluster",
        ),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        make_workers(*options)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "somewhere", "127.0.0.1:none"])
def test_an_address_where_there_is_no_cluster(monkeypatch, address):
    ray = pytest.importorskip("ray", reason="Ray is not installed, see the extra 'cluster'")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    pool = make_workers("ray", None, address)
    with pytest.raises(ValueError, match=f"--address='{address}' must be HOST:PORT of a running Ray"), pool:
        pass


def test_without_ray(monkeypatch):
    monkeypatch.setattr(cluster_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"Ray is not installed; pip install 'jumpgym\[cluster\]'"):
        make_workers("ray", None, None)
    with make_workers("local", 3, None) as pool:
        assert isinstance(pool, Workers)
        assert pool.count == 3
