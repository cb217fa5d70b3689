"""Small sweeps that are killed at random moments and resumed; as a script it does many and tells how it went.

python tests/baselines/killing.py --kills 20
"""

import argparse
import json
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import warm

from jumpgym.agents.training import checkpoint
from jumpgym.baselines import cli
from jumpgym.baselines.comparison import workers
from jumpgym.baselines.comparison.plans import plan
from jumpgym.baselines.report import write
from jumpgym.baselines.runs.perform import read_reference
from jumpgym.baselines.runs.record import read_record
from jumpgym.baselines.runs.run import Problem

SETUP_COST = "jumpgym/SetupCost-v0"
METHODS, SEEDS, TIMESTEPS, EPISODES = ("mixed", "ppo-level"), 1, 30_000, 64
RUNS = plan("quick", [SETUP_COST], METHODS, SEEDS, timesteps=TIMESTEPS, episodes=EPISODES)
PROBLEM = Problem(SETUP_COST, (), EPISODES)
COMMAND = [
    *("compare", "--env", SETUP_COST, "--agents", *METHODS, "--seeds", str(SEEDS)),
    *("--timesteps", str(TIMESTEPS), "--episodes", str(EPISODES), "--workers", "1"),
    *("--checkpoint-seconds", "0.1", "--output", "."),
]
TABLES = ("comparison.csv", "curves.csv", "policies.csv.gz", "environments.csv")
TIMES = ["cpu_seconds", "wall_seconds", "cpu_to_1_percent", "cpu_to_0.3_percent"]


def sweep():
    """The sweep, with tables only, by workers that are forks too."""
    workers.START_METHOD = "fork"
    write._render = lambda tables, output: []
    return cli.main(COMMAND)


def start(folder):
    """The sweep in a process group of its own, with its results in ``folder``."""
    return warm.Process(sweep, folder=folder)


def tables(folder):
    """All tables, without the columns that tell times."""
    return {name: pd.read_csv(folder / name).drop(columns=TIMES, errors="ignore") for name in TABLES}


def assert_equal_tables(folder, whole):
    """No number differs, to the last digit."""
    expected = tables(whole)
    assert len(expected["comparison.csv"]) == len(RUNS)
    for name, found in tables(folder).items():
        pd.testing.assert_frame_equal(found, expected[name], check_exact=True, obj=name)


def finished_records(folder):
    """The records that are there, as bytes by name; every file that has its name must be whole."""
    runs = folder / "runs"
    for path in runs.glob("*.zip"):
        checkpoint.read(path)
    for path in runs.glob("*.json"):
        json.loads(path.read_bytes())
    if PROBLEM.reference_path(runs).exists():
        assert read_reference(PROBLEM, runs) is not None
    paths = [run.record_path(runs) for run in RUNS if read_record(run, runs) is not None]
    return {path.name: path.read_bytes() for path in paths}


def whole_sweep(folder):
    """Do the sweep without interruption; wall seconds from its first line on."""
    process = start(folder)
    process.stdout.readline()
    begin = time.monotonic()
    code, out = process.finish()
    assert code == 0, out
    return time.monotonic() - begin


def killed_sweep(folder, kills, seconds, rng):
    """Kill a sweep within ``seconds`` of its first line, resume it and so on, until it has come to its end.

    Every other kill is of the parent alone, with whom its workers must end.

    Returns:
        The number of records that each kill found, ``kills`` of them at most.
    """
    found = []
    kept = {}
    while True:
        process = start(folder)
        process.stdout.readline()
        if len(found) < kills and not process.wait(rng.uniform(0, seconds)):
            if len(found) % 2:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        code, out = process.finish()
        records = finished_records(folder)
        assert {name: records.get(name) for name in kept} == kept
        kept = records
        if code != -signal.SIGKILL:
            assert code == 0, out
            return found
        found.append(len(records))


def main():
    """Kill as often as is asked for, in as many sweeps as that takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        whole.mkdir()
        seconds = whole_sweep(whole)
        print(f"{len(RUNS)} runs in {seconds:.1f} s without interruption")
        done = sweeps = 0
        while done < arguments.kills:
            killed = Path(folder) / str(sweeps)
            killed.mkdir()
            found = killed_sweep(killed, arguments.kills - done, seconds, rng)
            assert_equal_tables(killed, whole)
            done, sweeps = done + len(found), sweeps + 1
            print(f"killed {len(found)} times, with {found} records there: the tables are equal", flush=True)
    print(f"{done} kills in {sweeps} sweeps: no record lost, none damaged, all tables equal")


if __name__ == "__main__":
    main()
