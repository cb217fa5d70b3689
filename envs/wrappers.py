"""Action wrappers: a (regime, quantity) environment under other action spaces.

Each wrapper has a batched pure method ``decode(observation, action) -> (regime (m, G), quantity (m, n))``, so
that ``jumpgym.baselines.evaluate`` and vectorised simulators read the same actions;
see ``jumpgym.adapters.views``.

>>> import gymnasium as gym, jumpgym
>>> from jumpgym.wrappers import DiscreteLevel
>>> env = DiscreteLevel(gym.make("jumpgym/SetupCost-v0"), levels=[0, 30, 60])
>>> observation, info = env.reset(seed=0)
>>> observation, reward, terminated, truncated, info = env.step(2)
>>> print(info["quantity"])
60.0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from . import checks
from .adapters.decisions import Decision
from .adapters.registry import as_problem
from .adapters.views import (
    ActionView,
    BoxView,
    DictView,
    LevelGridView,
    QuantityGridView,
    QuantityView,
)

__all__ = ["BoxAction", "BoxQuantity", "DictAction", "DiscreteLevel", "DiscreteQuantity"]


class ViewWrapper(gym.ActionWrapper[NDArray[np.float32], Any, Any], RecordConstructorArgs):
    """An environment whose actions are those of a view.

    Args:
        env: a jumpgym environment with actions (regime, quantity).
        view: the class of the view.
        parameters: of the view, beside the problem.

    Attributes:
        view: the view.

    Raises:
        TypeError: if the environment's actions are not pairs (regime, quantity).
    """

    def __init__(self, env: gym.Env[Any, Any], view: type[ActionView], **parameters: Any) -> None:
        if not isinstance(env.action_space, spaces.Tuple):
            raise TypeError(
                f"{type(self).__name__} needs a jumpgym environment with actions (regime, quantity), "
                f"but the actions of {env} are {env.action_space}"
            )
        RecordConstructorArgs.__init__(self, **parameters)
        gym.ActionWrapper.__init__(self, env)
        self.view = view(as_problem(env), **parameters)
        self.action_space = self.view.space

    def action(self, action: Any) -> tuple[Any, NDArray[np.float64]]:
        """The pair (regime, quantity (n,)) that ``action`` stands for.

        Raises:
            ValueError: if the action is NaN, out of range or of the wrong shape.
        """
        seen = self.unwrapped.observation[None]  # type: ignore[attr-defined]
        regime, quantity = self.decode(seen, self.view.batch_of_one(action))
        return regime[0], quantity[0]

    def decode(self, observation: Any, action: Any) -> Decision:
        """Regimes (m, G) and quantities (m, n) of actions; see ``ActionView.decode``."""
        return self.view.decode(observation, action)


class BoxAction(ViewWrapper):
    """One ``Box``: a column for the regime of each gate, rounded to an index, then the quantities.

    Args:
        env: a jumpgym environment.
        normalize: True scales every column linearly to [-1, 1], the range that the Gaussian policies of PPO
            and others need; a column outside of it is refused. False leaves indices, and quantities in units.
    """

    def __init__(self, env: gym.Env[Any, Any], normalize: bool = True) -> None:
        super().__init__(env, BoxView, normalize=checks.choice("normalize", normalize, (False, True)))


class BoxQuantity(ViewWrapper):
    """``Box((n,))``: quantities, not decomposed; they belong to the regimes that hold them.

    Args:
        env: a jumpgym environment.
        normalize: True scales each quantity linearly to [-1, 1], from the least to the largest that any
            regime admits; a value outside of it is refused. False leaves units.
    """

    def __init__(self, env: gym.Env[Any, Any], normalize: bool = True) -> None:
        super().__init__(env, QuantityView, normalize=checks.choice("normalize", normalize, (False, True)))


class DiscreteQuantity(ViewWrapper):
    """An index of a grid of each quantity: ``Discrete``, with several quantities ``MultiDiscrete``.

    Args:
        env: a jumpgym environment.
        quantities: the grid in units, ascending (with several quantities one for each); None:
            ``jumpgym.adapters.grids.order_quantities``.
    """

    def __init__(self, env: gym.Env[Any, Any], quantities: Sequence[Any] | None = None) -> None:
        super().__init__(env, QuantityGridView, quantities=_as_lists(quantities))


class DiscreteLevel(ViewWrapper):
    """An index of a grid of order-up-to levels, see ``jumpgym.adapters.views.LevelGridView``.

    Args:
        env: a jumpgym environment.
        levels: the grid, ascending (with several quantities one for each); None for
            ``jumpgym.adapters.grids.order_levels``.
    """

    def __init__(self, env: gym.Env[Any, Any], levels: Sequence[Any] | None = None) -> None:
        super().__init__(env, LevelGridView, levels=_as_lists(levels))


class DictAction(ViewWrapper):
    """``Dict(discrete=..., continuous=...)``: regimes and quantities by name, for TorchRL and others."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env, DictView)


def _as_lists(values: Any) -> Any:
    """A grid, or several, as lists instead of arrays, so that the specification can be written as JSON."""
    if values is None:
        return None
    nested = [_as_lists(value) if np.ndim(value) else value for value in values]
    return [value.item() if isinstance(value, np.generic) else value for value in nested]
