"""What ``evaluate`` needs of a policy, and the base class of policies that follow a rule."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, Protocol, TypeVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from jumpgym import HindsightProblem, NotApplicable, as_problem
from jumpgym.adapters.predict import checked_observation, format_action
from jumpgym.adapters.views import TupleView

Kind = TypeVar("Kind", bound=HindsightProblem)

FloatArray = NDArray[np.float64]

Decision = tuple[NDArray[np.int64], FloatArray]
"""Regimes, of shape (m,) for one gate or (m, G), and quantities in units, of shape (m,) for one or (m, n)."""

ROUNDING = 1e-4
"""Policies treat quantities that differ by less than this as equal, since observations are float32."""


class BatchPolicy(Protocol):
    """What ``evaluate`` needs of a policy: a ``predict`` that takes a batch of observations.

    Agents, Stable-Baselines3 models, classical policies and optima all have it.

    >>> import numpy as np
    >>> from jumpgym.baselines import evaluate
    >>> class OrderTen:
    ...     def predict(self, observation, deterministic=True):
    ...         m = len(observation)
    ...         return (np.ones(m, dtype=int), np.full(m, 10.0)), None
    >>> evaluate(OrderTen(), "jumpgym/SetupCost-v0", episodes=256)
    118034 ± 528 over 256 episodes
    """

    def predict(self, observation: NDArray[np.float32], *, deterministic: bool) -> tuple[Any, Any]:
        """Actions for a batch of observations.

        Args:
            observation: float32 array of shape (m, d).
            deterministic: always True in an evaluation: the policy should not explore.

        Returns:
            A pair ``(action, state)``. ``evaluate`` ignores the state. The action is one of

            - a pair ``(regime, quantity)``, for an environment whose actions are such pairs and for a
              problem: integer regimes of shape (m,) for one gate or (m, G) for G gates, and quantities in
              units of shape (m,) for one quantity or (m, n) for n;
            - a list of m such pairs, one for each observation;
            - a batch of m actions of ``env.action_space``, for an environment under one of
              ``jumpgym.wrappers``, for instance an array of shape (m, k) for a ``Box`` of shape (k,).
        """


class Policy(ABC):
    """A deterministic policy for environments with actions (regime, quantity).

    Subclasses implement ``decide``. The constructor takes the problem and the policy's parameters, and keeps
    each in an attribute of the same name; ``repr`` shows them, as in ``SSPolicy(s=14, S=62)``.

    Attributes:
        problem: the hindsight problem that the policy decides for.
    """

    problem: Any

    @property
    def action_space(self) -> spaces.Tuple:
        """The space of the environment's pairs (regime, quantity), as SB3's models have it."""
        return TupleView(self.problem).space

    @abstractmethod
    def decide(self, observation: FloatArray) -> Decision:
        """Regimes and quantities that the policy asks for at observations (m, d)."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """The action that the environment would carry out at an observation, or at each of a batch.

        Args:
            observation: shape (d,) or (m, d).
            state: returned unchanged, since these policies have no memory.
            episode_start: if given, the caller is taken to be Stable-Baselines3; see ``format_action``.
            deterministic: has no effect, since these policies are deterministic.

        Returns:
            The action in the form of ``jumpgym.adapters.predict.format_action``, and ``state``.

        Raises:
            ValueError: if the observation has the wrong shape, is not finite, or its period is not in
                [0, horizon].
        """
        batch = checked_observation(self.problem, observation)
        rows, layout = np.atleast_2d(batch), self.problem.layout
        regime, quantity = self.decide(rows)
        carried_out = self.problem.carry_out_at(
            rows,
            regime.reshape(len(rows), len(layout.gates)),
            quantity.reshape(len(rows), len(layout.quantity_gate)),
        )
        action = format_action(carried_out.regime, carried_out.quantity, batch.ndim == 2, episode_start)
        return action, state

    def __repr__(self) -> str:
        names = [n for n in inspect.signature(type(self)).parameters if n != "problem" and hasattr(self, n)]
        return f"{type(self).__name__}({', '.join(f'{n}={_text(getattr(self, n))}' for n in names)})"


def _text(parameter: Any) -> str:
    values = np.asarray(parameter)
    if values.ndim == 0:
        return f"{values:g}"
    if values.ndim > 1:
        return f"shape {values.shape}"
    if len(values) > 2 and np.all(values == values[0]):
        return f"{len(values)} x {values[0]:g}"
    return f"({', '.join(f'{v:g}' for v in values)})"


def require(kind: type[Kind], problem: Any, policy: str) -> Kind:
    """The problem behind a problem, an environment or an id, if it is of the class that a policy is made for.

    Raises:
        NotApplicable: if it is of another class.
        TypeError: if it is not a jumpgym problem.
    """
    resolved = as_problem(problem)
    if not isinstance(resolved, kind):
        raise NotApplicable(f"{policy} is for {kind.__name__}, not for {type(resolved).__name__}")
    return resolved
