import json

import numpy as np
import pandas as pd
import pytest

from jumpgym.baselines.cli import main
from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.studies.records import read_record
from jumpgym.baselines.studies.scaling import study
from jumpgym.baselines.studies.scaling.methods import METHODS, ScaledPPO
from jumpgym.baselines.studies.scaling.report import write_scaling
from jumpgym.baselines.studies.scaling.separate_items import (
    SeparateOptima,
    draw_items,
    make_item,
    make_problem,
)
from jumpgym.baselines.studies.scaling.study import ScalingRun, all_records, plan, planned_seconds

TINY = [
    "scaling",
    "--items",
    "1",
    "2",
    "--seeds",
    "1",
    "--budget",
    "1.2",
    "--episodes",
    "64",
    "--workers",
    "1",
]


@pytest.fixture(scope="module")
def finished(local_pools_in_this_process, tmp_path_factory):
    output = tmp_path_factory.mktemp("scaling")
    assert main([*TINY, "--methods", "mixed", "--output", str(output)]) == 0
    return output


@pytest.fixture(scope="module")
def three():
    return SeparateOptima(3)


def test_items_are_the_first_of_one_list():
    few, many = draw_items(3), draw_items(100)
    np.testing.assert_array_equal(few.item_cost, many.item_cost[:3])
    np.testing.assert_array_equal(few.mean, many.mean[:3])
    for values, low, high in (
        (many.mean, 6, 14),
        (many.holding_cost, 0.7, 1.3),
        (many.shortage_cost, 6.3, 11.7),
        (many.item_cost, 10, 90),
    ):
        assert low < values.min() < values.max() < high
    cycles = make_problem(100).cycles
    assert 1.3 < cycles.min() < cycles.max() < 5.3


def test_the_sum_of_the_optima_is_what_they_cost_together(three):
    costs = three.costs(4096)
    error = costs.std() / 64 + three.optimum.discretisation_error
    assert abs(costs.mean() - three.cost) < 4 * error
    assert 1 - 0.01 < costs.mean() / three.cost < 1 + 0.01


def test_each_item_costs_what_it_does_alone(three):
    problem = three.problem
    state = problem.initial_state(np.full((5, 3), 0.3))
    noise = problem.noise(np.random.default_rng(0).random((5, 50, 3)))
    alone = [make_item(item) for item in range(3)]
    states = [item.initial_state(np.full((5, *item.start_shape), 0.3)) for item in alone]
    for period in range(4):
        (regime, order), _ = three.optimum.predict(problem.observe(state))
        state, costs = problem.step(state, *problem.layout.flat(regime, order), noise[:, period])
        for i, item in enumerate(alone):
            action = item.layout.flat(regime[:, [i + 1]], order[:, [i]])
            states[i], own = item.step(states[i], *action, noise[:, period, i])
            np.testing.assert_allclose(costs[:, i], own.sum(-1))
        assert np.all(costs[:, -1] == 0)


def test_no_other_policy_does_better_and_a_worse_one_is_seen(three):
    class NeverTogether:
        """The optimum, but for the last item, which orders in even periods only."""

        def predict(self, observation, *_, **__):
            (regime, order), _ = three.optimum.predict(observation)
            regime[:, -1] *= observation[:, -1] % 2 == 0
            return (regime, order), None

    assert evaluate(NeverTogether(), three.problem, 512).mean > 1.01 * three.costs(512).mean()
    assert three.gap(three.optimum, three.problem, 512).gap_percent == 0


def test_plan():
    runs = plan()
    assert len(runs) == 7 * 3 * len(METHODS)
    assert {run.items for run in runs} == {1, 2, 5, 10, 20, 50, 100}
    assert {run.budget for run in runs} == {120.0}
    assert len(plan([5, 5], ["mixed"], seeds=2)) == 2
    assert all(planned_seconds(run) > run.budget for run in runs)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--items", "0", "--items"),
        ("--items", "101", "--items"),
        ("--methods", "sac", "--methods='sac'"),
        ("--seeds", "0", "--seeds=0"),
        ("--budget", "-1", "--budget=-1"),
        ("--episodes", "1", "--episodes=1"),
        ("--workers", "0", "--workers=0"),
    ],
)
def test_bad_options(option, value, message, capsys, tmp_path):
    assert main(["scaling", option, value, "--output", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_files_of_a_study(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {"runs", "scaling.csv", "curves.csv", "scaling.md", "scaling.png"}
    assert (finished / "scaling.png").read_bytes().startswith(b"\x89PNG")
    rows = pd.read_csv(finished / "scaling.csv").set_index("items")
    assert list(rows.index) == [1, 2]
    assert (rows.cpu_seconds >= 1.2).all()
    assert (rows.gap_percent > -1).all()
    np.testing.assert_allclose(rows.gap_percent, 100 * rows.difference / rows.reference_cost, rtol=1e-3)
    curves = pd.read_csv(finished / "curves.csv")
    assert set(curves["items"]) == {1, 2}
    assert "| 2 |" in (finished / "scaling.md").read_text()


def test_finished_runs_are_skipped_and_damaged_ones_repeated(finished, capfd):
    command = [*TINY, "--methods", "mixed", "--output", str(finished)]
    path = finished / "runs" / "n1_mixed_seed0_1.2s.json"
    path.write_text("{")
    assert path == ScalingRun(1, "mixed", 0, 1.2, 64).path(path.parent)
    assert read_record(path) is None
    other = path.with_name("n2_mixed_seed0_1.2s.json")
    before = other.stat().st_mtime_ns
    capfd.readouterr()
    assert main(command) == 0
    assert "1 of them" in capfd.readouterr().out
    assert read_record(path)["settings"]["items"] == 1
    assert other.stat().st_mtime_ns == before


def test_the_tables_hold_all_runs_of_the_folder(finished):
    folder = finished / "runs"
    (folder / "foreign.json").write_text('{"settings": {"items": "many"}}')
    (folder / "cut.json").write_text("{")
    names = [record["settings"]["items"] for record in all_records(folder)]
    assert names == [1, 2]
    assert main([*TINY, "--items", "1", "--methods", "mixed", "--output", str(finished)]) == 0
    assert list(pd.read_csv(finished / "scaling.csv")["items"]) == [1, 2]


def record(items, method, seed, gaps):
    curve = [
        {"cpu_seconds": 10.0 * 2**k, "gap_percent": gap, "gap_se_percent": 0.0} for k, gap in enumerate(gaps)
    ]
    packages = ("python", "torch", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib", "jumpgym")
    return {
        "settings": {"items": items, "method": method, "seed": seed, "budget": 40.0, "episodes": 64},
        "row": {"gap_percent": gaps[-1], "status": "ok", "note": ""},
        "curve": curve,
        "reference_cost": 1.0,
        "versions": dict.fromkeys(packages, "1"),
        "hardware": "none",
        "command": "jumpgym scaling",
    }


def test_table(tmp_path):
    finals = {"mixed": [0.5, 0.7, 3.0], "ppo": [4.0, 6.0, 5.0]}
    records = [
        record(50, name, seed, [20.0, 4.5 if name == "mixed" and seed != 2 else 9.0, gap])
        for name, gaps in finals.items()
        for seed, gap in enumerate(gaps)
    ]
    write_scaling(json.loads(json.dumps(records)), [], tmp_path)
    text = (tmp_path / "scaling.md").read_text()
    assert "| 50 | 0.7 (3) | 5 (6) |" in text
    assert "| 50 | 20 | 40 |" in text
    times = pd.read_csv(tmp_path / "scaling.csv").cpu_to_gap_of_ppo
    np.testing.assert_array_equal(times.fillna(-1), [20, 20, 40, 40, -1, 40])


def test_failed_runs_are_in_the_tables_and_are_repeated(finished, local_pools_in_this_process, monkeypatch):
    command = [*TINY, "--methods", "mixed", "--output", str(finished)]
    path = finished / "runs" / "n2_mixed_seed0_1.2s.json"
    finished_record = path.read_text()
    path.unlink()

    def fail(*_):
        raise RuntimeError("out of | luck")

    with monkeypatch.context() as patch:
        patch.setattr(study, "train_and_record", fail)
        assert main(command) == 1
    rows = pd.read_csv(finished / "scaling.csv").set_index("items")
    assert list(rows.status) == ["ok", "failed"]
    assert rows.note[2] == "RuntimeError: out of | luck"
    assert np.isnan(rows.gap_percent[2])
    text = (finished / "scaling.md").read_text()
    assert "| 2 | 1 failed |" in text
    assert "| 2 | mixed | 0 | 1.2 | RuntimeError: out of \\| luck |" in text
    assert read_record(path) is None  # so that the same command repeats the run
    path.write_text(finished_record)
    assert main(command) == 0
    assert "failed" not in (finished / "scaling.md").read_text()


def test_ppo_has_open_trucks_and_the_networks_are_as_wide():
    problem = make_problem(2)
    model = METHODS["ppo"].make(problem, 0)
    np.testing.assert_allclose(model.policy.action_net.bias[:4].detach(), [0, ScaledPPO.OPEN, 0, 0])
    widths = [
        layer.out_features for layer in model.policy.mlp_extractor.policy_net if hasattr(layer, "weight")
    ]
    agent = METHODS["mixed"].make(problem, 0)
    assert tuple(widths) == agent.settings.hidden == (128, 128)
