"""jumpgym side by side with or-gym, stockpyl and RLlib, on one thread.

    OMP_NUM_THREADS=1 PYTHONPATH=tests/benchmarks python -m peers

Prints a Markdown table, and writes peers.md and peers.csv. What cannot be run is a row that says why.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import platform
import shlex
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from jumpgym.baselines.runs.provenance import hardware

from .rows import Row, Settings, failed, markdown, write_csv

PARTS = {"or-gym": "or_gym_peer", "stockpyl": "stockpyl_peer", "rllib": "rllib_peer"}
"""Module of each part; RLlib is last, since Ray starts processes."""

PACKAGES = (
    "jumpgym", "or-gym", "stockpyl", "ray", "gymnasium", "numpy", "scipy", "torch", "stable-baselines3",
)  # fmt: skip

QUICK = Settings(repetitions=5, seconds=0.05, budget=5.0, seeds=1, episodes=4096)
REST_SECONDS = {False: 120, True: 60}
"""About what all but the trainings takes, by whether it is quick."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run")
    parser.add_argument("--quick", action="store_true", help="short measurements, one training of 5 s each")
    parser.add_argument("--budget", type=float, help="CPU seconds of each training, by default 60")
    parser.add_argument("--seeds", type=int, help="trainings of each learner, by default 3")
    parser.add_argument("--output", type=Path, default=Path("results/peers"), help="folder of the tables")
    return parser.parse_args()


def settings_of(options: argparse.Namespace) -> Settings:
    """How much is measured."""
    base = QUICK if options.quick else Settings(7, 0.25, 60.0, 3, 16_384)
    budget = base.budget if options.budget is None else options.budget
    seeds = base.seeds if options.seeds is None else options.seeds
    return Settings(base.repetitions, base.seconds, budget, seeds, base.episodes)


def perform(part: str, settings: Settings) -> list[Row]:
    """The rows of a part; an error is a row, its traceback is printed, and the rest goes on."""

    def guarded(measured: str, work: Callable[[], list[Row]]) -> list[Row]:
        try:
            return work()
        except Exception as error:
            traceback.print_exc()
            return [failed(part, measured, error)]

    try:
        jobs = importlib.import_module(f".{PARTS[part]}", __package__).jobs(settings)
    except Exception as error:
        traceback.print_exc()
        return [failed(part, "all", error)]
    rows = []
    for name, work in jobs.items():
        print(f"{part}: {name}", file=sys.stderr, flush=True)
        rows += guarded(name, work)
    return rows


def version(package: str) -> str:
    """Version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def document(rows: list[Row], settings: Settings, constant: dict[str, str]) -> str:
    """The tables of all parts, with what they mean and how they were made."""
    about = (
        f"Medians of {settings.repetitions} repetitions in turns, in CPU time on one thread; of trainings, "
        f"of {settings.seeds} seed(s), each of {settings.budget:g} CPU seconds. A ratio above 1 says how "
        "many times better jumpgym is: faster, or nearer to the optimum; in brackets the least and the "
        "greatest. Resets are counted, policies are next to free."
    )
    lines = ["# jumpgym beside its neighbours", "", about, ""]
    lines += [f"- {name}: {value}" for name, value in constant.items()]
    return "\n".join(lines) + "\n\n" + markdown(rows)


def main() -> None:
    """Compare, print and write."""
    options = arguments()
    settings = settings_of(options)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*Box (low|high)'s precision")
    trainings = 4 * settings.seeds * settings.budget if "rllib" in options.only else 0
    minutes = (trainings + REST_SECONDS[options.quick]) / 60
    print(f"about {minutes:.0f} minutes on one idle core", file=sys.stderr, flush=True)
    start = time.perf_counter()
    rows = [row for part in options.only for row in perform(part, settings)]
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    command = shlex.join(["python", "-m", "peers", *sys.argv[1:]])
    constant = {
        "command": f"OMP_NUM_THREADS=1 PYTHONPATH=tests/benchmarks {command}",
        "versions": f"Python {platform.python_version()}, {versions}",
        "hardware": hardware(),
    }
    text = document(rows, settings, constant)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "peers.md").write_text(text)
    write_csv(rows, options.output / "peers.csv", **constant)
    print(text)
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes", file=sys.stderr)


if __name__ == "__main__":
    main()
