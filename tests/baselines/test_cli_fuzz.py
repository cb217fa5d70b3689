"""Junk on the command line: done, or refused with exit code 2 and one line; never a traceback."""

import re
import signal

import numpy as np
import pytest

import jumpgym
from jumpgym.baselines.cli import main
from jumpgym.baselines.comparison import sweep as comparison
from jumpgym.baselines.runs import methods

COMMANDS = 80
"""Inputs for each command."""

LIMIT = 30
"""CPU seconds for one command; what needs more is taken as hanging."""

VALUES = [
    "", "nan", "inf", "-inf", "1e999", "-1", "0", "1", "2", "0.5", "1e12", "1e13", "1e300", "9" * 400,
    "9" * 5000, "None", "True", "...", "()", "[]", "{}", "(1,)", "(1, 2, 3)", "(2, 1)", "[[1], [1, 2]]",
    "'x'", "b'x'", "1j", "lost", "backlog", "log", "all_units", "/", "/no/such.csv", "nul\0", "\ud800",
    "a\nb", "(" * 300, "[" * 3000, "-" * 5000 + "1", "lambda: 0", "__import__('os').abort()",
    "{1: 2}", "{1, 2}", "[nan]", "[1e400]", "(0, 60)", "[5.0, 7.0]", "5.0", "=", "0x10", "\U0001d7d9", "1;2",
]  # fmt: skip

NAMES = [
    "fixed_cost", "holding_cost", "shortage_cost", "demand", "unmet_demand", "lead_time", "initial_inventory",
    "horizon", "discount", "max_order", "A", "items", "returns", "breakpoints", "schedule", "render_mode",
    "max_episode_steps", "disable_env_checker", "order_enforce", "id", "num_envs", "self", "parameters", "",
    "a b", "1", "__class__",
]  # fmt: skip

BAD = {
    "--env": [*VALUES[:6], "jumpgym/SetupCost-v1", "CartPole-v1", "../x", "jumpgym/"],
    "--methods": [*VALUES[:6], "magic", "MIXED", "optimum\n", "__class__"],
    "--method": [*VALUES[:6], "magic", "MIXED", "__class__"],
    "--seeds": ["", "x", "0", "-1", "1.5", "nan", "1e3", "9" * 5000],
    "--seed": ["", "x", "-1", "1.5", "nan", "9" * 5000],
    "--budget": ["", "x", "0", "-1", "nan", "inf", "-inf", "1e999"],
    "--cpu-seconds": ["", "x", "0", "-1", "nan", "inf", "-inf", "1e999"],
    "--timesteps": ["", "x", "0", "-1", "1.5", "nan"],
    "--episodes": ["", "x", "0", "1", "-1", "1.5", "nan"],
    "--preset": ["", "x", "Quick", "standard "],
    "--set": ["", "x", "=", "=1", "a b=1", "K=1", "holding_cost=nan", "horizon=-1", "horizon=" + "(" * 300],
}
"""Values of each option that are all refused."""

OPTIONS = {
    "compare": [
        "--env",
        "--methods",
        "--seeds",
        "--budget",
        "--timesteps",
        "--episodes",
        "--preset",
        "--set",
    ],
    "train": ["--method", "--seed", "--cpu-seconds", "--timesteps", "--set"],
    "evaluate": ["--env", "--seed", "--episodes", "--set"],
}


def pick(rng, values):
    return values[rng.integers(len(values))]


def outcome(capsys, arguments):
    """The exit code and the lines on stderr of a command that ends, without a traceback."""

    def stop(*_):
        pytest.fail(f"{arguments}: no end after {LIMIT} CPU seconds")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        code = main(arguments)
    except SystemExit as error:  # argparse, which tells the usage first
        code = error.code
        usage = capsys.readouterr()
        assert re.match(rf"jumpgym {arguments[0]}: error: ", usage.err.splitlines()[-1]), usage.err
        assert usage.out == ""
        return code, usage.err.splitlines()[-1:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "nan" not in out
    assert not (code == 2 and out), out
    return code, err.splitlines()


def refused(capsys, arguments):
    code, lines = outcome(capsys, arguments)
    assert code == 2, arguments
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"jumpgym {arguments[0]}: "), lines


def assignments(rng, env_id):
    own = jumpgym.as_problem(env_id).__class__.__init__.__code__.co_varnames
    names = [*NAMES, *own[1:]]
    return [f"{pick(rng, names)}={pick(rng, VALUES)}" for _ in range(rng.integers(1, 3))]


def test_any_parameters_are_solved_or_refused_in_one_line(capsys):
    rng, solved = np.random.default_rng(0), 0
    for _ in range(COMMANDS):
        env_id = pick(rng, jumpgym.ENVIRONMENTS)
        arguments = ["solve", env_id, "--set", "horizon=2", *assignments(rng, env_id)]
        code, lines = outcome(capsys, arguments)
        assert (code, len(lines)) in ((0, 0), (2, 1)), (arguments, lines)
        solved += code == 0
    assert 0 < solved < 0.5 * COMMANDS


@pytest.mark.parametrize("command", OPTIONS)
def test_any_bad_option_is_refused_in_one_line(capsys, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparison, "compare", lambda *_: pytest.fail("junk is compared"))
    monkeypatch.setattr(methods.AgentMethod, "make", lambda *_: pytest.fail("junk is trained"))
    rng = np.random.default_rng(0)
    valid = {
        "compare": ["--env", "jumpgym/SetupCost-v0"],
        "train": ["jumpgym/SetupCost-v0", "--save", str(tmp_path / "agent.zip")],
        "evaluate": ["agent.zip", "--env", "jumpgym/SetupCost-v0"],
    }
    for _ in range(COMMANDS):
        option = pick(rng, OPTIONS[command])
        refused(capsys, [command, *valid[command], option, pick(rng, BAD[option])])
    assert not list(tmp_path.iterdir())


def test_any_checkpoint_and_parameters_are_refused_in_one_line(capsys, tmp_path):
    rng = np.random.default_rng(0)
    junk = tmp_path / "junk.zip"
    junk.write_bytes(b"PK\x03\x04" + rng.bytes(100))
    for _ in range(COMMANDS):
        path = pick(
            rng, [str(junk), str(tmp_path), str(tmp_path / "no"), "", "nul\0", "\ud800", "a" * 5000, "/"]
        )
        env_id = pick(rng, jumpgym.ENVIRONMENTS)
        refused(capsys, ["evaluate", path, "--env", env_id, "--set", *assignments(rng, env_id)])
