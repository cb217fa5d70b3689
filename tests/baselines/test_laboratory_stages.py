"""The laboratory's measure of every estimator: against enumeration, and its files."""

import json

import pandas as pd
import pytest
import scipy.stats
import torch

from jumpgym.agents import MixedGradient
from jumpgym.baselines.cli import main
from jumpgym.baselines.studies.laboratory import estimates, stages, trained, training
from jumpgym.problems.setup_cost import setup_cost

UNBIASED = ["total_cost", "reward_to_go", "leave_one_out", "value", "branching", "enumeration"]
BIASED = ["td", "branching, 1 periods", "gumbel_softmax", "straight_through"]
TINY = ["--set", "horizon=3", "fixed_cost=8.0", "shortage_cost=4.0", "max_order=40.0"]


@pytest.fixture(scope="module")
def problem():
    return setup_cost(
        fixed_cost=8,
        shortage_cost=4,
        demand=scipy.stats.rv_discrete(values=([3, 9], [0.6, 0.4])),
        horizon=4,
        max_order=40,
        discount=0.9,
    )


@pytest.fixture(scope="module")
def weights(problem):
    """Of a policy whose gates are undecided and follow the state, and a value that is 0."""
    agent = MixedGradient(problem, estimator="gae", seed=1)
    with torch.no_grad():
        agent.policy.net[-1].weight.mul_(10)
    return estimates.Weights(agent.networks.state_dict(), agent.cost_scale, 0)


@pytest.fixture(scope="module")
def table(problem, weights):
    with torch.random.fork_rng():
        found, reference, _ = stages.measure(problem, weights, 3, estimates=40, reference=40, batch=400)
    assert reference.standard_error < 0.02
    return found.set_index("estimator")


@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased_estimators_are_found_unbiased(table, name):
    assert abs(table.bias_z[name]) < 4
    assert table.bias[name] < 0.3


@pytest.mark.parametrize("name", BIASED)
def test_biased_estimators_are_found_biased(table, name):
    assert table.bias_z[name] > 4
    assert table.bias[name] > 0.1


def test_deviations_are_in_the_order_that_theory_gives(table):
    order = ["total_cost", "reward_to_go", "leave_one_out", "branching", "enumeration"]
    deviations = [table.sd[name] for name in order]
    assert deviations == sorted(deviations, reverse=True)
    assert table.score_sd["branching"] < 0.7 * table.score_sd["leave_one_out"]
    assert table.pathwise_sd["branching"] == pytest.approx(table.pathwise_sd["leave_one_out"])
    assert table.cosine["branching"] > table.cosine["leave_one_out"] > table.cosine["total_cost"]


def test_cross_term_is_left_out_alone(table):
    assert table.cross_sd["gae"] > 0
    assert table.cross_sd["gae, no cross term"] == 0
    assert table.score_sd["gae, no cross term"] == pytest.approx(table.score_sd["gae"])


@pytest.mark.parametrize("name", ["leave_one_out", "normalised", "gae, no cross term", "branching"])
def test_parts_add_up_to_the_gradient_of_training(problem, weights, name):
    settings = estimates.estimators(problem)[name]
    parts = estimates.sample({name: weights.agent(problem, 5, **settings)}, 1)[name][0]
    whole = torch.cat([g.flatten() for g in estimates.one_estimate(weights.agent(problem, 5, **settings))])
    assert torch.allclose(parts.sum(0), whole, rtol=1e-4, atol=1e-5 * float(whole.norm()))
    assert not torch.allclose(parts[0], whole, rtol=1e-3)


@pytest.mark.parametrize("name", ["gumbel_softmax", "straight_through"])
def test_relaxations_have_neither_score_nor_cross_term(problem, weights, name):
    parts = estimates.sample({name: weights.agent(problem, 5, estimator=name)}, 1)[name][0]
    assert float(parts[0].norm()) > 0
    assert not parts[1:].any()


def test_quality_of_estimates_whose_bias_is_known():
    generator = torch.Generator().manual_seed(0)

    def normal(count, spread):
        return spread * torch.randn((count, 200), generator=generator, dtype=torch.float64)

    gradient = torch.zeros(200, dtype=torch.float64)
    gradient[0] = 2.0
    reference = stages.Reference.of(gradient + normal(400, 0.1))
    assert reference.norm == pytest.approx(2, rel=0.01)
    shift = torch.zeros(200, dtype=torch.float64)
    shift[1] = 0.6
    found = stages.quality((gradient + shift + normal(100, 0.2))[:, None].expand(-1, 3, -1) / 3, reference)
    assert found["bias"] == pytest.approx(0.3, abs=0.03)
    assert found["bias_z"] > 10
    assert found["sd"] == pytest.approx(0.2 * 200**0.5 / 2, rel=0.05)
    assert found["relative_error"] == pytest.approx((0.3**2 + 2.0) ** 0.5, rel=0.05)
    none = stages.quality((gradient + normal(100, 0.2))[:, None].expand(-1, 3, -1) / 3, reference)
    assert abs(none["bias_z"]) < 3
    for _ in range(20):  # in one dimension noise may lie closer to the truth than it should
        line = stages.Reference.of(gradient[:1] + normal(100, 0.1)[:, :1])
        on_line = (gradient[:1] + normal(100, 0.2)[:, :1])[:, None].expand(-1, 3, -1) / 3
        assert stages.quality(on_line, line)["bias_z"] > -2
    naive = 0.2 * 2**0.5 / 2  # the norm of the mean of 100 samples, whose noise looks like a bias
    assert none["bias"] < 0.5 * naive


def test_the_value_is_fitted_to_the_frozen_policy(problem):
    with torch.random.fork_rng():
        start, later = trained.stages(problem, 0, {"start": 0, "later": 3}).values()
    assert (start.iterations, later.iterations) == (0, 3)
    policies = [{k: v for k, v in w.networks.items() if k.startswith("policy")} for w in (start, later)]
    assert any(not torch.equal(policies[0][name], policies[1][name]) for name in policies[0])
    agent = start.agent(problem, 9, estimator="gae", batch_size=4000)
    # Most of the variance is future noise; a value that knew nothing of the state would explain none.
    assert trained.explained(agent) > 0.03
    with torch.no_grad():
        agent.value.mean.add_(3 * agent.value.spread)
    assert trained.explained(agent) < 0


def test_stages_writes_table_and_plot(tmp_path, monkeypatch, capsys):
    for name, number in {"ESTIMATES": 6, "REFERENCE": 8, "BATCH": 32}.items():
        monkeypatch.setattr(stages, name, number)
    monkeypatch.setattr(stages, "STAGES", {"start": 0, "near the optimum": 2})
    monkeypatch.setattr(trained, "FITTING", 3)
    assert main(["gradients", "--only", "stages", "--output", str(tmp_path), *TINY]) == 0
    found = pd.read_csv(tmp_path / "stages.csv")
    assert set(found.stage) == {"start", "near the optimum"}
    assert set(UNBIASED + BIASED) <= set(found.estimator)
    assert found.time[found.estimator == "gae"].eq(1).all()
    assert (tmp_path / "stages.png").read_bytes().startswith(b"\x89PNG")
    text = " ".join((tmp_path / "stages.md").read_text().split())
    assert "enumeration of all gates" in text
    assert "state_gradient_limit" in text


def test_training_keeps_records_and_goes_on_from_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "EPISODES", 64)
    command = ["gradients", "--only", "training", "--budget", "0.02", "--output", str(tmp_path), *TINY]
    assert main(command) == 0
    found = pd.read_csv(tmp_path / "training.csv")
    assert set(UNBIASED + BIASED) <= set(found.estimator)
    assert found.gap_percent.notna().all()
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")
    records = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.json")}
    assert len(records) == len(found)

    damaged, other = list(records)[:2]
    damaged.write_text(damaged.read_text()[:50])
    record = json.loads(other.read_text())
    record["version"] = "0"
    other.write_text(json.dumps(record))
    before = {path: path.stat().st_mtime_ns for path in records}
    assert main(command) == 0
    again = {path for path in records if path.stat().st_mtime_ns != before[path]}
    assert again == {damaged, other}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--env", "jumpgym/Nothing-v0"], ["jumpgym/Nothing-v0", "did you mean"]),
        (["--set", "horizon=None"], ["horizon=None", "--set horizon=50"]),
        (["--budget", "0"], ["--budget=0", "greater than 0"]),
        (["--seeds", "0"], ["--seeds=0"]),
        (["--only", "stage"], ["--only", "'stage'", "stages"]),
    ],
)
def test_what_cannot_be_done_is_said(capsys, tmp_path, arguments, expected):
    assert main(["gradients", "--only", "stages", "--output", str(tmp_path), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for text in expected:
        assert text in err
