"""A pool of workers on this machine, or on a cluster through Ray (https://docs.ray.io)."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import tempfile
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from jumpgym import checks

from ..runs.files import replace_file
from ..runs.methods import one_thread
from ..runs.provenance import code_version, versions
from ..runs.run import Run
from .plans import cores
from .workers import ONE_THREAD, Failure, Workers

REACH_SECONDS = 10.0
"""Longest time to wait for an address to answer."""

OBJECT_BYTES = 2**28
"""Memory for objects that pass between the processes of a Ray that is started here."""


def make_workers(engine: str, count: int | None, address: str | None) -> Workers | RayWorkers:
    """Return a pool of workers, to be used as a context.

    Args:
        engine: ``"local"`` for processes on this machine, ``"ray"`` for a cluster.
        count: pieces of work at a time; None for the number of cores, here or of the cluster.
        address: address of a running Ray cluster; None starts one on this machine.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed.
    """
    checks.choice("--engine", engine, ("local", "ray"))
    if count is not None:
        checks.integer("--workers", count, low=1)
    if engine == "ray":
        return RayWorkers(count, address)
    if address is not None:
        raise ValueError(f"--address={address!r} is the address of a Ray cluster: give --engine ray with it")
    return Workers(cores() if count is None else count)


class RayWorkers:
    """``Workers`` on a cluster: each piece of work is a Ray task with one CPU and one thread.

    If the process of a task dies, its item is reported as failed. A ``Path`` among the arguments of the work
    is the folder that it reads and writes. A node that does not share this folder works in a temporary
    one, whose files are then copied here; work that is interrupted there starts again.

    Args:
        count: pieces of work at a time; None for the CPUs of the cluster.
        address: ``HOST:PORT`` of a running cluster, which keeps running, or ``auto`` for the cluster of this
            machine; None for a cluster that is started here and ends with the context. If this process
            already uses Ray, its cluster is used.

    Attributes:
        count: pieces of work at a time; valid inside the context.

    Raises:
        ValueError: if Ray is not installed; or, on entering the context, if the cluster cannot be reached.
    """

    def __init__(self, count: int | None, address: str | None) -> None:
        if importlib.util.find_spec("ray") is None:
            raise ValueError("--engine ray: Ray is not installed; pip install 'jumpgym[cluster]'")
        self.count = count or 0
        self.address = address
        self._connected = False
        self._busy: dict[Any, tuple[tuple[Any, ...], Any]] = {}

    def __enter__(self) -> RayWorkers:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        if not ray.is_initialized():
            _connect(self.address, self.count or cores())
            self._connected = True
        self.count = self.count or max(int(ray.cluster_resources().get("CPU", 0)), 1)
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        for reference in self._busy:
            ray.cancel(reference, force=True)
        if self._connected:
            ray.shutdown()

    def run_all(self, work: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """See ``Workers.run_all``."""
        import ray

        task: Any = ray.remote(num_cpus=1, max_retries=0, runtime_env={"env_vars": ONE_THREAD})(_on_node)
        waiting = deque(items)
        while waiting or self._busy:
            while waiting and len(self._busy) < self.count:
                item = waiting.popleft()
                folder = _Folder.of(item)
                reference = task.remote(work, item, folder, (code_version(), versions()))
                self._busy[reference] = item, folder
            (reference,), _ = ray.wait(list(self._busy))
            item, folder = self._busy.pop(reference)
            try:
                result, files = ray.get(reference)
                if files is not None:
                    folder.copy_back(files)
            except ray.exceptions.RayError as error:  # for instance if the process or the node died
                result = Failure(error)
            yield item, result


def _connect(address: str | None, count: int) -> None:
    """Connect this process to a cluster, without Ray's messages."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init("local", num_cpus=count, include_dashboard=False, object_store_memory=OBJECT_BYTES, **quiet)
        return
    try:
        if address != "auto":  # Ray itself tries for minutes, and then ends the process
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), REACH_SECONDS).close()
        ray.init(address, **quiet)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[-1]
        raise ValueError(
            f"--address={address!r} must be HOST:PORT of a running Ray cluster, or auto "
            f"on a machine of the cluster: {reason}"
        ) from error


def _on_node(
    work: Callable[..., Any], item: tuple[Any, ...], folder: _Folder | None, code: Any
) -> tuple[Any, dict[str, bytes] | None]:
    """Do a piece of work on a node; returns its result, and its files unless the folder is shared."""
    if (node := (code_version(), versions())) != code:
        return Failure(f"install the same versions on all machines: here {code}, on a node {node}"), None
    one_thread()
    if folder is None or folder.is_shared():
        return _tried(work, item), None
    with tempfile.TemporaryDirectory() as temporary:
        local = Path(temporary)
        for name, content in folder.files.items():
            replace_file(local / name, content)
        result = _tried(work, tuple(local if argument == folder.path else argument for argument in item))
        return result, {path.name: path.read_bytes() for path in local.iterdir() if path.is_file()}


def _tried(work: Callable[..., Any], item: tuple[Any, ...]) -> Any:
    try:
        return work(*item)
    except Exception:
        return Failure(traceback.format_exc())


class _Folder:
    """The folder of a piece of work, with the files that a node needs if it does not share the folder."""

    MARK = ".folder"  # a file with unique content, by which a node recognises the folder

    def __init__(self, path: Path, item: tuple[Any, ...]) -> None:
        self.path = path
        if not (path / self.MARK).exists():
            replace_file(path / self.MARK, uuid.uuid4().bytes)
        self._mark = (path / self.MARK).read_bytes()
        self.files: dict[str, bytes] = {}
        if isinstance(item[0], Run):
            files = [item[0].problem.reference_path(path), *path.glob(f"{item[0].name}.*")]
            self.files = {file.name: file.read_bytes() for file in files if file.exists()}

    @classmethod
    def of(cls, item: tuple[Any, ...]) -> _Folder | None:
        """The folder at the first ``Path`` of an item; None if it has none."""
        return next((cls(argument, item) for argument in item if isinstance(argument, Path)), None)

    def is_shared(self) -> bool:
        """Whether this machine sees the same folder."""
        try:
            return (self.path / self.MARK).read_bytes() == self._mark
        except OSError:
            return False

    def copy_back(self, files: dict[str, bytes]) -> None:
        """Write the files of a node, and last the records, which mark runs as finished; remove all others."""
        for name in sorted(files, key=lambda name: name.endswith(".json")):
            if files[name] != self.files.get(name):
                replace_file(self.path / name, files[name])
        for name in self.files.keys() - files.keys():
            (self.path / name).unlink(missing_ok=True)
