"""What ``SyncVectorEnv`` offers for its single environments, for a batch that is one object."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray


class Copies(VectorEnv[NDArray[np.float32], Any, NDArray[Any]]):
    """``call``, ``get_attr`` and ``set_attr`` of a vector environment whose copies share their attributes."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        # skrl recognises an environment by the direct bases of its class.
        if VectorEnv not in cls.__bases__:
            cls.__bases__ = (*cls.__bases__, VectorEnv)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """``render()`` of each copy, or an attribute as in ``get_attr``.

        Raises:
            ValueError: for other methods, which the copies do not have one by one.
        """
        if name == "render":
            frames = self.render(*args, **kwargs)
            return (None,) * self.num_envs if frames is None else tuple(frames)
        values = self.get_attr(name)
        if callable(values[0]):
            raise ValueError(
                f"call({name!r}): the copies of a native batch have no methods of their own but render; call "
                f"{name} of the batch, or make the batch by vectorization_mode='sync'"
            )
        return values

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of each copy: the spaces and ``initial_state`` are its own, others are the batch's."""
        if name in ("action_space", "observation_space"):
            name = f"single_{name}"
        value = getattr(self, name)
        return tuple(value) if name == "initial_state" else (value,) * self.num_envs

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of all copies, which share it.

        Args:
            name: of the attribute.
            values: its value, or a list or tuple with the same value for each copy.

        Raises:
            ValueError: if the values differ, or their number is not ``num_envs``.
        """
        listed = list(values) if isinstance(values, (list, tuple)) else [values] * self.num_envs
        if len(listed) != self.num_envs:
            raise ValueError(f"set_attr({name!r}): {len(listed)} values must be {self.num_envs}, one a copy")
        if not all(value is listed[0] or np.array_equal(value, listed[0]) for value in listed):
            raise ValueError(
                f"set_attr({name!r}): the values must be equal, since the copies share attributes"
            )
        setattr(self, name, listed[0])
