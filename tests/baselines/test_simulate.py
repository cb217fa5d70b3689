"""``simulate`` and ``jumpgym simulate``: the table agrees with the costs, and with the stocks."""

import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from jumpgym import as_problem
from jumpgym.baselines import evaluate, simulate
from jumpgym.baselines.applied.naming import SHARED
from jumpgym.baselines.applied.service import service_levels
from jumpgym.baselines.cli import main
from jumpgym.traces import Records

sys.path.append(str(Path(__file__).parents[1] / "envs"))
from suite import INVENTORIES, LAGGED_AND_LOST, STATIONARY, defaults_of, variant, with_variants


class Scripted:
    """Decisions that follow from the observation, in all regimes."""

    def __init__(self, env):
        self.layout = as_problem(env).layout

    def predict(self, observation, deterministic=True):
        layout = self.layout
        number = np.abs(observation).sum(axis=1).astype(int)[:, None] + np.arange(len(layout.gates))
        regime = number % np.array(layout.gates)
        share = (number[:, :1] % 5 + 1) / 40
        return (regime, share * (layout.quantity_high - layout.quantity_low)), None


@with_variants({}, LAGGED_AND_LOST)
def test_the_table_adds_up_to_the_costs_that_evaluate_reports(env_id, parameters):
    env = gym.make(env_id, discount=1.0, **parameters)
    policy = Scripted(env)
    simulation = simulate(policy, env, episodes=7, seed=3)
    result = evaluate(policy, env, episodes=7, seed=3)
    np.testing.assert_array_equal(simulation.costs.costs, result.costs)
    totals = simulation.table.groupby("episode").sum(numeric_only=True)
    np.testing.assert_allclose(totals.cost, result.costs)
    for kind, costs in result.costs_by_kind.items():
        np.testing.assert_allclose(totals[f"cost_{kind}"], costs)
    kinds = simulation.table.filter(like="cost_").sum(axis=1)
    np.testing.assert_allclose(kinds, simulation.table.cost)
    assert str(simulation).count("±") == len(result.costs_by_kind) + 1


@with_variants({}, LAGGED_AND_LOST, environments=INVENTORIES)
def test_stocks_balance(env_id, parameters):
    env = gym.make(env_id, **parameters)
    table = simulate(Scripted(env), env, episodes=5).table
    table = table[table["item"] != SHARED].sort_values(["episode", "item", "period"])
    end = table.stock + table.arrived - table.demand
    if parameters.get("unmet_demand", defaults_of(env_id)["unmet_demand"]) == "lost":
        end = end.clip(lower=0)
    followed = (table.groupby(["episode", "item"], observed=True).period.shift(-1)).notna()
    np.testing.assert_allclose(table.stock.shift(-1)[followed], end[followed], atol=1e-9)
    on_order = table.on_order + table.order - table.arrived
    np.testing.assert_allclose(table.on_order.shift(-1)[followed], on_order[followed], atol=1e-9)
    available = (table.stock + table.arrived).clip(lower=0)
    np.testing.assert_allclose(table.unmet, (table.demand - available).clip(lower=0), atol=1e-9)


def test_rows_by_hand():
    class Orders:
        def predict(self, observation, deterministic=True):
            return (np.array([[1, 1, 0]]), np.array([[6.0, 0.0]])), None

    demand = np.array([[[4.0, 1.0], [3.0, 0.0]]])
    costs = {"truck_cost": 15.0, "item_costs": 2.0}
    env = gym.make("jumpgym/JointReplenishment-v0", demand=demand, horizon=2, lead_time=1, **costs)
    simulation = simulate(Orders(), env, episodes=1)
    shown = simulation.table.drop(columns=["episode", "cost_purchase", "cost_holding", "on_order"])
    nan = np.nan
    expected = [
        # period, item, stock, regime, order, arrived, demand, unmet, trucks, setup, shortage, cost
        [0, "item 1", 0, "order", 6, 0, 4, 4, 0, 2, 36, 38],
        [0, "item 2", 0, "nothing", 0, 0, 1, 1, 0, 0, 9, 9],
        [0, SHARED, nan, "1 truck", nan, nan, nan, nan, 15, 0, 0, 15],
        [1, "item 1", -4, "order", 6, 6, 3, 1, 0, 2, 9, 11],
        [1, "item 2", -1, "nothing", 0, 0, 0, 0, 0, 0, 9, 9],
        [1, SHARED, nan, "1 truck", nan, nan, nan, nan, 15, 0, 0, 15],
    ]
    pd.testing.assert_frame_equal(
        shown.astype({"item": object, "regime": object}),
        pd.DataFrame(expected, columns=shown.columns),
        check_dtype=False,
    )
    assert simulation.service.fill_rate.tolist() == [1 - 5 / 7, 0.0, 1 - 6 / 8]


def test_service_levels_by_hand():
    """Cycles begin at arrivals; what precedes the first and what the end cuts off does not count."""
    arrived = np.array([0.0, 5, 0, 5, 0, 0, 5, 0])[None, :, None]
    unmet = np.array([9.0, 0, 0, 0, 2, 1, 0, 7])[None, :, None]
    demand = np.full((1, 8, 1), 10.0)
    levels = service_levels(["A"], arrived, demand, unmet)
    assert levels.loc["A"].tolist() == [1 - 19 / 80, 0.5]
    twice = service_levels(["A", "B"], *(np.repeat(x, 2, axis=2) for x in (arrived, demand, unmet * 0)))
    assert twice.loc[SHARED].tolist() == [1.0, 1.0]
    nothing = service_levels(["A"], 0 * arrived, 0 * demand, 0 * unmet)
    assert nothing.isna().all(axis=None)


@pytest.mark.parametrize("env_id", STATIONARY)
def test_an_infinite_horizon_takes_a_number_of_periods(env_id):
    env = gym.make(env_id, horizon=None, max_episode_steps=9, **variant(env_id, discount=1.0))
    simulation = simulate(Scripted(env), env, episodes=3, periods=4)
    assert simulation.table.period.max() == 3
    by_episode = simulation.table.groupby("episode").cost.sum() / 4
    np.testing.assert_allclose(by_episode, simulation.costs.costs)
    with pytest.raises(ValueError, match="periods=4 is for problems without a horizon"):
        simulate(Scripted(env_id), env_id, episodes=3, periods=4)


def test_items_keep_their_names():
    records = Records(np.arange(24.0).reshape(12, 2), ("apples", "pears"))
    env = gym.make("jumpgym/CapacitatedLotSizing-v0", demand=records, horizon=4)
    simulation = simulate(Scripted(env), env, episodes=2)
    assert list(simulation.table["item"].cat.categories) == ["apples", "pears"]
    assert list(simulation.service.index) == ["apples", "pears", SHARED]


def test_the_command(tmp_path, capsys):
    table, picture = tmp_path / "new" / "table.csv", tmp_path / "new" / "picture.png"
    command = ["simulate", "classical", "--env", "SetupCost", "--episodes", "20"]
    assert main([*command, "--output", str(table), "--picture", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "shortage" in out
    assert "fill rate, %" in out
    assert len(pd.read_csv(table)) == 20 * 50
    assert picture.stat().st_size > 10_000
    assert main([*command, "--periods", "3"]) == 2
    assert "periods=3 is for problems without a horizon" in capsys.readouterr().err
