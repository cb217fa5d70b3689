"""Wrappers: other action spaces of a (regime, quantity) environment, and scaled observations and rewards.

Each action wrapper has a batched pure method ``decode(observation, action) -> (regime (m, G), quantity (m,
n))``, so that ``jumpgym.baselines.evaluate`` and vectorised simulators read the same actions; see
``jumpgym.adapters.views``.

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
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from . import checks
from .adapters.action_spaces import check_space
from .adapters.boxes import observation_box
from .adapters.decisions import Decision
from .adapters.grid_views import LevelGridView, QuantityGridView
from .adapters.registry import wrapped_problem
from .adapters.scales import ObservationScale, typical_cost
from .adapters.views import (
    ActionView,
    BoxView,
    DictView,
    QuantityView,
)
from .problem import HindsightProblem

__all__ = [
    "BoxAction",
    "BoxQuantity",
    "DictAction",
    "DiscreteLevel",
    "DiscreteQuantity",
    "NormalizeScale",
    "VectorNormalizeScale",
]


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
        self.view = view(wrapped_problem(env), **parameters)
        self.action_space = self.view.space

    def action(self, action: Any) -> tuple[Any, NDArray[np.float64]]:
        """The pair (regime, quantity (n,)) that ``action`` stands for.

        Raises:
            ValueError: if the action is NaN, out of range, of the wrong shape or of another space.
        """
        check_space(action, self.action_space)
        observation = self.unwrapped.observation[None]  # type: ignore[attr-defined]
        regime, quantity = self.decode(observation, self.view.batch_of_one(action))
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
    """``Box((n,))``: the quantities alone; each belongs to the regime whose interval contains it.

    Args:
        env: a jumpgym environment.
        normalize: True scales each quantity linearly to [-1, 1], from the least to the largest that any
            regime admits; a value outside of it is refused. False: quantities are in units.
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


class NormalizeScale(gym.Wrapper[NDArray[np.float32], Any, NDArray[np.float32], Any], RecordConstructorArgs):
    """Observations and rewards of order 1, by scales that are known in advance, without running statistics.

    Observations are divided by the problem's ``observation_scale``, the period by the horizon, and rewards by
    ``cost_unit``. Those of LoanBrackets, for instance, otherwise span 1e8 and 1e5.

    Args:
        env: a jumpgym environment, also under other wrappers that leave its observations as they are.

    Attributes:
        cost_unit: the mean absolute cost of a period under random regimes, by which rewards are divided.

    Raises:
        TypeError: if the observations are not those of a jumpgym environment.

    >>> import gymnasium as gym, jumpgym
    >>> env = jumpgym.wrappers.NormalizeScale(gym.make("jumpgym/LoanBrackets-v0"))
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step((1, [5e4]))
    >>> print(observation.round(2), round(reward, 2))
    [1.8  0.49 0.   0.04] -0.12
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._scale, self.cost_unit = _scales(self, env, env.observation_space)
        self.observation_space = self._scale.space

    def reset(self, **keywords: Any) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """See ``HybridEnv.reset``; the observation is scaled."""
        observation, info = self.env.reset(**keywords)
        return self._scale.apply(observation), info

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """See ``HybridEnv.step``; the observation and the reward are scaled, the infos are not."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        scaled = self._scale.apply(observation), float(reward) / self.cost_unit
        return *scaled, terminated, truncated, info


class VectorNormalizeScale(gym.vector.VectorWrapper):
    """``NormalizeScale`` of a vector environment, native or not.

    Args:
        env: a vector environment of copies of a jumpgym environment.

    Attributes:
        cost_unit: see ``NormalizeScale``.

    Raises:
        TypeError: if the observations are not those of a jumpgym environment.
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        inner = env.unwrapped
        single = inner.envs[0] if isinstance(inner, gym.vector.SyncVectorEnv) else inner
        self._scale, self.cost_unit = _scales(self, single, env.single_observation_space)
        self.single_observation_space = self._scale.space
        self.observation_space = batch_space(self._scale.space, self.num_envs)

    def reset(self, **keywords: Any) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """See ``HybridVectorEnv.reset``; the observations are scaled."""
        observations, infos = self.env.reset(**keywords)
        return self._scale.apply(observations), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """See ``HybridVectorEnv.step``; observations, also final ones, and rewards are scaled."""
        observations, rewards, *ends, infos = self.env.step(actions)
        if "final_obs" in infos:
            final = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(infos["_final_obs"]):
                final[row] = self._scale.apply(infos["final_obs"][row])
            infos = {**infos, "final_obs": final}
        return self._scale.apply(observations), rewards / self.cost_unit, *ends, infos


def _scales(wrapper: Any, env: Any, space: Any) -> tuple[ObservationScale, float]:
    """The scale of observations and the unit of cost of an environment with observations in ``space``."""
    problem = getattr(env.unwrapped, "problem", None)
    if not isinstance(problem, HindsightProblem) or space != observation_box(problem):
        raise TypeError(
            f"{type(wrapper).__name__} needs the observations of a jumpgym environment as they are, but "
            f"those of {env} are {space}"
        )
    return ObservationScale(problem), typical_cost(problem)


def _as_lists(values: Any) -> Any:
    """A grid, or several, as lists instead of arrays, so that the specification can be written as JSON."""
    if values is None:
        return None
    nested = [_as_lists(value) if np.ndim(value) else value for value in values]
    return [value.item() if isinstance(value, np.generic) else value for value in nested]
