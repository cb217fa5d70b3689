"""The loop of a training: iterations, with callbacks and logs between them, until the budget is spent."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from math import gcd
from typing import Any, TypeAlias

from jumpgym import checks

from .budget import NOTHING, Budget
from .callbacks import Callbacks
from .clock import CpuClock
from .device import one_thread
from .logger import Logger, ProgressBar, run_folder

Advance: TypeAlias = Callable[[int, Budget, float], None]
"""Runs at most so many iterations of a training with a budget, up to some progress."""


def learn(
    agent: Any,
    *,
    total_timesteps: int | None,
    callback: Any,
    log_interval: int,
    tb_log_name: str | None,
    reset_num_timesteps: bool,
    progress_bar: bool,
    cpu_seconds: float | None,
    callback_interval: int,
) -> None:
    """Train an agent; see ``Agent.learn``."""
    if total_timesteps is None and cpu_seconds is None:
        raise ValueError("learn: give total_timesteps, cpu_seconds, or both")
    if total_timesteps is not None:
        total_timesteps = checks.integer("total_timesteps", total_timesteps, low=1)
    if cpu_seconds is not None:
        cpu_seconds = checks.number("cpu_seconds", cpu_seconds, low=1e-6)
    log_interval = checks.integer("log_interval", log_interval, low=1)
    callback_interval = checks.integer("callback_interval", callback_interval, low=1)
    budget = _begin(agent, Budget(total_timesteps, cpu_seconds), reset_num_timesteps)
    callbacks = Callbacks(agent, callback)
    log = agent.settings.tensorboard_log
    folder = None if log is None else run_folder(log, tb_log_name, new=reset_num_timesteps)
    agent.logger = Logger(folder, agent.settings.verbose)
    bar = ProgressBar(progress_bar, type(agent).__name__)
    agent.progress = agent.progress_at(budget)
    dump_interval = gcd(log_interval, callback_interval) if callback is not None else log_interval

    def report(*, last: bool) -> bool:
        """Call back and log if it is time to, and return whether the training goes on."""
        going = not last
        if last or agent.iterations % callback_interval == 0:
            going = callbacks.on_step() and going
        if not going or agent.iterations % log_interval == 0:
            agent.logger.dump(agent.num_timesteps)
            cost = f"{agent.logger.values['rollout/cost']:.4g}"
            bar.update(min(1.0, budget.share(agent.spent)), cost=cost)
        return going

    try:
        callbacks.start(
            {
                "total_timesteps": sys.maxsize if budget.timesteps is None else budget.timesteps,
                "callback": callback,
                "log_interval": log_interval,
                "tb_log_name": tb_log_name,
                "reset_num_timesteps": reset_num_timesteps,
                "progress_bar": progress_bar,
            }
        )
        with one_thread(agent.device):
            agent.review()
            going = agent.progress < 1
            for end in agent.race.legs(agent) if going else ():
                advance = _start_engine(agent, bar)
                agent.progress = agent.progress_at(budget)
                while going and agent.progress < end:
                    advance(dump_interval - agent.iterations % dump_interval, budget, end)
                    agent.progress = agent.progress_at(budget)
                    agent.review()
                    if agent.progress < 1:
                        going = report(last=False)
                if not going:
                    break
            if going and agent.logger.values:  # also where the last iteration ended an earlier leg
                report(last=True)
    finally:
        agent.clock.stop()
        callbacks.close()
        bar.close()
        agent.logger.close()


def _begin(agent: Any, budget: Budget, new: bool) -> Budget:
    """Start or continue the counters and the clock of an agent, and return the budget that they run up to."""
    if new:
        agent.num_timesteps = agent.iterations = 0
        agent.clock, agent.others = CpuClock(), NOTHING
        if agent.race.started:
            agent.race.end()
        return budget
    agent.clock = CpuClock(agent.clock.elapsed)
    timesteps, seconds = budget
    return Budget(
        None if timesteps is None else timesteps + agent.num_timesteps,
        None if seconds is None else seconds + agent.clock.elapsed,
    )


def _start_engine(agent: Any, bar: ProgressBar) -> Advance:
    """Return the function that runs iterations, compiled if the engine is "jax"."""
    if agent.engine == "torch":
        return lambda most, budget, end: agent.iterate()
    with agent.clock.pause():
        from ..compiled.engine import Engine, Untraceable  # JAX takes seconds to import

        bar.update(agent.progress, status="compiling")
        try:
            if agent.compiled is None:
                agent.compiled = Engine(agent)
            agent.compiled.load()
        except Untraceable as error:
            if agent.requested_engine == "jax":
                raise
            warnings.warn(f"{error}; training goes on with engine='torch'", stacklevel=5)
            agent.engine = "torch"
            return _start_engine(agent, bar)
    advance: Advance = agent.compiled.advance
    return advance
