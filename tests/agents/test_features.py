"""The inputs of the networks say on which side of a threshold of what is admitted an observation lies."""

from itertools import product

import numpy as np
import pytest
import torch

from jumpgym.adapters.registry import make_env
from jumpgym.agents.networks.features import Features
from jumpgym.agents.networks.heads import SeveralHeads

PROBLEMS = {
    "discounts": ("BudgetDiscount", {}),
    "dear": ("BudgetDiscount", {"breakpoints": [7, 30], "unit_costs": [2.0, 1.5, 1.5], "lead_time": 2}),
    "one price": ("BudgetDiscount", {"breakpoints": [], "unit_costs": [1.0], "demand_history": 2}),
    "pallets": ("BudgetDiscount", {"order_multiple": 6.0}),
}


@pytest.fixture(params=PROBLEMS)
def problem(request):
    name, parameters = PROBLEMS[request.param]
    return make_env(f"jumpgym/{name}-v0", parameters).unwrapped.problem


def around(problem, entry, value):
    """Observations just below and just above a value of an entry, in the first period."""
    pair = np.zeros((2, len(problem.observation_low)))
    pair[:, entry] = value * (1 - 1e-5), value * (1 + 1e-5)
    return pair


def admitted(problem, observation):
    """Regimes that are carried out of all combinations of regimes."""
    regimes = np.array(list(product(*(range(count) for count in problem.layout.gates))))
    quantities = np.full((len(regimes), len(problem.layout.quantity_gate)), 1e3)
    return problem.carry_out_at(np.tile(observation, (len(regimes), 1)), regimes, quantities).regime


def test_what_is_admitted_changes_at_the_thresholds_and_nowhere_else(problem):
    for entry, value in problem.thresholds:
        below, above = around(problem, entry, value)
        assert (admitted(problem, below) != admitted(problem, above)).any()
    values = sorted(value for _, value in problem.thresholds)
    (entry,) = {entry for entry, _ in problem.thresholds} or {1}
    for low, high in zip([1e-3, *values], [*values, 1.5 * max(values, default=10.0)], strict=True):
        pair = around(problem, entry, low)[1], around(problem, entry, high)[0]
        np.testing.assert_array_equal(admitted(problem, pair[0]), admitted(problem, pair[1]))


@pytest.mark.parametrize("heads", [1, 2])
def test_the_inputs_of_a_network_jump_at_the_thresholds(problem, heads):
    features = Features(problem if heads == 1 else SeveralHeads(problem, heads))
    for entry, value in problem.thresholds:
        below, above = features(torch.tensor(around(problem, entry, value), dtype=torch.float32))
        assert len(below) == features.dim
        assert (above - below).max() == 1
        assert ((above - below) > 0.5).sum() == 1


def test_there_are_no_other_inputs_without_thresholds():
    problem = make_env("jumpgym/SetupCost-v0", {"horizon": None}).unwrapped.problem
    observations = torch.tensor([[3.0], [40.0]])
    scale = torch.tensor(problem.observation_scale, dtype=torch.float32)
    torch.testing.assert_close(Features(problem)(observations), observations / scale)
