"""The native vector environment against Gymnasium's SyncVectorEnv, in every autoreset mode."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence as equal
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics
from suite import (
    LAGGED_AND_LOST,
    STATIONARY,
    certain,
    every_environment,
    passive,
    variant,
    with_variants,
)

import jumpgym
from jumpgym.adapters.noise_blocks import BLOCK

COPIES, HORIZON = 3, 6

every_mode = pytest.mark.parametrize("mode", list(AutoresetMode))


def make(num_envs=COPIES, env_id="jumpgym/SetupCost-v0", **parameters):
    return gym.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point", **parameters)


def both(env_id, mode, **parameters):
    """Sync and native, where all episodes meet the same noise, whatever is drawn."""
    parameters = {**certain(env_id, HORIZON), **parameters}
    sync = gym.make_vec(
        env_id, COPIES, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **parameters
    )
    return sync, make(env_id=env_id, autoreset_mode=mode, **parameters)


def assert_same(sync, native):
    """Outputs of ``step`` of both, infos as lists."""
    for name, a, b in zip(("observation", "reward", "terminated", "truncated"), sync, native, strict=False):
        np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=name)
        assert a.dtype == b.dtype
    for a, b in zip(sync[-1], native[-1], strict=True):
        assert_same_info(a, b)


def assert_same_info(a, b):
    assert a.keys() == b.keys()
    for key in a.keys() - {"costs", "final_info"}:
        assert equal(a[key], b[key]), key
    if "costs" in a:
        assert a["costs"] == pytest.approx(b["costs"], rel=1e-12, abs=1e-9)
    if "final_info" in a:
        assert_same_info(a["final_info"], b["final_info"])


@with_variants({}, LAGGED_AND_LOST, {"max_episode_steps": 4})
@every_mode
def test_native_batch_equals_sync_vector_env(env_id, mode, parameters):
    sync, native = (DictInfoToList(envs) for envs in both(env_id, mode, **parameters))
    native.action_space.seed(5)
    assert (sync.observation_space, sync.action_space) == (native.observation_space, native.action_space)
    np.testing.assert_array_equal(sync.reset(seed=0)[0], native.reset(seed=0)[0])
    over = np.zeros(COPIES, dtype=bool)
    ended = 0
    for step in range(25):
        action = native.action_space.sample()
        mask = np.array([False, True, False]) if step == 2 else over
        if step == 2 or (
            mode is AutoresetMode.DISABLED and over.any()
        ):  # also shifts the episodes of the copies
            outputs = [envs.reset(options={"reset_mask": mask.copy()}) for envs in (sync, native)]
            np.testing.assert_array_equal(outputs[0][0], outputs[1][0])
        outputs = [envs.step(action) for envs in (sync, native)]
        assert_same(*outputs)
        over = outputs[0][2] | outputs[0][3]
        ended += over.sum()
        assert not over.all()
    assert ended > 6


@every_mode
def test_episode_statistics(mode):
    # Not against SyncVectorEnv: it takes "reset_mask" out of the options before the wrapper sees it.
    envs = RecordEpisodeStatistics(make(horizon=HORIZON, autoreset_mode=mode, max_episode_steps=4))
    envs.action_space.seed(0)
    envs.reset(seed=0)
    returns, lengths, over, found = (
        np.zeros(COPIES),
        np.zeros(COPIES, dtype=int),
        np.zeros(COPIES, dtype=bool),
        0,
    )
    for step in range(20):
        if mode is AutoresetMode.DISABLED and over.any():
            envs.reset(options={"reset_mask": over})
        if step == 2:
            mask = np.array([False, True, False])
            envs.reset(options={"reset_mask": mask})
            returns, lengths = returns * ~mask, lengths * ~mask
        _, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
        stepped = ~over if mode is AutoresetMode.NEXT_STEP else np.ones(COPIES, dtype=bool)
        returns, lengths = returns + rewards, lengths + stepped
        over = terminations | truncations
        if over.any():
            np.testing.assert_allclose(infos["episode"]["r"][over], returns[over])
            np.testing.assert_array_equal(infos["episode"]["l"][over], lengths[over])
            returns, lengths, found = returns * ~over, lengths * ~over, found + over.sum()
    assert found > 6


@every_environment
def test_spaces_and_metadata(env_id):
    envs = make(env_id=env_id, autoreset_mode="SameStep")
    assert isinstance(envs.unwrapped, jumpgym.HybridVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert make(env_id=env_id).metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert envs.single_action_space == gym.make(env_id).action_space
    assert envs.single_observation_space == gym.make(env_id).observation_space
    observations, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(observations)
    assert envs.observation_space.contains(envs.step(envs.action_space.sample())[0])


@every_environment
def test_specification_travels_through_json_and_the_batch_pickles(env_id):
    envs = make(env_id=env_id, autoreset_mode="SameStep", horizon=9, **variant(env_id, lead_time=1))
    again = gym.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    assert (again.num_envs, again.metadata["autoreset_mode"]) == (COPIES, AutoresetMode.SAME_STEP)
    assert again.problem.horizon == 9
    assert again.observation_space == envs.observation_space
    envs.action_space.seed(0)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    copy, action = pickle.loads(pickle.dumps(envs)), envs.action_space.sample()
    assert equal(envs.step(action), copy.step(action), exact=True)


@every_environment
def test_seeds(env_id):
    start = variant(env_id, initial_inventory=(0.0, 50.0), initial_cash=(0.0, 1e5))

    def outputs(seed):
        envs = make(env_id=env_id, horizon=5, **start)
        envs.action_space.seed(0)
        return [envs.reset(seed=seed), *(envs.step(envs.action_space.sample()) for _ in range(12))]

    one, again, other = (outputs(seed) for seed in (1, 1, 2))
    assert all(equal(a, b, exact=True) for a, b in zip(one, again, strict=True))
    assert not equal(one[0][0], other[0][0])
    assert len(set(one[0][0][:, 0])) == COPIES
    noise = [step[4]["noise"] for step in one[1:]]
    assert len({row.tobytes() for row in noise[0]}) == COPIES
    assert noise[6].tolist() != noise[0].tolist()  # a later episode; the step before it reset


@pytest.mark.parametrize("env_id", STATIONARY)
def test_without_a_horizon_copies_go_on_with_noise_of_their_own(env_id):
    scalar = gym.make(env_id, horizon=None)
    envs = make(env_id=env_id, horizon=None)
    problem = scalar.unwrapped.problem
    trace = problem.noise(np.random.default_rng(0).random((COPIES, BLOCK + 2, *problem.noise_shape)))
    envs.reset(seed=0, options={"noise": trace})
    scalar.reset(options={"noise": trace[1]})
    still, found = passive(problem), []
    batch = tuple(np.stack([np.asarray(part)] * COPIES) for part in still)
    for step in range(2 * BLOCK + 8):
        observations, rewards, terminations, truncations, infos = envs.step(batch)
        assert not terminations.any()
        assert not truncations.any()
        found.append(infos["noise"])
        if step < len(trace[0]):
            observation, reward, *_ = scalar.step(still)
            np.testing.assert_array_equal(observations[1], observation)
            assert rewards[1] == pytest.approx(reward, rel=1e-12)
    np.testing.assert_array_equal(np.swapaxes(found[: len(trace[0])], 0, 1), trace)
    drawn = np.swapaxes(found[len(trace[0]) :], 0, 1)
    assert len({row.tobytes() for row in drawn}) == COPIES
    assert not np.array_equal(drawn[:, 0], trace[:, 0])
    limited = make(env_id=env_id, horizon=None, max_episode_steps=2)
    limited.reset(seed=0)
    assert [limited.step(batch)[3].all() for _ in range(2)] == [False, True]


def test_masks_say_which_copies_were_stepped():
    envs = make(horizon=2)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    envs.reset(options={"reset_mask": np.array([True, False, False])})
    *_, infos = envs.step(envs.action_space.sample())
    assert infos["_noise"].all()
    *_, rewards, terminations, _, infos = envs.step(envs.action_space.sample())
    np.testing.assert_array_equal(infos["_noise"], [True, False, False])
    assert infos["noise"][1:].tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(terminations, [True, False, False])
    assert rewards[1:].tolist() == [0.0, 0.0]


@every_environment
def test_returned_arrays_are_not_reused(env_id):
    envs = make(env_id=env_id, horizon=5)
    envs.reset(seed=0)
    first = envs.step(envs.action_space.sample())
    kept = pickle.loads(pickle.dumps(first))
    for _ in range(7):
        envs.step(envs.action_space.sample())
    assert equal(first, kept, exact=True)


def test_bad_actions_name_the_environment():
    envs = make()
    with pytest.raises(ResetNeeded, match="before reset"):
        envs.step(envs.action_space.sample())
    envs.reset(seed=0)
    quantity = np.full((COPIES, 1), 20.0)
    for action, message in (
        (([0, 1, 2], quantity), r"action of environment 2: regime=2 must be an integer in \[0, 1\]"),
        (([0, -1, 1], quantity), r"action of environment 1: regime=-1"),
        (([0, np.nan, 1], quantity), r"action of environment 1: regime=nan"),
        (([0, 0.5, 1], quantity), r"action of environment 1: regime=0\.5"),
        (([0, 1, 1], [[1.0], [2.0], [np.nan]]), r"action of environment 2: quantity is NaN"),
        (([0, 1], quantity), "2 regimes and 3 quantities"),
        (([0, 1], quantity[:2]), "2 actions for num_envs=3"),
        (([0, 1, 1], np.ones((3, 2))), r"quantity of shape \(3, 2\) must have shape \(m,\) or \(m, 1\)"),
        ((["a", "b", "c"], quantity), "regime=.* must be numbers"),
        (7, r"must be a pair"),
    ):
        with pytest.raises(ValueError, match=message):
            envs.step(action)


def test_bad_actions_of_several_gates_name_the_environment_and_the_gate():
    envs = make(env_id="jumpgym/JointReplenishment-v0")
    envs.reset(seed=0)
    quantity, regimes = np.full((COPIES, 2), 5.0), np.array([[0, 1, 1], [3, 0, 1], [1, 0, 0]])
    before = envs.unwrapped._observe()

    def spoilt(array, row, column, value):
        array = array.astype(float)
        array[row, column] = value
        return array

    for action, message in (
        (
            (spoilt(regimes, 2, 1, 7), quantity),
            r"environment 2: regime 1=7\.0 must be an integer in \[0, 1\]",
        ),
        ((spoilt(regimes, 1, 0, 4).astype(int), quantity), r"environment 1: regime 0=4 must be .* \[0, 3\]"),
        ((spoilt(regimes, 0, 2, np.nan), quantity), r"environment 0: regime 2=nan"),
        ((spoilt(regimes, 0, 2, 0.5), quantity), r"environment 0: regime 2=0\.5"),
        ((regimes, spoilt(quantity, 1, 1, np.nan)), r"action of environment 1: quantity is NaN"),
        ((regimes[:2], quantity), "2 regimes and 3 quantities"),
        ((regimes[:2], quantity[:2]), "2 actions for num_envs=3"),
        ((regimes[:, 0], quantity), r"regime of shape \(3,\) must have shape \(m, 3\)"),
        ((regimes, quantity[:, 0]), r"quantity of shape \(3,\) must have shape \(m, 2\)"),
        ((regimes, quantity[:, :1]), r"quantity of shape \(3, 1\) must have shape \(m, 2\)"),
        (regimes, r"must be a pair|quantity of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            envs.step(action)
        np.testing.assert_array_equal(envs.unwrapped._observe(), before)


def test_bad_resets_and_constructor_arguments():
    envs = make()
    with pytest.raises(ResetNeeded, match="first reset must be of all"):
        envs.reset(options={"reset_mask": np.array([True, False, False])})
    envs.reset(seed=0)
    for options, error, message in (
        (
            {"mask": 1},
            ValueError,
            "unknown option 'mask'; allowed are 'noise', 'initial_state', 'reset_mask'",
        ),
        ({"reset_mask": [True, False, False]}, TypeError, "must be a NumPy array of bool"),
        ({"reset_mask": np.ones(2, dtype=bool)}, ValueError, r"must have shape \(3,\)"),
        ({"reset_mask": np.zeros(3, dtype=bool)}, ValueError, "a True in it"),
        (
            {"noise": np.ones((2, 50))},
            ValueError,
            r"noise of shape \(2, 50\) must have shape \(3, 50\)",
        ),
        ({"noise": np.full((3, 50), np.nan)}, ValueError, "must be finite"),
    ):
        with pytest.raises(error, match=message):
            envs.reset(options=options)
    for parameters, message in (
        ({"num_envs": 0}, "num_envs=0 must be an integer of at least 1"),
        ({"max_episode_steps": 0}, "max_episode_steps=0 must be an integer"),
        ({"autoreset_mode": "always"}, "autoreset_mode='always' must be one of 'NextStep'"),
        ({"render_mode": "human"}, "render_mode='human' must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**parameters)


def test_disabled_autoreset_asks_for_a_reset():
    envs = make(horizon=1, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    with pytest.raises(ResetNeeded, match="after the end of environment 0: autoreset is disabled"):
        envs.step(envs.action_space.sample())


@every_environment
def test_masked_reset_with_noise_replays_it_in_those_copies_only(env_id):
    envs = make(env_id=env_id, horizon=2)
    problem = envs.unwrapped.problem
    shape = (2, COPIES, 2, *problem.noise_shape)
    first, second = problem.noise(np.random.default_rng(0).random(shape))
    envs.reset(options={"noise": first})
    still = tuple(np.stack([np.asarray(part)] * COPIES) for part in passive(problem))
    envs.step(still)
    envs.reset(options={"noise": second, "reset_mask": np.array([False, True, False])})
    noise = envs.step(still)[4]["noise"]
    np.testing.assert_array_equal(noise, [first[0, 1], second[1, 0], first[2, 1]])


def test_render_gives_a_tuple_with_one_entry_per_copy():
    envs = make(render_mode="ansi", horizon=3)
    with pytest.raises(ResetNeeded, match="render"):
        envs.render()
    envs.reset(seed=0)
    envs.step(([0, 1, 1], [[0.0], [21.0], [33.0]]))
    texts = envs.render()
    assert len(texts) == COPIES
    assert ["33.0" in text for text in texts] == [False, False, True]
    envs.reset(options={"reset_mask": np.array([False, False, True])})
    assert ["period 1 of 3" in text for text in envs.render()] == [True, True, False]
    charts = make(render_mode="rgb_array", num_envs=2)
    charts.reset(seed=0)
    assert [frame.dtype == np.uint8 and frame.ndim == 3 for frame in charts.render()] == [True, True]
