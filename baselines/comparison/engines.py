"""Where pieces of work are done: in processes here, or on a cluster through Ray (https://docs.ray.io)."""

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
"""How long an address may take to answer."""

OBJECT_BYTES = 2**28
"""Memory for what passes between the processes of a Ray that is started here."""


def make_workers(engine: str, count: int | None, address: str | None) -> Workers | RayWorkers:
    """What does pieces of work, in a context.

    Args:
        engine: ``"local"`` for processes here, ``"ray"`` for a cluster.
        count: pieces at a time; None for the number of cores, here or of the cluster.
        address: of a Ray cluster that runs; None starts one here.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed.
    """
    checks.choice("--engine", engine, ("local", "ray"))
    if count is not None:
        checks.integer("--workers", count, low=1)
    if engine == "ray":
        return RayWorkers(count, address)
    if address is not None:
        raise ValueError(f"--address={address!r} is of a Ray cluster: give --engine ray with it")
    return Workers(cores() if count is None else count)


class RayWorkers:
    """``Workers`` on a cluster: each piece of work is a Ray task of one CPU and one thread.

    A task whose process dies costs the item it was at. A ``Path`` among the arguments of a piece of work is
    the folder it reads and writes. On a node that does not share it the work is done in a folder of the node,
    and its files are brought here; what is interrupted there is begun anew.

    Args:
        count: pieces at a time; None for the CPUs of the cluster.
        address: ``HOST:PORT`` of a cluster that runs, which is left running, or
            ``auto`` for that of this machine; None for one that is started here and ended with the context.
            If this process uses Ray already, its cluster is taken.

    Attributes:
        count: pieces at a time, known in the context.

    Raises:
        ValueError: if Ray is not installed, or, when the context is entered, the cluster not reached.
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

    def each(self, work: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """See ``Workers.each``."""
        import ray

        task: Any = ray.remote(num_cpus=1, max_retries=0, runtime_env={"env_vars": ONE_THREAD})(_on_node)
        waiting = deque(items)
        while waiting or self._busy:
            while waiting and len(self._busy) < self.count:
                item = waiting.popleft()
                given = _Folder.of(item)
                reference = task.remote(work, item, given, (code_version(), versions()))
                self._busy[reference] = item, given
            (reference,), _ = ray.wait(list(self._busy))
            item, given = self._busy.pop(reference)
            try:
                result, files = ray.get(reference)
                if files is not None:
                    given.bring(files)
            except ray.exceptions.RayError as error:  # such as the death of the process or of the node
                result = Failure(error)
            yield item, result


def _connect(address: str | None, count: int) -> None:
    """Connect this process with a cluster, quietly."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init("local", num_cpus=count, include_dashboard=False, object_store_memory=OBJECT_BYTES, **quiet)
        return
    try:
        if address != "auto":  # Ray itself would try for minutes, and then end the process
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), REACH_SECONDS).close()
        ray.init(address, **quiet)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[-1]
        raise ValueError(
            f"--address={address!r} must be HOST:PORT of a Ray cluster that runs, or auto "
            f"on a machine of the cluster: {reason}"
        ) from error


def _on_node(
    work: Callable[..., Any], item: tuple[Any, ...], given: _Folder | None, code: Any
) -> tuple[Any, dict[str, bytes] | None]:
    """Do a piece of work; with its result go the files it left, or None where the folder is shared."""
    if (here := (code_version(), versions())) != code:
        return Failure(f"install the same on all machines: here is {code}, on a node {here}"), None
    one_thread()
    if given is None or given.is_here():
        return _tried(work, item), None
    with tempfile.TemporaryDirectory() as own:
        folder = Path(own)
        for name, content in given.files.items():
            replace_file(folder / name, content)
        result = _tried(work, tuple(folder if each == given.path else each for each in item))
        return result, {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _tried(work: Callable[..., Any], item: tuple[Any, ...]) -> Any:
    try:
        return work(*item)
    except Exception:
        return Failure(traceback.format_exc())


class _Folder:
    """The folder of a piece of work, and what a node needs of it that does not share it."""

    MARK = ".folder"  # holds what no other folder's does

    def __init__(self, path: Path, item: tuple[Any, ...]) -> None:
        self.path = path
        if not (path / self.MARK).exists():
            replace_file(path / self.MARK, uuid.uuid4().bytes)
        self._mark = (path / self.MARK).read_bytes()
        self.files: dict[str, bytes] = {}
        if isinstance(item[0], Run):
            needed = [item[0].problem.reference_path(path), *path.glob(f"{item[0].name}.*")]
            self.files = {each.name: each.read_bytes() for each in needed if each.exists()}

    @classmethod
    def of(cls, item: tuple[Any, ...]) -> _Folder | None:
        """The first ``Path`` of an item; None if it has none."""
        return next((cls(each, item) for each in item if isinstance(each, Path)), None)

    def is_here(self) -> bool:
        """Whether this machine has the same folder."""
        try:
            return (self.path / self.MARK).read_bytes() == self._mark
        except OSError:
            return False

    def bring(self, files: dict[str, bytes]) -> None:
        """Keep what came back and remove what did not; records last, as they say that all is done."""
        for name in sorted(files, key=lambda name: name.endswith(".json")):
            if files[name] != self.files.get(name):
                replace_file(self.path / name, files[name])
        for name in self.files.keys() - files.keys():
            (self.path / name).unlink(missing_ok=True)
