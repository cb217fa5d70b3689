"""Demand of several items, and noise that may be negative."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st
import torch

from jumpgym.demand import STATIONARY_PERIODS, as_demand, as_item_demand
from jumpgym.noise.described import as_noise
from jumpgym.noise.items import as_item_noise

VALUES = st.rv_discrete(values=([1, 4, 9], [0.5, 0.3, 0.2]))
OTHER_VALUES = st.rv_discrete(values=([2, 3], [0.5, 0.5]))
KINDS = {
    "discrete": [st.poisson(5), st.poisson(20), st.nbinom(3, 0.2), VALUES, OTHER_VALUES],
    "continuous": [st.gamma(4, scale=5), st.expon(scale=10), st.uniform(5, 10)],
    "mixed": [st.gamma(4, scale=5), st.poisson(5), st.uniform(5, 10), VALUES, st.poisson(5)],
    "equal": [st.poisson(5), st.poisson(5)],
}
SERIES = np.arange(12.0).reshape(6, 2)  # item 1 is item 0 plus 1, in every period


def uniforms(*shape):
    return np.random.default_rng(0).random(shape)


@pytest.mark.parametrize("kind", KINDS)
def test_each_item_draws_as_it_does_alone(kind):
    distributions = KINDS[kind]
    demand = as_item_demand(distributions, len(distributions), 7)
    u = uniforms(300, 7, len(distributions))
    found = demand.sample(u)
    assert found.shape == u.shape
    for j, distribution in enumerate(distributions):
        alone = as_demand(distribution, 7)
        np.testing.assert_array_equal(found[..., j], alone.sample(u[..., j]))
        assert demand.mean[j] == alone.mean == demand.items[j].mean
        assert (demand.max[j], demand.max_total[j]) == (alone.max, alone.max_total)
    again = pickle.loads(pickle.dumps(demand)).sample(torch.tensor(u))
    np.testing.assert_allclose(again.numpy(), found, rtol=1e-12)
    assert demand.sample(torch.tensor(u, dtype=torch.float32)).dtype == torch.float32
    assert np.isfinite(demand.sample(np.zeros((1, 1, len(distributions))) + np.nextafter(1, 0))).all()


def test_one_distribution_serves_all_items_with_draws_of_their_own():
    demand = as_item_demand(st.poisson(20), 1000, 5)
    u = uniforms(20, 5, 1000)
    np.testing.assert_array_equal(demand.sample(u), as_demand(st.poisson(20), 5).sample(u))
    assert demand.max_total.shape == (1000,)


def test_coarser_tables_of_many_items_keep_to_the_stated_error():
    distributions = [st.expon(scale=1 + j) for j in range(400)]
    distributions += [st.poisson(1 + j / 10) for j in range(400)]
    demand = as_item_demand(distributions, 800, 4)
    u = uniforms(50, 4, 800)
    found = demand.sample(u)
    exponential = -np.log1p(-u[..., :400])
    error = np.abs(found[..., :400] / np.arange(1, 401) - exponential)
    assert error.mean() < 3e-4
    assert error.max() < 5e-3
    means = (1 + np.arange(400) / 10)[::10]
    exact = st.poisson(means).ppf(u[..., 400::10])
    assert (found[..., 400::10] == exact).mean() > 0.9999


def test_demand_that_is_ready_may_be_among_the_distributions():
    ready = [as_demand(st.gamma(2), 4), as_demand(st.poisson(3), 4)]
    demand = as_item_demand([*ready, *(st.gamma(1 + j / 50) for j in range(100))], 102, 4)
    u = uniforms(20, 4, 102)
    assert np.abs(demand.sample(u)[..., 0] - ready[0].sample(u[..., 0])).max() < 1e-3
    np.testing.assert_array_equal(demand.sample(u)[..., 1], ready[1].sample(u[..., 1]))
    with pytest.raises(ValueError, match="1 distributions for 2 items"):
        as_item_demand(as_item_demand(ready[0], 1, 4), 2, 4)


def test_the_two_halves_of_a_list_of_equal_parameters_share_one_table():
    demand = as_item_demand([st.gamma(a, scale=2) for a in (1, 2) * 100], 200, 3)
    assert len({id(item) for item in demand.items}) == 2
    with_values = as_item_demand([VALUES, OTHER_VALUES], 2, 3)  # same family, other values
    assert with_values.max.tolist() == [9, 3]


@pytest.mark.parametrize("form", ["array", "list", "frame", "csv"])
def test_a_series_of_items_gives_windows_with_its_correlation(form, tmp_path):
    frame = pd.DataFrame(SERIES, columns=["a", "b"], index=pd.date_range("2020-01-01", periods=6))
    frame.to_csv(tmp_path / "demand.csv")  # with a first column of dates
    given = {"array": SERIES, "list": SERIES.tolist(), "frame": frame, "csv": tmp_path / "demand.csv"}[form]
    demand = as_item_demand(given, 2, 3)
    found = demand.sample(uniforms(500, 3, 2))
    np.testing.assert_array_equal(found[..., 1], found[..., 0] + 1)
    windows = {tuple(row) for row in found[..., 0]}
    assert windows == {(0, 2, 4), (2, 4, 6), (4, 6, 8), (6, 8, 10)}
    assert demand.mean.tolist() == [5, 6]
    assert demand.max_total.tolist() == [24, 27]
    u = uniforms(5, 3, 2)
    np.testing.assert_array_equal(demand.sample(torch.tensor(u)).numpy(), demand.sample(u))


def test_episodes_of_items_are_replayed_whole():
    traces = uniforms(4, 3, 2)
    demand = as_item_demand(traces, 2, 3)
    found = demand.sample(uniforms(200, 3, 2))
    assert {row.tobytes() for row in found} == {row.tobytes() for row in traces}
    np.testing.assert_allclose(demand.max_total, traces.sum(1).max(0))
    np.testing.assert_allclose(demand.mean, traces.mean((0, 1)))


def test_without_an_end_a_series_goes_round():
    demand = as_item_demand(SERIES, 2, None)
    found = demand.sample(uniforms(50, 13, 2))
    np.testing.assert_array_equal(found[:, 1:, 0], (found[:, :-1, 0] + 2) % 12)
    assert set(found[:, 0, 0]) == {0, 2, 4, 6, 8, 10}
    assert demand.max_total.tolist() == [10 * STATIONARY_PERIODS, 11 * STATIONARY_PERIODS]
    endless = as_item_demand(st.uniform(0, 2), 3, None)
    np.testing.assert_allclose(endless.max_total, [2 * STATIONARY_PERIODS] * 3)


@pytest.mark.parametrize(
    ("demand", "error", "message"),
    [
        ([st.poisson(3)] * 2, ValueError, "demand: 2 distributions for 3 items"),
        ([st.poisson(3), st.norm(0, 1), st.poisson(3)], ValueError, "demand of item 1 can be negative"),
        ([st.poisson(3), st.poisson(-3), st.poisson(3)], ValueError, "demand of item 1: the parameters"),
        ([st.poisson(3), {20}, st.poisson(3)], TypeError, r"demand of item 1: \{20\} must be a frozen"),
        (st.poisson([3, 4, 5]), ValueError, "give one frozen distribution for each item, in a list"),
        ({20}, TypeError, r"demand=\{20\} must be a frozen scipy.stats distribution, a list of 3"),
        (SERIES, ValueError, r"shape \(6, 2\) must have shape \(periods, items\) = \(any, 3\)"),
        (np.zeros((5, 3, 3)), ValueError, r"\(episodes, horizon, items\) = \(any, 4, 3\)"),
        (np.zeros((2, 3)), ValueError, "must have at least horizon=4 periods"),
        (np.zeros((0, 4, 3)), ValueError, r"shape \(0, 4, 3\)"),
        (np.diag([1, 1, -2.0])[[0, 1, 0, 2]], ValueError, "row 3, item 2 is negative: -2.0"),
        ([[1, 2, 3], [1, 2]], ValueError, "demand: traces must be numbers, of equally many in each row"),
        (np.full((1, 4, 3), np.nan), ValueError, "episode 0, period 0, item 0 is missing"),
    ],
)
def test_bad_item_demand_is_refused(demand, error, message):
    with pytest.raises(error, match=message):
        as_item_demand(demand, 3, 4)


def test_episodes_without_an_end_are_refused():
    with pytest.raises(ValueError, match="horizon=None takes one series"):
        as_item_demand(np.zeros((5, 4, 3)), 3, None)
    with pytest.raises(ValueError, match="since horizon=None has no episodes"):
        as_demand(np.zeros((5, 4)), None)


def test_noise_may_be_negative_down_to_its_limit():
    returns = as_noise(st.norm(0.01, 0.2), 10, name="returns")
    sample = returns.sample(uniforms(2000, 10))
    assert sample.mean() == pytest.approx(0.01, abs=0.01)
    assert returns.min < sample.min() < 0
    with pytest.raises(ValueError, match=r"returns can be less than -1: the support of norm\(0.01, 0.2\) is"):
        as_noise(st.norm(0.01, 0.2), 10, name="returns", low=-1)
    assert as_noise(st.uniform(-1, 3), 10, name="returns", low=-1).min >= -1
    with pytest.raises(ValueError, match=r"returns: row 0, period 1 is less than -1: -1\.5"):
        as_noise([[0.0, -1.5]], 2, name="returns", low=-1)
    pair = as_item_noise([st.norm(0, 1), st.t(3)], 2, 10, name="returns")
    assert (pair.min < -5).all()
    assert pair.sample(uniforms(100, 10, 2)).min() < 0
