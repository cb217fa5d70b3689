"""CPU time that ``jumpgym compare`` costs on top of training and evaluating.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_sweep.py

A sweep and a bare script that trains and evaluates as often run in turns, each in a process of its own. The
CPU time of all descendants counts. The fixed cost of a sweep is reported separately: the start of two
processes, the references, and the report.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jumpgym.agents.training.clock import CpuClock
from jumpgym.baselines.comparison.plans import plan
from jumpgym.baselines.runs.decisions import sample_decisions
from jumpgym.baselines.runs.files import replace_file
from jumpgym.baselines.runs.measure import Reference
from jumpgym.baselines.runs.methods import METHODS, REFERENCES, make, one_thread
from jumpgym.baselines.runs.perform import read_reference
from jumpgym.baselines.runs.record import read_record
from jumpgym.baselines.runs.run import Problem
from jumpgym.baselines.runs.training import CURVE_EPISODES, moments

ENV, EPISODES, SEEDS = "jumpgym/SetupCost-v0", 16_384, 2
TIMESTEPS = {"mixed": 3_000_000, "ppo-level": 500_000}
"""Of each training, about ten CPU seconds."""

PROBLEM = Problem(ENV, (), EPISODES)
RUNS = {
    method: plan("quick", [ENV], [method], SEEDS, timesteps=steps, episodes=EPISODES)
    for method, steps in TIMESTEPS.items()
}


def cpu_seconds(command: list[str]) -> float:
    """CPU seconds of a command of Python and all its descendants."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    # As in a terminal, with the moving bar.
    environment = os.environ | {"FORCE_COLOR": "1"}
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, env=environment)
    return spent() - before


def script(method: str, seeds: int) -> float:
    """CPU seconds of a script that does nothing but ``bare``."""
    return cpu_seconds([__file__, "--bare", method, str(seeds)])


def bare(method: str, seeds: int) -> None:
    """Train with each seed, and evaluate as often as a sweep does."""
    one_thread()
    reference = Reference(ENV)
    for episodes in (EPISODES, CURVE_EPISODES):
        reference.costs(episodes)
    for seed in range(seeds):
        model = make(method, ENV, seed)
        model.learn(TIMESTEPS[method])
        for _ in moments(None, TIMESTEPS[method]):
            reference.gap(model, model.get_env(), CURVE_EPISODES)
        reference.gap(model, model.get_env(), EPISODES)


def sweep(method: str, folder: Path) -> tuple[float, float]:
    """CPU seconds of a whole sweep, and of the same sweep when only the references are missing."""
    command = ["-m", "jumpgym.baselines.cli", "compare", "--env", ENV, "--methods", method]
    command += ["--timesteps", str(TIMESTEPS[method]), "--seeds", str(SEEDS), "--episodes", str(EPISODES)]
    command += ["--workers", "1", "--output", str(folder)]
    total = cpu_seconds(command)
    for run in RUNS[method]:
        if run.method in REFERENCES:
            run.record_path(folder / "runs").unlink()
    PROBLEM.reference_path(folder / "runs").unlink()
    return total, cpu_seconds(command)


def pieces(method: str, folder: Path) -> dict[str, float]:
    """CPU seconds of what a run does beside training and evaluating; ``folder`` is that of a sweep."""
    one_thread()
    run = next(run for run in RUNS[method] if run.method == method)
    record = read_record(run, folder)
    reference = read_reference(PROBLEM, folder)
    model = METHODS[method].load(run.checkpoint_path(folder), PROBLEM.make())
    clock = CpuClock()
    works: dict[str, Callable[[], object]] = {
        "read the reference": lambda: read_reference(PROBLEM, folder),
        "draw the policy": lambda: sample_decisions(reference.chart, model, model.get_env()),
        "write a checkpoint": lambda: METHODS[method].save(model, folder / "bench.zip"),
        "write the record": lambda: replace_file(folder / "bench.json", json.dumps(record).encode()),
        "look at the clock 10,000 times": lambda: [clock.elapsed for _ in range(10_000)],
    }
    return {name: median_seconds(work) for name, work in works.items()}


def median_seconds(work: Callable[[], object]) -> float:
    """Median CPU seconds of a piece of work, after one repetition that does not count."""
    seconds = []
    for _ in range(6):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds[1:])


def measure(method: str, repeats: int) -> None:
    """Measure in turns, and print medians."""
    scripts, starts, sweeps, constants = [], [], [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            scripts.append(script(method, SEEDS))
            total, constant = sweep(method, Path(folder))
            sweeps.append(total)
            constants.append(constant)
            starts.append(script(method, 0))
            beside = pieces(method, Path(folder) / "runs")
    bare_all, bare_start, total, constant = map(statistics.median, (scripts, starts, sweeps, constants))
    training = bare_all - bare_start
    print(f"{method}, {SEEDS} runs of {training / SEEDS:.1f} CPU s, medians of {repeats}")
    print(f"  script {bare_all:6.2f} s, of which {bare_start:.2f} s without training")
    print(f"  sweep  {total:6.2f} s, of which {constant:.2f} s without training")
    print(f"  overhead {100 * ((total - constant) / training - 1):+.2f} % of the training,", end=" ")
    print(f"{100 * (total / bare_all - 1):+.2f} % with start, references and report")
    for name, seconds in beside.items():
        print(f"  {name:31} {1000 * seconds:7.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bare", nargs=2, metavar=("METHOD", "SEEDS"), help="be the script")
    arguments = parser.parse_args()
    if arguments.bare:
        bare(arguments.bare[0], int(arguments.bare[1]))
    else:
        for each in TIMESTEPS:
            measure(each, arguments.repeats)
