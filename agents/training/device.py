"""PyTorch's device and threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_precision() -> Iterator[None]:
    """A context in which new tensors are float32, whatever ``torch.set_default_dtype`` says.

    Networks, noise and observations are float32 alike.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """A context in which PyTorch uses one thread on the CPU; other devices are left alone.

    Networks and batches of this size gain nothing from a second thread. Where another process wants the same
    cores, the threads wait for each other at each of many small operations: on a busy machine with 2 cores,
    two threads took 150 times as long as one.
    """
    before = torch.get_num_threads()
    if device.type != "cpu" or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def usable_device(device: str | torch.device) -> torch.device:
    """The device, if PyTorch can use it on this machine; else ValueError. "auto" is a GPU if there is one."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        usable = torch.device(device)
        torch.empty(0, device=usable)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        raise ValueError(
            f"device={device!r} must be a device of PyTorch on this machine, such as {' or '.join(devices)}"
        ) from error
    return usable
