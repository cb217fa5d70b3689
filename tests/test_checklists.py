"""What CONTRIBUTING.md asks of each environment and each method of the package, where no other test does."""

import ast
import contextlib
import inspect
import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

import jumpgym
from jumpgym import NotApplicable, agents, as_problem
from jumpgym.baselines import evaluate
from jumpgym.baselines.runs.methods import METHODS

ROOT = Path(__file__).parents[1]
HEADINGS = (
    "Description",
    "Action Space",
    "Observation Space",
    "Rewards",
    "Starting State",
    "Episode End",
    "Arguments",
    "References",
    "Version History",
)

every_environment = pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)
ONE_OF_EACH_KIND = tuple(
    f"jumpgym/{name}-v0" for name in ("SetupCost", "JointReplenishment", "MinInvestment", "SwitchedLQR")
)
"""A single item, several gates with shared ones, several gates, and a gate that no quantity decides."""

every_method = pytest.mark.parametrize("name", METHODS)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@every_environment
def test_the_documentation_has_gymnasiums_headings(env_id):
    documentation = type(gym.make(env_id).unwrapped).__doc__
    assert tuple(re.findall(r"^ *## (.*)$", documentation, re.MULTILINE)) == HEADINGS
    assert ">>> " in documentation


def rows_of_arguments(environment):
    """The cells of the rows of the table of arguments."""
    _, _, arguments = environment.__doc__.partition("## Arguments")
    lines = re.findall(r"^ *\| (`\w+` \| .*) \|$", arguments.partition("## References")[0], re.MULTILINE)
    return [[cell.strip("`") for cell in line.split(" | ")] for line in lines]


@every_environment
def test_the_documentation_has_a_row_for_every_parameter(env_id):
    environment = type(gym.make(env_id).unwrapped)
    rows = rows_of_arguments(environment)
    assert {len(row) for row in rows} == {3}
    assert sorted(name for name, *_ in rows) == sorted(inspect.signature(environment.make_problem).parameters)


@every_environment
def test_the_documented_defaults_are_those_of_the_signature(env_id):
    """Where the signature says None, a default in the table stands for the noise that None leads to."""
    environment = type(gym.make(env_id).unwrapped)
    parameters = inspect.signature(environment.make_problem).parameters
    for name, documented, _ in rows_of_arguments(environment):
        default = parameters[name].default
        if name == "demand" and default is not None:
            assert documented == default
        elif default is None and documented != "None":
            plain, given = environment.make_problem(), environment.make_problem(**{name: documented})
            uniforms = np.random.default_rng(0).random((64, plain.horizon, *plain.noise_shape))
            np.testing.assert_array_equal(given.noise(uniforms), plain.noise(uniforms), err_msg=name)
        else:
            assert repr(ast.literal_eval(documented)) == repr(default), name


@every_environment
def test_the_documentation_names_every_kind_of_cost(env_id):
    environment = gym.make(env_id).unwrapped
    (sentence,) = re.findall(
        r'`info\["costs"\]` holds the cost .*? by kind: (.*?)\.', type(environment).__doc__
    )
    assert tuple(re.split(", | and ", sentence)) == environment.problem.cost_kinds


@every_environment
def test_step_agrees_between_numpy_and_torch_and_its_gradient_with_differences(env_id):
    """At decisions inside their regimes; the cost may have kinks, so a few entries may be off."""
    problem = as_problem(env_id)
    rng = np.random.default_rng(0)
    start = problem.initial_state(rng.random((64, *problem.start_shape)))
    noise = problem.noise(rng.random((64, problem.horizon, *problem.noise_shape)))[:, 0]
    regime = rng.integers(0, problem.layout.gates, (64, len(problem.layout.gates)))
    columns = problem.layout.columns(regime)
    low, high = problem.layout.low[columns], problem.layout.high[columns]
    decision = problem.carry_out(start, regime, low + rng.random(low.shape) * (high - low))

    def cost(quantity):
        return problem.step(start, decision.gate, quantity, noise)[1].sum(-1)

    tensors = type(start)(*(torch.as_tensor(entry, dtype=torch.float64) for entry in start))
    quantity = torch.tensor(decision.columns, requires_grad=True)
    _, costs = problem.step(tensors, torch.tensor(decision.gate), quantity, torch.tensor(noise))
    np.testing.assert_allclose(costs.detach().sum(-1), cost(decision.columns), rtol=1e-9, atol=1e-9)
    costs.sum().backward()

    direction = rng.standard_normal(decision.columns.shape) * (decision.columns != 0)
    step = 1e-6 * max(1.0, problem.quantity_scale.max())
    change = cost(decision.columns + step * direction) - cost(decision.columns - step * direction)
    slope = (quantity.grad.numpy() * direction).sum(-1)
    agree = np.isclose(change / (2 * step), slope, rtol=1e-3, atol=1e-6)
    assert agree.mean() > 0.9


@every_method
@pytest.mark.parametrize("env_id", ONE_OF_EACH_KIND)
def test_a_method_learns_a_problem_or_says_why_not(name, env_id):
    with contextlib.suppress(NotApplicable):
        assert METHODS[name].make(env_id, seed=0).num_timesteps == 0


SHORT = {"ppo-stock": {"n_steps": 64}}
"""Settings of methods whose shortest training would take long."""


@every_method
def test_a_method_trains_decides_and_comes_back(name, tmp_path):
    env = gym.make("jumpgym/SetupCost-v0")
    method = METHODS[name]
    model = method.make(env, seed=0, **SHORT.get(name, {}))
    calls = []
    method.train(model, lambda model: calls.append(model.num_timesteps), total_timesteps=1)
    assert calls
    assert model.num_timesteps >= 1
    costs = evaluate(model, model.get_env(), episodes=16).costs
    assert np.isfinite(costs).all()
    method.save(model, tmp_path / "model.zip")
    loaded = method.load(tmp_path / "model.zip", env)
    np.testing.assert_array_equal(evaluate(loaded, loaded.get_env(), episodes=16).costs, costs)


@pytest.mark.parametrize("name", sorted({*METHODS, *agents.__all__} - {"Agent"}))
def test_every_method_is_on_a_page(name):
    pages = [ROOT / folder / "README.md" for folder in ("agents", "baselines", "results")]
    assert any(f"`{name}`" in page.read_text() for page in pages)
    assert METHODS.get(name) is None or METHODS[name].description
