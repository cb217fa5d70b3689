"""The gradient laboratory: its figures against theory, its statements against controls, its files."""

import numpy as np
import pandas as pd
import pytest
import torch

from jumpgym.baselines.cli import main
from jumpgym.baselines.studies.laboratory import temperatures
from jumpgym.baselines.studies.notes import log_probability, reward_gradient, table

VARIANCES = {"naive": 6.0, "score function": 60.0, "reparameterised": 18.0}
"""Of one sample: from E x^2, x^4, x^6 = 2, 10, 76 of N(1, 1), and E x^3 = 4."""


@pytest.fixture(scope="module")
def estimates():
    noise = torch.randn((1000, 1000), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return {name: table.estimates(name, noise) for name in table.ESTIMATORS}


def z_of_mean(values, truth):
    return (values.mean() - truth) / (values.std(ddof=1) / len(values) ** 0.5)


def z_of_variance(values, truth):
    squares = (values - values.mean()) ** 2
    return z_of_mean(squares, truth)


@pytest.mark.parametrize("name", VARIANCES)
def test_variances_of_the_table_are_those_of_theory(name, estimates):
    mean, variance = table.exact_moments(name)
    assert variance == pytest.approx(VARIANCES[name])
    assert mean == pytest.approx(2 if name == "naive" else 4)
    assert abs(z_of_variance(estimates[name], variance / 1000)) < 4
    assert abs(z_of_variance(estimates[name], 1.3 * variance / 1000)) > 4  # it would be seen


def test_unbiased_estimators_pass_and_the_naive_one_fails(estimates):
    assert abs(z_of_mean(estimates["score function"], 4)) < 4
    assert abs(z_of_mean(estimates["reparameterised"], 4)) < 4
    assert z_of_mean(estimates["naive"], 4) < -500
    assert abs(z_of_mean(estimates["naive"], 2)) < 4


def test_the_seed_prints_figures_of_the_same_distribution():
    for name, (mean, bias, variance, mse) in table.PRINTED.items():
        exact_mean, exact_variance = table.exact_moments(name)
        assert abs(mean - exact_mean) < 4 * (exact_variance / 1e6) ** 0.5
        assert variance == pytest.approx(exact_variance / 1000, rel=0.2)
        assert bias == pytest.approx(mean - 4)
        assert mse == pytest.approx(bias**2 + variance, rel=1e-3)


@pytest.fixture(scope="module")
def tiny():
    problem = temperatures.tiny_problem()
    policy = temperatures.tiny_policy(problem, 0)
    return problem, policy, temperatures.exact_gradient(problem, policy)


@pytest.fixture
def measured(tiny, monkeypatch):
    monkeypatch.setattr(temperatures, "EPISODES", 40_000)
    problem, policy, exact = tiny

    def measure(estimator):
        return temperatures.measure(problem, policy, estimator, exact, 1)

    return measure


def test_bias_falls_and_variance_grows_as_relaxations_cool(tiny, measured):
    for relaxation in temperatures.RELAXATIONS.values():
        cold, mild, warm = (measured(relaxation(tiny[0], temperature)) for temperature in (0.1, 0.5, 2.0))
        assert cold["bias"] + 4 * cold["bias_se"] < mild["bias"] - 4 * mild["bias_se"]
        assert mild["bias"] + 4 * mild["bias_se"] < warm["bias"] - 4 * warm["bias_se"]
        assert cold["sd"] > 1.5 * mild["sd"] > 1.5 * warm["sd"]
        assert cold["largest_z"] > 6


def test_straight_through_stays_biased_however_cold(tiny, measured):
    straight = temperatures.RELAXATIONS["straight-through"]
    warmer, colder = (measured(straight(tiny[0], temperature)) for temperature in (0.2, 0.1))
    assert abs(warmer["bias"] - colder["bias"]) < 4 * (warmer["bias_se"] + colder["bias_se"])
    assert colder["bias"] > 6 * colder["bias_se"]


def test_the_score_function_is_the_unbiased_control(tiny, measured):
    control = measured(temperatures.score_function(tiny[0]))
    assert control["largest_z"] < 4
    assert control["cosine"] > 0.99


def test_the_exact_gradient_is_that_of_finite_differences(tiny):
    problem, _, exact = tiny
    policy = temperatures.tiny_policy(problem, 0)
    first = next(policy.parameters())
    paths = torch.cartesian_prod(*[torch.tensor(temperatures.VALUES, dtype=torch.float64)] * 4)
    chances = torch.tensor(temperatures.CHANCES, dtype=torch.float64)
    chance = chances[(paths == temperatures.VALUES[1]).long()].prod(-1)

    def cost(change):
        with torch.no_grad():
            first[0, 0] += change
            start = problem.initial_state(torch.zeros(len(paths), dtype=torch.float64))
            found = chance @ temperatures.expected_cost(problem, policy, start, paths)
            first[0, 0] -= change
        return float(found)

    assert (cost(1e-5) - cost(-1e-5)) / 2e-5 == pytest.approx(float(exact[0]), rel=1e-4, abs=1e-6)


@pytest.fixture(scope="module")
def reward():
    return reward_gradient.run(1).tables["questions-001"].set_index(["estimator", "sigma"])


def test_every_reading_of_the_reward_gradient_has_the_same_mean(reward):
    assert reward.z.abs().max() < 4
    limit = reward_gradient.exact_gradient(0.0)
    assert reward["mean"]["pathwise", 0.0] == pytest.approx(limit, rel=1e-12)
    assert reward["mean"]["sum of dmu/dtheta dQ/da", 0.0] == pytest.approx(limit, rel=1e-12)
    assert reward.exact["pathwise", 0.01] == pytest.approx(limit, rel=1e-3)
    assert reward.exact["pathwise", 1.0] != pytest.approx(limit, rel=0.5)  # the noise is not free


def test_only_the_pathwise_gradient_becomes_certain_as_the_policy_becomes_deterministic(reward):
    sd = reward.sd
    assert sd["score function", 0.01] == pytest.approx(3 * sd["score function", 0.03], rel=0.1)
    assert sd["score function, baseline", 0.01] == pytest.approx(
        sd["score function, baseline", 0.03], rel=0.1
    )
    assert sd["pathwise", 0.01] == pytest.approx(sd["pathwise", 0.03] / 3, rel=0.01)


def test_an_observed_trajectory_has_no_gradient_of_its_own():
    noise = torch.randn((10, 5), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert reward_gradient.gradient_of_observed_cost(noise, 0.3) == 0
    assert (reward_gradient.estimates(reward_gradient.pathwise, noise, 0.3).abs() > 0).all()


def test_log_prob_of_a_reparameterised_sample():
    tables = log_probability.run(2).tables
    by = tables["questions-004-log-prob"].set_index("derivative of log p(x)")
    assert by.largest_in_mu["both, log_prob(x)"] < 1e-12
    assert by.mean_in_sigma["both, log_prob(x)"] == pytest.approx(-1 / log_probability.SIGMA)
    density, formula = "through the density, log_prob(x.detach())", "(x - mu) / sigma^2"
    for column in ("mean_in_mu", "sd_in_mu", "largest_in_mu"):
        assert by[column][density] == pytest.approx(by[column][formula], rel=1e-12)
    assert by.sd_in_mu[density] == pytest.approx(1 / log_probability.SIGMA, rel=0.01)


def test_which_estimator_is_right_for_which_cost():
    found = log_probability.run(2).tables["questions-004-estimators"].set_index(["cost", "estimator"])
    score, pathwise, mistaken = log_probability.ESTIMATORS
    assert abs(found.z["smooth", score]) < 4
    assert abs(found.z["with a jump", score]) < 4
    assert abs(found.z["smooth", pathwise]) < 4
    assert found.z["with a jump", pathwise] < -100
    assert found["mean"]["smooth", mistaken] == 0
    assert found.sd["smooth", pathwise] < found.sd["smooth", score] / 2


def refused(capsys, *arguments):
    assert main(["gradients", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_bad_commands(capsys, tmp_path):
    assert "--only='tabel' must be one of 'table'" in refused(capsys, "--only", "tabel")
    assert "--seed=-1" in refused(capsys, "--seed", "-1", "--output", str(tmp_path))
    (tmp_path / "file").write_text("")
    assert "--output" in refused(capsys, "--output", str(tmp_path / "file"))


def test_files_of_a_command_and_parts_that_are_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(table, "TRIALS", 20)
    assert main(["gradients", "--only", "questions", "--output", str(tmp_path)]) == 0
    before = (tmp_path / "questions.md").read_bytes()
    assert main(["gradients", "--only", "table", "table", "--seed", "5", "--output", str(tmp_path)]) == 0
    assert (tmp_path / "questions.md").read_bytes() == before
    assert capsys.readouterr().out.count("table:") == 1
    index = pd.read_csv(tmp_path / "index.csv")
    assert index.part.tolist() == ["table", "questions"]
    assert index.seed.tolist() == [5, 0]
    page, overview = (tmp_path / "table.md").read_text(), (tmp_path / "README.md").read_text()
    for text in (page, overview):
        assert f"jumpgym gradients --only table table --seed 5 --output {tmp_path}" in text
    rows = pd.read_csv(tmp_path / "table.csv")
    assert f"{rows['mean'][1]:.4g}" in page
    assert "![violins" in page
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    assert "torch" in overview
    assert np.isfinite(rows.drop(columns="estimator").to_numpy()).all()
