import io

import gymnasium as gym
import numpy as np
import pytest

import jumpgym
from jumpgym import NotApplicable, as_problem
from jumpgym.baselines.policy import Policy
from jumpgym.baselines.runs import measure
from jumpgym.baselines.runs.decisions import chart_around, sample_decisions
from jumpgym.baselines.runs.measure import Reference

SETUP_COST = "jumpgym/SetupCost-v0"


class Cycling(Policy):
    """All regimes in turn, and half of each quantity's range."""

    def __init__(self, env):
        self.problem = as_problem(env)
        self.layout = self.problem.layout

    def decide(self, observation):
        regime = np.arange(len(observation))[:, None] % np.array(self.layout.gates)
        quantity = np.tile(self.layout.quantity_high / 2, (len(observation), 1))
        return regime, self.layout.project(regime, quantity)


@pytest.fixture(scope="module")
def reference():
    return Reference(SETUP_COST)


def test_the_reference_has_no_gap_to_itself(reference):
    gap = reference.gap(reference.optimum, SETUP_COST, 32)
    assert gap == reference.own_gap(32)
    assert gap.gap_percent == gap.gap_se_percent == 0
    assert (reference.kind, reference.exactness, reference.note) == ("optimum", "exact", "")


def test_a_worse_policy_has_a_positive_gap_where_costs_are_negative():
    env = gym.make("jumpgym/MinInvestment-v0", horizon=2)
    found = Reference(env)
    gap = found.gap(Cycling(env), env, 8192)
    assert found.cost < 0
    assert found.exactness == "grid"
    assert gap.difference > 3 * gap.difference_se > 0
    assert gap.gap_percent == pytest.approx(-100 * gap.difference / found.cost)
    assert gap.gap_se_percent > 0


def test_without_an_optimum_the_best_classical_policy_is_the_reference(monkeypatch, reference):
    def refuse(problem):
        raise NotApplicable("too large")

    monkeypatch.setattr(measure, "solve", refuse)
    monkeypatch.setattr(measure, "SIMULATED", 2048)
    found = Reference(SETUP_COST)
    assert (found.kind, found.exactness) == ("classical", "simulated")
    assert found.note == "SSPolicy(s=14, S=62), as there is no optimum: too large"
    assert found.cost == found.costs(2048).mean() > reference.cost
    assert found.gap(reference.optimum, SETUP_COST, 512).gap_percent < 0


def test_without_an_end_it_is_the_cost_of_a_period():
    found = Reference(gym.make(SETUP_COST, horizon=None))
    assert found.cost == found.optimum.average_cost
    assert 0 < found.cost < 100


def test_what_is_written_is_read_and_damage_is_found(reference):
    for episodes in (16, 32):
        reference.costs(episodes)
    content = reference.to_bytes(["key", 1])
    found = Reference.from_bytes(SETUP_COST, content, ["key", 1])
    assert found.optimum is None
    assert found.summary == reference.summary
    assert found.chart == reference.chart
    assert found.sampled == reference.sampled
    policy = Cycling(SETUP_COST)
    for episodes in (16, 32):
        assert found.gap(policy, SETUP_COST, episodes) == reference.gap(policy, SETUP_COST, episodes)
    assert Reference.from_bytes(SETUP_COST, content, ["key", 2]) is None
    for length in np.linspace(0, len(content) - 1, 40).astype(int):
        assert Reference.from_bytes(SETUP_COST, content[:length], ["key", 1]) is None
    for place in range(0, len(content), 997):
        flipped = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
        damaged = Reference.from_bytes(SETUP_COST, flipped, ["key", 1])
        assert damaged is None or np.array_equal(damaged.costs(32), reference.costs(32))


def test_nothing_that_is_read_is_executed(reference):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("executed",)

    content = io.BytesIO()
    np.savez(content, rest=np.array([Trap()], dtype=object))
    assert Reference.from_bytes(SETUP_COST, content.getvalue(), None) is None


def test_the_chart_is_where_the_optimum_goes(reference):
    assert reference.chart["names"] == ["stock"]
    assert reference.chart["periods"] == [25, 48]
    (stocks,) = reference.chart["axes"]
    assert stocks[0] < 0 < 60 < stocks[-1]
    middle = dict(zip(stocks, reference.sampled["quantity"][0][0], strict=True))
    assert middle[0.0] == 62
    assert middle[30.0] == 0


@pytest.mark.parametrize("env", jumpgym.ENVIRONMENTS)
def test_charts_of_all_environments(env):
    problem = as_problem(env)
    policy = Cycling(env)
    chart = chart_around(policy, problem, 0)
    drawn = sample_decisions(chart, policy, problem)
    points = np.prod([len(axis) for axis in chart["axes"]])
    assert 1 <= len(chart["axes"]) <= 2
    for axis, entry in zip(chart["axes"], chart["entries"], strict=True):
        assert len(axis) > 10
        assert np.all(np.diff(axis) > 0)
        assert problem.observation_low[entry] <= axis[0] < axis[-1] <= problem.observation_high[entry]
    assert np.shape(drawn["regime"]) == (2, len(problem.layout.gates), points)
    if len(chart["axes"]) == 1:
        assert np.shape(drawn["quantity"]) == (2, len(problem.layout.quantity_gate), points)
    observation = np.random.default_rng(0).uniform(0, 1, (5, len(problem.observation_low)))
    np.testing.assert_array_equal(problem.observe(problem.state_at(observation)), observation)


def test_what_is_drawn_is_carried_out():
    env = "jumpgym/JointReplenishment-v0"
    chart = chart_around(Cycling(env), as_problem(env), 0)
    trucks, *items = np.array(sample_decisions(chart, Cycling(env), env)["regime"])[0]
    chosen = np.arange(len(trucks)) % 2 == 1
    assert np.array_equal(trucks, np.arange(len(trucks)) % 4)
    for item in items:
        assert np.array_equal(item == 1, chosen & (trucks > 0))
