"""Environments and methods from outside the package, in a comparison and its report."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from jumpgym import NotApplicable
from jumpgym.baselines import evaluate, register_method
from jumpgym.baselines.comparison.plans import plan
from jumpgym.baselines.runs import methods
from jumpgym.baselines.runs.method import AgentMethod
from jumpgym.baselines.runs.perform import perform
from jumpgym.baselines.runs.provenance import code_version
from jumpgym.baselines.runs.record import read_record

EXAMPLES = Path(__file__).parents[1] / "examples"
KIOSK, SEARCH, CAREFUL = "kiosk:Kiosk-v0", "kiosk:LevelSearch", "kiosk:Careful"


@pytest.fixture
def kiosk(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("kiosk")


@pytest.fixture
def registry(monkeypatch):
    """The registered methods, restored after the test."""
    monkeypatch.setattr(methods, "METHODS", dict(methods.METHODS))
    methods._method_at.cache_clear()
    yield methods.METHODS
    methods._method_at.cache_clear()


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder of a comparison by the command line, in a process that knows no more than its arguments."""
    output = tmp_path_factory.mktemp("kiosk")
    command = [sys.executable, "-m", "jumpgym", "compare", "--env", KIOSK, "--methods", SEARCH, CAREFUL]
    command += ["--timesteps", "3000", "--seeds", "1", "--episodes", "64", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES)}
    done = subprocess.run([*command, "--output", output], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


def test_a_comparison_and_its_report(compared):
    rows = pd.read_csv(compared / "comparison.csv")
    assert set(rows.method) == {"optimum", "classical", "hindsight", SEARCH, CAREFUL}
    assert set(rows.env) == {KIOSK}
    assert set(rows.status) == {"ok"}
    assert rows.gap_percent.notna().all()
    assert (rows[rows.method == SEARCH].transitions >= 3000).all()
    summary, page = (compared / "comparison.md").read_text(), (compared / "report.html").read_text()
    for name in (SEARCH, CAREFUL, "Kiosk"):
        assert name in summary
        assert name in page
    assert "random search for an order-up-to level" in page
    assert {path.name for path in compared.glob("*.png")} >= {"curves-Kiosk.png", "policies-Kiosk.png"}


@pytest.mark.usefixtures("kiosk")
def test_records_and_checkpoints_are_found_again(compared):
    runs = plan("quick", [KIOSK], [SEARCH, CAREFUL], 1, timesteps=3000, episodes=64)
    for run in runs:
        record = read_record(run, compared / "runs")
        assert record is not None
        if run.method in (SEARCH, CAREFUL):
            name, model = methods.load(run.checkpoint_path(compared / "runs"), KIOSK, run.method)
            assert name == run.method
            assert evaluate(model, model.get_env(), 64, 0).mean == pytest.approx(record["row"]["mean_cost"])


@pytest.mark.usefixtures("kiosk")
@pytest.mark.parametrize("name", [SEARCH, CAREFUL])
@pytest.mark.usefixtures("ticking")
def test_a_budget_in_cpu_seconds(name):
    method = methods.method(name)
    model = method.make(KIOSK, 0)
    calls = []
    method.train(model, calls.append, cpu_seconds=0.06)
    assert 0.06 <= model.clock.elapsed < 0.07
    assert calls == [model] * len(calls)
    spent = model.num_timesteps
    method.train(model, calls.append, cpu_seconds=0.06)
    assert model.num_timesteps == spent


def test_a_learner_may_refuse_a_problem(kiosk):
    with pytest.raises(NotApplicable, match="there must be a single gate"):
        methods.make(SEARCH, "jumpgym/JointReplenishment-v0", 0)


@pytest.mark.usefixtures("kiosk")
def test_foreign_sources_belong_to_the_identity_of_a_run(tmp_path, monkeypatch):
    own = code_version()
    assert code_version("jumpgym/SetupCost-v0", methods.method("ppo-gate")) == own
    foreign = {code_version(KIOSK), code_version(None, methods.method(SEARCH))}
    assert len(foreign) == 1  # both are in one file
    assert re.fullmatch(re.escape(own) + r"\.[0-9a-f]{12}", foreign.pop())
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "agent.py").write_text(
        "from jumpgym.agents import MixedGradient\nclass Mine(MixedGradient):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    method = methods.method("shop.agent:Mine")
    before = code_version(None, method)
    (package / "settings.yml").write_text("learning_rate: 1")
    from jumpgym.baselines.runs import provenance

    provenance._foreign_digest.cache_clear()
    assert code_version(None, method) != before


def test_a_registered_method(registry, kiosk, tmp_path, monkeypatch):
    (tmp_path / "house.py").write_text(
        "from jumpgym.baselines import AgentMethod, register_method\n"
        "register_method('wide', AgentMethod('jumpgym.agents:HPO', 'wide nets', hidden=(99, 99)))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    model = methods.make("house:wide", KIOSK, 0)
    assert model.settings.hidden == (99, 99)
    assert methods.method("wide") is methods.method("house:wide")
    assert methods.description("house:wide") == "wide nets"
    with pytest.raises(ValueError, match=r"--methods='wide' must be given as package\.module:wide"):
        plan("quick", [KIOSK], ["wide"], 1, 1.0)
    run = plan("quick", [KIOSK], ["house:wide"], 1, timesteps=500, episodes=16)[-1]
    assert perform(run, tmp_path, "typed", 60.0)["row"]["status"] == "ok"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mixt", "unknown method 'mixt': did you mean mixed"),
        ("zzzzz", "unknown method 'zzzzz': there are mixed, .*package.module:Class"),
        ("no.such.module:Class", "method 'no.such.module:Class': cannot import no.such.module"),
        ("kiosk:Nothing", "kiosk neither defines the class Nothing nor registers the name"),
        ("kiosk:KioskEnv", "method 'kiosk:KioskEnv': the class has no learn, predict, save, load"),
        ("kiosk:kiosk", "kiosk neither defines the class kiosk"),
    ],
)
@pytest.mark.usefixtures("kiosk")
def test_wrong_names_of_methods(name, message):
    with pytest.raises(ValueError, match=message):
        methods.method(name)


@pytest.mark.parametrize("name", ["mixed", "optimum", "a:b", "a/b", ""])
def test_names_that_cannot_be_registered(registry, name):
    with pytest.raises(ValueError, match="method '"):
        register_method(name, AgentMethod("jumpgym.agents:HPO", "mine"))


@pytest.mark.usefixtures("kiosk")
def test_an_environment_must_be_named_with_the_module_that_registers_it():
    with pytest.raises(ValueError, match=r"--env='Kiosk-v0' must be given as package\.module:Kiosk-v0"):
        plan("quick", ["Kiosk-v0"], ["mixed"], 1, 1.0)
