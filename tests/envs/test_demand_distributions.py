"""Distributions in every form in which people give them; degenerate ones and those with heavy tails."""

import pickle
import time

import numpy as np
import pytest
import scipy.stats as st

from jumpgym import JointReplenishmentEnv, MinInvestmentEnv, SetupCostEnv
from jumpgym.demand import as_demand, as_item_demand
from jumpgym.noise.distributions import describe, parse

new_interface = pytest.mark.skipif(not hasattr(st, "Binomial"), reason="scipy before 1.16")


def new_distributions():
    """Pairs of a distribution of scipy's new interface and the same one of the old interface."""
    gamma, poisson = st.make_distribution(st.gamma), st.make_distribution(st.poisson)
    return [
        (st.truncate(st.Normal(mu=20.0, sigma=10.0), lb=0.0), st.truncnorm(-2, np.inf, 20, 10)),
        (gamma(a=4.0), st.gamma(4)),
        (3 * gamma(a=4.0) + 2, st.gamma(4, loc=2, scale=3)),
        (st.Binomial(n=40, p=0.5), st.binom(40, 0.5)),
        (poisson(mu=20.0), st.poisson(20)),
        (st.Uniform(a=1.0, b=3.0), st.uniform(1, 2)),
        (st.Mixture([st.Uniform(a=0.0, b=1.0), st.Uniform(a=1.0, b=2.0)]), st.uniform(0, 2)),
    ]


@new_interface
def test_the_new_interface_gives_the_noise_of_the_old_one():
    u = np.random.default_rng(0).random((50, 4))
    for given, old in new_distributions():
        demand, expected = as_demand(given, 4), as_demand(old, 4)
        np.testing.assert_allclose(demand.sample(u), expected.sample(u), rtol=1e-6, atol=1e-9)
        assert type(demand) is type(expected), given
        assert demand.mean == pytest.approx(expected.mean)


@new_interface
def test_environments_pickle_whatever_their_distributions():
    for given, _ in new_distributions():
        env = SetupCostEnv(demand=given)
        copy = pickle.loads(pickle.dumps(env))
        for e in (env, copy):
            e.reset(seed=0)
        assert env.step((0, np.zeros(1)))[1] == copy.step((0, np.zeros(1)))[1]


def test_a_number_is_constant_noise():
    assert as_demand(5, 3).sample(np.array([0.0, 0.5, 0.999])).tolist() == [5, 5, 5]
    assert as_demand(np.float64(2.5), 3).mean == 2.5
    assert as_demand(0, 3).max == 0
    assert as_item_demand(7, 2, 3).mean.tolist() == [7, 7]
    assert as_item_demand([st.poisson(3), 4], 2, 3).max.tolist()[1] == 4
    assert as_demand(st.geom(1.0), 3).values.tolist() == [1]
    with pytest.raises(ValueError, match=r"demand=-3\.0 must be"):
        as_demand(-3, 3)
    with pytest.raises(TypeError, match="demand=True must be"):
        as_demand(True, 3)


def test_a_histogram_is_a_distribution():
    demand = as_demand(st.rv_histogram(np.histogram([1.0, 2.0, 3.0, 5.0], bins=2)), 3)
    assert (demand.min, demand.max) == pytest.approx((1, 5))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("poisson(10)", st.poisson(10)),
        (" scipy.stats.gamma(4, scale=5) ", st.gamma(4, scale=5)),
        ("rv_discrete(values=([0, 5], [0.25, 0.75]))", st.rv_discrete(values=([0, 5], [0.25, 0.75]))),
        ("truncnorm(-2, inf, 20, 10)", st.truncnorm(-2, np.inf, 20, 10)),
        pytest.param(
            "truncate(Normal(mu=20, sigma=10), lb=0)", st.truncnorm(-2, np.inf, 20, 10), marks=new_interface
        ),
    ],
)
def test_texts_name_distributions(text, same):
    u = np.random.default_rng(0).random(200)
    np.testing.assert_allclose(as_demand(text, 4).sample(u), as_demand(same, 4).sample(u), rtol=1e-6)


def test_texts_in_lists_are_one_for_each_item():
    for given in ("[poisson(10), poisson(20), 5]", ["poisson(10)", st.poisson(20), 5]):
        problem = JointReplenishmentEnv(demand=given).problem
        assert problem.demand.mean == pytest.approx([10, 20, 5])
    assert JointReplenishmentEnv(items=2, demand="poisson(4)").problem.items == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("poison(10)", r"no distribution 'poison'; did you mean poisson"),
        ("poisson", r"'poisson' lacks its parameters: write poisson\(mu, loc=0\)"),
        ("poisson()", r"write poisson\(mu, loc=0\)"),
        ("poisson(1, 2, 3)", r"write poisson\(mu, loc=0\)"),
        ("gamma(4, scale='a')", r"must be a number, a list, or a distribution"),
        ("uniform(2**3)", r"'2 \*\* 3' must be a number"),
        ("uniform(9**9**9)", r"must be a number"),
        ("poisson(10", r"must be a distribution of scipy.stats"),
        ("__import__('os').system('true')", r"scipy.stats has no distribution"),
        ("poisson(mu=[poisson(3)])", r"demand"),
        ("poisson(mu=[1, 2])", r"parameters of shape \(2,\)"),
        ("poisson(*[3])", r"must be a number"),
        ("poisson(**{})", r"must be a number"),
        ("[poisson(3), os]", r"'os' must be a number"),
        ("nofile.csv", r"no such file"),
        ("(" * 500 + "poisson(3)" + ")" * 500, r"demand"),
    ],
)
def test_bad_texts_are_refused_in_a_sentence(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        SetupCostEnv(demand=text)
    assert len(str(caught.value)) <= 300


def test_a_file_whose_name_looks_like_a_distribution_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poisson(3)").write_text("demand\n4.0\n5.0\n")
    assert parse("poisson(3)", "demand") == "poisson(3)"


def test_distributions_are_described_as_a_person_would_write_them():
    assert describe(st.poisson(20)) == "poisson(20)"
    assert describe(st.gamma(np.float64(4), scale=5)) == "gamma(4.0, scale=5)"
    assert describe(st.rv_discrete(values=([0, 5], [0.5, 0.5]))) == "rv_discrete"
    assert describe(st.rv_histogram(np.histogram([1.0, 2.0]))) == "rv_histogram"


@pytest.mark.parametrize(
    ("demand", "message"),
    [
        (st.zipf(2.5), r"zipf\(2\.5\) has too long a tail: its values beyond 1 \+ 1,000,000"),
        (st.zipf(1.5), "the mean of zipf"),
        (st.yulesimon(1.5), "too long a tail"),
        (st.cauchy(3), "its tails are too heavy"),
        (st.halfcauchy(), "the mean of halfcauchy"),
        (st.pareto(0.9), "the mean of pareto"),
        (st.lognorm(9.0), "its largest value"),
    ],
)
def test_tails_that_are_too_heavy_are_refused_within_seconds(demand, message):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=message) as caught:
        SetupCostEnv(demand=demand)
    assert time.perf_counter() - start < 2
    assert len(str(caught.value)) <= 300


def test_a_long_but_bounded_tail_is_cut_where_scipy_would():
    demand = as_demand(st.zipf(4.0), 3)  # its quantile is found by bisection
    assert st.zipf(4.0).sf(demand.max - 1) > 1e-13 >= st.zipf(4.0).sf(demand.max)
    for mean in (0.1, 20, 500):
        assert as_demand(st.poisson(mean), 3).max == st.poisson(mean).isf(1e-13)


def test_noise_that_may_be_negative_takes_texts_and_numbers():
    returns = MinInvestmentEnv(returns="[uniform(-0.5, 1.1), 0.02]").problem.returns
    assert returns.mean == pytest.approx([0.05, 0.02])
