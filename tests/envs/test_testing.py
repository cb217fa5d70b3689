"""The conformance tests pass what conforms, and find what is broken."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from suite import ENVIRONMENTS

from jumpgym.problems.setup_cost import SetupCostEnv
from jumpgym.testing import ConformanceError, check_hybrid_env


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_every_environment_conforms(env_id):
    check_hybrid_env(env_id)


def test_variants_and_wrapped_environments_conform():
    check_hybrid_env("jumpgym/SetupCost-v0", lead_time=2, unmet_demand="lost", initial_inventory=(0, 30))
    check_hybrid_env("jumpgym/SetupCost-v0", horizon=None, max_episode_steps=60)
    check_hybrid_env(SetupCostEnv(horizon=3))


class ForeignEnv(gym.Env):
    """A hybrid environment that owes nothing to jumpgym: one step, one gate, two quantities."""

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}  # noqa: RUF012
    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = spaces.Tuple((spaces.Discrete(2), spaces.Box(0.0, 2.0, (2,), np.float32)))
    over = True

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.over = False
        return self.np_random.uniform(-1, 1, 1).astype(np.float32), {}

    def step(self, action):
        if self.over:
            raise gym.error.ResetNeeded("reset first")
        regime, quantity = self.parse(action)
        self.over = True
        info = {"regime": regime, "quantity": quantity * regime}
        return np.zeros(1, np.float32), float(-quantity.sum()), True, False, info

    def parse(self, action):
        try:
            regime, quantity = np.asarray(action[0]).item(), np.asarray(action[1], dtype=float)
        except (TypeError, IndexError):
            raise ValueError(f"action={action!r} must be a pair") from None
        if regime not in (0, 1) or quantity.shape != (2,) or np.isnan(quantity).any():
            raise ValueError(f"action={action!r} must be a regime 0 or 1 and 2 quantities")
        return np.int64(regime), np.clip(quantity, 0, 2)


def test_a_foreign_environment_conforms():
    check_hybrid_env(ForeignEnv())


class TruncatesItself(SetupCostEnv):
    def step(self, action):
        *step, terminated, _, info = super().step(action)
        return *step, False, terminated, info


class SameArray(SetupCostEnv):
    def step(self, action):
        observation, *rest = super().step(action)
        self.kept = getattr(self, "kept", observation)
        self.kept[:] = observation
        return self.kept, *rest


class GlobalRandomness(SetupCostEnv):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + float(np.random.rand()), *rest  # noqa: NPY002


class IgnoresSeeds(SetupCostEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=0, options=options)


class ForgetsKeys(SetupCostEnv):
    def step(self, action):
        *step, info = super().step(action)
        return *step, info if action[0] else {"regime": 0, "quantity": 0.0}


class TextInInfo(SetupCostEnv):
    def step(self, action):
        *step, info = super().step(action)
        return *step, {**info, "message": "hello"}


class NumbersOfPython(SetupCostEnv):
    def step(self, action):
        *step, info = super().step(action)
        return *step, {**info, "noise": float(info["noise"])}


class ChangesTypes(SetupCostEnv):
    def step(self, action):
        *step, info = super().step(action)
        return *step, {**info, "noise": np.float32(info["noise"]) if action[0] else info["noise"]}


class NoProjection(SetupCostEnv):
    def step(self, action):
        *step, info = super().step(action)
        return *step, {**info, "quantity": np.float64(action[1][0])}


class AcceptsEverything(ForeignEnv):
    def parse(self, action):
        try:
            return super().parse(action)
        except ValueError:
            return np.int64(0), np.zeros(2)


class CrashesOnNaN(ForeignEnv):
    def parse(self, action):
        if np.isnan(np.asarray(action[1], dtype=float)).any():
            raise KeyError("nan")
        return super().parse(action)


class NeverOver(ForeignEnv):
    over = property(lambda self: False, lambda self, value: None)


class DoublePrecision(ForeignEnv):
    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float64)


class BinaryGates(ForeignEnv):
    action_space = spaces.Tuple((spaces.MultiBinary(2), spaces.Box(0.0, 2.0, (2,), np.float32)))


class Unbounded(ForeignEnv):
    action_space = spaces.Tuple((spaces.Discrete(2), spaces.Box(0.0, np.inf, (2,), np.float32)))


class Unpicklable(ForeignEnv):
    def reset(self, *, seed=None, options=None):
        self.key = lambda: None
        return super().reset(seed=seed, options=options)


class OwnNoise(SetupCostEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)


class TextOnly(SetupCostEnv):
    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (TruncatesItself, "so make it terminated"),
        (SameArray, "return a fresh one at each step"),
        (GlobalRandomness, "draw all randomness from self.np_random"),
        (IgnoresSeeds, "episodes with different seeds are equal"),
        (ForgetsKeys, "return the same keys at every step"),
        (TextInInfo, r"info\['message'\] is neither a number nor an array"),
        (NumbersOfPython, r"info\['noise'\] is a plain Python number: return a NumPy scalar"),
        (ChangesTypes, r"info\['noise'\] changes its type or shape"),
        (NoProjection, "project quantities"),
        (AcceptsEverything, "a NaN quantity is accepted: raise a ValueError"),
        (CrashesOnNaN, "a NaN quantity raises KeyError"),
        (NeverOver, "after the end goes on: raise gymnasium.error.ResetNeeded"),
        (DoublePrecision, "make it a float32 Box"),
        (BinaryGates, "make it Discrete"),
        (Unbounded, "give it finite bounds"),
        (Unpicklable, "pickling: AttributeError|pickling: PicklingError|pickling"),
        (OwnNoise, "does not replay the trace"),
        (TextOnly, 'lacks "ansi" or "rgb_array"'),
    ],
)
def test_what_is_broken_is_found(env, message):
    with pytest.raises(ConformanceError, match=message):
        check_hybrid_env(env())


def test_actions_that_are_not_hybrid():
    with pytest.raises(ConformanceError, match=r"make it Tuple\(\(Discrete or MultiDiscrete, Box\)\)"):
        check_hybrid_env("CartPole-v1")
    with pytest.raises(TypeError, match="can only be given with an id"):
        check_hybrid_env(SetupCostEnv(), horizon=3)
