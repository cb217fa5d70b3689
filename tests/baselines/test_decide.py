"""``decide`` and ``jumpgym decide``: what is recommended is what the environment carries out."""

import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from jumpgym.agents import MixedGradient
from jumpgym.baselines import decide
from jumpgym.baselines.applied.stocks import read_stocks
from jumpgym.baselines.cli import main
from jumpgym.traces import Records

sys.path.append(str(Path(__file__).parents[1] / "envs"))
from suite import LAGGED_AND_LOST, as_action, every_environment, with_variants

SETUP = "jumpgym/SetupCost-v0"
JOINT = "jumpgym/JointReplenishment-v0"


class AsksForTooMuch:
    """All gates in their last regime, and quantities that no environment carries out as they are."""

    def __init__(self, env):
        layout = env.unwrapped.problem.layout
        self.regimes, self.quantities = np.array(layout.gates) - 1, 1.5 * layout.quantity_high

    def predict(self, observation, deterministic=True):
        count = len(observation), 1
        return (np.tile(self.regimes, count), np.tile(self.quantities, count)), None


def state_of(env):
    """The entries of the state of an environment now, but the period and what is empty."""
    state = env.unwrapped._state._asdict()
    return {name: value for name, value in state.items() if name != "period" and np.size(value)}


class Waits:
    """Orders 7 units of each item whose stock is below 5."""

    def __init__(self, items=1, shared=0):
        self.items, self.shared = items, shared

    def predict(self, observation, deterministic=True):
        low = (observation[:, : self.items] < 5).astype(int)
        shared = np.ones((len(observation), self.shared), int)
        return (np.concatenate([shared, low], axis=1), np.full((len(observation), self.items), 7.0)), None


@with_variants({}, LAGGED_AND_LOST)
def test_what_is_recommended_is_what_the_environment_carries_out(env_id, parameters):
    env = gym.make(env_id, **parameters)
    env.reset(seed=0)
    env.action_space.seed(0)
    policy, problem = AsksForTooMuch(env), env.unwrapped.problem
    for period in range(6):
        recommended = decide(policy, env, period=period, **state_of(env))
        asked = as_action(policy.regimes, policy.quantities)
        *_, info = env.step(asked if period % 2 else env.action_space.sample())
        if period % 2:
            np.testing.assert_allclose(recommended.quantity[0], np.atleast_1d(info["quantity"]), rtol=1e-6)
            column = problem.layout.columns(np.atleast_1d(info["regime"]))
            assert np.all(recommended.quantity[0] <= problem.layout.high[column])
    assert len(recommended.table) == getattr(problem, "items", 1)


@every_environment
def test_every_environment_has_a_table_by_name(env_id):
    env = gym.make(env_id)
    env.reset(seed=0)
    table = decide(AsksForTooMuch(env), env, period=0, **state_of(env)).table
    expected = "order" if "item" in table else env.unwrapped.problem.quantity_names[0]
    assert {"regime", expected} <= set(table.columns)


def test_one_item_is_decided_for_many_by_name():
    recommended = decide(Waits(), SETUP, period=3, inventory={"bolts": 9, "nuts": 2})
    assert recommended.table.to_dict("list") == {
        "item": ["bolts", "nuts"], "stock": [9.0, 2.0], "on_order": [0.0, 0.0],
        "regime": ["no order", "order"], "order": [0.0, 7.0],
    }  # fmt: skip
    assert recommended.regime == ("no order", "order")


def test_items_keep_the_names_of_their_columns_in_any_order():
    records = Records(np.arange(24.0).reshape(12, 2), ("apples", "pears"))
    env = gym.make(JOINT, demand=records, horizon=4, lead_time=2)
    asked = {"inventory": {"pears": 2, "apples": 9}, "pipeline": {"pears": [0, 1], "apples": [3, 0]}}
    recommended = decide(Waits(2, 1), env, period=0, **asked)
    assert recommended.regime == ("1 truck; pears",)
    assert recommended.table.to_dict("list") == {
        "item": ["apples", "pears"], "stock": [9.0, 2.0], "on_order": [3.0, 1.0],
        "regime": ["nothing", "order"], "order": [0.0, 7.0],
    }  # fmt: skip
    assert str(recommended).startswith("1 truck; pears\n")


LAGGED = {"lead_time": 2}


@pytest.mark.parametrize(
    ("env_id", "parameters", "state", "message"),
    [
        (SETUP, {}, {"period": 0}, "inventory must be given"),
        (SETUP, {}, {"inventory": 3}, "period must be given"),
        (SETUP, {}, {"inventory": 3, "period": 50}, r"period=50 must be an integer in \[0, 49\]"),
        (SETUP, {}, {"inventory": np.nan, "period": 0}, "inventory=nan must be finite"),
        (SETUP, {}, {"inventory": "3,5", "period": 0}, "inventory='3,5' must be numbers"),
        (SETUP, {}, {"inventory": 3, "period": 0, "stock": 1}, "stock is no entry of a state"),
        (SETUP, {}, {"inventory": 3, "period": 0, "pipeline": 1}, "nothing can be under way"),
        (SETUP, LAGGED, {"inventory": 3, "period": 0}, "pipeline must be given, with shape"),
        (SETUP, LAGGED, {"inventory": 3, "period": 0, "pipeline": 5}, r"pipeline of shape \(\) must"),
        (SETUP, LAGGED, {"inventory": [3, 4, 5], "period": 0, "pipeline": [[1, 2]] * 2}, "has 2 rows"),
        (SETUP, {"unmet_demand": "lost"}, {"inventory": -1, "period": 0}, r"stock=-1 must be in \[0, "),
        (JOINT, {}, {"inventory": 3, "period": 0}, r"inventory of shape \(\) must have shape \(2,\)"),
        (JOINT, {}, {"inventory": {"item 1": 3}, "period": 0}, "item 'item 2' is missing"),
        (JOINT, {}, {"inventory": {"item 1": 3, "x": 3}, "period": 0}, "there is no item 'x'"),
        ("jumpgym/LoanBrackets-v0", {}, {"cash": {"a": 1}, "due": 0, "period": 0}, "has no items"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused(env_id, parameters, state, message):
    env = gym.make(env_id, **parameters)
    with pytest.raises(ValueError, match=message) as refused:
        decide(AsksForTooMuch(env), env, **state)
    assert len(str(refused.value)) <= 300


def test_zero_means_nothing_under_way():
    given, zero = ({"inventory": [3, 4], "pipeline": p, "period": 0} for p in (np.zeros((2, 2)), 0))
    env = gym.make(JOINT, lead_time=2)
    assert str(decide(Waits(2, 1), env, **given)) == str(decide(Waits(2, 1), env, **zero))


def test_a_file_of_stocks(tmp_path):
    path = tmp_path / "stocks.csv"
    path.write_text("\ufeffItem;Stock;On_order;remark\r\nA;3.5;0;\r\n\r\nB;-2;7;late\r\n", encoding="utf-8")
    assert read_stocks(path, 1) == {"inventory": {"A": 3.5, "B": -2.0}, "pipeline": {"A": [0.0], "B": [7.0]}}
    path.write_text("item,stock\nA,3\n")
    assert read_stocks(path, 0) == {"inventory": {"A": 3.0}}


@pytest.mark.parametrize(
    ("text", "periods", "message"),
    [
        ("item,stock\nA,3\nA,4\n", 0, "line 3: item 'A' is repeated"),
        ("item,stock\nA,3,5\n", 0, "line 2: 3 fields, but line 1 has 2"),
        ("item;stock\nA;3,5\n", 0, "line 2, stock: '3,5' must be a number with a decimal point"),
        ("item,stock\nA,n.a.\n", 0, "line 2, stock: 'n.a.'"),
        ("item,stock\nA,\n", 0, "line 2, stock: ''"),
        ("item,level\nA,3\n", 0, "there must be one column 'stock'"),
        ("item,stock\nA,3\n", 1, "there must be one column 'on order'"),
        ("item,stock,on order\nA,3,4\n", 0, "'on order' does not fit a lead time of 0"),
        ("item,stock,on order\nA,3,4\n", 2, "there must be one column 'arrives in 0'"),
        ("item,stock\n", 0, "holds no item"),
        ("A\n", 0, "line 1 must name the columns"),
    ],
)
def test_a_file_of_stocks_that_is_unclear_is_refused(tmp_path, text, periods, message):
    path = tmp_path / "stocks.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_stocks(path, periods)


def test_the_command(tmp_path, capsys):
    MixedGradient(SETUP, batch_size=8, seed=0).save(tmp_path / "agent.zip")
    (tmp_path / "stocks.csv").write_text("item,stock\nbolts,30\nnuts,-4\n")
    stocks, orders = str(tmp_path / "stocks.csv"), str(tmp_path / "orders.csv")
    for policy in (str(tmp_path / "agent.zip"), "classical"):
        command = ["decide", policy, "--env", "SetupCost", "--period", "0", "--stock", stocks]
        assert main([*command, "--output", orders]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert lines[0] == ["item", "stock", "on_order", "regime", "order"]
        assert (tmp_path / "orders.csv").read_text().count("\n") == 3
    # The classical policy is SSPolicy(s=14, S=62).
    assert lines[1:] == [["bolts", "30", "0", "no", "order", "0"], ["nuts", "-4", "0", "order", "66"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x.zip", "--stock", "3", "--period", "0"], "there is no such file"),
        (["classical", "--stock", "3,5", "--period", "0"], "--stock: '3,5' must be a number"),
        (["classical", "--stock", "A=3", "4", "--period", "0"], "--stock '4' must be ITEM=NUMBER"),
        (["classical", "--period", "0"], "inventory must be given"),
        (["classical", "--stock", "3"], "period must be given"),
        (["classical", "--state", "3"], "--state '3' must be name=value"),
    ],
)
def test_a_wrong_command_is_refused(capsys, words, message):
    assert main(["decide", words[0], "--env", "SetupCost", *words[1:]]) == 2
    assert message in capsys.readouterr().err


def test_a_policy_that_remembers_demand_is_given_it():
    memory = {"demand_history": 2, "season": 7, "horizon": 14}
    env = gym.make("jumpgym/SetupCost-v0", **memory)
    decision = decide("optimum", env, inventory=3, period=2, history=(18, 25), phase=5)
    plain = gym.make("jumpgym/SetupCost-v0", horizon=14)
    assert decision.quantity == decide("optimum", plain, inventory=3, period=2).quantity
    assert list(decision.table.columns)[:3] == ["item", "stock", "on_order"]
    with pytest.raises(ValueError, match=r"history must be given, with shape \(2,\): the last demands"):
        decide("optimum", env, inventory=3, period=2, phase=5)
    with pytest.raises(ValueError, match="phase: this problem has no season; leave it out"):
        decide("optimum", gym.make("jumpgym/SetupCost-v0", demand_history=2), inventory=3, period=2, phase=5)


def test_a_bad_state_is_refused_before_the_policy_is_computed(monkeypatch):
    def compute(problem):
        raise AssertionError("computed")

    monkeypatch.setattr("jumpgym.baselines.applied.policies.best_classical", compute)
    with pytest.raises(ValueError, match="money"):
        decide("classical", "jumpgym/BudgetDiscount-v0", inventory=12, period=0)
    with pytest.raises(AssertionError, match="computed"):
        decide("classical", "jumpgym/BudgetDiscount-v0", inventory=12, money=40, period=0)
