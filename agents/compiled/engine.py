"""The engine that compiles the iterations of an agent by JAX.

An iteration is the agent's own ``iterate``, run once on a mirror of the agent whose networks hold JAX's
tracers: what it computes is recorded, differentiated and compiled as a whole, from the noise to the step of
Adam. So there is one source for what both engines compute; only ``descent`` exists twice.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

# One thread, as PyTorch's engine uses: networks and batches of this size gain nothing from a second one, and
# on 2 cores two threads that wait for each other took a third more CPU time. XLA reads its flags, and the
# number of its threads (NPROC), when JAX is first used.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("NPROC", "1")

import jax
import jax.numpy as jnp
import numpy as np
import torch

from ..networks.mirror import mirrored, named_arrays
from ..training.budget import Budget, Spent
from .cache import compilation_cache
from .descent import Adam, Arrays, descend, repeat

MOST_ITERATIONS = 64
"""Largest number of iterations that one call computes."""


OPTIONS = {"xla_backend_optimization_level": 1}
"""Of the compiler: level 1 compiles faster than the default, and what it makes is as fast."""


CONSTANTS = {"state_gradient_limit", "gae_lambda", "critic_lambda", "gamma"}
"""Numbers among the settings that the program is compiled for: constants are computed from them by NumPy."""


class Keys:
    """A sequence of keys for JAX's random numbers.

    Args:
        key: the key from which all others are split.
    """

    def __init__(self, key: jax.Array) -> None:
        self.current = key

    def next(self) -> jax.Array:
        """Return a new key."""
        self.current, key = jax.random.split(self.current)
        return key


class Values:
    """What an iteration reports, by name, as a ``Logger`` without files."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def record(self, key: str, value: Any) -> None:
        """Remember a value under a key."""
        self.values[key] = jnp.asarray(value, dtype=float)


class State(NamedTuple):
    """Everything that an iteration changes.

    Attributes:
        networks: parameters and stored buffers of the networks, by name.
        adam: state of Adam.
        cost_scale: see ``Agent``.
        iterations: number of iterations so far.
        key: of the noise.
        finite: whether all losses and gradients have been finite.
        values: what the last iteration reported.
    """

    networks: Arrays
    adam: Adam
    cost_scale: jax.Array
    iterations: jax.Array
    key: jax.Array
    finite: jax.Array
    values: Arrays


class Untraceable(TypeError):
    """The code of a problem or of an agent cannot be traced by JAX."""


class Engine:
    """The compiled iterations of an agent.

    Args:
        agent: whose networks are trained.
    """

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.stored = list(agent.networks.state_dict())
        self.parameters = [name for name, _ in agent.networks.named_parameters()]
        self._constants = {
            name: jnp.asarray(tensor.numpy(force=True))
            for name, tensor in named_arrays(agent.networks)
            if name not in self.stored
        }
        self.numbers = _numbers(agent.settings)
        self.state = self._pulled({})
        self._run: Any = None

    def _compile(self) -> None:
        """Compile the iterations, and count the CPU seconds that this takes."""
        start = time.process_time()
        iteration = jax.jit(self._iteration)
        try:
            progress = jax.ShapeDtypeStruct((), jnp.float32)
            after = jax.eval_shape(iteration, self.state, progress, self.numbers)
        except Exception as error:
            raise Untraceable(_where(error)) from error
        self.state = self._pulled({name: jnp.zeros(x.shape, x.dtype) for name, x in after.values.items()})
        self._run = _repeated(iteration)
        with compilation_cache():
            _, self.state = self._run(self.state, np.zeros(MOST_ITERATIONS, np.float32), 0, self.numbers)
        self.agent.compile_seconds += time.process_time() - start

    def load(self) -> None:
        """Take over networks, optimizer, key and counters of the agent; the first time, compile.

        Raises:
            Untraceable: if the agent or its problem cannot be traced.
        """
        self.state = self._pulled(self.state.values)
        if self._run is None:
            self._compile()

    def advance(self, most: int, budget: Budget, end: float) -> None:
        """Run iterations, and write their results back to the agent.

        Args:
            most: number of iterations to run at most.
            budget: of the training.
            end: progress at which to stop.

        Raises:
            FloatingPointError: see ``Agent.descend``.
        """
        agent = self.agent
        progress = self._schedule(min(most, MOST_ITERATIONS), budget, end)
        padded = np.zeros(MOST_ITERATIONS, dtype=np.float32)
        padded[: len(progress)] = progress
        before = time.process_time()
        done, self.state = self._run(self.state, padded, len(progress), self.numbers)
        finite = bool(self.state.finite)
        succeeded = int(done) if finite else int(done) - 1
        self._seconds = (time.process_time() - before) / max(int(done), 1)
        agent.iterations += succeeded
        agent.num_timesteps += succeeded * self._timesteps
        self._push()
        if not finite:
            agent.refuse(agent.logger.values["train/loss"], agent.logger.values["train/gradient_norm"])

    @property
    def _timesteps(self) -> int:
        """Time steps of an iteration."""
        return int(self.agent.settings.batch_size * self.agent.periods)

    def _schedule(self, most: int, budget: Budget, end: float) -> list[float]:
        """Return the progress before each of the next iterations, as far as the training lasts."""
        agent, progress = self.agent, [self.agent.progress]
        for ahead in range(1, most):
            # Seconds are estimated by those of the last iterations. The progress at the end is measured
            # again.
            more = Spent(ahead * self._timesteps, ahead * self._seconds)
            after = agent.progress_at(budget, more)
            long = budget.cpu_seconds is not None and more.seconds > 0.01 * budget.cpu_seconds
            if after >= end or long:
                break
            progress.append(after)
        return progress

    _seconds = 1.0
    """CPU seconds of an iteration; the first call runs a single one to measure it."""

    def _pulled(self, values: Arrays) -> State:
        """Return the state of the agent as arrays of JAX."""
        agent = self.agent
        tensors = {name: jnp.array(t.numpy(force=True)) for name, t in agent.networks.state_dict().items()}
        slots, names = agent.optimizer.state_dict()["state"], self.parameters

        def moments(slot: str) -> Arrays:
            return {
                name: jnp.array(slots[i][slot].numpy(force=True))
                if i in slots
                else jnp.zeros_like(tensors[name])
                for i, name in enumerate(names)
            }

        step = {name: jnp.array(int(slots[i]["step"]) if i in slots else 0) for i, name in enumerate(names)}
        return State(
            tensors,
            Adam(step, moments("exp_avg"), moments("exp_avg_sq")),
            jnp.array(agent.cost_scale, dtype=float),
            jnp.array(agent.iterations, dtype=jnp.int32),
            jnp.array(agent.key),
            jnp.array(True),
            {name: jnp.array(value) for name, value in values.items()},
        )

    def _push(self) -> None:
        """Write the state back to the agent."""
        agent, state = self.agent, jax.device_get(self.state)
        with torch.no_grad():
            for name, tensor in agent.networks.state_dict().items():
                tensor.copy_(torch.tensor(state.networks[name]))
        slots = {
            i: {
                "step": torch.tensor(float(state.adam.step[name])),
                "exp_avg": torch.tensor(state.adam.first[name], device=agent.device),
                "exp_avg_sq": torch.tensor(state.adam.second[name], device=agent.device),
            }
            for i, name in enumerate(self.parameters)
        }
        agent.optimizer.load_state_dict({**agent.optimizer.state_dict(), "state": slots})
        agent.cost_scale = float(state.cost_scale)
        agent.key = np.array(state.key)
        for name, value in state.values.items():
            agent.logger.record(name, float(value))

    def _iteration(self, state: State, progress: jax.Array, numbers: Arrays) -> State:
        """Return the state after one iteration of training with numbers as settings."""
        mirror = self._mirror(state, progress, numbers)
        mirror.iterate()
        networks = dict(named_arrays(mirror.networks))
        return State(
            {name: networks[name] for name in self.stored},
            mirror.adam,
            mirror.cost_scale,
            mirror.iterations,
            jax.random.key_data(mirror.generator.current),
            mirror.finite,
            mirror.logger.values,
        )

    def _mirror(self, state: State, progress: jax.Array, numbers: Arrays) -> Any:
        """Return a copy of the agent on the arrays of a state, and with numbers as settings."""
        agent = self.agent
        available = {**self._constants, **state.networks}
        networks = mirrored(agent.networks, lambda name, tensor: available[name])
        children = {id(network): networks[name] for name, network in agent.networks.items()}
        mirror = object.__new__(type(agent))
        mirror.__dict__.update({name: children.get(id(x), x) for name, x in agent.__dict__.items()})
        settings = object.__new__(type(agent.settings))
        settings.__dict__.update({**agent.settings.__dict__, **numbers})
        mirror.__dict__.update(
            settings=settings,
            networks=networks,
            adam=state.adam,
            cost_scale=state.cost_scale,
            iterations=state.iterations,
            progress=progress,
            generator=Keys(jax.random.wrap_key_data(state.key)),
            finite=state.finite,
            logger=Values(),
            descend=lambda *args: descend(mirror, *args),
            repeat=lambda step, inputs: repeat(mirror, step, inputs),
        )
        return mirror


def _numbers(settings: Any) -> Arrays:
    """Return the settings that are inputs of the compiled program, so that other values need no new one."""
    return {
        name: jnp.array(value, dtype=float)
        for name, value in settings.__dict__.items()
        if isinstance(value, float) and name not in CONSTANTS
    }


def _repeated(
    iteration: Callable[[State, jax.Array, Arrays], State],
) -> Callable[..., tuple[jax.Array, State]]:
    """Return the compiled function that runs iterations until one fails."""

    def run(state: State, progress: jax.Array, count: int, numbers: Arrays) -> tuple[jax.Array, State]:
        def going(carry: tuple[jax.Array, State]) -> jax.Array:
            return (carry[0] < count) & carry[1].finite

        def step(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
            return carry[0] + 1, iteration(carry[1], progress[carry[0]], numbers)

        return jax.lax.while_loop(going, step, (jnp.zeros((), jnp.int32), state))

    return jax.jit(run, donate_argnums=0, compiler_options=OPTIONS)


def _where(error: Exception) -> str:
    """Say which line could not be traced: the last one outside of JAX."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename]
    at = ours[-1] if ours else frames[-1]
    reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return (
        f"JAX cannot trace line {at.lineno} of {os.path.basename(at.filename)}, {at.line!r}: "
        f"{type(error).__name__}: {reason[:150]}"
    )
