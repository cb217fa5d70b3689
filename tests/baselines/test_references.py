import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from jumpgym import CapacitatedLotSizing, JointReplenishment, NotApplicable, as_problem
from jumpgym.baselines import best_classical, evaluate, solve
from jumpgym.baselines.cli import main
from jumpgym.baselines.evaluation import draw, simulated_costs
from jumpgym.baselines.hindsight.program import HindsightTimeout
from jumpgym.baselines.policies.investment_policies import ConstantFractionPolicy
from jumpgym.baselines.policies.joint_policies import CanOrderPolicy
from jumpgym.baselines.policies.jump_ignoring import ItemsOrderUpToPolicy, OrderUpToPolicy, jump_ignoring
from jumpgym.baselines.policies.stationary import stationary_cost
from jumpgym.baselines.policies.switched_lqr_policies import SequencePolicy
from jumpgym.baselines.runs import measure
from jumpgym.baselines.runs.perform import perform
from jumpgym.baselines.runs.run import Run
from jumpgym.baselines.studies import references
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.loan_brackets import LoanBrackets
from jumpgym.problems.min_investment import MinInvestment
from jumpgym.problems.min_order import MinOrderEnv
from jumpgym.problems.order_size_lead_time import OrderSizeLeadTimeEnv
from jumpgym.problems.setup_cost import SetupCostEnv
from jumpgym.problems.switched_lqr import SwitchedLQR
from jumpgym.problems.truck_capacity import TruckCapacityEnv

SETUP_COST = "jumpgym/SetupCost-v0"
LOANS = "jumpgym/LoanBrackets-v0"
EXAMPLES = Path(__file__).parents[1] / "examples"


def test_quantities_fall_into_the_nearest_regime():
    observation = np.array([[3.0, 0.0], [2.0, 0.0], [-20.0, 0.0], [30.0, 0.0]])
    regime, quantity = OrderUpToPolicy(MinOrderEnv(min_order=16), 10).decide(observation)
    assert regime.tolist() == [0, 0, 1, 0]  # 7 and 8 of at least 16 are not more than half
    assert quantity.tolist() == [0, 0, 30, 0]
    regime, quantity = OrderUpToPolicy(TruckCapacityEnv(), 10).decide(observation)
    assert regime.tolist() == np.ceil(quantity / as_problem(TruckCapacityEnv()).regimes.high[1]).tolist()
    assert quantity.tolist() == [7, 8, 30, 0]
    loans = OrderUpToPolicy(LoanBrackets(), 0.0)
    cash = np.array([-50_000.0, -299_000.0, -301_000.0, 10.0])
    observation = np.column_stack([cash, np.zeros((4, 3))])
    regime, loan = loans.decide(observation)
    assert regime.tolist() == [1, 1, 2, 0]
    assert loan.tolist() == [50_000, 100_000, 500_000, 0]


def test_items_are_ordered_up_in_every_period():
    policy = ItemsOrderUpToPolicy(JointReplenishment(), (9.0, 5.0))
    regime, quantity = policy.decide(np.array([[9.0, 5.0, 0.0], [4.0, 5.0, 1.0], [1.0, 2.0, 2.0]]))
    assert regime.tolist() == [[0, 0, 0], [1, 1, 0], [2, 1, 1]]
    assert quantity.tolist() == [[0, 0], [5, 0], [8, 3]]


def test_without_a_jump_it_is_optimal():
    env = SetupCostEnv(fixed_cost=0.0)
    assert stationary_cost(jump_ignoring(env)) == pytest.approx(solve(env).expected_cost, rel=1e-9)
    free = MinInvestment(min_investment=0.0, entry_costs=0.0, returns=scipy.stats.lognorm(0.4, -1, 1.06))
    policy, optimum = jump_ignoring(free), solve(free)
    above = evaluate(policy, free, 2048).costs - evaluate(optimum, free, 2048).costs
    assert abs(above.mean()) < 2e-3


@pytest.mark.parametrize("make", [MinOrderEnv, TruckCapacityEnv])
def test_the_best_level_of_one_item(make):
    env = make(demand=scipy.stats.poisson(4), horizon=6)
    costs = [stationary_cost(OrderUpToPolicy(env, level)) for level in range(-5, 40)]
    best = jump_ignoring(env)
    assert stationary_cost(best) == pytest.approx(min(costs), rel=1e-12)
    simulated = evaluate(best, env, 16_384)
    assert abs(simulated.mean - min(costs)) < 4 * simulated.standard_error


@pytest.mark.parametrize("make", [JointReplenishment, CapacitatedLotSizing])
def test_the_best_levels_of_two_items(make):
    problem = make(horizon=8, demand=[scipy.stats.poisson(3), scipy.stats.poisson(2)])
    state, noise = draw(problem, 2048, 0, 350)  # the episodes of the search

    def cost(levels):
        return simulated_costs(ItemsOrderUpToPolicy(problem, levels), problem, state, noise).mean

    best = min(cost(levels) for levels in product(range(8), range(7)))
    policy = jump_ignoring(problem)
    assert cost(policy.parameters["S"]) == pytest.approx(best, rel=1e-12)


def test_every_kind_of_problem_has_one():
    assert isinstance(jump_ignoring(SwitchedLQR()), SequencePolicy)
    assert isinstance(jump_ignoring(MinInvestment()), ConstantFractionPolicy)
    for problem in (OrderSizeLeadTimeEnv(horizon=5), BudgetDiscount(horizon=5), LoanBrackets(horizon=5)):
        assert isinstance(jump_ignoring(problem), OrderUpToPolicy)

    class Other(type(as_problem(SETUP_COST)).__mro__[1]):
        initial_state = noise = step = observe = None

        def __init__(self):
            pass

    with pytest.raises(NotImplementedError, match="Other is not supported: a policy that ignores the jump"):
        jump_ignoring(Other())


def test_descriptions():
    assert repr(CanOrderPolicy(JointReplenishment(), 1, (4, 5), 9)) == (
        "CanOrderPolicy(s=(1, 1), c=(4, 5), S=(9, 9), tau=0)"
    )
    assert repr(SequencePolicy(SwitchedLQR(), 1)) == "SequencePolicy(modes=20 x 1)"
    assert repr(OrderUpToPolicy(SETUP_COST, 26.0)) == "OrderUpToPolicy(S=26)"


def test_a_row_is_what_it_says():
    row = references.reference_row(SETUP_COST, traces=4)
    optimum, classical, ignoring = (f(SETUP_COST) for f in (solve, best_classical, jump_ignoring))
    cost = optimum.expected_cost
    assert (row["optimum"], row["exactness"]) == (cost, "exact")
    assert abs(row["simulated_optimum"] - cost) < 4 * row["simulated_optimum_se"]
    for kind, policy in (("classical", classical), ("ignoring", ignoring)):
        assert row[kind] == repr(policy)
        assert row[f"{kind}_gap_percent"] == pytest.approx(100 * (stationary_cost(policy) / cost - 1))
        assert row[f"{kind}_gap_se_percent"] == 0
    assert row["hindsight_gap_percent"] < 0
    assert {*row, "command"} == set(references.COLUMNS)


def test_one_yardstick_has_one_value(capsys, tmp_path):
    """The table of references, a comparison and ``jumpgym solve`` show the same gap."""
    row = references.reference_row(SETUP_COST, traces=2)
    run = Run(SETUP_COST, (), "classical", 0, None, None, 32)
    record = perform(run, tmp_path, "", 60.0)["row"]
    assert record["gap_percent"] == row["classical_gap_percent"]
    assert record["gap_se_percent"] == 0
    assert main(["solve", "SetupCost"]) == 0
    assert f"{row['classical_gap_percent']:.3f} % above the optimum" in capsys.readouterr().out


def test_a_simulated_yardstick_does_not_depend_on_the_comparison(tmp_path):
    horizon = (("horizon", 2),)
    small, large = (
        perform(Run("jumpgym/MinInvestment-v0", horizon, "classical", 0, None, None, n), tmp_path, "", 60.0)[
            "row"
        ]
        for n in (32, 64)
    )
    assert small["gap_se_percent"] > 0
    assert small["gap_percent"] == large["gap_percent"]


@pytest.fixture
def rows(monkeypatch):
    """Made-up rows; the environments asked for are listed, and those in ``broken`` fail."""
    asked, broken = [], set()

    def make(env, traces=None):
        asked.append(env)
        if env in broken:
            raise RuntimeError("no solution")
        numbers = dict.fromkeys(references.COLUMNS, 1.5)
        texts = dict.fromkeys(("exactness", "classical", "ignoring", "note", "python", "hardware"), "text")
        return {**numbers, **texts, "env": env, "status": "ok"}

    monkeypatch.setattr(references, "reference_row", make)
    return asked, broken


def test_rows_are_kept_and_failures_do_not_stop_the_others(rows, tmp_path, capsys):
    asked, broken = rows
    broken.add(SETUP_COST)
    assert references.tabulate([SETUP_COST, LOANS], tmp_path, "what was typed") == 1
    assert "SetupCost-v0: RuntimeError: no solution" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "references.csv")
    assert table.status.tolist() == ["failed", "ok"]
    assert table.note[0] == "RuntimeError: no solution"
    assert table.optimum.isna().tolist() == [True, False]
    assert "| SetupCost-v0 | failed |" in (tmp_path / "references.md").read_text()
    broken.clear()
    asked.clear()
    assert references.tabulate([SETUP_COST, LOANS], tmp_path, "again") == 0
    assert asked == [SETUP_COST]
    table = pd.read_csv(tmp_path / "references.csv")
    assert table.env.tolist() == [SETUP_COST, LOANS]
    assert table.command.tolist() == ["again", "what was typed"]
    text = (tmp_path / "references.md").read_text()
    assert "    again\n    what was typed\n" in text
    assert "| LoanBrackets-v0 | 1.5 |" in text
    (tmp_path / "runs" / "references_LoanBrackets-v0.json").write_text(json.dumps({"env": LOANS}))
    references.tabulate([LOANS], tmp_path, "damaged")
    assert asked == [SETUP_COST, LOANS]


def test_yardsticks_that_an_environment_of_another_package_lacks(tmp_path, monkeypatch, capsys):
    def time_out(*_):
        raise HindsightTimeout("no end")

    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(measure.Reference, "hindsight_gap", time_out)
    env = "full_pallets:examples/FullPallets-v0"
    assert main(["references", "--env", env, "--output", str(tmp_path)]) == 0
    row = pd.read_csv(tmp_path / "references.csv", keep_default_na=False).iloc[0]
    assert (row.env, row.status, row.reference, row.exactness) == (env, "ok", "optimum", "exact")
    assert (row.classical, row.classical_gap_percent, row.hindsight_gap_percent) == ("n/a", "", "")
    assert "classical: no classical policy matches these regimes" in row.note
    assert "hindsight: no end" in row.note
    assert float(row.ignoring_gap_percent) > 0
    assert "classical n/a, ignoring +0.079 %, hindsight n/a" in capsys.readouterr().out


def test_without_an_optimum_gaps_are_to_the_classical_policy(monkeypatch):
    def refuse(_):
        raise NotApplicable("too large")

    monkeypatch.setattr(measure, "solve", refuse)
    row = references.reference_row(SETUP_COST, traces=2)
    assert (row["reference"], row["optimum"], row["exactness"]) == ("classical", None, "n/a")
    assert row["classical"] == "SSPolicy(s=14, S=62)"
    assert row["classical_gap_percent"] == 0
    assert row["ignoring_gap_percent"] > 0
    assert "as there is no optimum: too large" in row["note"]
    monkeypatch.setattr(measure, "best_classical", refuse)
    row = references.reference_row(SETUP_COST)
    assert (row["status"], row["note"], row["classical"]) == ("not_applicable", "too large", "n/a")


def test_wrong_requests(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    with pytest.raises(ValueError, match="--env='nowhere': unknown environment 'nowhere'"):
        references.tabulate(["nowhere"], tmp_path, "")
    with pytest.raises(ValueError, match="--env='generator:Generator-v0': Generator has no reference"):
        references.tabulate([LOANS, "generator:Generator-v0"], tmp_path / "never", "")
    assert not (tmp_path / "never").exists()
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match=r"--output: .* must be a folder"):
        references.tabulate(None, file, "")
