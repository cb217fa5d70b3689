"""Problems with a distribution of demand for each period: classical policies, hindsight, the optimum."""

import numpy as np
import pytest
import scipy.stats as st

from jumpgym import (
    JointReplenishmentEnv,
    NotApplicable,
    SetupCostEnv,
    as_problem,
)
from jumpgym.baselines import best_classical, hindsight_cost, solve
from jumpgym.baselines.evaluation import draw, evaluate

PERIODS = [st.poisson(2), st.poisson(8), st.poisson(1)]


def test_solve_refuses_by_name_what_it_cannot_do():
    env = JointReplenishmentEnv(items=2, demand=[PERIODS, st.poisson(3)], horizon=3)
    with pytest.raises(NotApplicable, match="demand: a distribution for each period is not supported"):
        solve(env)


@pytest.mark.parametrize("make", [SetupCostEnv, JointReplenishmentEnv])
def test_no_classical_policy_costs_less_than_hindsight(make):
    items = {"items": 2} if make is JointReplenishmentEnv else {}
    env = make(demand=[PERIODS, PERIODS] if items else PERIODS, horizon=3, **items)
    start, noise = draw(as_problem(env), 8, 0)
    bounds = hindsight_cost(env, noise, start)
    costs = evaluate(best_classical(env), env, 8).costs
    assert np.all(costs >= bounds - 1e-6 * np.abs(bounds))
    assert costs.mean() < 10 * bounds.mean()
