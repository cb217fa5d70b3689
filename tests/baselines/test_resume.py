"""A training that was interrupted goes on from its checkpoint to the same result, bit by bit."""

import functools
import io
import os
import pickle
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from jumpgym import as_problem
from jumpgym.agents.training import checkpoint
from jumpgym.baselines.evaluation import draw, simulated_costs
from jumpgym.baselines.runs import methods
from jumpgym.baselines.sb3.learners import hyperparameters_of
from jumpgym.problems.setup_cost import setup_cost

PROBLEM = setup_cost(horizon=10)
TOTAL = 240
EVERY = 50
STOPS = (0, TOTAL // 4, TOTAL // 2, 3 * TOTAL // 4)

AGENT = {"batch_size": 6, "hidden": (8,)}
PPO = {"n_envs": 4, "n_steps": 13, "batch_size": 26, "n_epochs": 2, "net_arch": [8]}  # at rest in episodes
OFF_POLICY = {
    "n_envs": 4,
    "train_freq": 3,
    "gradient_steps": 2,
    "learning_starts": 80,
    "buffer_size": 160,  # full before the end, not yet at half
    "batch_size": 8,
    "net_arch": [8],
}
SMALL = {
    "fitted-q-amortized": {**AGENT, "window": 3, "policy_batch": 16},
    "a2c": {"n_envs": 4, "n_steps": 13, "net_arch": [8]},
    "trpo": {"n_envs": 4, "n_steps": 13, "batch_size": 26, "sub_sampling_factor": 1, "net_arch": [8]},
    **dict.fromkeys(("ddpg", "td3", "sac"), OFF_POLICY),
}
SB3 = [name for name, method in methods.METHODS.items() if isinstance(method, methods.SB3Method)]


pytestmark = pytest.mark.usefixtures("one_thread")


class Interrupted(Exception):
    """Ends a training as a signal would."""


class Training:
    """Trains a method, and keeps the costs of evaluations and what interruptions at ``STOPS`` would leave."""

    def __init__(self, name, folder, env=PROBLEM, **settings):
        self.name, self.env, self.method = name, env, methods.method(name)
        self.path, self.costs, self.kept = folder / "model.zip", {}, {}
        small = SMALL.get(name, PPO if name in SB3 else AGENT)
        self.model = self.method.make(env, 3, **{**small, **settings})

    def evaluate(self, model):
        number = model.num_timesteps // EVERY
        if number not in self.costs:
            start = draw(as_problem(self.env), 8, seed=1, periods=10)
            with model.clock.pause():
                self.costs[number] = simulated_costs(model, model.get_env(), *start).costs

    def keep(self, model):
        """Keep the checkpoint of each stop that is reached, and the costs up to it."""
        if reached := [stop for stop in STOPS if stop <= model.num_timesteps and stop not in self.kept]:
            self.method.save(model, self.path)
            self.kept |= dict.fromkeys(reached, (self.path.read_bytes(), dict(self.costs)))

    def train(self):
        self.method.train(self.model, self.evaluate, self.keep, total_timesteps=TOTAL)
        return self

    def resume(self, kept, change=None):
        """Load what was kept, as another process would, and train to the end."""
        content, costs = kept
        self.path.write_bytes(content)
        self.costs, self.kept = dict(costs), {}
        if change is not None:
            rewrite(self.path, change)
        torch.manual_seed(1)  # another process has other random numbers
        np.random.seed(1)  # noqa: NPY002
        self.model = methods.load(self.path, self.env)[1]
        return self.train()

    def result(self):
        """All that the training changed, and all costs that it met, to be compared as a whole."""
        self.method.save(self.model, self.path)
        settings, arrays = checkpoint.read(self.path)
        del settings["cpu_seconds"]
        contents = {name: (array.dtype, array.tobytes()) for name, array in arrays.items()}
        costs = {number: costs.tolist() for number, costs in self.costs.items()}
        return {"settings": settings, "costs": costs, **contents}


def rewrite(path, change):
    """Change the settings and the arrays of a checkpoint."""
    settings, arrays = checkpoint.read(path)
    change(settings, arrays)
    checkpoint.write(path, settings, arrays)


@functools.cache
def uninterrupted(name):
    """The result of a training with the settings of all tests, and what it kept at ``STOPS``."""
    with tempfile.TemporaryDirectory() as folder:
        training = Training(name, Path(folder)).train()
        return training.result(), training.kept


def assert_resumes(folder, name, stops, env=PROBLEM, **settings):
    training = Training(name, folder, env, **settings)
    if env is PROBLEM and not settings:
        whole, kept = uninterrupted(name)
    else:
        whole, kept = training.train().result(), training.kept
    assert len(whole["costs"]) >= 4
    assert len({tuple(costs) for costs in whole["costs"].values()}) >= 2  # or nothing was learned
    for stop in stops:
        kept = training.resume(kept[stop]).kept
    again = training.result()
    assert again.keys() == whole.keys()
    assert [key for key in whole if again[key] != whole[key]] == []


@pytest.mark.parametrize("name", methods.METHODS)
def test_an_interrupted_training_is_the_uninterrupted_one(name, tmp_path):
    assert_resumes(tmp_path, name, [TOTAL // 2])


@pytest.mark.parametrize("name", ["mixed", "fitted-q-amortized", "ppo-level", "sac"])
def test_it_may_be_interrupted_twice(name, tmp_path):
    assert_resumes(tmp_path, name, [TOTAL // 4, 3 * TOTAL // 4])


@pytest.mark.parametrize("name", ["ppo-gate", "ddpg"])
def test_it_may_be_interrupted_before_its_first_step(name, tmp_path):
    assert_resumes(tmp_path, name, [0])


@pytest.mark.parametrize(
    ("name", "settings"),
    [("mixed", {"estimator": "value"}), ("hpo", {}), ("svg", {"learning_rate": 0.1})],
)
def test_agents_resume_in_the_middle_of_an_infinite_horizon_problem(name, settings, tmp_path):
    problem = setup_cost(horizon=None, lead_time=1)
    assert_resumes(tmp_path, name, [TOTAL // 2], problem, window=7, **settings)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("svg", {"steps": None}),
        ("svg", {"steps": 0}),
        ("ppo-box", {"use_sde": True, "sde_sample_freq": 4}),
        ("sac", {"use_sde": True}),
        ("sac", {"ent_coef": 0.01}),
        ("td3", {"learning_starts": 150}),
        ("a2c", {"use_rms_prop": True}),
    ],
)
def test_other_hyperparameters_go_on_as_well(name, settings, tmp_path):
    assert_resumes(tmp_path, name, [TOTAL // 2], **settings)


@pytest.mark.parametrize("env", ["BudgetDiscount-v0", "JointReplenishment-v0", "SwitchedLQR-v0"])
def test_learners_go_on_with_states_of_all_shapes(env, tmp_path):
    assert_resumes(tmp_path, "ppo-gate", [TOTAL // 2], f"jumpgym/{env}")


def fewer_optimizers(settings, arrays):
    settings["training"]["optimizers"] = []


def other_moments(settings, arrays):
    arrays.update({name: 0 * array for name, array in arrays.items() if "exp_avg" in name})


def other_generator(settings, arrays):
    arrays["generator"] = torch.Generator().manual_seed(1).get_state().numpy()


def other_environments(settings, arrays):
    settings["training"]["environments"] |= {"begun": False, "seeds": [5] * 4}


def other_noise(settings, arrays):
    settings["training"]["environments"]["random"]["state"]["state"] += 1


def other_torch(settings, arrays):
    arrays["training/random/torch"] = torch.Generator().manual_seed(1).get_state().numpy()


def other_numpy(settings, arrays):
    arrays["training/random/numpy"] = arrays["training/random/numpy"][::-1].copy()


def other_exploration(settings, arrays):
    settings["training"]["action_space"]["state"]["state"] += 1


def fewer_transitions(settings, arrays):
    settings["training"]["replay"] = {"position": 0, "full": False}
    arrays.update({name: array[:0] for name, array in arrays.items() if name.startswith("training/replay/")})


def more_updates(settings, arrays):
    settings["training"]["counters"]["_n_updates"] += 1


def other_entropy(settings, arrays):
    arrays["training/log_ent_coef"] += 1


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mixed", other_moments),
        ("mixed", other_generator),
        ("ppo-gate", fewer_optimizers),
        ("ppo-gate", other_environments),
        ("ppo-gate", other_noise),
        ("ppo-gate", other_torch),
        ("ppo-gate", other_numpy),
        ("trpo", fewer_optimizers),
        ("td3", fewer_transitions),
        ("td3", other_exploration),
        ("td3", other_numpy),
        ("td3", more_updates),
        ("sac", fewer_optimizers),
        ("sac", other_entropy),
    ],
)
def test_without_a_part_of_its_state_it_would_be_another_training(name, change, tmp_path):
    # While td3 explores at random, and early enough for trpo's critic to matter; the others later.
    early = change is other_exploration or name == "trpo"
    stop = TOTAL // 4 if early else TOTAL // 2
    whole, kept = uninterrupted(name)
    last = max(whole["costs"])
    changed = Training(name, tmp_path).resume(kept[stop], change).costs
    assert changed[last].tolist() != whole["costs"][last]


def saved_at_half(name, folder):
    path = folder / "model.zip"
    path.write_bytes(uninterrupted(name)[1][TOTAL // 2][0])
    return path


@pytest.mark.parametrize("name", ["ppo-gate", "td3"])
def test_a_learner_that_is_saved_when_it_is_not_at_rest_does_not_go_on_bit_by_bit(name, tmp_path):
    training = Training(name, tmp_path)

    def save(model):
        training.evaluate(model)
        if model.num_timesteps >= TOTAL // 2:
            training.method.save(model, training.path)
            raise Interrupted

    with pytest.raises(Interrupted):
        training.method.train(training.model, save, total_timesteps=TOTAL)
    training.model = methods.load(training.path, PROBLEM)[1]
    assert training.train().result()["costs"] != uninterrupted(name)[0]["costs"]


def costs(model):
    return simulated_costs(model, model.get_env(), *draw(as_problem(model.get_env()), 64, seed=1)).costs


def go_on(name, path, total=TOTAL):
    _, model = methods.load(path, PROBLEM)
    methods.method(name).train(model, lambda model: None, total_timesteps=total)
    return model


@pytest.mark.parametrize("name", ["ppo-level", "sac"])
def test_a_checkpoint_of_a_loaded_model_is_the_one_it_was_loaded_from(name, tmp_path):
    path, copy = saved_at_half(name, tmp_path), tmp_path / "copy.zip"
    _, model = methods.load(path, PROBLEM)
    costs(model)
    methods.method(name).save(model, copy)
    (settings, arrays), (settings_again, arrays_again) = map(checkpoint.read, (path, copy))
    assert settings_again.pop("cpu_seconds") == pytest.approx(settings.pop("cpu_seconds"), abs=1e-3)
    assert settings_again == settings
    assert arrays_again.keys() == arrays.keys()
    assert all(np.array_equal(arrays_again[key], arrays[key]) for key in arrays)


@pytest.mark.parametrize("name", ["mixed", "ppo-gate", "td3"])
def test_a_spent_budget_trains_no_further(name, tmp_path):
    path = saved_at_half(name, tmp_path)
    steps = checkpoint.read(path)[0]["num_timesteps"]
    assert go_on(name, path, total=steps).num_timesteps == steps
    assert go_on(name, path, total=steps + 1).num_timesteps > steps


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize("name", ["mixed", "ppo-gate", "td3"])
def test_a_clock_goes_on_and_schedules_with_it(name, tmp_path):
    training = Training(name, tmp_path)
    train = training.method.train
    train(training.model, lambda model: None, cpu_seconds=0.06)
    spent = training.model.clock.elapsed
    assert spent >= 0.06
    training.method.save(training.model, training.path)
    _, model = methods.load(training.path, PROBLEM)
    optimizer = {"mixed": model, "ppo-gate": model.policy}.get(name, getattr(model, "actor", None)).optimizer
    seen, rates = [], []
    initial = (
        hyperparameters_of(name, PROBLEM)["learning_rate"] if name in SB3 else model.settings.learning_rate
    )

    def note(model):
        seen.append(model.clock.elapsed)
        rates.append(optimizer.param_groups[0]["lr"])

    train(model, note, cpu_seconds=2 * spent)
    annealed = [rate for rate in rates if rate < initial]
    assert spent < seen[0]
    assert 2 * spent <= model.clock.elapsed < 2.5 * spent
    assert 0 < max(annealed) < 0.61 * initial  # that of the second phase of "mixed"
    steps = model.num_timesteps
    train(model, note, cpu_seconds=2 * spent)
    assert model.num_timesteps == steps


def test_the_hyperparameters_of_a_model_are_those_it_was_made_with(tmp_path):
    path = saved_at_half("td3", tmp_path)
    _, model = methods.load(path, PROBLEM)
    assert model.hyperparameters == {**hyperparameters_of("td3", PROBLEM), **OFF_POLICY}
    assert (model.learning_starts, model.env.num_envs, model.actor.net_arch) == (80, 4, [8])


@pytest.mark.parametrize("name", ["a2c", "td3"])
def test_a_checkpoint_of_weights_only_can_be_evaluated_but_not_trained(name, tmp_path):
    path = saved_at_half(name, tmp_path)
    expected = costs(methods.load(path, PROBLEM)[1])

    def as_of_old(settings, arrays):
        for key in ("training", "cpu_seconds"):
            del settings[key]
        for key in [key for key in arrays if key.startswith("training/")]:
            del arrays[key]

    rewrite(path, as_of_old)
    model = methods.load(path, PROBLEM)[1]
    assert checkpoint.read(path)[1].keys() == model.policy.state_dict().keys()
    assert np.array_equal(costs(model), expected)
    with pytest.raises(
        ValueError, match=r"model\.zip holds the weights of the policy only.*train a new model"
    ):
        go_on(name, path)
    methods.method(name).save(model, path)
    with pytest.raises(ValueError, match="weights of the policy only"):
        go_on(name, path)


def test_a_training_goes_on_in_an_environment_with_other_costs(tmp_path):
    path, other = saved_at_half("ppo-gate", tmp_path), setup_cost(horizon=10, fixed_cost=1)
    _, model = methods.load(path, other)
    methods.method("ppo-gate").train(model, lambda model: None, total_timesteps=TOTAL)
    assert model.num_timesteps >= TOTAL
    assert not np.array_equal(costs(model), costs(go_on("ppo-gate", path)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda settings, arrays: arrays.pop("training/random/torch"), "it has no 'random/torch'"),
        (lambda settings, arrays: settings["training"].pop("counters"), "it has no 'counters'"),
        (
            lambda settings, arrays: arrays.pop("training/critic.optimizer/0/exp_avg"),
            "it has no 'critic.optimizer/0/exp_avg'",
        ),
        (
            lambda settings, arrays: arrays.update({"training/critic.optimizer/0/exp_avg": np.ones((2, 8))}),
            "critic.optimizer/0/exp_avg has dtype float64",
        ),
        (
            lambda settings, arrays: arrays.update(
                {"training/replay/rewards": arrays["training/replay/rewards"][:, :1]}
            ),
            "replay/rewards has dtype float32",
        ),
        (lambda settings, arrays: settings["training"]["replay"].update(position=10**6), "position=1000000"),
        (lambda settings, arrays: settings["training"]["environments"].update(period=10), "period=10 must"),
        (lambda settings, arrays: settings["training"].update(action_space={}), "'bit_generator'|state must"),
        (lambda settings, arrays: settings.update(training=[]), "model.zip is damaged"),
        (lambda settings, arrays: settings.update(cpu_seconds="1"), "cpu_seconds='1' must be"),
        (lambda settings, arrays: settings.update(num_timesteps=-1), "num_timesteps=-1 must be"),
    ],
)
def test_a_damaged_training_state_is_refused_with_the_reason(change, message, tmp_path):
    path = saved_at_half("td3", tmp_path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=message) as error:
        go_on("td3", path)
    assert str(error.value).startswith(str(path))


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize(
    "entry",
    ["settings.json", "critic.qf0.0.weight.npy", "training/random/torch.npy", "training/replay/actions.npy"],
)
def test_a_pickle_in_a_checkpoint_of_a_learner_is_refused_and_not_run(entry, tmp_path):
    path, marker = saved_at_half("sac", tmp_path), tmp_path / "executed"
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    assert entry in entries
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(marker)], dtype=object), allow_pickle=True)
    entries[entry] = pickle.dumps(Payload(marker)) if entry == "settings.json" else buffer.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"model\.zip is damaged or not a jumpgym checkpoint: "):
        go_on("sac", path)
    assert not marker.exists()
    buffer.seek(0)
    np.load(buffer, allow_pickle=True)
    assert marker.exists()  # or the payload would prove nothing
