"""Demand: distributions, traces, and what is refused."""

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import scipy.stats as st
import torch

from jumpgym.demand import STATIONARY_PERIODS, as_demand, episodes, split_series

DISCRETE = {
    "poisson": st.poisson(20),
    "shifted poisson": st.poisson(3, loc=4),
    "negative binomial": st.nbinom(3, 0.2),
    "bernoulli": st.bernoulli(0.3),
    "values": st.rv_discrete(values=([1, 4, 9], [0.5, 0.3, 0.2])),
    "constant": st.randint(7, 8),
}
CONTINUOUS = {
    "gamma": st.gamma(4, scale=5),
    "exponential": st.expon(scale=10),
    "uniform": st.uniform(5, 10),
    "lognormal": st.lognorm(0.5, scale=20),
    "truncated normal": st.truncnorm(-2, 3, loc=10, scale=5),
    "shifted gamma": st.gamma(2, loc=7),
}


def draws(distribution, episodes=4000, horizon=50):
    demand = as_demand(distribution, horizon)
    return demand, demand.sample(np.random.default_rng(0).random((episodes, horizon)))


@pytest.mark.parametrize("name", [*DISCRETE, *CONTINUOUS])
def test_moments_and_bounds(name):
    distribution = {**DISCRETE, **CONTINUOUS}[name]
    demand, sample = draws(distribution)
    error = 5 * distribution.std() / np.sqrt(sample.size)
    assert sample.mean() == pytest.approx(distribution.mean(), abs=error + 1e-12)
    assert demand.mean == pytest.approx(distribution.mean(), rel=1e-9)
    assert sample.std() == pytest.approx(distribution.std(), rel=0.03, abs=1e-12)
    assert sample.min() >= 0
    assert sample.max() <= demand.max
    assert sample.sum(axis=1).max() <= demand.max_total


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_draws_are_exact_quantiles(name):
    demand = as_demand(DISCRETE[name], 1)
    uniforms = np.random.default_rng(1).random((20_000, 1))
    expected = DISCRETE[name].ppf(uniforms)
    # Rounding of the distribution function may move a draw that sits on a step.
    assert (demand.sample(uniforms) == expected).mean() > 0.9999


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_draws_are_quantiles_to_the_stated_error(name):
    demand = as_demand(CONTINUOUS[name], 1)
    uniforms = np.concatenate(
        [np.random.default_rng(1).random(20_000), [1e-9, 1e-6, 0.5, 1 - 1e-6, 1 - 1e-9]]
    )[:, None]
    error = np.abs(demand.sample(uniforms) - CONTINUOUS[name].ppf(uniforms)) / CONTINUOUS[name].std()
    assert error.max() < 2e-5
    assert error.mean() < 2e-6


@pytest.mark.parametrize("name", [*DISCRETE, *CONTINUOUS])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_torch_draws_the_same(name, dtype):
    demand, sample = draws({**DISCRETE, **CONTINUOUS}[name], episodes=100)
    uniforms = torch.tensor(np.random.default_rng(0).random((100, 50)), dtype=dtype)
    found = demand.sample(uniforms)
    assert found.dtype == dtype
    if dtype is torch.float64:
        np.testing.assert_allclose(found.numpy(), sample, rtol=1e-12)
    else:  # uniforms themselves are rounded to 6e-8
        assert np.mean(np.abs(found.numpy() - sample) < 1e-3 * (1 + sample)) > 0.999


@pytest.mark.parametrize("name", [*DISCRETE, *CONTINUOUS])
def test_the_extreme_uniforms_stay_in_bounds(name):
    demand = as_demand({**DISCRETE, **CONTINUOUS}[name], 2)
    with np.errstate(divide="ignore"):
        extremes = demand.sample(np.array([[0.0, np.nextafter(1.0, 0.0)]]))
    assert np.isfinite(extremes).all()
    assert extremes.min() >= 0
    assert extremes.max() <= demand.max


TRACES = np.array([[1.0, 2.0, 3.0], [4.5, 0.0, 6.0]])


@pytest.mark.parametrize("kind", ["array", "list", "frame", "csv", "path"])
def test_traces_are_replayed_whole(kind, tmp_path):
    pd.DataFrame(TRACES, columns=["mon", "tue", "wed"]).to_csv(tmp_path / "demand.csv", index=False)
    given = {
        "array": TRACES,
        "list": TRACES.tolist(),
        "frame": pd.DataFrame(TRACES),
        "csv": str(tmp_path / "demand.csv"),
        "path": tmp_path / "demand.csv",
    }[kind]
    env = gym.make("jumpgym/SetupCost-v0", demand=given, horizon=3)
    seen = set()
    for seed in range(20):
        env.reset(seed=seed)
        seen.add(tuple(env.step((0, [0.0]))[4]["noise"] for _ in range(3)))
    assert seen == {tuple(row) for row in TRACES}
    demand = env.unwrapped.problem.demand
    assert (demand.mean, demand.max, demand.max_total) == (TRACES.mean(), 6.0, 10.5)
    uniforms = torch.rand(5, 3, dtype=torch.float64)
    np.testing.assert_array_equal(demand.sample(uniforms).numpy(), demand.sample(uniforms.numpy()))


def test_noise_drawn_by_the_problem_can_be_replayed():
    traces = np.random.default_rng(0).random((7, 50)) * 1e3
    problem = gym.make("jumpgym/SetupCost-v0", demand=traces).unwrapped.problem
    noise = problem.noise(np.random.default_rng(1).random((200, 50)))
    np.testing.assert_array_equal(problem.check_noise(noise), noise)


def test_observations_stay_in_bounds_with_the_worst_demand():
    env = gym.make("jumpgym/SetupCost-v0", demand=st.gamma(0.3, scale=50), horizon=4)
    largest = env.unwrapped.problem.demand.max
    observation, _ = env.reset(options={"noise": [largest] * 4})
    for _ in range(4):
        assert env.observation_space.contains(observation)
        observation, *_ = env.step((0, [0.0]))
    assert env.observation_space.contains(observation)


@pytest.mark.parametrize(
    ("demand", "error", "message"),
    [
        (
            st.norm(20, 5),
            ValueError,
            r"can be negative: the support of norm\(20, 5\) is \[-inf, inf\]",
        ),
        (
            st.uniform(-1, 5),
            ValueError,
            r"can be negative: the support of uniform\(-1, 5\) is \[-1, 4\]",
        ),
        (st.rv_discrete(values=([-1, 2], [0.5, 0.5])), ValueError, "demand can be negative"),
        (st.poisson(-3), ValueError, r"demand: the parameters of poisson\(-3\) are outside its domain"),
        (
            st.gamma(float("nan")),
            ValueError,
            r"the parameters of gamma\(nan\) are outside its domain",
        ),
        (st.pareto(0.9), ValueError, r"demand: the mean of pareto\(0.9\) is inf, it must be finite"),
        (st.zipf(3), ValueError, r"demand: zipf\(3\) has too long a tail"),
        (st.gamma, TypeError, "has free parameters: freeze it"),
        ({20}, TypeError, r"demand=\{20\} must be a frozen scipy.stats distribution"),
        (lambda: 3, TypeError, "must be a frozen scipy.stats distribution"),
        (TRACES[0, :2], ValueError, r"series of shape \(2, ...\) must have at least horizon=3 periods"),
        (
            TRACES[:, :2],
            ValueError,
            r"traces of shape \(2, 2\) must have shape \(episodes, horizon\) = \(any, 3\); set horizon=",
        ),
        (TRACES[:0], ValueError, r"traces of shape \(0, 3\)"),
        ([[1.0, 2.0, float("nan")]], ValueError, "row 0, period 2 is missing or not finite"),
        ([[1.0, 2.0, 3.0], [1.0, -2.0, 3.0]], ValueError, r"row 1, period 1 is negative: -2\.0"),
        ([[1.0, 2.0], [3.0]], ValueError, "demand: traces must be numbers"),
        ([["a", "b", "c"]], ValueError, "demand: traces must be numbers"),
        ([[1e200, 1.0, 1.0]], ValueError, "demand: its largest value=1e[+]200"),
        ("/nowhere/demand.csv", ValueError, "demand='/nowhere/demand.csv': cannot be read as a CSV file"),
    ],
)
def test_bad_demand_is_refused(demand, error, message):
    with pytest.raises(error, match=message):
        gym.make("jumpgym/SetupCost-v0", demand=demand, horizon=3)


def test_a_csv_with_a_gap_names_the_file_and_the_place(tmp_path):
    (tmp_path / "demand.csv").write_text("a,b,c\n1,2,3\n4,,6\n")
    with pytest.raises(
        ValueError, match=r"demand='.*demand\.csv': row 1, column 'b' is missing.*\(line 3 of the file\)"
    ):
        gym.make("jumpgym/SetupCost-v0", demand=tmp_path / "demand.csv", horizon=3)


SERIES = np.array([3.0, 0.0, 7.0, 1.0, 5.0, 2.0, 8.0])


@pytest.mark.parametrize("kind", ["array", "list", "column", "series", "frame", "csv", "dated csv"])
def test_a_long_series_gives_rolling_windows(kind, tmp_path):
    dated = pd.Series(SERIES, index=pd.date_range("2020-01-01", periods=7, freq="MS"), name="sales")
    dated.to_csv(tmp_path / "dated csv", index_label="month")
    dated.to_csv(tmp_path / "csv", index=False)
    given = {
        "array": SERIES,
        "list": SERIES.tolist(),
        "column": SERIES[:, None],
        "series": dated,
        "frame": dated.to_frame(),
    }.get(kind, tmp_path / kind)
    demand = as_demand(given, 3)
    found = demand.sample(np.random.default_rng(0).random((500, 3)))
    windows = {tuple(SERIES[start : start + 3]) for start in range(5)}
    assert {tuple(row) for row in found} == windows
    assert {tuple(row) for row in episodes(given, 3)} == windows
    assert demand.mean == pytest.approx(np.mean([list(window) for window in windows]))
    assert (demand.max, demand.max_total) == (8, 15)


def test_without_an_end_a_series_goes_round():
    demand = as_demand(SERIES, None)
    found = demand.sample(np.random.default_rng(0).random((300, 10)))
    rounds = {tuple(np.roll(np.tile(SERIES, 2), -start)[:10]) for start in range(7)}
    assert {tuple(row) for row in found} == rounds
    assert demand.mean == pytest.approx(SERIES.mean())
    assert demand.max_total == 8 * STATIONARY_PERIODS
    assert as_demand(st.poisson(3), None).max_total == as_demand(st.poisson(3), 1).max * STATIONARY_PERIODS


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("windows", ["rolling", "whole"])
def test_no_period_is_both_in_training_and_in_evaluation(share, windows):
    train, evaluate = split_series(np.arange(200.0), share)
    assert len(evaluate) == round(200 * share)
    np.testing.assert_array_equal(np.concatenate([train, evaluate]), np.arange(200))
    cut = [set(episodes(part, 2, windows).ravel()) for part in (train, evaluate)]
    assert not cut[0] & cut[1]
    assert max(cut[0]) < min(cut[1])


def test_whole_episodes_are_consecutive_and_keep_items_together():
    np.testing.assert_array_equal(episodes(SERIES, 3, "whole"), SERIES[:6].reshape(2, 3))
    pair = np.stack([SERIES, -SERIES], axis=-1)
    np.testing.assert_array_equal(episodes(pair, 3, "whole"), pair[:6].reshape(2, 3, 2))
    np.testing.assert_array_equal(episodes(pair, 3)[2], pair[2:5])
    assert [part.shape for part in split_series(pair, 0.5)] == [(3, 2), (4, 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sales\n1\n2\n\n4\n5\n", r"row 2, column 'sales' is missing.* \(line 4 of the file\)"),
        ("sales\n1\n2\n-4\n5\n", r"row 2, column 'sales' is negative: -4.0 \(line 4 of the file\)"),
        ("month,sales\nmay,1\njune,2\njuly,\n", r"row 2, column 'sales' is missing.*\(line 4 of the file\)"),
        ("sales\n1\ntwo\n3\n", r"row 1, column 'sales' is not a number: 'two' \(line 3 of the file\)"),
        ("sales\n", "the series is empty"),
        ("", "cannot be read as a CSV file"),
    ],
)
def test_a_csv_series_with_a_fault_names_the_line(text, message, tmp_path):
    (tmp_path / "sales.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"demand='.*sales\.csv': {message}"):
        as_demand(tmp_path / "sales.csv", 3)


def test_a_frame_with_a_fault_names_the_row_by_its_label():
    frame = pd.DataFrame({"sales": [1.0, np.nan, 2.0]}, index=["may", "june", "july"])
    with pytest.raises(ValueError, match=r"demand: row 1, column 'sales' is missing.* \(index june\)"):
        as_demand(frame, 2)
    with pytest.raises(ValueError, match=r"series: row 1, column 'sales' is missing.* \(index june\)"):
        split_series(frame)


def test_empty_lines_at_the_end_and_written_indices_are_no_data(tmp_path):
    pd.DataFrame({"sales": SERIES}).to_csv(tmp_path / "sales.csv")
    with (tmp_path / "sales.csv").open("a") as file:
        file.write("\n\n")
    np.testing.assert_array_equal(np.concatenate(split_series(tmp_path / "sales.csv")), SERIES)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: split_series(SERIES, 1.0), ValueError, r"evaluate_share=1.0 must be a number in \(0, 1\)"),
        (lambda: split_series(SERIES[:1]), ValueError, "at least 2 rows"),
        (lambda: split_series(3), TypeError, "series=3 must be an array"),
        (lambda: episodes(SERIES, 8), ValueError, "at least horizon=8 periods"),
        (lambda: episodes(SERIES, 0), ValueError, "horizon=0 must be an integer of at least 1"),
        (lambda: episodes(SERIES, 3, "some"), ValueError, "windows='some' must be one of"),
        (lambda: episodes(np.zeros((2, 3, 4)), 3), ValueError, r"must be \(periods,\) or \(periods, items\)"),
    ],
)
def test_bad_splits_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
