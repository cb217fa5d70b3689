"""What an agent reports while it learns: last values, TensorBoard, progress bar."""

from __future__ import annotations

import os
from typing import Any


class Logger:
    """Named values, written to TensorBoard where a folder is given; what callbacks use of SB3's logger.

    Args:
        folder: TensorBoard folder, or None.

    Raises:
        ImportError: if a folder is given and TensorBoard is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.values: dict[str, Any] = {}
        self._writer = None
        if folder is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise ImportError(
                    'tensorboard_log needs TensorBoard: pip install "jumpgym[baselines]"'
                ) from error
            self._writer = SummaryWriter(os.fspath(folder))

    def record(self, key: str, value: Any, exclude: Any = None) -> None:
        """Remember a value under a key until the next dump."""
        self.values[key] = value

    def dump(self, step: int) -> None:
        """Write the remembered numbers at a time step."""
        if self._writer is not None:
            for key, value in self.values.items():
                if isinstance(value, (int, float)):
                    self._writer.add_scalar(key, value, step)

    def close(self) -> None:
        """Flush and close TensorBoard's file."""
        if self._writer is not None:
            self._writer.close()


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
