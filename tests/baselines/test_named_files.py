"""The content of files that parameters name belongs to the identity of runs, references and studies."""

import json

import gymnasium as gym
import pytest

import jumpgym.baselines.runs.perform
from jumpgym.baselines.runs.perform import perform, read_reference, reference
from jumpgym.baselines.runs.provenance import named_files
from jumpgym.baselines.runs.record import keep_failure, read_failure, read_record
from jumpgym.baselines.runs.run import Run
from jumpgym.baselines.tuning.study import MethodStudy

SETUP_COST = "jumpgym/SetupCost-v0"


def write(path, demand):
    path.write_text("sales\n" + f"{demand}\n" * 12)
    return str(path)


@pytest.fixture
def run(tmp_path):
    parameters = (("demand", write(tmp_path / "demand.csv", 20)), ("horizon", 4))
    return Run(SETUP_COST, parameters, "classical", 0, None, None, 64)


def test_a_run_is_done_again_if_and_only_if_the_content_changed(run, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    first = perform(run, folder, "", 60.0)
    write(tmp_path / "demand.csv", 20)
    assert read_record(run, folder) == json.loads(json.dumps(first))
    before = reference(run.problem, folder).cost
    write(tmp_path / "demand.csv", 90)
    assert read_record(run, folder) is None
    assert read_reference(run.problem, folder) is None
    second = perform(run, folder, "", 60.0)
    assert second["files"] != first["files"]
    assert second["reference"]["cost"] > before == first["reference"]["cost"]
    assert reference(run.problem, folder).cost == second["reference"]["cost"]


def test_a_failure_counts_for_its_content_only(run, tmp_path):
    keep_failure(run, tmp_path, "Traceback")
    assert read_failure(run, tmp_path) == "Traceback"
    write(tmp_path / "demand.csv", 21)
    assert read_failure(run, tmp_path) is None


def test_a_file_that_changes_during_a_run_is_an_error(run, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    folder.mkdir()
    reference(run.problem, folder)
    referred = jumpgym.baselines.runs.perform._referred

    def change_and_refer(*arguments):
        write(tmp_path / "demand.csv", 30)
        return referred(*arguments)

    monkeypatch.setattr(jumpgym.baselines.runs.perform, "_referred", change_and_refer)
    with pytest.raises(RuntimeError, match="was changed during the run"):
        perform(run, folder, "", 60.0)
    assert read_record(run, folder) is None


def test_files_are_found_wherever_a_parameter_names_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, two = write(tmp_path / "one.csv", 1), write(tmp_path / "two.csv", 2)
    nested = {"demand": [one, {"season": ("two.csv", 3.0)}], "unmet_demand": "lost", "horizon": 4}
    assert named_files(SETUP_COST, nested).keys() == {one, "two.csv"}
    assert named_files(SETUP_COST, {"demand": tmp_path, "horizon": 4}) == {}
    gym.register("Shop-v1", entry_point="jumpgym:SetupCostEnv", kwargs={"demand": two, "horizon": 4})
    try:
        before = named_files("Shop-v1", {})
        assert before.keys() == {two}
        write(tmp_path / "two.csv", 5)
        assert named_files("Shop-v1", {}) != before
        run = Run("Shop-v1", (), "classical", 0, None, None, 64)
        assert run.identity["files"] == run.problem.identity["files"] == named_files("Shop-v1", {})
    finally:
        del gym.registry["Shop-v1"]


def test_a_study_is_of_the_content_of_its_files(tmp_path):
    path = write(tmp_path / "demand.csv", 2)
    gym.register("Shop-v1", entry_point="jumpgym:SetupCostEnv", kwargs={"demand": path, "horizon": 4})
    try:
        study = "mixed", ("Shop-v1",), 1.0, 1, 0, tmp_path / "mixed.db", None
        MethodStudy(*study)
        write(tmp_path / "demand.csv", 2)
        MethodStudy(*study)
        write(tmp_path / "demand.csv", 3)
        with pytest.raises(ValueError, match=r"is a study with content of .*demand\.csv"):
            MethodStudy(*study)
    finally:
        del gym.registry["Shop-v1"]
