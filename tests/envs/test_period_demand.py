"""A distribution for each period: draws, several items, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st
import torch

from jumpgym import JointReplenishmentEnv, SetupCostEnv
from jumpgym.demand import as_demand, as_item_demand

PERIODS = [st.poisson(5), st.gamma(4, scale=5), st.poisson(10), 7.0]


def uniforms(*shape):
    return np.random.default_rng(0).random(shape)


def test_each_period_draws_from_its_own_distribution():
    u = uniforms(300, 4)
    demand = as_demand(PERIODS, 4)
    sample = demand.sample(u)
    for period, distribution in enumerate(PERIODS):
        alone = as_demand(distribution, 4)
        np.testing.assert_array_equal(sample[:, period], alone.sample(u[:, period]))
    assert demand.mean == pytest.approx((5 + 20 + 10 + 7) / 4)
    assert demand.max_total >= sample.sum(1).max()
    np.testing.assert_allclose(demand.sample(torch.asarray(u)).numpy(), sample)
    compiled = jax.jit(demand.sample)(jnp.asarray(u, dtype=jnp.float32))
    np.testing.assert_allclose(compiled, sample, rtol=1e-3, atol=1e-3)


def test_items_with_and_without_periods():
    u = uniforms(300, 4, 3)
    demand = as_item_demand([PERIODS, st.poisson(5), PERIODS[::-1]], 3, 4)
    sample = demand.sample(u)
    for item, given in enumerate([PERIODS, st.poisson(5), PERIODS[::-1]]):
        np.testing.assert_array_equal(sample[..., item], as_demand(given, 4).sample(u[..., item]))


def test_a_flat_list_is_one_per_item_even_with_as_many_periods():
    demand = as_item_demand([st.poisson(5), st.poisson(50)], 2, 2)
    means = demand.sample(uniforms(1000, 2, 2)).mean(0)
    assert np.all(means[:, 0] < 10)
    assert np.all(means[:, 1] > 40)


def test_environments_take_it_also_as_text():
    env = SetupCostEnv(demand="[poisson(5), 100]", horizon=2)
    env.reset(seed=0)
    env.step((0, [0.0]))
    _, _, terminated, _, info = env.step((0, [0.0]))
    assert terminated
    assert info["noise"] == 100
    env = JointReplenishmentEnv(demand=[["poisson(5)", 3.0], "poisson(10)"], horizon=2)
    assert env.problem.items == 2


@pytest.mark.parametrize("horizon", [3, None])
def test_the_number_of_distributions_must_be_the_horizon(horizon):
    with pytest.raises(ValueError, match="list of 2 distributions, one for each period"):
        as_demand([st.poisson(5), st.poisson(10)], horizon)


def test_errors_name_item_and_period():
    with pytest.raises(ValueError, match="demand of item 1 in period 0 can be negative"):
        as_item_demand([st.poisson(5), [st.norm(), st.poisson(5)]], 2, 2)
    with pytest.raises(ValueError, match=r"list of them for each item, \[\[...\], \[...\]\]"):
        as_item_demand([st.poisson(5)] * 3, 2, 3)
