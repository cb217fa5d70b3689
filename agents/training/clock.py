"""CPU time of training, without the time spent on evaluation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class CpuClock:
    """CPU seconds of this process (all its threads) since the clock was made, less those spent paused.

    Args:
        elapsed: CPU seconds to start from.

    >>> clock = CpuClock()
    >>> with clock.pause():
    ...     before = clock.elapsed
    ...     _ = sum(range(100_000))
    ...     clock.elapsed == before
    True
    """

    def __init__(self, elapsed: float = 0.0) -> None:
        self._start = time.process_time() - elapsed
        self._paused_since: float | None = None

    @property
    def elapsed(self) -> float:
        """CPU seconds counted so far."""
        now = time.process_time() if self._paused_since is None else self._paused_since
        return now - self._start

    def stop(self) -> None:
        """Count no further."""
        if self._paused_since is None:
            self._paused_since = time.process_time()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """A context whose CPU time does not count; one inside another changes nothing."""
        if self._paused_since is not None:
            yield
            return
        self._paused_since = time.process_time()
        try:
            yield
        finally:
            self._start += time.process_time() - self._paused_since
            self._paused_since = None
