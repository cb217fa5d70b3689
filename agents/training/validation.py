"""The cost of an agent's deterministic policy on noise that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jumpgym import HindsightProblem

EPISODES = 512

WINDOWS = 4
"""Number of windows that an episode lasts where the horizon is infinite."""

Decide = Callable[[NDArray[np.float64]], tuple[NDArray[np.int64], NDArray[np.float64]]]
"""From observations (m, n_obs) to regimes (m, G) and quantities (m, n)."""


def validation_cost(agent: Any, stream: int) -> float:
    """Return the mean cost of an episode with the most probable regimes, as the environment carries them out.

    With an infinite horizon it is that of ``WINDOWS`` windows from the start on.

    Args:
        agent: gives ``problem``, ``periods``, ``settings``, ``device``, ``decide`` and ``training_uniforms``.
        stream: number of a stream of noise; whatever ``agent`` has learnt, it is the same noise.
    """
    problem = agent.problem
    periods = agent.periods * (WINDOWS if problem.horizon is None else 1)
    rng = np.random.default_rng([agent.settings.seed, stream])
    start = rng.random((EPISODES, *problem.start_shape))
    uniforms = rng.random((EPISODES, periods, *problem.noise_shape))
    state, noise = problem.begin(start, agent.training_uniforms(uniforms))
    return float(episode_costs(problem, deterministic(agent), state, noise).mean())


def episode_costs(
    problem: HindsightProblem, decide: Decide, state: Any, noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the discounted cost (m,) of each of m episodes.

    Args:
        problem: the problem to simulate.
        decide: the policy; it sees observations in single precision, as environments show them.
        state: initial states, with one batch axis.
        noise: shape (m, T, *noise_shape).
    """
    total = np.zeros(len(noise))
    for period in range(noise.shape[1]):
        observation = problem.observe(state).astype(np.float32).astype(np.float64)
        decision = problem.carry_out(state, *decide(observation))
        state, cost = problem.step(state, decision.gate, decision.columns, noise[:, period])
        total += problem.discount**period * cost.sum(-1)
    return total


def deterministic(agent: Any) -> Decide:
    """Return the deterministic policy of an agent as a function of NumPy arrays."""

    def decide(observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        inputs = torch.as_tensor(observation, dtype=torch.float32, device=agent.device)
        with torch.no_grad():
            regime, quantity = agent.decide(inputs, deterministic=True)
        return regime.cpu().numpy(), quantity.cpu().numpy()

    return decide
