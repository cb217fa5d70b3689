"""Tests train by PyTorch unless they ask for JAX, since compiling takes longer than their trainings."""

import os
import sys
from types import SimpleNamespace

import pytest

os.environ.setdefault("JUMPGYM_ENGINE", "torch")
os.environ.setdefault("JUMPGYM_COMPILATION_CACHE", "off")


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order():
    """What a test draws by PyTorch's own generator does not depend on the tests that ran before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def ticking(monkeypatch):
    """A CPU time that passes by a millisecond with each look at a training's clock, and by ``ticking.now``.

    What a test says of a budget in seconds then depends neither on the machine nor on what else it does.
    """

    def process_time():
        time.now += 1e-3
        return time.now

    time = SimpleNamespace(now=0.0, process_time=process_time)
    monkeypatch.setattr("jumpgym.agents.training.clock.time", time)
    return time
