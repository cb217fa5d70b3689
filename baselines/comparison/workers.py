"""A pool of worker processes with one thread each, for independent pieces of work."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, Literal

from ..runs.methods import one_thread

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
"""Environment variables that the numeric libraries of a worker read when they are loaded."""

START_METHOD: Literal["spawn"] = "spawn"
"""How workers start: a fork would inherit threads and random states, which only tests can rule out."""


class Failure(str):
    """The traceback of a piece of work that failed."""


class Workers:
    """A pool of processes, which are started when they are needed, and reused.

    If a worker dies, its item is reported as failed, and another worker takes its place. Workers end with the
    caller: when the context is left, when the caller is interrupted, and when it is killed.

    Args:
        count: number of processes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, tuple[Any, ...]]] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
            worker.process.terminate()
            worker.process.join()

    def run_all(self, work: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Call ``work(*item)`` for each item, and yield the results as they come.

        Exhaust the iterator of one call before the next call.

        Args:
            work: a function that worker processes can import.
            items: tuples of arguments.

        Yields:
            Pairs (item, result); the result is a ``Failure`` if ``work`` raised or the worker died.
        """
        waiting = deque(items)
        while waiting or self._busy:
            while waiting and len(self._busy) < self.count:
                worker = self._idle.pop() if self._idle else _Worker()
                item = waiting.popleft()
                worker.pipe.send((work, item))
                self._busy[worker.pipe] = worker, item
            for pipe in wait(list(self._busy)):
                assert isinstance(pipe, Connection)
                worker, item = self._busy.pop(pipe)
                try:
                    result = pipe.recv()
                    self._idle.append(worker)
                except EOFError:
                    worker.process.join()
                    result = Failure(f"the worker process died with exit code {worker.process.exitcode}")
                yield item, result


class _Worker:
    """A process that does the work it receives from ``pipe``."""

    def __init__(self) -> None:
        context: Any = multiprocessing.get_context(START_METHOD)
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        before = dict(os.environ)
        os.environ.update(ONE_THREAD)
        try:
            self.process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        other.close()


def _serve(pipe: Connection) -> None:
    """Do work until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    one_thread()
    while True:
        try:
            work, item = pipe.recv()
        except EOFError:
            return
        try:
            result = work(*item)
        except Exception:
            result = Failure(traceback.format_exc())
        pipe.send(result)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
