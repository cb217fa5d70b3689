"""Every problem computes the same in NumPy, PyTorch and JAX; ``check_problem`` finds those that do not."""

import numpy as np
import pytest

import jumpgym
from jumpgym.adapters.registry import make_env
from jumpgym.problems.single_item import SingleItemInventory
from jumpgym.testing import ConformanceError, check_problem


@pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)
def test_problems_compute_the_same_in_every_library(env_id):
    check_problem(jumpgym.as_problem(env_id))


@pytest.mark.parametrize("demand", ["gamma(4, scale=5)", 5, "uniform(0, 40)", "records"])
def test_kinds_of_demand_are_drawn_alike_in_every_library(demand):
    series = np.random.default_rng(0).poisson(20, 60).astype(float)
    check_problem(
        jumpgym.as_problem(make_env("SetupCost", {"demand": series if demand == "records" else demand}))
    )


class Wrong(SingleItemInventory):
    """An inventory whose steps JAX cannot trace, since they ask for a number."""

    def step(self, state, gate, quantity, noise):
        """See ``HindsightProblem.step``."""
        if float(noise.sum()) < 0:
            raise ValueError
        return super().step(state, gate, quantity, noise)


def test_a_problem_that_cannot_be_traced_is_found():
    pytest.importorskip("jax")
    with pytest.raises(ConformanceError, match=r"jax fails: (Concret|Tracer)"):
        check_problem(Wrong(jumpgym.as_problem("SetupCost").regimes))
    with pytest.raises(TypeError, match="must be a HindsightProblem"):
        check_problem("SetupCost")
