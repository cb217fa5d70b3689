"""Checkpoints: training goes on bit by bit, nothing in a file is executed, damage is named."""

import io
import json
import os
import pickle
import re
import time
import tracemalloc
import zipfile
from dataclasses import asdict

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
import torch

from jumpgym.agents import AmortizedFittedQ, GumbelSoftmax, HybridPPO, MixedGradient, SmoothedCost
from jumpgym.agents.training import checkpoint
from jumpgym.agents.training.training_state import training_tensors
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

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
        (HybridPPO, {"minibatch_size": 20}),
    ],
    ids=["mixed", "mixed-gae", "gumbel", "smoothed", "ppo"],
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
    assert loaded.settings == agent.settings
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
    agent = new(learning_rate=1.0, reheat=0)
    note = lambda agent: rates.append(agent.optimizer.param_groups[0]["lr"])  # noqa: E731
    agent.learn(4 * ITERATION, callback=lambda agent: note(agent) or agent.iterations < 2)
    agent.learn(2 * ITERATION, callback=note, reset_num_timesteps=False)
    assert rates == pytest.approx([1, 0.853553, 0.5, 0.146447], rel=1e-5)
    agent.learn(ITERATION, callback=note)
    assert rates[-1] == 1
    assert agent.num_timesteps == ITERATION


@pytest.mark.usefixtures("ticking")
def test_cpu_time_goes_on_from_a_checkpoint(tmp_path):
    agent = new()
    agent.learn(cpu_seconds=0.05)
    spent = agent.clock.elapsed
    assert 0.05 <= spent < 0.06
    agent.save(tmp_path / "agent.zip")
    loaded = MixedGradient.load(tmp_path / "agent.zip", PROBLEM)
    assert loaded.clock.elapsed == pytest.approx(spent, abs=3e-3)
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
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def first_weights(entries):
    return next(name for name in entries if name.startswith("networks/"))


def object_array(payload):
    return array_bytes(np.array([payload], dtype=object), allow_pickle=True)


def npy(header, content=b"", version=b"\x01\x00"):
    """A ``.npy`` file with a header of one's own."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + content


def numbers_header(dtype="<f4", shape="(8,)"):
    return f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}}}"


IN_THE_ZIP = {
    "objects for numbers": lambda e, p: e.update({first_weights(e): object_array(p)}),
    "objects that say they are numbers": lambda e, p: e.update(
        {first_weights(e): npy(numbers_header(), pickle.dumps(p))}
    ),
    "numbers that say they are objects": lambda e, p: e.update(
        {first_weights(e): npy(numbers_header("|O"), pickle.dumps(p))}
    ),
    "records with objects": lambda e, p: e.update(
        {first_weights(e): array_bytes(np.array([(p,)], dtype=[("a", object)]), allow_pickle=True)}
    ),
    "pickle for an array": lambda e, p: e.update({first_weights(e): pickle.dumps(p)}),
    "pickle for the settings": lambda e, p: e.update({checkpoint.SETTINGS: pickle.dumps(p)}),
    "objects for the settings": lambda e, p: e.update({checkpoint.SETTINGS: object_array(p)}),
    "one more array": lambda e, p: e.update({"networks/more.npy": object_array(p)}),
    "one more pickle": lambda e, p: e.update({"archive/data.pkl": pickle.dumps(p)}),
    "pickle as a name": lambda e, p: e.update({pickle.dumps(p, 0).decode() + ".npy": object_array(p)}),
    "expression for a header": lambda e, p: e.update(
        {first_weights(e): npy(f"__import__('os').mkdir({p.marker!r})")}
    ),
}


@pytest.mark.parametrize("attack", IN_THE_ZIP.values(), ids=IN_THE_ZIP)
def test_a_pickle_in_a_checkpoint_is_refused_and_not_run(saved, tmp_path, attack):
    marker = tmp_path / "executed"
    rewrite(saved, lambda entries: attack(entries, Payload(marker)))
    with pytest.raises(ValueError, match=r"agent\.zip is damaged or not a jumpgym checkpoint: "):
        MixedGradient.load(saved, PROBLEM)
    assert not marker.exists()


def torch_legacy(path, payload):
    torch.save({"state": payload}, path, _use_new_zipfile_serialization=False)


def numpy_file(path, payload):
    with path.open("wb") as file:
        np.savez(file, **{"settings.json": np.array([payload], dtype=object)}, allow_pickle=True)


FOR_THE_FILE = {
    "pickle": lambda path, payload: path.write_bytes(pickle.dumps(payload)),
    "pickle before the zip": lambda path, payload: path.write_bytes(
        pickle.dumps(payload) + path.read_bytes()
    ),
    "torch": lambda path, payload: torch.save({"state": payload}, path),
    "torch, before version 1.6": torch_legacy,
    "savez": numpy_file,
}


@pytest.mark.parametrize("attack", FOR_THE_FILE.values(), ids=FOR_THE_FILE)
def test_a_file_of_pickles_is_not_run(saved, tmp_path, attack):
    marker = tmp_path / "executed"
    attack(saved, Payload(marker))
    try:
        MixedGradient.load(saved, PROBLEM)
    except ValueError as error:
        assert "agent.zip is damaged or not a jumpgym checkpoint: " in str(error)  # noqa: PT017 (see below)
    else:
        assert attack is FOR_THE_FILE["pickle before the zip"]  # zip files may have anything before them
    assert not marker.exists()


@pytest.mark.parametrize("form", ["pickle", "npy"])
def test_the_payload_does_run_where_pickles_are_read(tmp_path, form):
    marker = tmp_path / "executed"
    if form == "pickle":
        pickle.loads(pickle.dumps(Payload(marker)))
    else:
        np.load(io.BytesIO(object_array(Payload(marker))), allow_pickle=True)
    assert marker.is_dir()


def test_a_checkpoint_of_stable_baselines_is_refused_and_not_run(tmp_path):
    sb3 = pytest.importorskip("stable_baselines3")
    model, marker = sb3.PPO("MlpPolicy", gym.make("CartPole-v1"), device="cpu"), tmp_path / "executed"
    model.payload = Payload(marker)  # SB3 writes what JSON cannot hold with cloudpickle
    model.save(tmp_path / "ppo.zip")
    with pytest.raises(ValueError, match=r"ppo\.zip was saved by Stable-Baselines3's model\.save.*PPO\.load"):
        MixedGradient.load(tmp_path / "ppo.zip", PROBLEM)
    with zipfile.ZipFile(tmp_path / "ppo.zip") as archive:
        data = archive.read("data")

    def with_its_data(entries):
        entries[checkpoint.SETTINGS] = data

    new().save(tmp_path / "agent.zip")
    rewrite(tmp_path / "agent.zip", with_its_data)
    with pytest.raises(ValueError, match="its format must be"):
        MixedGradient.load(tmp_path / "agent.zip", PROBLEM)
    assert not marker.exists()
    sb3.PPO.load(tmp_path / "ppo.zip")  # SB3 itself runs it
    assert marker.is_dir()


def peak_bytes(path):
    """What refusing a checkpoint allocates."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"agent\.zip is damaged or not a jumpgym checkpoint: ") as error:
            checkpoint.read(path)
        return tracemalloc.get_traced_memory()[1], str(error.value)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "header",
    [
        numbers_header(shape="(1000000000000,)"),
        numbers_header(shape="(20000000000,)"),
        numbers_header(shape=f"({10**200},)"),
        numbers_header(shape="(-8,)"),
        numbers_header(shape="(8, 0)"),
        numbers_header("|S0", shape="(1000000000000,)"),
        numbers_header("|V9999999999"),
        numbers_header(shape="(" + "1, " * 100_000 + ")"),
    ],
)
def test_an_array_that_is_not_as_long_as_it_says_is_refused_at_once(saved, header):
    content = npy(header[:60_000], bytes(32))
    rewrite(saved, lambda entries: entries.update({first_weights(entries): content}))
    began = time.process_time()
    peak, _ = peak_bytes(saved)
    assert peak < 20e6
    assert time.process_time() - began < 10


def zeros(archive, name, size):
    """Add an entry of so many zeros, a thousand times smaller in the file."""
    with archive.open(name, "w") as file:
        for _ in range(size // 2**20):
            file.write(bytes(2**20))


def settings_of_zeros(archive, kept):
    zeros(archive, checkpoint.SETTINGS, checkpoint.LARGEST_SETTINGS + 2**20)


def array_of_zeros(archive, kept):
    archive.writestr(checkpoint.SETTINGS, kept)
    zeros(archive, "generator.npy", 2**27)


def more_than_the_largest(archive, kept):
    archive.writestr(checkpoint.SETTINGS, kept)
    for number in range(3):
        archive.writestr(f"{number}.npy", npy(numbers_header(), bytes(32)))
        archive.getinfo(f"{number}.npy").file_size = checkpoint.LARGEST // 3 + 1


def less_than_there_is(archive, kept):
    archive.writestr(checkpoint.SETTINGS, kept)
    zeros(archive, "generator.npy", 2**27)
    archive.getinfo("generator.npy").file_size = 8


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        (settings_of_zeros, r"settings\.json has 68,157,440 bytes, more than 67,108,864"),
        (array_of_zeros, "magic string is not correct"),
        (more_than_the_largest, r"unpacked it has 2,147,4\d\d,\d\d\d bytes, more than 2,147,483,648"),
        (less_than_there_is, "magic string|EOF|CRC"),
    ],
)
def test_a_zip_bomb_is_refused_without_unpacking_it(saved, bomb, reason):
    with zipfile.ZipFile(saved) as archive:
        kept = archive.read(checkpoint.SETTINGS)
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        bomb(archive, kept)
    assert saved.stat().st_size < 1e6
    peak, message = peak_bytes(saved)
    assert re.search(reason, message), message
    assert peak < 20e6


def test_more_than_can_be_read_is_not_written(tmp_path):
    huge = np.broadcast_to(np.float32(0), (2**29,))
    with pytest.raises(ValueError, match=r"agent\.zip: arrays of 2,147,483,648 bytes must have at most"):
        checkpoint.write(tmp_path / "agent.zip", {}, {"huge": huge})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["../outside.npy", "/tmp/outside.npy", "..\\outside.npy", "networks/../../outside.npy"]
)
def test_names_that_lead_out_of_the_folder_are_only_names(saved, tmp_path, name):
    before = sorted(tmp_path.parent.rglob("*outside*"))
    content = array_bytes(np.zeros(3))
    rewrite(saved, lambda entries: entries.update({name: content}))
    _, arrays = checkpoint.read(saved)
    assert name.removesuffix(".npy") in arrays
    if name.startswith("networks/"):  # no weight of this network
        with pytest.raises(ValueError, match="Unexpected key"):
            MixedGradient.load(saved, PROBLEM)
    else:
        MixedGradient.load(saved, PROBLEM)
    assert sorted(tmp_path.parent.rglob("*outside*")) == before


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
        (
            edit_array("networks/policy.net.0.bias", lambda a: a.astype("U8")),
            r"is to be an array of shape \(8,\) of <U8",
        ),
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


@pytest.fixture(scope="module")
def race_file():
    """The checkpoint of a race of three members while the second one trains, as bytes."""
    file = io.BytesIO()
    agent = new(restarts=3)
    agent.learn(24 * ITERATION, callback=lambda agent: agent.race.position < 1)
    agent.save(file)
    assert [member is None for member in agent.race.members] == [False, True, False]
    return file.getvalue()


def edit_race(**changes):
    """Change entries of the race; a change of ``members`` is made in the first of them."""

    def change(entries):
        stored = json.loads(entries[checkpoint.SETTINGS])
        stored["race"]["members"][0] |= changes.pop("members", {})
        stored["race"] |= changes
        entries[checkpoint.SETTINGS] = json.dumps(stored).encode()

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit_race(position=4), r"race\.position=4 must be an integer in \[0, 3\]"),
        (edit_race(position="1"), r"race\.position='1' must be an integer"),
        (edit_race(position=2), r"race\.members \[1\] are not stored; only that at race\.position=2"),
        (edit_race(started=False), r"race\.members has 3 entries, which restarts=3 and race\.started=False"),
        (edit_race(started="yes"), r"race\.started='yes' must be one of True, False"),
        (edit_race(members={"iterations": -1}), r"race\.members\[0\]\.iterations=-1 must be an integer"),
        (edit_race(members={"cost_scale": None}), r"race\.members\[0\]\.cost_scale=None must be a number"),
        (edit_race(members={"spent": [1]}), r"race\.members\[0\]\.spent=\[1\] must be a pair"),
        (edit_race(members={"spent": [-1, 0]}), r"race\.members\[0\]\.spent\[0\]=-1 must be an integer"),
        (edit_settings(race={}), "it has no 'members'"),
        (edit_settings(race={"members": [None, 7, None], "position": 0, "started": True}), "does not fit"),
        (edit_settings(others=[80, "long"]), r"others\[1\]='long' must be a number"),
        (edit_array("members/0/key", lambda a: a[:1]), "key of dtype uint32 and shape"),
        (edit_array("members/0/generator", lambda a: a[:-1]), "does not fit"),
        (edit_array("members/0/networks/policy.net.0.bias", lambda a: a[1:]), "size mismatch"),
        (edit_array("members/0/optimizer/0/exp_avg", lambda a: a[:1]), "exp_avg of the optimizer has shape"),
        (lambda entries: entries.pop("members/2/key.npy"), "it has no 'key'"),
    ],
)
def test_a_damaged_race_is_refused_with_the_reason(race_file, tmp_path, change, message):
    path = tmp_path / "agent.zip"
    path.write_bytes(race_file)
    MixedGradient.load(path, PROBLEM)
    rewrite(path, change)
    with pytest.raises(ValueError, match=message) as error:
        MixedGradient.load(path, PROBLEM)
    assert str(error.value).startswith(str(path))


def test_the_members_of_a_race_go_on_with_other_noise_on_another_type_of_device(race_file, tmp_path):
    path = tmp_path / "agent.zip"
    path.write_bytes(race_file)
    rewrite(path, edit_settings(device="cuda"))
    rewrite(path, edit_array("members/0/generator", lambda a: a[:16]))  # that of a GPU is shorter
    agent = MixedGradient.load(path, PROBLEM)
    agent.learn(24 * ITERATION - agent.num_timesteps, reset_num_timesteps=False)
    assert agent.race.over


ENDLESS = setup_cost(horizon=None)


@pytest.mark.parametrize(
    ("cls", "env", "declared", "purpose"),
    [
        (MixedGradient, PROBLEM, {"hidden": [10**6, 10**6]}, "a layer of 10 by 1000000 weights"),
        (MixedGradient, PROBLEM, {"hidden": [20_000, 20_000]}, "a layer of 20000 by 20000 weights"),
        (SmoothedCost, PROBLEM, {"hidden": [500] * 90}, "a layer of 500 by 500 weights"),
        (MixedGradient, ENDLESS, {"batch_size": 10**8}, "batch_size=100000000"),
        (AmortizedFittedQ, PROBLEM, {"window": 10**7}, "a window of minimisers"),
    ],
)
def test_settings_that_declare_more_than_the_file_holds_are_refused_before_it_is_allocated(
    tmp_path, cls, env, declared, purpose
):
    path = tmp_path / "agent.zip"
    agent = new(cls, env)
    agent.save(path)
    settings = {**json.loads(json.dumps(asdict(agent.settings))), **declared}
    rewrite(path, edit_settings(settings=settings))
    with pytest.raises(ValueError, match=f"its settings declare {purpose}"):
        cls.load(path, env)


def test_a_batch_is_not_simulated_to_load_an_agent(saved):
    settings = json.loads(zipfile.ZipFile(saved).read(checkpoint.SETTINGS))["settings"]
    rewrite(saved, edit_settings(settings={**settings, "batch_size": 10**9}))
    loaded = MixedGradient.load(saved, PROBLEM)
    assert loaded.settings.batch_size == 10**9
    loaded.predict(PROBE)


def test_deep_networks_are_refused():
    with pytest.raises(ValueError, match="hidden has 101 layers; at most 100 are allowed"):
        MixedGradient(PROBLEM, hidden=[1] * 101)


@pytest.mark.parametrize("cls", [GumbelSoftmax, SmoothedCost])
def test_the_checkpoint_of_another_agent_is_refused(saved, cls):
    with pytest.raises(ValueError, match=rf"agent\.zip holds 'MixedGradient', not '{cls.__name__}'"):
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


def test_a_folder_that_is_missing_is_made_and_what_is_no_folder_is_named(tmp_path):
    new().save(tmp_path / "missing" / "too" / "agent.zip")
    MixedGradient.load(tmp_path / "missing" / "too" / "agent", PROBLEM)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"file/agent\.zip"):
        new().save(tmp_path / "file" / "agent.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.zip"):
        new().save(tmp_path / "folder.zip")
    assert {path.name for path in tmp_path.iterdir()} == {"missing", "file", "folder.zip"}


def test_an_agent_is_saved_into_an_open_file_and_loaded_from_it(saved):
    buffer = io.BytesIO()
    agent = MixedGradient.load(saved, PROBLEM)
    agent.save(buffer)
    loaded = MixedGradient.load(buffer, PROBLEM)
    assert loaded.predict([3, 4], deterministic=True) == agent.predict([3, 4], deterministic=True)
    with pytest.raises(ValueError, match="the open file is damaged or not a jumpgym checkpoint"):
        MixedGradient.load(io.BytesIO(buffer.getvalue()[:99]), PROBLEM)


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
