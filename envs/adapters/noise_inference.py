"""Noise inference: the exogenous noise of logged transitions, to replay history under another policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem
from .registry import as_problem
from .views import TupleView

TOLERANCE = 1e-5
"""Relative difference between a logged state and the one replayed that is taken as float32 rounding."""


def infer_noise(env: Any, observations: Any, actions: Sequence[Any]) -> NDArray[np.float64]:
    """The noise of a logged episode, or of several that were run in lockstep.

    It inverts the known transition, see ``HindsightProblem.infer_noise``; for affine noise this is the noise
    inference of stochastic value gradients (Heess et al. 2015, section 4.3). The noise is then replayed: a
    log that does not follow from the problem and the actions is refused. As observations are float32, noise
    is recovered up to their rounding; round demand that comes in whole units.

    Args:
        env: environment or its id, or problem. Of an environment under one of ``jumpgym.wrappers`` the
            actions are that wrapper's.
        observations: the first and those after each of T steps, (T + 1, n); of a vector environment
            (T + 1, m, n).
        actions: the T actions as given to ``step``.

    Returns:
        Noise (T, *noise_shape), or (m, T, *noise_shape), as ``reset(options={"noise": noise})`` takes it for
        whole episodes.

    Raises:
        ValueError: if shapes do not fit; if a transition does not determine its noise, such as demand that
            lost sales censor; if an observation does not follow from the one before and the action.
        NotImplementedError: if the problem cannot tell its noise.

    Example:
        >>> import gymnasium as gym, jumpgym
        >>> env = gym.make("jumpgym/SetupCost-v0", horizon=3)
        >>> actions = [(1, [40.0]), (0, [0.0]), (1, [25.0])]
        >>> observations = [env.reset(seed=0)[0], *(env.step(action)[0] for action in actions)]
        >>> demand = jumpgym.infer_noise(env, observations, actions)
        >>> _ = env.reset(seed=0, options={"noise": demand})  # the same start, for another policy
    """
    problem = as_problem(env)
    observed = checks.real_array("observations", observations)
    width = len(problem.observation_low)
    if observed.ndim not in (2, 3) or observed.shape[-1] != width or len(observed) != len(actions) + 1:
        raise ValueError(
            f"observations of shape {observed.shape} must have shape ({len(actions) + 1}, {width}), or "
            f"({len(actions) + 1}, m, {width}) of m environments: one more than the {len(actions)} actions, "
            "the first from reset"
        )
    gate, quantity = _decisions(env, problem, observed, actions)
    if observed.ndim == 3:  # episodes first, as everywhere
        observed, gate, quantity = (np.moveaxis(each, 0, 1) for each in (observed, gate, quantity))
    before, after = observed[..., :-1, :], observed[..., 1:, :]
    state = problem.state_at(before)
    noise = np.asarray(problem.infer_noise(state, gate, quantity, problem.state_at(after)))
    replayed = problem.observe(problem.step(state, gate, quantity, noise)[0])
    scale = np.abs(np.concatenate([before, after, quantity], axis=-1)).max(axis=-1, keepdims=True)
    fits = (np.abs(replayed - after) <= TOLERANCE * scale).all(axis=-1)  # NaN compares false
    if not fits.all():
        *episode, period = np.unravel_index(int(fits.argmin()), fits.shape)
        whose = f" of episode {episode[0]}" if episode else ""
        raise ValueError(
            f"infer_noise: observations[{period + 1}]{whose} does not follow from observations[{period}] and "
            f"actions[{period}], whatever the {problem.noise_name}; give the environment that was logged, "
            "with its parameters, and the actions as given to step, of one episode"
        )
    return noise


def _decisions(
    env: Any, problem: HindsightProblem, observed: NDArray[np.float64], actions: Sequence[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Flat gate weights (T, ..., options) and quantities (T, ..., columns) of the actions, projected."""
    view = getattr(env, "view", None) or TupleView(problem)
    single = observed.ndim == 2
    decided = []
    for observation, action in zip(observed, actions, strict=False):
        if single:
            regime, quantity = view.decode(observation[None], view.batch_of_one(action))
        else:
            regime, quantity = view.decode(observation, action)
        decided.append((regime[0], quantity[0]) if single else (regime, quantity))
    regimes, quantities = (np.stack(part) for part in zip(*decided, strict=True))
    return problem.layout.flat(regimes, problem.layout.project(regimes, quantities))
