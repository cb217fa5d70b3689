"""Gradient estimators: each is one short function whose lines match its equation.

Equation numbers are those of the method note (Alvo, "RL with pathwise and score-function gradients", 2.1).
Costs are discounted to the first period and have shape (T, m, C): C components in T periods of m episodes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cost_to_go(costs: Tensor) -> Tensor:
    """``Q_t = sum_{u >= t} c_u`` of eq. 1, by component, shape (T, m, C)."""
    return costs.flip(0).cumsum(0).flip(0)


def leave_one_out(costs: Tensor) -> Tensor:
    """Advantage ``Q_t`` less its mean over the other episodes, on which this one's gates have no effect.

    Kool, van Hoof and Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
    """
    q, m = cost_to_go(costs), costs.shape[1]
    return (q - q.mean(1, keepdim=True)) * (m / (m - 1))


def value_advantage(costs: Tensor, values: Tensor) -> Tensor:
    """Advantage ``Q_t - V(S_t)`` with a learned value, (T, m, C) each; unbiased whatever V is."""
    return cost_to_go(costs) - values


def gae(costs: Tensor, values: Tensor, gae_lambda: float) -> Tensor:
    """Generalised advantage ``sum_l lambda^l delta_{t+l}``, ``delta_t = c_t + V(S_{t+1}) - V(S_t)``.

    Schulman et al. (2016), eq. 16. Biased for lambda < 1 unless V is the true value. Values are discounted
    to the first period, as the costs are; nothing follows the last period.
    """
    following = torch.cat([values[1:], torch.zeros_like(values[:1])])
    deltas = costs + following - values
    advantages = torch.empty_like(deltas)
    running = torch.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        running = advantages[t] = deltas[t] + gae_lambda * running
    return advantages


def credited(advantages: Tensor, credit: Tensor) -> Tensor:
    """Advantage of each gate, (T, m, G): the sum over the components that it is credited with.

    Args:
        advantages: of each component, shape (T, m, C).
        credit: 1 where the gate is credited with the component, else 0; shape (G, C).
    """
    return advantages @ credit.T


def surrogate_loss(costs: Tensor, log_prob: Tensor, advantages: Tensor) -> Tensor:
    """Loss whose gradient is eq. 8 (for the gates' parameters eq. 1), the mean over episodes.

    The first term is the pathwise part (eq. 2, 5 and 7). The second is the score-function part (eq. 1); where
    ``log_prob`` is connected to the states, it contains the cross term, the effect of earlier quantities on
    the probability of later gates (eq. 4 and 6).

    Args:
        costs: shape (T, m, C).
        log_prob, advantages: of each gate, shape (T, m, G).
    """
    pathwise = costs.sum(-1).sum(0)
    score = (log_prob * advantages.detach()).sum(-1).sum(0)
    return (pathwise + score).mean()


def cost_unit(costs: Tensor) -> float:
    """What training takes as the unit of cost: the magnitude of the cost of a period; greater than 0.

    The mean cost of a period where all costs are positive. Where some are negative, as a utility's, the mean
    says little: it may be 0, or a constant that no decision changes. Then the unit is the standard deviation
    over episodes of the cost of a period, mean over the periods.

    Args:
        costs: shape (T, m, C), not differentiable.
    """
    total = costs.sum(-1)
    positive = bool((total >= 0).all())
    return max(float(total.mean() if positive else total.std(1).mean()), 1e-8)
