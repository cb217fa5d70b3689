"""Checkpoints: training goes on bit by bit, nothing in a file is executed, damage is named."""

import io
import json
import os
import pickle
import zipfile

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
import torch

from jumpgym.agents import GumbelSoftmax, MixedGradient, SmoothedCost, checkpoint
from jumpgym.agents.training_state import training_tensors
from jumpgym.setup_cost import setup_cost
from jumpgym.truck_capacity import truck_capacity

PROBLEM = setup_cost(horizon=10, initial_inventory=(0, 40))
ITERATION = 8 * PROBLEM.horizon
PROBE = np.stack([np.linspace(-60, 90, 200), np.arange(200) % 10], axis=-1)

AGENTS = pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (MixedGradient, {}),
        (MixedGradient, {"estimator": "gae", "quantity_head": "raw"}),
        (GumbelSoftmax, {"straight_through": True}),
        (SmoothedCost, {}),
    ],
    ids=["mixed", "mixed-gae", "gumbel", "smoothed"],
)


def new(cls=MixedGradient, env=PROBLEM, **settings):
    return cls(env, batch_size=8, hidden=(8,), seed=4, **settings)


def state(agent):
    """Everything that training changes, as bytes."""
    tensors = training_tensors(agent.networks, agent.optimizer, agent.generator)
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "agent.zip"
    new().learn(2 * ITERATION).save(path)
    return path


def rewrite(path, change):
    """Change the entries of a checkpoint, a dictionary from name to bytes."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def array_bytes(array, allow_pickle=False):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


@AGENTS
def test_a_loaded_agent_acts_as_the_saved_one(cls, settings, tmp_path):
    agent = new(cls, **settings).learn(3 * ITERATION)
    agent.save(tmp_path / "agent")
    loaded = cls.load(tmp_path / "agent", PROBLEM)
    assert state(loaded) == state(agent)
    assert loaded.settings() == agent.settings()
    for deterministic in (True, False):
        expected, _ = agent.predict(PROBE, deterministic=deterministic)
        got, _ = loaded.predict(PROBE, deterministic=deterministic)
        assert np.array_equal(got[0], expected[0])
        assert np.array_equal(got[1], expected[1])


@AGENTS
def test_training_goes_on_from_a_checkpoint_bit_by_bit(cls, settings, tmp_path):
    path = tmp_path / "half.zip"
    reports = []

    def save_at_half(agent):
        reports.append(dict(agent.logger.values))
        if agent.iterations == 5:
            agent.save(path)

    whole = new(cls, **settings).learn(10 * ITERATION, callback=save_at_half)
    resumed = cls.load(path, PROBLEM)
    assert (resumed.iterations, resumed.num_timesteps, resumed.progress) == (5, 5 * ITERATION, 0.5)
    again = []
    resumed.learn(
        5 * ITERATION,
        callback=lambda agent: again.append(dict(agent.logger.values)),
        reset_num_timesteps=False,
    )
    # Entropy, temperature, loss, gradient norm and cost of each iteration, then the state itself.
    assert again == reports[5:]
    assert state(resumed) == state(whole)
    assert resumed.cost_scale == whole.cost_scale
    assert (resumed.iterations, resumed.num_timesteps, resumed.progress) == (10, 10 * ITERATION, 1.0)


def test_a_training_of_two_halves_is_that_of_the_whole_but_a_restart_is_not():
    rates = []
    agent = new(learning_rate=1.0)
    note = lambda agent: rates.append(agent.optimizer.param_groups[0]["lr"])  # noqa: E731
    agent.learn(4 * ITERATION, callback=lambda agent: note(agent) or agent.iterations < 2)
    agent.learn(2 * ITERATION, callback=note, reset_num_timesteps=False)
    assert rates == pytest.approx([1, 0.853553, 0.5, 0.146447], rel=1e-5)
    agent.learn(ITERATION, callback=note)
    assert rates[-1] == 1
    assert agent.num_timesteps == ITERATION


def test_cpu_time_goes_on_from_a_checkpoint(tmp_path):
    agent = new()
    agent.learn(cpu_seconds=0.2)
    spent = agent.clock.elapsed
    assert 0.2 <= spent < 1
    agent.save(tmp_path / "agent.zip")
    loaded = MixedGradient.load(tmp_path / "agent.zip", PROBLEM)
    assert loaded.clock.elapsed == pytest.approx(spent, abs=1e-3)
    progress = []
    loaded.learn(cpu_seconds=spent, callback=lambda a: progress.append(a.progress), reset_num_timesteps=False)
    assert 0.5 <= progress[0] < 0.8
    assert loaded.clock.elapsed >= 2 * spent


def test_an_untrained_agent_can_be_saved(tmp_path):
    new().save(tmp_path / "agent.zip")
    assert state(MixedGradient.load(tmp_path / "agent.zip", PROBLEM)) == state(new())


def test_a_policy_keeps_its_own_scale_in_another_environment_and_respects_its_intervals(saved):
    other = setup_cost(horizon=10, demand=scipy.stats.poisson(60), max_order=30, fixed_cost=1)
    (regimes, quantities), _ = MixedGradient.load(saved, PROBLEM).predict(PROBE, deterministic=True)
    (other_regimes, other_quantities), _ = MixedGradient.load(saved, other).predict(PROBE, deterministic=True)
    assert np.array_equal(regimes, other_regimes)
    assert quantities.max() > 30
    expected = np.minimum(quantities, np.where(regimes == 1, 30, 0)[:, None])
    assert other_quantities == pytest.approx(expected, rel=1e-5, abs=1e-4)


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def object_array(path, payload):
    def change(entries):
        name = next(n for n in entries if n.startswith("networks/"))
        entries[name] = array_bytes(np.array([payload], dtype=object), allow_pickle=True)

    rewrite(path, change)


def settings_pickle(path, payload):
    rewrite(path, lambda entries: entries.update({checkpoint.SETTINGS: pickle.dumps(payload)}))


def whole_pickle(path, payload):
    path.write_bytes(pickle.dumps(payload))


def torch_file(path, payload):
    torch.save({"state": payload}, path)


def numpy_file(path, payload):
    with path.open("wb") as file:
        np.savez(file, **{"settings.json": np.array([payload], dtype=object)}, allow_pickle=True)


@pytest.mark.parametrize("attack", [object_array, settings_pickle, whole_pickle, torch_file, numpy_file])
def test_a_pickle_in_a_checkpoint_is_refused_and_not_run(saved, tmp_path, attack):
    marker = tmp_path / "executed"
    attack(saved, Payload(marker))
    with pytest.raises(ValueError, match=r"agent\.zip is damaged or not a jumpgym checkpoint: "):
        MixedGradient.load(saved, PROBLEM)
    assert not marker.exists()


def test_a_checkpoint_of_stable_baselines_is_refused(tmp_path):
    sb3 = pytest.importorskip("stable_baselines3")
    sb3.PPO("MlpPolicy", gym.make("CartPole-v1"), device="cpu").save(tmp_path / "ppo.zip")
    with pytest.raises(ValueError, match=r"ppo\.zip is damaged or not a jumpgym checkpoint: it has no"):
        MixedGradient.load(tmp_path / "ppo.zip", PROBLEM)


@pytest.mark.parametrize("kept", [0, 1, 100, -1000, -1])
def test_a_truncated_checkpoint_is_refused(saved, kept):
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"agent\.zip is damaged or not a jumpgym checkpoint"):
        MixedGradient.load(saved, PROBLEM)


def test_flipped_bytes_are_refused(saved):
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(30):
        damaged = bytearray(whole)
        start = int(rng.integers(len(whole) - 40))
        damaged[start : start + 40] = rng.bytes(40)
        saved.write_bytes(damaged)
        try:
            MixedGradient.load(saved, PROBLEM)
        except ValueError as error:
            assert "agent.zip" in str(error)  # noqa: PT017 (unused fields of a zip may be damaged unseen)


def edit_settings(**changes):
    def change(entries):
        stored = json.loads(entries[checkpoint.SETTINGS])
        for name, value in changes.items():
            if value is None:
                del stored[name]
            else:
                stored[name] = value
        entries[checkpoint.SETTINGS] = json.dumps(stored).encode()

    return change


def edit_array(name, edit):
    def change(entries):
        entries[f"{name}.npy"] = array_bytes(edit(np.load(io.BytesIO(entries[f"{name}.npy"]))))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: entries.pop("generator.npy"), "it has no 'generator'"),
        (lambda entries: entries.pop("networks/policy.net.0.weight.npy"), "policy.net.0.weight"),
        (lambda entries: entries.pop("optimizer/0/exp_avg.npy"), "it has no 'optimizer/0/exp_avg'"),
        (
            lambda entries: [entries.pop(name) for name in list(entries) if name.startswith("optimizer")],
            "it has no 'optimizer/0/step'",
        ),
        (lambda entries: entries.pop(checkpoint.SETTINGS), "it has no settings.json"),
        (edit_array("networks/policy.net.0.weight", lambda a: a[:, 1:]), "size mismatch"),
        (edit_array("networks/policy.net.0.bias", lambda a: a.astype("U8")), "can't convert np.ndarray"),
        (edit_array("optimizer/0/exp_avg", lambda a: a[:1]), "exp_avg of the optimizer has shape"),
        (edit_array("generator", lambda a: a[:-1]), "does not fit"),
        (edit_array("generator", lambda a: a.astype(float)), "does not fit"),
        (edit_settings(format="other"), "its format must be 'jumpgym-agent-1'"),
        (edit_settings(settings=None), "it has no 'settings'"),
        (edit_settings(settings=[1]), "does not fit"),
        (edit_settings(settings={"steepness": 1}), "unknown parameter steepness=1"),
        (edit_settings(settings={"hidden": [8], "batch_size": 1}), "batch_size=1 must be"),
        (edit_settings(problem=None), "it has no 'problem'"),
        (edit_settings(num_timesteps=None), "it has no 'num_timesteps'"),
        (edit_settings(iterations="5"), "iterations='5' must be an integer"),
        (edit_settings(cost_scale=float("nan")), "cost_scale=nan must be a finite number"),
        (lambda entries: entries.update({checkpoint.SETTINGS: b"[1, 2]"}), "its format must be"),
        (lambda entries: entries.update({checkpoint.SETTINGS: b"{"}), "damaged or not a jumpgym checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_the_reason(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(ValueError, match=message) as error:
        MixedGradient.load(saved, PROBLEM)
    assert str(error.value).startswith(str(saved))


@pytest.mark.parametrize("cls", [GumbelSoftmax, SmoothedCost])
def test_the_checkpoint_of_another_agent_is_refused(saved, cls):
    with pytest.raises(ValueError, match=rf"agent\.zip holds 'MixedGradient', not '{cls.name}'"):
        cls.load(saved, PROBLEM)


@pytest.mark.parametrize(
    ("env", "difference"),
    [
        (truck_capacity(horizon=10, max_trucks=3), r"'gates': \[4\]"),
        (setup_cost(horizon=10, lead_time=2), "'observation': 4"),
        (setup_cost(horizon=11), "'horizon': 11"),
    ],
)
def test_a_checkpoint_of_another_environment_is_refused(saved, env, difference):
    with pytest.raises(ValueError, match=rf"agent\.zip does not fit: it was trained on .*has .*{difference}"):
        MixedGradient.load(saved, env)


def test_mistakes_of_the_caller_are_not_blamed_on_the_file(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*missing\.zip"):
        MixedGradient.load(tmp_path / "missing", PROBLEM)
    with pytest.raises(TypeError, match="must be a jumpgym environment"):
        MixedGradient.load(saved, "CartPole-v1")
    with pytest.raises(ValueError, match="device='warp'"):
        MixedGradient.load(saved, PROBLEM, device="warp")


def test_a_folder_that_is_missing_or_no_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot write the checkpoint.*missing/agent\.zip"):
        new().save(tmp_path / "missing" / "agent.zip")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"file/agent\.zip"):
        new().save(tmp_path / "file" / "agent.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.zip"):
        new().save(tmp_path / "folder.zip")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder.zip"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=r"cannot write the checkpoint.*agent\.zip"):
        new().save(tmp_path / "agent.zip")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_save_leaves_the_old_file_whole(saved, monkeypatch, error):
    before = saved.read_bytes()
    written = zipfile.ZipFile.writestr
    calls = []

    def fail_at_the_fourth(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise error
        return written(*args, **kwargs)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail_at_the_fourth)
    with pytest.raises(type(error), match=r"No space left on device.*agent\.zip|^$"):
        new().save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["agent.zip"]
