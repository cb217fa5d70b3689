"""Speed and memory of the environments on one thread, in CPU time.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_envs.py

Measurements are interleaved and repeated; the table shows medians. Each also runs in a fresh process, whose
peak memory is shown; a process with the same imports and no work is the first line.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import torch

import jumpgym  # noqa: F401 (registers the environments)
from jumpgym.agents.networks.perceptrons import mlp

BATCH, ENV = 8192, "jumpgym/SetupCost-v0"
JOINT, NUMBERS = "jumpgym/JointReplenishment-v0", 65_536
REPEATS = 7

Measurement = Callable[[], int]
"""Does the work and returns the number of transitions."""


def nothing() -> Measurement:
    """The imports alone."""
    return lambda: 1


def problem_given_noise() -> Measurement:
    """``problem.step`` in NumPy on noise drawn before, gates and quantities given."""
    problem = gym.make(ENV).unwrapped.problem
    rng = np.random.default_rng(0)
    noise = problem.noise(rng.random((BATCH, problem.horizon)))
    gate = np.eye(2)[rng.integers(2, size=BATCH)]
    quantity = gate * 40.0

    def run() -> int:
        state = problem.initial_state(np.zeros(BATCH))
        for period in range(problem.horizon):
            state, _ = problem.step(state, gate, quantity, noise[:, period])
        return BATCH * problem.horizon

    return run


def problem_drawing_noise() -> Measurement:
    """The same, with the uniforms and the noise of every episode drawn."""
    problem = gym.make(ENV).unwrapped.problem
    rng = np.random.default_rng(0)
    gate = np.eye(2)[rng.integers(2, size=BATCH)]
    quantity = gate * 40.0

    def run() -> int:
        state = problem.initial_state(rng.random(BATCH))
        noise = problem.noise(rng.random((BATCH, problem.horizon)))
        for period in range(problem.horizon):
            state, _ = problem.step(state, gate, quantity, noise[:, period])
        return BATCH * problem.horizon

    return run


def vector_env(mode: str) -> Measurement:
    """The native vector environment: checks, projection, observations, infos, resets and noise included."""
    envs = gym.make_vec(ENV, BATCH, vectorization_mode="vector_entry_point", autoreset_mode=mode)
    envs.reset(seed=0)
    action = np.random.default_rng(0).integers(2, size=BATCH), np.full((BATCH, 1), 40.0, dtype=np.float32)

    def run() -> int:
        transitions = 0
        for _ in range(102):  # two episodes and their resets
            *_, infos = envs.step(action)
            transitions += int(infos["_regime"].sum())
        return transitions if mode == "NextStep" else 102 * BATCH

    return run


def scalar(unwrapped: bool) -> Measurement:
    """One environment, stepped and reset."""
    env = gym.make(ENV)
    env = env.unwrapped if unwrapped else env
    env.reset(seed=0)
    action = (1, np.array([20.0], dtype=np.float32))

    def run() -> int:
        for _ in range(2000):
            if env.step(action)[2]:
                env.reset()
        return 2000

    return run


def make_policy() -> torch.nn.Module:
    """The agents' 2x64 tanh network, from observations to a logit and a level."""
    torch.manual_seed(0)
    return mlp(2, (64, 64), 2)


def policy_alone() -> Measurement:
    """Forward and backward of the policy on given observations: what a rollout costs without the problem."""
    policy, observations = make_policy(), torch.rand(BATCH, 2)

    def run() -> int:
        policy.zero_grad()
        sum(policy(observations).sum() for _ in range(50)).backward()
        return BATCH * 50

    return run


def forward_and_backward() -> Measurement:
    """A rollout of the policy in torch, float32, and the gradient of its cost."""
    problem = gym.make(ENV).unwrapped.problem
    policy = make_policy()

    def run() -> int:
        noise = problem.noise(torch.rand(BATCH, problem.horizon))
        state, total = problem.initial_state(torch.zeros(BATCH)), torch.zeros(())
        for period in range(problem.horizon):
            logit, level = policy(problem.observe(state) / 50.0).unbind(-1)
            order = (logit > 0).to(level.dtype)
            gate = torch.stack([1 - order, order], -1)
            quantity = torch.nn.functional.softplus(50.0 * level - state.inventory)
            state, cost = problem.step(state, gate, gate * quantity[:, None], noise[:, period])
            total = total + cost.sum() / BATCH
        policy.zero_grad()
        total.backward()
        return BATCH * problem.horizon

    return run


def items(count: int) -> Measurement:
    """``JointReplenishment`` with this many items, ``NUMBERS`` in all; counts transitions times items."""
    batch, periods = NUMBERS // count, 20
    env = gym.make(JOINT, items=count, truck_capacity=6.0 * count, horizon=periods)
    problem, rng = env.unwrapped.problem, np.random.default_rng(0)
    noise = problem.noise(rng.random((batch, periods, count)))
    regimes = np.stack([rng.integers(size, size=batch) for size in problem.layout.gates], axis=-1)
    gate, quantity = problem.layout.flat(regimes, rng.random((batch, count)) * 10)

    def run() -> int:
        state = problem.initial_state(np.zeros((batch, count)))
        for period in range(periods):
            state, _ = problem.step(state, gate, quantity, noise[:, period])
        return batch * count * periods

    return run


# name: (measurement, target in transitions a second)
MEASUREMENTS: dict[str, tuple[Callable[[], Measurement], float]] = {
    "imports alone": (nothing, 0.0),
    "problem, noise given": (problem_given_noise, 60e6),
    "problem, noise drawn": (problem_drawing_noise, 20e6),
    "vector env, NEXT_STEP": (lambda: vector_env("NextStep"), 20e6),
    "vector env, SAME_STEP": (lambda: vector_env("SameStep"), 20e6),
    "scalar env, unwrapped": (lambda: scalar(True), 1 / 15e-6),
    "scalar env, gym.make": (lambda: scalar(False), 1 / 15e-6),
    "torch policy, forward and backward": (forward_and_backward, 2e6),
    "  of which the policy alone": (policy_alone, 2e6),
    **{f"{n:,} items, each": (lambda n=n: items(n), 30e6) for n in (1, 2, 10, 100, 1000)},
}


def peak_memory(name: str) -> float:
    """Peak resident memory in MB of a fresh process that runs the measurement once."""
    command = [sys.executable, __file__, "--memory-of", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--memory-of", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory_of:
        MEASUREMENTS[arguments.memory_of][0]()()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return

    # Before all else: a child's peak starts from that of its parent.
    peaks = {name: peak_memory(name) for name in MEASUREMENTS}
    runs = {name: make() for name, (make, target) in MEASUREMENTS.items() if target}
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(REPEATS + 1):
        for name, run in runs.items():
            start = time.process_time()
            transitions = run()
            if repeat:  # the first warms up
                rates[name].append(transitions / (time.process_time() - start))

    print(f"{ENV}, batch {BATCH}, one thread, median of {REPEATS}")
    print(f"{'':36}{'M transitions/s':>16}{'us/transition':>15}{'target M/s':>12}{'peak MB':>9}")
    for name, (_, target) in MEASUREMENTS.items():
        rate = statistics.median(rates[name]) if name in rates else float("nan")
        columns = f"{rate / 1e6:>16.3f}{1e6 / rate:>15.4f}{target / 1e6:>12.3f}" if target else " " * 43
        print(f"{name:36}{columns}{peaks[name]:>9.0f}")


if __name__ == "__main__":
    main()
