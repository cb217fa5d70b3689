"""Names of environments: ids, short names, ids of other packages, and what is said of wrong ones."""

import sys
import textwrap

import gymnasium as gym
import pytest

import jumpgym
from jumpgym.adapters.registry import environment_id, make_env


@pytest.mark.parametrize(
    "name",
    [
        "jumpgym/SetupCost-v0",
        "SetupCost",
        "SetupCost-v0",
        "jumpgym:SetupCost",
        "jumpgym:jumpgym/SetupCost-v0",
    ],
)
def test_all_names_of_an_environment_lead_to_its_id(name):
    assert environment_id(name) == "jumpgym/SetupCost-v0"
    assert jumpgym.as_problem(name).layout.gates == (2,)


@pytest.mark.parametrize("name", ["setupcost", "SetupCosts", "jumpgym/SetupCost", "SetupCost-v1"])
def test_a_wrong_name_gets_a_suggestion(name):
    with pytest.raises(
        ValueError, match=rf"unknown environment '{name}': did you mean .*jumpgym/SetupCost-v0"
    ):
        environment_id(name)


def test_a_name_that_resembles_nothing_gets_the_list():
    for name in ("", "qqqq", None, 7):
        with pytest.raises(ValueError, match=r"there are SetupCost, MinOrder, .*package.module:Id-v0"):
            environment_id(name)


def test_a_module_that_registers_its_environment_is_imported(tmp_path, monkeypatch):
    (tmp_path / "pallets_of_a_test.py").write_text(
        textwrap.dedent("""
            import gymnasium as gym
            from jumpgym import SetupCostEnv
            gym.register("elsewhere/Pallets-v3", entry_point=SetupCostEnv)
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = "pallets_of_a_test:elsewhere/Pallets-v3"
    assert environment_id(name) == name  # other processes need the module, too
    assert make_env(name, {"horizon": 3}).unwrapped.problem.horizon == 3
    with pytest.raises(
        TypeError,
        match=r"got an unexpected keyword argument 'horizons'=3; did you mean horizon\? allowed are",
    ):
        make_env(name, {"horizons": 3})
    with pytest.raises(ValueError, match="did you mean elsewhere/Pallets-v3"):
        environment_id("pallets_of_a_test:elsewhere/Pallet-v3")
    del sys.modules["pallets_of_a_test"], gym.registry["elsewhere/Pallets-v3"]


def test_a_module_that_is_missing_is_named():
    with pytest.raises(ValueError, match="cannot import no_such_module_here"):
        environment_id("no_such_module_here:Some-v0")


def test_make_env_takes_parameters_of_the_problem_only():
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'max_episode_steps'=3"):
        make_env("SetupCost", {"max_episode_steps": 3})
    with pytest.raises(ValueError, match=r"^fixed_cost=-1\.0 must be a finite number"):
        make_env("SetupCost", {"fixed_cost": -1})
    with pytest.raises(TypeError, match=r"^fixed_cost='a' must be a number, not str$"):
        make_env("SetupCost", {"fixed_cost": "a"})
    with pytest.raises(ValueError, match=r"^demand='no.csv': cannot be read as a CSV file: there is no such"):
        make_env("SetupCost", {"demand": "no.csv"})


def test_a_foreign_environment_carries_no_problem():
    assert environment_id("CartPole-v1") == "CartPole-v1"
    with pytest.raises(TypeError, match="must be a jumpgym environment"):
        jumpgym.as_problem("CartPole-v1")
