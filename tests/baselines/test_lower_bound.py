"""The Lagrangian bound against exact optima, its slope against differences, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from jumpgym import CapacitatedLotSizing, JointReplenishment, NotApplicable
from jumpgym.baselines import Exactness, lower_bound, solve
from jumpgym.baselines.bounds.lower_bound import Relaxation, separate_items
from jumpgym.baselines.bounds.prices import prices_of
from jumpgym.baselines.cli import main
from jumpgym.baselines.policies.joint_policies import QSPolicy
from jumpgym.baselines.studies import trucks
from jumpgym.problems.setup_cost import setup_cost

POISSON = scipy.stats.poisson
SMALL = dict(demand=[POISSON(2), POISSON(1)], horizon=8)
TRUCKS = JointReplenishment(truck_capacity=5, truck_cost=12, item_costs=[3, 5], **SMALL)
SCARCE = JointReplenishment(truck_capacity=5, max_trucks=1, discount=0.9, **SMALL)
JOINT = JointReplenishment(truck_capacity=np.inf, truck_cost=12, item_costs=4, lead_time=[1, 0], **SMALL)
LOST = JointReplenishment(truck_capacity=4, unmet_demand="lost", initial_inventory=(0, 3), **SMALL)
SEASON = JointReplenishment(demand=[[POISSON(1), POISSON(3)] * 3, [POISSON(2)] * 6], horizon=6)
MACHINE = CapacitatedLotSizing(capacity=6, setup_times=1, **SMALL)


def relaxation_of(problem):
    return Relaxation(problem, separate_items(problem))


@pytest.mark.parametrize(
    ("problem", "gap"),
    [(TRUCKS, 4.0), (SCARCE, 8.0), (JOINT, 4.0), (LOST, 4.0), (SEASON, 7.0), (MACHINE, 7.0)],
    ids=["trucks", "scarce", "joint", "lost", "season", "machine"],
)
def test_no_prices_exceed_the_optimum_and_the_best_ones_are_near(problem, gap):
    optimum = solve(problem).expected_cost
    bound = lower_bound(problem, 60)
    assert bound.cost - bound.error_bound <= optimum * (1 + 1e-9)
    assert 0 <= bound.gap_percent(optimum) < gap
    # Any prices give a bound, also bad ones; those of the search are better.
    shared, relaxation, rng = prices_of(problem), relaxation_of(problem), np.random.default_rng(0)
    for spread in (0.3, 3.0):
        parameters = shared.project(shared.start + spread * rng.normal(size=shared.start.shape))
        assert relaxation.at(shared.prices(parameters))[0] < bound.cost


def test_where_nothing_is_shared_it_is_the_optimum():
    apart = JointReplenishment(truck_cost=0.0, truck_capacity=np.inf, item_costs=[5, 9], **SMALL)
    assert lower_bound(apart, 1).cost == pytest.approx(solve(apart).cost, rel=1e-9)
    alone = JointReplenishment(truck_cost=7.0, truck_capacity=np.inf, item_costs=[5], demand=[POISSON(2)])
    optimum = solve(setup_cost(fixed_cost=12, demand=POISSON(2)))
    assert lower_bound(alone, 1).cost == pytest.approx(optimum.cost, rel=1e-9)


@pytest.mark.parametrize(
    "problem", [TRUCKS, SCARCE, JOINT, MACHINE], ids=["trucks", "scarce", "joint", "machine"]
)
def test_slope_against_differences(problem):
    """Orders at prices are the derivative of the least cost, except where a decision changes."""
    shared, relaxation, rng = prices_of(problem), relaxation_of(problem), np.random.default_rng(1)
    parameters = shared.project(shared.start + rng.uniform(0.1, 0.5, shared.start.shape))
    direction = rng.normal(size=parameters.shape) * (parameters != 0)
    ends = [parameters + sign * 1e-6 * direction for sign in (1, -1)]
    above, below = (relaxation.at(shared.prices(end))[0] for end in ends)
    _, setups, units = relaxation.at(shared.prices(parameters))
    slope = relaxation.discounts[:, None] * shared.slope(parameters, setups, units)
    assert (above - below) / 2e-6 == pytest.approx((slope * direction).sum(), rel=1e-4)


def test_with_continuous_demand_it_has_the_error_of_a_grid():
    bound = lower_bound(JointReplenishment(demand=[scipy.stats.gamma(4)], horizon=2), 1)
    assert bound.exactness is Exactness.GRID
    assert 0 < bound.discretisation_error < 1e-4 * bound.cost


def test_what_has_no_bound_is_refused():
    with pytest.raises(NotApplicable, match="horizon=None"):
        lower_bound(JointReplenishment(horizon=None))
    with pytest.raises(NotApplicable, match="lead_time=1 with unmet_demand='lost'"):
        lower_bound(JointReplenishment(unmet_demand="lost", lead_time=1))
    with pytest.raises(NotApplicable, match="traces are not supported"):
        lower_bound(JointReplenishment(demand=np.ones((60, 2))))
    with pytest.raises(NotApplicable, match="a lower bound exists for CapacitatedLotSizing, Joint"):
        lower_bound("jumpgym/SetupCost-v0")
    with pytest.raises(ValueError, match="iterations=0"):
        lower_bound(JointReplenishment(), iterations=0)


def test_the_study_of_trucks_compares_each_family_with_the_bound(tmp_path, monkeypatch, capsys):
    problem = JointReplenishment(items=9, truck_capacity=20, horizon=2)
    starts = [QSPolicy(problem, 40, 9, tau) for tau in (0, 10)]
    monkeypatch.setitem(trucks.SETTINGS, "trucks", lambda items: problem)
    monkeypatch.setattr(trucks, "starts", lambda problem: starts)
    monkeypatch.setattr(trucks, "best_of_family", lambda start, state, noise: (start, 0.0))
    assert main(["trucks", "--items", "9", "--episodes", "64", "--output", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "trucks.csv")
    assert table.trimmed.tolist() == [False, True]
    assert table.gap_percent.to_numpy() == pytest.approx(100 * (table.cost / lower_bound(problem).cost - 1))
    row = f"| trucks | 9 | {table.bound[0]:.6g} | {table.gap_percent.min():.2f} |"
    assert row in (tmp_path / "trucks.md").read_text()
    assert main(["trucks", "--settings", "ships", "--output", str(tmp_path)]) == 2
    assert "--settings='ships' must be one of 'trucks', 'joint'" in capsys.readouterr().err
