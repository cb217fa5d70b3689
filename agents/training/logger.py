"""What an agent reports while it learns: latest values, TensorBoard, progress bar."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np


class Logger:
    """Named values, printed or written to TensorBoard on demand; what callbacks use of SB3's logger.

    Args:
        folder: TensorBoard folder, or None.
        verbose: whether to print the values, too.

    Raises:
        ImportError: if a folder is given and TensorBoard is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, verbose: int = 0) -> None:
        self.values: dict[str, Any] = {}
        self._verbose = verbose
        self._folder = None if folder is None else os.fspath(folder)
        self._counts: dict[str, int] = {}
        self._writer = None
        if self._folder is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise ImportError(
                    'tensorboard_log needs TensorBoard: pip install "jumpgym[baselines]"'
                ) from error
            self._writer = SummaryWriter(self._folder)

    def __getstate__(self) -> dict[str, Any]:
        # An open file of TensorBoard does not travel.
        return {**self.__dict__, "_writer": None}

    def record(self, key: str, value: Any, exclude: Any = None) -> None:
        """Remember a value under a key until the next dump."""
        self.values[key] = value

    def record_mean(self, key: str, value: float, exclude: Any = None) -> None:
        """Remember the mean of the values recorded under a key since the last dump."""
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        self.values[key] = (count * self.values[key] + value) / (count + 1) if count else value

    def dump(self, step: int) -> None:
        """Write the remembered numbers at a time step, and print them if ``verbose``."""
        numbers = {k: v for k, v in self.values.items() if isinstance(v, (int, float, np.number))}
        if self._writer is not None:
            for key, value in numbers.items():
                self._writer.add_scalar(key, value, step)
        if self._verbose:
            width = max(map(len, [*numbers, "time_steps"]))
            lines = [f"| {key:<{width}} | {value:>12.5g} |" for key, value in numbers.items()]
            rule = "-" * (width + 19)
            print(rule, f"| {'time_steps':<{width}} | {step:>12,} |", *lines, rule, sep="\n", flush=True)
        self._counts = {}

    def get_dir(self) -> str | None:
        """TensorBoard folder, or None."""
        return self._folder

    def close(self) -> None:
        """Flush and close TensorBoard's file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def run_folder(log: str | os.PathLike[str], name: str | None, new: bool) -> str:
    """The TensorBoard folder of a training, numbered as SB3 does.

    Args:
        log: the agent's ``tensorboard_log``.
        name: of the training. None for ``log`` itself, without a subfolder.
        new: whether the training is a new one; otherwise it continues the last one of that name.

    Returns:
        ``log/name_k``, for a new training with a k above all that are there, otherwise with the largest.
    """
    if name is None:
        return os.fspath(log)
    pattern = re.compile(rf"{re.escape(name)}_(\d+)")
    existing = os.listdir(log) if os.path.isdir(log) else []
    last = max((int(match[1]) for match in map(pattern.fullmatch, existing) if match), default=0)
    return os.path.join(log, f"{name}_{last + 1 if new else max(last, 1)}")


class ProgressBar:
    """A tqdm bar over the progress of training, or nothing."""

    def __init__(self, shown: bool, name: str) -> None:
        self._bar: Any = None
        if shown:
            try:
                from tqdm import tqdm
            except ImportError as error:
                raise ImportError('progress_bar=True needs tqdm: pip install "jumpgym[baselines]"') from error
            self._bar = tqdm(total=100, desc=name, bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}")

    def update(self, progress: float, **values: str) -> None:
        """Show progress in [0, 1] and some values."""
        if self._bar is not None:
            self._bar.n = round(100 * progress)
            self._bar.set_postfix(values, refresh=True)

    def close(self) -> None:
        """Leave the bar on the screen."""
        if self._bar is not None:
            self._bar.close()
