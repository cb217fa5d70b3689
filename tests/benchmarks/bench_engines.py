"""What compilation gains: iterations of training and the problem itself, on one thread, in CPU time.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_engines.py [--env SetupCost ...]

The two engines are measured in turn in one process, so that their ratio does not depend on what else the
machine does. Compilation is measured with an empty cache, and again with what this left in it. It takes
some six minutes for all environments.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import jumpgym
from jumpgym import HindsightProblem
from jumpgym.agents import MixedGradient
from jumpgym.simulation import CompiledRollout

HIDDEN, BATCHES, REPEATS = (32, 32), (64, 256), 3
ITERATIONS = {"torch": 4, "jax": 40}
"""Iterations in one measurement."""

TARGETS = {64: (12.0, 6.0), 256: (5.0, 3.0)}
"""Least ratio of the engines by batch size, with one gate and with several."""

EPISODES = 1024
"""Episodes side by side where the problem alone is measured."""


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return the CPU seconds that some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def started(env_id: str, engine: str, batch: int) -> MixedGradient:
    """Return an agent after its first iteration, for which it was compiled."""
    agent = MixedGradient(env_id, engine=engine, batch_size=batch, hidden=HIDDEN)
    return agent.learn(total_timesteps=1)


def seconds_of_an_iteration(agent: MixedGradient) -> float:
    """Return the CPU seconds of an iteration in a training of several."""
    iterations = ITERATIONS[agent.engine]
    timesteps = iterations * agent.periods * agent.settings.batch_size
    return cpu_seconds(lambda: agent.learn(total_timesteps=timesteps)) / iterations


def iterations(env_id: str, batch: int) -> None:
    """Print a line on an iteration under both engines, and on compilation."""
    agents = {engine: started(env_id, engine, batch) for engine in ITERATIONS}
    cold, warm = agents["jax"].compile_seconds, started(env_id, "jax", batch).compile_seconds
    taken: dict[str, list[float]] = {engine: [] for engine in agents}
    for _ in range(REPEATS):
        for engine, agent in agents.items():
            taken[engine].append(seconds_of_an_iteration(agent))
    by_torch, by_jax = (1e3 * statistics.median(taken[engine]) for engine in ITERATIONS)
    target = TARGETS[batch][len(agents["jax"].problem.layout.gates) > 1]
    name = env_id.split("/")[1].removesuffix("-v0")
    print(
        f"{name:22}{batch:>6}{by_torch:>10.1f}{by_jax:>10.2f}{by_torch / by_jax:>10.1f}{target:>10.0f}"
        f"{cold:>10.1f}{warm:>10.1f}",
        flush=True,
    )


def stepping(problem: HindsightProblem, start: Any, noise: Any, gate: Any, quantity: Any) -> None:
    """Simulate all episodes with the same decision in every period, observations included."""
    state = start
    for period in range(noise.shape[1]):
        problem.observe(state)
        state, _ = problem.step(state, gate, quantity, noise[:, period])


def transitions(env_id: str) -> None:
    """Print the transitions per second of a problem in NumPy, PyTorch and JAX, on given noise in float32."""
    problem = jumpgym.as_problem(env_id)
    assert problem.horizon is not None
    layout, rng = problem.layout, np.random.default_rng(0)
    regimes = np.broadcast_to(np.array(layout.gates) - 1, (EPISODES, len(layout.gates)))
    middle = ((layout.low + layout.high) / 2)[layout.columns(regimes)]
    single = np.float32
    gate, quantity = (array.astype(single) for array in layout.flat(regimes, middle))
    start = problem.initial_state(rng.random((EPISODES, *problem.start_shape)).astype(single))
    noise = problem.noise(rng.random((EPISODES, problem.horizon, *problem.noise_shape)).astype(single))
    tensors = type(start)(*(torch.tensor(entry) for entry in start))
    given = tuple(torch.tensor(array) for array in (noise, gate, quantity))
    compiled = tuple(jnp.asarray(array) for array in (noise, gate, quantity))
    rollout = CompiledRollout(problem, lambda _, *decision: decision)
    work = {
        "NumPy": lambda: stepping(problem, start, noise, gate, quantity),
        "torch": lambda: stepping(problem, tensors, *given),
        "jax": lambda: rollout.replay(start, *compiled).block_until_ready(),
    }
    rates: dict[str, list[float]] = {library: [] for library in work}
    for repeat in range(REPEATS + 1):
        for library, run in work.items():
            seconds = cpu_seconds(lambda run=run: [run() for _ in range(5)]) / 5
            if repeat:  # the first warms up
                rates[library].append(EPISODES * problem.horizon / seconds / 1e6)
    name = env_id.split("/")[1].removesuffix("-v0")
    print(f"{name:22}" + "".join(f"{statistics.median(rate):>10.1f}" for rate in rates.values()), flush=True)


def main() -> None:
    """Measure everything and print two tables."""
    names = [env_id.split("/")[1].removesuffix("-v0") for env_id in jumpgym.ENVIRONMENTS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", nargs="+", choices=names, default=names, help="default: all")
    chosen = [f"jumpgym/{name}-v0" for name in parser.parse_args().env]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JUMPGYM_COMPILATION_CACHE"] = folder
        print(f"An iteration of MixedGradient, hidden {HIDDEN}, median of {REPEATS}, jax {jax.__version__}")
        columns = ("torch ms", "jax ms", "ratio", "target", "compile s", "cached")
        print(f"{'':22}{'batch':>6}" + "".join(f"{column:>10}" for column in columns))
        for batch in BATCHES:
            for env_id in chosen:
                iterations(env_id, batch)
        print(f"\nThe problem alone, {EPISODES} episodes side by side, millions of transitions a second")
        print(f"{'':22}{'NumPy':>10}{'torch':>10}{'jax':>10}")
        for env_id in chosen:
            transitions(env_id)


if __name__ == "__main__":
    main()
