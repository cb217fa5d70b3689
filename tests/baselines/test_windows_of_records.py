"""Evaluations on recorded noise: windows overlap, and standard errors must not take them for independent."""

import numpy as np
import pytest
import scipy.stats

from jumpgym import JointReplenishmentEnv, SetupCostEnv
from jumpgym.baselines import SSPolicy, best_ss, evaluate
from jumpgym.baselines.windows import Windows, standard_error, windows_of
from jumpgym.traces import episodes as whole_episodes

HORIZON = 10


def series(periods, seed=0, items=None):
    shape = periods if items is None else (periods, items)
    return np.random.default_rng(seed).poisson(20.0, shape).astype(float)


@pytest.mark.parametrize(
    ("periods", "distinct", "disjoint"), [(10, 1, 1), (19, 10, 1), (20, 11, 2), (99, 90, 9), (100, 91, 10)]
)
def test_windows_are_counted(periods, distinct, disjoint):
    for env in (
        SetupCostEnv(demand=series(periods), horizon=HORIZON),
        JointReplenishmentEnv(demand=series(periods, items=3), items=3, horizon=HORIZON),
    ):
        assert windows_of(env.problem, HORIZON) == (distinct, disjoint)


def test_whole_episodes_are_disjoint_and_an_infinite_horizon_goes_round():
    whole = SetupCostEnv(demand=whole_episodes(series(60), HORIZON, "whole"), horizon=HORIZON)
    assert windows_of(whole.problem, HORIZON) == (6, 6)
    assert windows_of(SetupCostEnv(demand=series(60), horizon=None).problem, 20) == (60, 3)
    assert windows_of(SetupCostEnv(demand=scipy.stats.poisson(20)).problem, 50) is None


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_the_standard_error_is_how_means_differ_between_records(memory):
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(800, 200))
    for period in range(1, 200):  # an autoregression, whose memory is short against a window
        noise[:, period] += memory * noise[:, period - 1]
    windows = np.lib.stride_tricks.sliding_window_view(noise, HORIZON, axis=1).sum(-1)
    counted = Windows(windows.shape[1], 200 // HORIZON)
    shown = [standard_error(costs[rng.integers(0, len(costs), 4096)], counted) for costs in windows]
    naive = [standard_error(costs[rng.integers(0, len(costs), 4096)]) for costs in windows]
    true = windows.mean(1).std()
    assert np.sqrt(np.mean(np.square(shown))) == pytest.approx(true, rel=0.15)
    assert np.mean(naive) < 0.35 * true  # the negative control


def test_few_windows_have_no_standard_error():
    policy = SSPolicy(SetupCostEnv().problem, s=14, S=62)
    for periods, text in (
        (10, "of 1 distinct window (1 disjoint)"),
        (19, "of 10 distinct windows (1 disjoint)"),
    ):
        result = evaluate(policy, SetupCostEnv(demand=series(periods), horizon=HORIZON), episodes=64)
        assert np.isnan(result.standard_error)
        assert all(map(np.isnan, result.standard_error_by_kind.values()))
        assert repr(result).endswith(f"without a standard error, over 64 episodes {text}")


def test_the_standard_error_does_not_fall_with_the_number_of_episodes():
    env = SetupCostEnv(demand=series(100), horizon=HORIZON)
    few, many = (evaluate(best_ss(env), env, episodes=episodes) for episodes in (512, 8192))
    assert many.standard_error == pytest.approx(few.standard_error, rel=0.15)
    assert many.standard_error == pytest.approx(many.costs.std() / 9**0.5, rel=0.01)
    assert "8192 episodes of 91 distinct windows (10 disjoint)" in repr(many)
