import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

import jumpgym
from jumpgym import as_problem
from jumpgym.baselines.cli import main
from jumpgym.baselines.evaluation import draw
from jumpgym.baselines.runs.noise_table import noise_table

SETUP_COST = "jumpgym/SetupCost-v0"


@pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)
def test_it_is_the_noise_of_the_evaluation(env_id, tmp_path):
    path = tmp_path / "noise.csv"
    assert main(["traces", env_id, "--episodes", "5", "--seed", "3", "--output", str(path)]) == 0
    kept = pd.read_csv(path)
    _, noise = draw(as_problem(env_id), 5, 3)
    numbers = kept.drop(columns=["episode", "period"], errors="ignore").to_numpy().reshape(noise.shape)
    np.testing.assert_array_equal(numbers, noise)
    if noise.ndim == 3:
        assert kept.episode.tolist() == np.repeat(np.arange(5), noise.shape[1]).tolist()
        assert kept.period[: noise.shape[1]].tolist() == list(range(noise.shape[1]))


def test_it_is_replayed_as_demand(tmp_path):
    table = noise_table(SETUP_COST, 7)
    table.to_csv(tmp_path / "demand.csv", index=False)
    env = gym.make(SETUP_COST, demand=str(tmp_path / "demand.csv"))
    env.reset(seed=0)
    met = [float(env.step((0, [0.0]))[4]["noise"]) for _ in range(50)]
    assert met in table.to_numpy().tolist()


@pytest.mark.parametrize("env_id", ["jumpgym/JointReplenishment-v0", "jumpgym/CapacitatedLotSizing-v0"])
def test_items_are_replayed_as_demand(env_id, tmp_path):
    path = tmp_path / "demand.csv"
    arguments = ["traces", env_id, "--episodes", "7", "--set", "items=3", "horizon=4", "--output", str(path)]
    assert main(arguments) == 0
    _, noise = draw(gym.make(env_id, items=3, horizon=4).unwrapped.problem, 7, 0)
    problem = gym.make(env_id, demand=str(path), horizon=4).unwrapped.problem
    assert problem.items == 3
    replayed = problem.noise(np.random.default_rng(0).random((200, 4, 3)))
    assert {episode.tobytes() for episode in replayed} == {np.ascontiguousarray(e).tobytes() for e in noise}
    pd.read_csv(path).drop(index=5).to_csv(path, index=False)
    with pytest.raises(ValueError, match="must be ordered by episode and period"):
        gym.make(env_id, demand=str(path), horizon=4)


def test_refusals(tmp_path, capsys):
    path = str(tmp_path / "noise.csv")
    for arguments, message in (
        (["--episodes", "0"], "--episodes=0 must be an integer of at least 1"),
        (["--set", "horizon=None"], "horizon=None: give the number of periods to draw"),
    ):
        assert main(["traces", SETUP_COST, *arguments, "--output", path]) == 2
        assert message in capsys.readouterr().err
    assert main(["traces", SETUP_COST, "--output", str(tmp_path)]) == 2
    assert "is a folder; give the name of a file" in capsys.readouterr().err
