"""Hard instances: drawn by a seed, solved exactly, and their jump matters."""

import numpy as np
import pytest

import jumpgym
from jumpgym import as_problem
from jumpgym.adapters.registry import make_env
from jumpgym.baselines import solve
from jumpgym.baselines.cli.main import main
from jumpgym.baselines.comparison.plans import plan
from jumpgym.baselines.hard import instances
from jumpgym.baselines.hard.ranges import RANGES

SETUP_COST = "jumpgym/SetupCost-v0"


def test_every_environment_has_ranges_whose_draws_can_be_made():
    assert tuple(RANGES) == jumpgym.ENVIRONMENTS
    for env, draw in RANGES.items():
        for seed in range(5):
            parameters = draw(np.random.default_rng(seed))
            as_problem(make_env(env, parameters))
            assert parameters != draw(np.random.default_rng(seed + 100))


def test_the_instances_of_the_preset_are_those_of_their_seed():
    listed = instances.read_instances()
    assert len(listed) >= 24
    assert {instance.env for instance in listed} == set(jumpgym.ENVIRONMENTS)
    assert all(instance.ignoring_percent >= instances.LEAST_GAP for instance in listed)
    (again,) = instances.draw_instances(1)
    assert again == listed[0]
    assert solve(make_env(again.env, again.parameters)).cost == pytest.approx(again.optimum, rel=1e-6)


def test_a_jump_that_does_not_matter_is_drawn_again(monkeypatch):
    monkeypatch.setattr(instances, "ATTEMPTS", 2)
    costs = iter([0.01, 0.01, 0.01, 80.0])
    monkeypatch.setitem(RANGES, SETUP_COST, lambda rng: {"fixed_cost": next(costs), "horizon": 10})
    with pytest.raises(RuntimeError, match="2 draws were all too easy"):
        list(instances.draw_instances(1, envs=["SetupCost"]))
    (instance,) = instances.draw_instances(1, envs=["SetupCost"])
    assert instance.parameters["fixed_cost"] == 80


def test_one_regime_alone_is_too_easy():
    problem = as_problem(make_env("jumpgym/MinOrder-v0", {"min_order": 1, "fixed_cost": 0}))
    assert instances._second_share(instances._periods(problem, solve(problem))) < instances.LEAST_SHARE


def test_the_preset_takes_the_instances_or_those_of_a_file(tmp_path):
    runs = plan("hard")
    listed = instances.read_instances()
    trained = [run for run in runs if run.budget_seconds is not None]
    assert len(trained) == len(listed) * (5 + 2 + 2)
    path = tmp_path / "drawn.yml"
    assert main(["hard", "--count", "2", "--env", "SetupCost", "--seed", "7", "--output", str(path)]) == 0
    drawn = plan("quick", methods=["mixed"], instances=path)
    assert {dict(run.parameters)["fixed_cost"] for run in drawn} == {
        instance.parameters["fixed_cost"] for instance in instances.read_instances(path)
    }
    with pytest.raises(ValueError, match="--set: instances have parameters of their own"):
        plan("hard", settings=[{"fixed_cost": 3}])
    with pytest.raises(ValueError, match="--env: no instance is one of jumpgym/MinOrder-v0"):
        plan("quick", envs=["MinOrder"], instances=path)
    path.write_text("- env: 3\n")
    with pytest.raises(ValueError, match=r"drawn.yml must be a list of instances, as 'jumpgym hard' writes"):
        instances.read_instances(path)
