import importlib.util

import pytest


@pytest.fixture(autouse=True)
def _compare_quickly(monkeypatch):
    """Policies are compared on fewer episodes than these short trainings have."""
    monkeypatch.setattr("jumpgym.agents.training.validation.EPISODES", 32)


@pytest.fixture(autouse=True)
def _compile_quickly(monkeypatch):
    """Trainings are compiled by the options by which XLA is fastest, not those by which its programs are."""
    if importlib.util.find_spec("jax"):
        options = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
        monkeypatch.setattr("jumpgym.agents.compiled.engine.OPTIONS", options)
