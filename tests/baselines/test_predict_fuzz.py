"""Junk as observations: every policy refuses it, naming it, or decides what the environment admits."""

import warnings

import gymnasium as gym
import numpy as np
import pytest

import jumpgym
from jumpgym import NotApplicable
from jumpgym.agents import MixedGradient, Reinforce, SmoothedCost
from jumpgym.baselines import FullTruckPolicy, MinOrderPolicy, SSPolicy, solve
from jumpgym.baselines.policies.budget_policies import BudgetPolicy
from jumpgym.baselines.policies.discount_policies import DiscountPolicy
from jumpgym.baselines.policies.investment_policies import ConstantFractionPolicy
from jumpgym.baselines.policies.joint_policies import CanOrderPolicy
from jumpgym.baselines.policies.lead_time_policies import TwoIndexPolicy
from jumpgym.baselines.policies.loan_policies import LoanPolicy
from jumpgym.baselines.policies.run_out_policy import RunOutPolicy
from jumpgym.baselines.policies.switched_lqr_policies import RecedingHorizonPolicy

OBSERVATIONS = 100
"""Inputs for each policy."""

HORIZON = 2

CLASSICAL = {
    "SetupCost": lambda problem: SSPolicy(problem, 14, 62),
    "MinOrder": lambda problem: MinOrderPolicy(problem, 14, 30),
    "TruckCapacity": lambda problem: FullTruckPolicy(problem, 40, 5),
    "QuantityDiscount": lambda problem: DiscountPolicy(problem, 10, 40, 5),
    "FreeShipping": lambda problem: DiscountPolicy(problem, 10, 40, 5),
    "OrderSizeLeadTime": lambda problem: TwoIndexPolicy(problem, 3, 5, 10, 40),
    "JointReplenishment": lambda problem: CanOrderPolicy(problem, 5, 8, 20),
    "CapacitatedLotSizing": lambda problem: RunOutPolicy(problem, 5, 20),
    "BudgetDiscount": lambda problem: BudgetPolicy(problem, [5.0] * (len(problem.brackets) - 1), 40),
    "LoanBrackets": lambda problem: LoanPolicy(problem, -10, 500, np.arange(len(problem.loans) - 2)),
    "MinInvestment": ConstantFractionPolicy,
    "SwitchedLQR": RecedingHorizonPolicy,
}


def agent(cls):
    return lambda problem: cls(problem, hidden=(8,), batch_size=2)


KINDS = {
    "optimum": lambda problem, name: solve(problem),
    "classical": lambda problem, name: CLASSICAL[name](problem),
    "mixed": lambda problem, name: agent(MixedGradient)(problem),
    "reinforce": lambda problem, name: agent(Reinforce)(problem),
    "smoothed": lambda problem, name: agent(SmoothedCost)(problem),
}


def junk_observation(rng, problem, good):
    """An observation, and whether it must be decided on (True), be refused (False), or either (None)."""
    kind, place = rng.integers(8), (*(rng.integers(n) for n in good.shape),)
    if kind == 0:
        return (good, good.tolist(), good.astype(np.float64))[rng.integers(3)], True
    if kind == 1:
        good[place] = rng.choice([np.nan, np.inf, -np.inf])
        return good, False
    if kind == 2:
        wrong = [good[..., :-1], good[..., 1:], good[None, None], good[:, :, None], np.append(good[0], 1.0)]
        return wrong[rng.integers(5)], (False if good.shape[-1] > 1 else None)
    if kind == 3:
        good[place[0], -1] = rng.choice([-1, -1e9, HORIZON + 1, HORIZON + 0.5, 1e30])
        return good, False
    if kind == 4:
        wrong = [
            None,
            "x",
            b"1",
            {},
            object(),
            1j,
            good + 1j,
            [[1.0], [1.0, 2.0]],
            1.0,
            [10**400],
            [],
            [[]],
            [None],
        ]
        return wrong[rng.integers(len(wrong))], False
    if kind == 5:  # far outside of what is observed
        good[place[0], rng.integers(good.shape[1] - 1)] = rng.choice([-1e3, -1e9, 1e9, -1e30, 1e30])
        return good, None
    if kind == 6:
        wide = good.astype(np.float64)
        wide[place] = rng.choice([1e39, -1e300])
        return wide, None
    return (good[:0], good.astype(str), good.astype(object))[rng.integers(3)], None


def try_observation(policy, problem, rng):
    """Whether junk was decided on."""
    unit = rng.random((3, len(problem.observation_low)))
    spread = problem.observation_scale * (2 * unit - 1)
    good = np.clip(spread, problem.observation_low, problem.observation_high).astype(np.float32)
    good[:, -1] = rng.integers(0, HORIZON + 1, 3)
    observation, allowed = junk_observation(rng, problem, good if rng.random() < 0.7 else good[:1])
    refusal = ""
    try:
        (regime, quantity), state = policy.predict(
            observation, state="kept", deterministic=bool(rng.integers(2))
        )
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert allowed is not True, f"{observation!r} is refused: {refusal}"
        assert refusal.startswith("observation"), f"{observation!r}: {refusal}"
        return False
    assert allowed is not False, f"{observation!r} is decided on"
    assert state == "kept"
    count = len(np.asarray(observation))
    layout = problem.layout
    regimes = np.reshape(regime, (count, len(layout.gates)))
    quantities = np.reshape(quantity, (count, len(layout.quantity_gate)))
    assert np.all((regimes >= 0) & (regimes < np.array(layout.gates)))
    assert np.isfinite(quantities).all(), f"{observation!r}: {quantities}"
    inside = layout.project(regimes, quantities)
    np.testing.assert_allclose(quantities, inside, rtol=1e-6, atol=1e-6)
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CLASSICAL)
def test_any_observation_is_decided_on_or_refused(name, kind):
    problem = gym.make(f"jumpgym/{name}-v0", horizon=HORIZON).unwrapped.problem
    try:
        policy, rng = KINDS[kind](problem, name), np.random.default_rng(0)
    except NotApplicable as error:
        assert "do not follow from its quantities" in str(error)  # noqa: PT017 (SwitchedLQR, which has no smoothed cost)
        assert (name, kind) == ("SwitchedLQR", "smoothed")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decided = sum(try_observation(policy, problem, rng) for _ in range(OBSERVATIONS))
    assert 0.1 * OBSERVATIONS < decided < 0.6 * OBSERVATIONS


@pytest.mark.parametrize("parameters", [{}, {"lead_time": 2, "unmet_demand": "lost"}])
def test_an_optimum_orders_nothing_at_a_stock_beyond_all_integers(parameters):
    problem = gym.make("jumpgym/SetupCost-v0", horizon=3, max_order=30, **parameters).unwrapped.problem
    observation = np.zeros(len(problem.observation_low))
    optimum = solve(problem)
    assert optimum.predict(observation)[0][1] > 0
    observation[0] = 1e30
    assert optimum.predict(observation)[0] == (0, 0.0)


def test_all_environments_have_a_policy_here():
    assert {f"jumpgym/{name}-v0" for name in CLASSICAL} == set(jumpgym.ENVIRONMENTS)
