import io
import runpy
import subprocess
import sys
import zipfile

import pytest

import jumpgym
from jumpgym.baselines.cli import main
from jumpgym.baselines.cli.main import CLOSED_PIPE, make_parser
from jumpgym.baselines.runs.methods import METHODS

SETUP_COST = "jumpgym/SetupCost-v0"


def refused(capsys, *arguments):
    """The one line on stderr of a command that is refused."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    for name in ("mixed", "ppo-level"):
        path = folder / "new" / f"{name}.zip"
        command = ["train", SETUP_COST, "--method", name, "--timesteps", "12800", "--save", str(path)]
        assert main([*command, "--set", "fixed_cost=30", "initial_inventory=(0, 20)"]) == 0
    return folder / "new"


def test_list_is_quick_and_complete(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    names = [env_id.split("/")[1].removesuffix("-v0") for env_id in jumpgym.ENVIRONMENTS]
    for name in (*names, *METHODS, "optimum", "classical"):
        assert any(line.startswith(f"  {name} ") and len(line.split()) > 2 for line in out.splitlines())
    code = (
        "import sys; from jumpgym.baselines.cli import main; main(['list']); "
        "assert not {'torch', 'stable_baselines3', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("module", ["jumpgym", "jumpgym.baselines.cli"])
def test_module_and_version(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["", "--version"])
    with pytest.raises(SystemExit) as ended:  # runpy is what python -m runs, here without a new process
        runpy.run_module(module, run_name="__main__")
    assert not ended.value.code
    assert capsys.readouterr().out.strip() == f"jumpgym {jumpgym.__version__}"


def test_the_help_groups_all_commands_with_a_line_each(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "usage: jumpgym [--help] [--version] COMMAND ..." in text
    lines = [line for line in text.splitlines() if line.startswith("  ") and not line.startswith("  -")]
    commands = [line.split()[0] for line in lines]
    assert " ".join(commands) == (
        "compare report train evaluate solve decide simulate tune "
        "references published gradients scaling trucks real hard list traces"
    )
    assert all(len(line.split()) > 3 for line in lines)
    for command in commands:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        text = capsys.readouterr().out
        assert text.startswith(f"usage: jumpgym {command} ")
        assert "--agent" not in text


def test_older_spellings_of_options_still_work():
    parser = make_parser()
    train = ["train", "SetupCost", "--save", "x.zip"]
    assert parser.parse_args(train).method == "mixed"
    assert parser.parse_args([*train, "--agent", "hpo"]).method == "hpo"
    assert parser.parse_args(["compare"]).methods is None
    assert parser.parse_args(["compare", "--agents", "hpo", "svg"]).methods == ["hpo", "svg"]


def test_a_closed_pipe_ends_a_command_without_a_traceback():
    command = f"{sys.executable} -m jumpgym list | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (CLOSED_PIPE, "")


def test_output_on_an_ascii_terminal(checkpoints, monkeypatch):
    path = checkpoints / "ppo-level.zip"
    command = ["evaluate", str(path), "--env", "SetupCost", "--set", "fixed_cost=30", "--episodes", "16"]
    terminals = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", terminals[0])
    monkeypatch.setattr(sys, "stderr", terminals[1])
    assert main(command) == 0
    out, err = [terminal.flush() or terminal.buffer.getvalue().decode("ascii") for terminal in terminals]
    assert err == ""
    assert "+-" in out


def test_solve(capsys):
    assert main(["solve", "SetupCost"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "optimum",
        "  expected cost   2463.1456 per episode, 49.2629 per period",
        "  exactness       exact",
        "best classical policy: SSPolicy(s=14, S=62)",
    ]
    assert gap(lines[-1]) == pytest.approx(1.018, abs=0.002)
    assert main(["solve", SETUP_COST, "--set", "fixed_cost=0", "--set", "unmet_demand=lost"]) == 0
    assert "expected cost   2463.1456" not in capsys.readouterr().out


def gap(line):
    """The gap in a line that 'jumpgym solve' prints."""
    words = line.split()
    assert words[0] == "gap"
    assert "above the optimum" in line
    return float(words[1])


def test_solve_where_policies_are_simulated(capsys):
    assert main(["solve", "jumpgym/SwitchedLQR-v0", "--set", "horizon=4"]) == 0
    out = capsys.readouterr().out
    assert "exactness       grid" in out
    assert "grid error" in out
    assert "RecedingHorizonPolicy()" in out
    assert 0 < gap(out.splitlines()[-1]) < 1000
    assert "simulated on the same noise" in out


def test_solve_of_infinite_horizon_problems(capsys):
    assert main(["solve", "jumpgym/MinOrder-v0", "--set", "horizon=None"]) == 0
    out = capsys.readouterr().out
    assert "average cost    35." in out
    assert "error bound" in out
    assert "expected" not in out


def test_solve_of_a_negative_cost(capsys):
    assert main(["solve", "jumpgym/MinInvestment-v0", "--set", "horizon=2"]) == 0
    out = capsys.readouterr().out
    assert "expected cost   -2." in out
    assert gap(out.splitlines()[-1]) > 0


def test_references(capsys, tmp_path, monkeypatch):
    from jumpgym.baselines.hindsight import cost
    from jumpgym.baselines.studies import references

    monkeypatch.setattr(cost, "TRACES", {"SetupCost": 2})
    command = ["references", "--env", SETUP_COST, "--output", str(tmp_path / "new")]
    assert main(command) == 0
    assert "optimum 2463.15, classical" in capsys.readouterr().out
    text = (tmp_path / "new" / "references.md").read_text()
    assert f"    jumpgym references --env {SETUP_COST} --output" in text
    monkeypatch.setattr(references, "reference_row", lambda env: 1 / 0)
    assert main(command) == 0
    assert main(["references", "--env", "LoanBrackets", "--output", str(tmp_path / "new")]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gumbel", "ppo-gate"])
def test_training_what_a_method_cannot_learn_is_one_line(name, capsys, tmp_path):
    command = [
        "train",
        SETUP_COST,
        "--method",
        name,
        "--set",
        "horizon=None",
        "--save",
        str(tmp_path / "a.zip"),
    ]
    assert main([*command, "--cpu-seconds", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("jumpgym train: ")
    assert "horizon=None" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("name", ["mixed", "ppo-level"])
def test_train_and_evaluate(checkpoints, capsys, name):
    path = checkpoints / f"{name}.zip"
    with zipfile.ZipFile(path) as archive:
        assert all(member.endswith((".npy", ".json")) for member in archive.namelist())
    command = ["evaluate", str(path), "--env", SETUP_COST, "--set", "fixed_cost=30", "--episodes", "64"]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert "mean cost" in first
    assert "on the same noise" in first
    assert main(command) == 0
    assert capsys.readouterr().out == first
    assert main([*command, "--seed", "1"]) == 0
    assert capsys.readouterr().out != first


def test_evaluate_without_an_optimum(checkpoints, capsys):
    command = ["evaluate", str(checkpoints / "ppo-level.zip"), "--env", SETUP_COST, "--episodes", "16"]
    with_traces = [*command, "--set", f"demand={[[20.0] * 50]}"]
    assert main(with_traces) == 0
    assert "there is no optimum: demand: traces are not supported" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mixed", "ppo-level"])
def test_checkpoints_of_another_problem_are_refused(checkpoints, capsys, name):
    path = str(checkpoints / f"{name}.zip")
    message = refused(capsys, "evaluate", path, "--env", SETUP_COST, "--set", "lead_time=2")
    assert path in message


def test_damaged_and_foreign_checkpoints_are_refused(checkpoints, capsys, tmp_path):
    foreign, damaged = tmp_path / "foreign.zip", tmp_path / "damaged.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("data", "{}")
    damaged.write_bytes((checkpoints / "mixed.zip").read_bytes()[:1000])
    for path, reason in (
        (foreign, "not a jumpgym checkpoint"),
        (damaged, "damaged"),
        (tmp_path / "no", "no "),
    ):
        assert reason in refused(capsys, "evaluate", str(path), "--env", SETUP_COST)


def out_of_memory(*_):
    raise MemoryError("7 TiB")


def test_bad_arguments_are_refused(capsys, monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    save = ["--save", str(tmp_path / "agent.zip")]
    cases = {
        ("solve", "nowhere"): "unknown environment 'nowhere': there are SetupCost, MinOrder, ",
        ("solve", "setupcost"): "did you mean jumpgym/SetupCost-v0?",
        ("solve", "no.such.module:Id-v0"): "cannot import no.such.module",
        ("solve", "CartPole-v1"): "must be a jumpgym environment, its id, or a HindsightProblem",
        ("compare", "--env", "SetupCots"): "did you mean jumpgym/SetupCost-v0?",
        (
            "solve",
            SETUP_COST,
            "--set",
            "K=1",
        ): "got an unexpected keyword argument 'K'=1; allowed are fixed_cost",
        ("solve", SETUP_COST, "--set", "fixed_cost"): "--set 'fixed_cost' must be name=value",
        ("solve", SETUP_COST, "--set", "holding_cost=-1"): "holding_cost=-1",
        ("solve", SETUP_COST, "--set", "lead_time=3", "unmet_demand=lost"): "lead_time must be at most 2",
        ("train", SETUP_COST, "--method", "magic", *save): "unknown method 'magic': there are mixed, ",
        ("train", SETUP_COST, "--cpu-seconds", "0", *save): "--cpu-seconds=0 must be greater than 0",
        ("train", SETUP_COST, "--timesteps", "0", *save): "--timesteps=0 must be an integer of at least 1",
        ("train", SETUP_COST, "--seed", "-1", *save): "--seed=-1",
        ("train", SETUP_COST, "--save", str(file / "agent.zip")): "must be a folder that can be written",
        ("references", "--env", "nowhere", "--output", str(tmp_path)): "unknown environment 'nowhere'",
        ("references", "--output", str(file / "new")): "must be a folder that can be written",
        ("evaluate", "x.zip", "--env", SETUP_COST, "--episodes", "1"): "--episodes=1",
        ("evaluate", "x.zip", "--env", SETUP_COST): "no checkpoint at x.zip; the method save of an agent",
        ("evaluate", str(tmp_path), "--env", SETUP_COST): "is a folder, not a checkpoint",
        (
            "solve",
            SETUP_COST,
            "--set",
            "demand=x.csv",
        ): "demand='x.csv': cannot be read as a CSV file: there is",
        (
            "compare",
            "--instances",
            "x.yml",
        ): "--instances='x.yml' cannot be read: No such file or directory; 'jum",
        ("compare", "--instances", str(file)): "--instances: " + str(file) + " must be a list of instances",
        (
            "decide",
            "optimum",
            "--env",
            SETUP_COST,
            "--stock",
            "x.csv",
        ): "--stock='x.csv' cannot be read: No such",
        ("decide", "x.zip", "--env", SETUP_COST, "--output", str(tmp_path)): "--output: ",
        (
            "simulate",
            "x.zip",
            "--env",
            SETUP_COST,
            "--picture",
            "x.doc",
        ): "--picture='x.doc' must end in one of",
        ("hard", "--output", str(tmp_path)): "is a folder; give the name of a file",
    }
    for arguments, message in cases.items():
        assert message in refused(capsys, *arguments)
    with monkeypatch.context() as patch:
        patch.setattr("jumpgym.baselines.cli.solve.make_environment", out_of_memory)
        assert "not enough memory: 7 TiB" in refused(capsys, "solve", SETUP_COST)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "--env", SETUP_COST, "--save", "x"), "arguments: --env; ENV is given without --env"),
        (("train", "mixed", SETUP_COST, "--save", "x"), f"arguments: {SETUP_COST}"),
        (("solve", SETUP_COST, "--seeds", "3"), "arguments: --seeds 3"),
    ],
)
def test_words_that_a_command_does_not_know_are_answered_with_its_usage(words, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    error = capsys.readouterr().err
    assert f"usage: jumpgym {words[0]} [-h]" in error
    assert error.endswith(f"jumpgym {words[0]}: error: unrecognized {message}\n")
