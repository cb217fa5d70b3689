import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from jumpgym.baselines.report.statistics import (
    bands,
    bootstrap_interval,
    paired_differences,
    performance_profile,
    ranks,
    summary,
)
from jumpgym.baselines.report.styles import FAMILIES, PANEL_METHODS, panels_of, styles_of
from jumpgym.baselines.runs.methods import METHODS

RUN = ["env", "parameters", "method", "seed", "budget_seconds", "budget_timesteps"]
INF = float("inf")


def runs(gaps, seconds=20.0):
    """A comparison of ``{(env, method): gap of each seed}``; a status may stand in place of a gap."""
    rows = [
        {
            "env": f"jumpgym/{env}-v0",
            "parameters": "",
            "method": method,
            "seed": seed,
            "budget_seconds": seconds,
            "budget_timesteps": pd.NA,
            "gap_percent": float("nan") if isinstance(gap, str) else gap,
            "status": gap if isinstance(gap, str) else "ok",
            "note": "",
            "gap_se_percent": 0.1 * (seed + 1),
            "transitions": 1000 * (seed + 1),
            "cpu_to_1_percent": float(seed + 1) if seed < 2 else float("nan"),
            "cpu_to_0.3_percent": float("nan"),
            "transitions_to_1_percent": 100.0,
            "transitions_to_0.3_percent": float("nan"),
        }
        for (env, method), of_seeds in gaps.items()
        for seed, gap in enumerate(of_seeds)
    ]
    return pd.DataFrame(rows).astype({"budget_timesteps": "Int64", "seed": "Int64"})


def test_interval_of_many_normal_values_is_that_of_normal_theory():
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    half = norm.ppf(0.975) * values.std() / 20
    low, high = bootstrap_interval(values)
    np.testing.assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.05 * half)
    narrow = bootstrap_interval(values, confidence=0.5)
    assert low < narrow[0] < values.mean() < narrow[1] < high
    assert bootstrap_interval(values) == (low, high)


def test_intervals_of_few_or_equal_or_infinite_values():
    assert bootstrap_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
    for values in ([], [1.0], [1.0, INF], [1.0, float("nan")]):
        assert np.isnan(bootstrap_interval(values)).all()


def coverage(size, confidence, samples=300):
    rng = np.random.default_rng(2)
    intervals = [bootstrap_interval(rng.normal(size=size), confidence) for _ in range(samples)]
    return np.mean([low <= 0 <= high for low, high in intervals])


def test_coverage_is_what_it_says_and_less_with_few_values_or_less_confidence():
    assert 0.90 <= coverage(40, 0.95) <= 0.98
    assert 0.75 <= coverage(5, 0.95) <= 0.90  # as the module says
    assert coverage(40, 0.6) < 0.7


def test_summary():
    table = summary(runs({("A", "mixed"): [1.0, 2.0, 6.0], ("A", "smoothed"): ["not_applicable"] * 3}))
    (row,) = table.to_dict("records")
    assert (row["method"], row["runs"], row["diverged"]) == ("mixed", 3, 0)
    assert (row["median"], row["mean"], row["worst"], row["best"]) == (2.0, 3.0, 6.0, 1.0)
    assert 1.0 <= row["low"] < 3.0 < row["high"] <= 6.0
    assert (row["se"], row["transitions"]) == (0.2, 2000.0)
    assert (row["cpu_to_1_percent"], row["cpu_to_0.3_percent"]) == (2.0, INF)  # of 1, 2 and never
    assert row["transitions_to_1_percent"] == 100.0
    (row,) = summary(runs({("A", "mixed"): [1.0, 2.0, "diverged"]})).to_dict("records")
    assert (row["diverged"], row["median"], row["mean"], row["worst"]) == (1, 2.0, INF, INF)
    assert np.isnan(row["low"])


def test_a_divergence_counts_as_infinite_whatever_its_last_gap():
    table = runs({("A", "mixed"): [0.1]}).assign(status="diverged")
    assert summary(table)["median"].tolist() == [INF]
    assert performance_profile(table, [1.0]).share.tolist() == [0.0]


def test_budgets_are_apart():
    both = pd.concat([runs({("A", "mixed"): [1.0]}), runs({("A", "mixed"): [0.5]}, seconds=100.0)])
    steps = runs({("A", "mixed"): [0.2]}).assign(budget_seconds=float("nan"), budget_timesteps=1000)
    table = summary(pd.concat([both, steps.astype({"budget_timesteps": "Int64"})]))
    assert table["median"].tolist() == [1.0, 0.5, 0.2]
    assert table.budget_seconds.tolist()[:2] == [20.0, 100.0]
    assert table.budget_timesteps.isna().tolist() == [True, True, False]


def test_profile_by_hand_on_two_problems_with_two_seeds():
    gaps = {("A", "mixed"): [0.1, 0.5], ("B", "mixed"): [2.0, "diverged"]}
    gaps |= {("A", "smoothed"): [0.5, 0.5], ("B", "smoothed"): ["not_applicable"] * 2}
    table = performance_profile(runs(gaps), [0.05, 0.1, 0.5, 1.0, 2.0, 1e9])
    own = table[table.method == "mixed"]
    assert own.share.tolist() == [0, 0.25, 0.5, 0.5, 0.75, 0.75]
    # of a problem with seeds below and above, resampling gives shares 0, 1/2, 1 with odds 1 : 2 : 1
    assert own.low.tolist() == [0, 0, 0.5, 0.5, 0.5, 0.5]
    assert own.high.tolist() == [0, 0.5, 0.5, 0.5, 1.0, 1.0]
    assert set(own.problems) == {2}
    assert set(own.runs) == {4}
    other = table[table.method == "smoothed"]
    assert other.share.tolist() == [0, 0, 1, 1, 1, 1]
    assert set(other.problems) == {1}
    assert performance_profile(runs({("A", "mixed"): [0.1], ("B", "mixed"): [1.0]})).low.isna().all()


def test_bands_resample_within_problems_only():
    """Seeds that agree within each problem leave no doubt, however the problems differ."""
    agreeing = runs({("A", "mixed"): [0.1] * 5, ("B", "mixed"): [9.0] * 5})
    table = performance_profile(agreeing, [1.0])
    assert table[["share", "low", "high"]].to_numpy().tolist() == [[0.5, 0.5, 0.5]]
    mixing = runs({("A", "mixed"): [0.1] * 5 + [9.0] * 5})
    row = performance_profile(mixing, [1.0]).iloc[0]
    assert row.low < 0.5 < row.high


def test_paired_differences_by_hand():
    gaps = {
        ("A", "mixed"): [1.0, 2.0],
        ("A", "svg"): [1.5, 2.0],
        ("B", "mixed"): [3.0],
        ("B", "svg"): [2.0, 7.0],
    }
    (row,) = paired_differences(runs(gaps | {("C", "svg"): [0.0]})).to_dict("records")
    assert (row["method"], row["problems"], row["pairs"]) == ("svg", 2, 3)
    assert row["difference"] == pytest.approx((0.5 + 0.0 - 1.0) / 3)
    assert row["better"] == pytest.approx((0 + 0.5 + 1) / 3)
    assert row["low"] == pytest.approx((0.0 + 0.0 - 1.0) / 3)
    assert row["high"] == pytest.approx((0.5 + 0.5 - 1.0) / 3)
    assert (row["better_low"], row["better_high"]) == pytest.approx((1 / 3, 2 / 3))


def test_paired_differences_change_sign_with_the_sides():
    rng = np.random.default_rng(0)
    gaps = {(env, name): rng.exponential(size=5) for env in "ABC" for name in ("mixed", "svg")}
    (row,) = paired_differences(runs(gaps), "mixed").to_dict("records")
    (swapped,) = paired_differences(runs(gaps), "svg").to_dict("records")
    assert row["difference"] == pytest.approx(-swapped["difference"])
    assert row["better"] == pytest.approx(1 - swapped["better"])
    assert row["low"] == pytest.approx(-swapped["high"], abs=0.05)
    assert row["low"] < row["difference"] < row["high"]


def test_pairs_remove_what_both_share():
    """A hard seed is hard for both: the paired interval is narrow where that of each mean is wide."""
    hard = np.array([1.0, 5.0, 9.0, 2.0])
    gaps = {("A", "mixed"): hard, ("A", "svg"): hard + 0.1}
    (row,) = paired_differences(runs(gaps)).to_dict("records")
    assert row["high"] - row["low"] < 1e-9
    assert np.ptp(bootstrap_interval(hard)) > 2


def test_paired_differences_of_divergences_and_of_nothing():
    gaps = {("A", "mixed"): [1.0, "diverged", 1.0], ("A", "svg"): [2.0, "diverged", 2.0]}
    (row,) = paired_differences(runs(gaps)).to_dict("records")
    assert (row["difference"], row["better"]) == (pytest.approx(2 / 3), pytest.approx(0.5 / 3))
    gaps["A", "svg"] = [2.0, 2.0, "diverged"]
    (row,) = paired_differences(runs(gaps)).to_dict("records")
    assert np.isnan(row["difference"])  # each diverged where the other did not
    assert row["better"] == pytest.approx(1 / 3)
    gaps["A", "mixed"] = [1.0] * 3
    (row,) = paired_differences(runs(gaps)).to_dict("records")
    assert (row["difference"], row["high"]) == (INF, INF)
    assert paired_differences(runs({("A", "svg"): [1.0]})).empty
    assert paired_differences(runs({("A", "svg"): [1.0], ("B", "mixed"): [1.0]})).empty


def test_ranks():
    gaps = {
        ("A", "mixed"): [0.3, 0.1, 0.2],
        ("A", "svg"): [0.1, 0.9, 0.9],
        ("A", "smoothed"): [0.2, 0.2, 9.0],
    }
    gaps |= {("B", "mixed"): [3.0], ("B", "svg"): [1.0], ("B", "smoothed"): ["not_applicable"]}
    table = ranks(runs(gaps))
    assert dict(zip(table.method, table["rank"], strict=True)) == {
        "mixed": 1.75,
        "svg": 2.0,
        "smoothed": 2.25,
    }
    assert table.method.tolist() == ["mixed", "svg", "smoothed"]
    assert table.problems.tolist() == [2, 2, 1]


def test_learning_curves_over_the_seeds():
    points = [
        (0, 1.0, 8.0),
        (0, 4.0, 2.0),
        (1, 1.0, 4.0),
        (1, 2.0, 2.0),
        (1, 4.0, 1.0),
        (2, 1.0, float("nan")),
    ]
    table = pd.DataFrame(points, columns=["seed", "cpu_seconds", "gap_percent"])
    table = table.assign(env="A", parameters="", method="mixed", budget_seconds=4.0, budget_timesteps=pd.NA)
    band = bands(table.astype({"budget_timesteps": "Int64"}), "cpu_seconds")
    assert band.spent.tolist() == [1.0, 4.0]
    np.testing.assert_allclose(band["median"], [8.0, 2.0])
    np.testing.assert_allclose(band.low, [4.0, 1.0])
    np.testing.assert_allclose(band.high, [1e4, 1e4])


def test_every_method_has_a_style_of_its_own_and_a_panel():
    assert sorted(name for members in FAMILIES.values() for name in members) == sorted(METHODS)
    strangers = [f"stranger {i}" for i in range(12)]
    styles = styles_of([*METHODS, *strangers])
    panels = panels_of([*METHODS, *strangers])
    assert set().union(*(methods for _, methods in panels)) == {*METHODS, *strangers}
    assert [name for name, _ in panels] == [*FAMILIES, "other methods", "other methods"]
    assert [name for name, _ in panels_of(strangers)] == ["", ""]
    for _, methods in panels:
        assert len(methods) <= PANEL_METHODS + 1  # the baseline beside them
        for looks in ("marker", "linestyle"), ("color", "linestyle"):
            assert len({tuple(styles[name][look] for look in looks) for name in methods}) == len(methods)
    assert panels_of(["mixed", "sac", "mixed"]) == [("", ["mixed", "sac"])]
    assert styles_of(["stranger"])["stranger"] == styles["stranger 0"]
    assert styles_of(["mixed"])["mixed"] == styles["mixed"]
