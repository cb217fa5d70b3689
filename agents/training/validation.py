"""The cost of an agent's deterministic policy on noise that it was not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

EPISODES = 512

WINDOWS = 4
"""Number of windows that an episode lasts where the horizon is infinite."""


@torch.no_grad()
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
    total = 0.0
    for period in range(periods):
        observation = torch.as_tensor(problem.observe(state), dtype=torch.float32, device=agent.device)
        regime, quantity = agent.decide(observation, deterministic=True)
        decision = problem.carry_out(state, regime.cpu().numpy(), quantity.cpu().numpy())
        state, cost = problem.step(state, decision.gate, decision.columns, noise[:, period])
        total += problem.discount**period * float(cost.sum(-1).mean())
    return total
