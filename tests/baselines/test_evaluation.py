import functools
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

import jumpgym
from jumpgym import as_problem
from jumpgym.baselines import Evaluation, best_classical, evaluate, solve
from jumpgym.baselines.evaluation import decoder, draw, requested
from jumpgym.baselines.ppo import make_ppo
from jumpgym.baselines.runs.measure import Reference
from jumpgym.wrappers import BoxAction

SETUP_COST = "jumpgym/SetupCost-v0"
SLOW = {
    f"jumpgym/{name}-v0"
    for name in ("OrderSizeLeadTime", "JointReplenishment", "BudgetDiscount", "SwitchedLQR")
}
"""Where the optimum or the classical policy takes more than three seconds."""
FAST = [i for i in jumpgym.ENVIRONMENTS if i not in SLOW]
optimum_of, classical_of = functools.cache(solve), functools.cache(best_classical)


class First:
    """What agents begin with: all gates in their last regime, at a network output of 0."""

    def __init__(self, env):
        self.problem = as_problem(env)

    def predict(self, observation, **kwargs):
        layout = self.problem.layout
        regimes = np.tile(np.array(layout.gates) - 1, (len(observation), 1))
        outputs = np.zeros((len(observation), len(layout.low)))
        quantities = self.problem.quantity_from(np.asarray(observation, dtype=np.float64), outputs)
        return (regimes, np.take_along_axis(quantities, layout.columns(regimes), -1)), None


@pytest.mark.parametrize("env", jumpgym.ENVIRONMENTS)
def test_same_seed_same_costs_and_another_seed_others(env):
    policy = First(env)
    costs = evaluate(policy, env, 64, seed=3).costs
    np.testing.assert_array_equal(costs, evaluate(policy, as_problem(env), 64, seed=3).costs)
    assert not np.array_equal(costs, evaluate(policy, env, 64, seed=4).costs)


@pytest.mark.parametrize("env", FAST)
def test_costs_of_two_policies_pair(env):
    optimum, classical = (evaluate(policy, env, 4096) for policy in (optimum_of(env), classical_of(env)))
    difference = classical.costs - optimum.costs
    apart = np.hypot(optimum.standard_error, classical.standard_error)
    assert difference.std() / np.sqrt(len(difference)) < apart
    assert difference.mean() > 0


@pytest.mark.parametrize("env", FAST)
def test_mean_of_the_optimum_is_its_expected_cost(env):
    optimum = optimum_of(env)
    result = evaluate(optimum, env, 4096)
    error = 4 * result.standard_error + optimum.discretisation_error
    assert abs(result.mean - optimum.expected_cost) < error
    assert optimum.discretisation_error < 0.02 * abs(optimum.expected_cost)


@pytest.mark.parametrize("env", jumpgym.ENVIRONMENTS)
def test_costs_are_those_of_the_environment(env):
    policy, scalar = First(env), gym.make(env, discount=0.9)
    problem = scalar.unwrapped.problem
    start, noise = draw(problem, 3, seed=2)
    result = evaluate(policy, problem, 3, seed=2)
    costs = result.costs
    assert len(set(costs)) == 3
    np.testing.assert_allclose(sum(result.costs_by_kind.values()), costs)
    assert tuple(result.mean_by_kind) == tuple(result.standard_error_by_kind) == problem.cost_kinds
    for i in range(3):
        scalar.reset(options={"noise": noise[i]})
        scalar.unwrapped._state = type(start)(*(entry[i] for entry in start))
        total = 0.0
        for period in range(problem.horizon):
            (regimes, quantity), _ = policy.predict(scalar.unwrapped.observation[None])
            action = (int(regimes[0, 0]) if regimes.shape[1] == 1 else regimes[0]), quantity[0]
            total -= 0.9**period * scalar.step(action)[1]
        assert costs[i] == pytest.approx(total, rel=1e-5)


def test_actions_of_a_wrapper_are_decoded():
    class Box:
        def predict(self, observation, **kwargs):
            return np.stack([np.ones(len(observation)), 30 - observation[:, 0]], -1), None

    env = BoxAction(gym.make(SETUP_COST), normalize=False)
    regime, quantity = requested(Box(), decoder(env), np.array([[10.0, 0.0], [40.0, 0.0]], dtype=np.float32))
    assert regime.tolist() == [[1], [1]]
    assert quantity.tolist() == [[20.0], [-10.0]]  # nothing is ordered: see HindsightProblem.carry_out


def test_episodes_must_be_positive():
    with pytest.raises(ValueError, match="episodes=0 must be an integer of at least 1"):
        evaluate(solve(SETUP_COST), SETUP_COST, 0)


def test_ppo_with_seed_0_does_not_train_on_the_noise_of_the_evaluation():
    problem = as_problem(SETUP_COST)
    model = make_ppo("ppo-gate", SETUP_COST, seed=0)
    model.learn(total_timesteps=1)
    vec_env = model.get_env().venv
    _, noise = draw(problem, vec_env.num_envs, 0)
    vec_env.seed(0)
    vec_env.reset()
    assert not np.array_equal(vec_env._noise, noise)


def test_the_reference_has_no_gap_to_itself():
    reference = Reference(SETUP_COST)
    gap = reference.gap(reference.optimum, SETUP_COST, 32)
    assert gap.gap_percent == gap.gap_se_percent == 0
    assert gap.mean_cost == evaluate(reference.optimum, SETUP_COST, 32).mean


def test_policies_are_recorded_where_the_optimum_goes():
    reference = Reference(SETUP_COST)
    chart, drawn = reference.chart, reference.sampled
    (stocks,) = chart["axes"]
    assert (chart["names"], chart["periods"]) == (["stock"], [25, 48])
    assert stocks[0] < 0 < 60 < stocks[-1]
    (orders,), _ = drawn["quantity"]
    middle = dict(zip(stocks, orders, strict=True))
    assert middle[0.0] == 62
    assert middle[30.0] == 0
    (regimes,), _ = drawn["regime"]
    assert regimes == [int(order > 0) for order in orders]


def test_the_package_imports_neither_torch_nor_sb3():
    code = "import sys, jumpgym.baselines; assert not {'torch', 'stable_baselines3'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


class Answering:
    """A policy that returns what a function makes of the number of observations."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, observation, deterministic=True):
        return self.answer(len(observation))


@pytest.mark.parametrize(
    ("env", "answer", "error", "message"),
    [
        (SETUP_COST, lambda m: None, TypeError, r"must return a pair \(action, state\), not NoneType None"),
        (SETUP_COST, np.zeros, TypeError, r"not an array of shape \(8,\) and type float64"),
        (SETUP_COST, lambda m: (5, None), ValueError, r"returned, as action, int 5, .*must be a pair"),
        (SETUP_COST, lambda m: ((np.ones(m - 1, int), np.ones(m - 1)), None), ValueError, "each of the 8"),
        (SETUP_COST, lambda m: ((np.ones(m, int), np.ones(m - 1)), None), ValueError, "8 regimes and 7"),
        (SETUP_COST, lambda m: ((np.ones((m, 2), int), np.ones(m)), None), ValueError, r"regime of shape"),
        (SETUP_COST, lambda m: ((np.full(m, 2), np.ones(m)), None), ValueError, r"regime=2 .* \[0, 1\]"),
        (SETUP_COST, lambda m: ((np.full(m, 0.5), np.ones(m)), None), ValueError, "regime=0.5 must be an"),
        (SETUP_COST, lambda m: ((np.ones(m, int), np.full(m, np.nan)), None), ValueError, "quantity is NaN"),
        ("jumpgym/JointReplenishment-v0", lambda m: ((np.ones(m, int), np.ones((m, 2))), None), ValueError,
         r"regime of shape \(8,\) must have shape \(m, 3\)"),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_fit_is_named(env, answer, error, message):
    with pytest.raises(error, match=f"Answering.predict .*{message}"):
        evaluate(Answering(answer), env, 8)


def test_actions_of_the_wrong_shape_under_a_wrapper_are_named():
    env = BoxAction(gym.make(SETUP_COST))
    with pytest.raises(ValueError, match=r"Answering.predict .* an array of shape \(8, 3\)"):
        evaluate(Answering(lambda m: (np.zeros((m, 3)), None)), env, 8)


def test_a_policy_needs_predict():
    with pytest.raises(TypeError, match="must have a method predict"):
        evaluate(object(), SETUP_COST, 8)


def test_evaluations_show_mean_error_and_episodes():
    assert repr(Evaluation(np.array([1.0, 3.0] * 200))) == "2.000 ± 0.050 over 400 episodes"
    assert repr(Evaluation(np.array([2.0]))) == "2 ± nan over 1 episodes"
