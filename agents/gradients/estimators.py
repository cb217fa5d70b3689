"""Gradient estimators: each is one short function whose lines match its equation.

Equation numbers are those of the method note (Alvo, "RL with pathwise and score-function gradients", 2.1);
algorithm numbers are those of the course notes "Policy Parametrization Methods" (chapters 20 to 25).

Costs are discounted to the first period and have shape (T, m, C): C components in T periods of m episodes.
Values of states are discounted to the first period likewise. ``closing``, (m, C), is the value of the state
after the last period, where a window ends before the problem does; at the end of an episode it is 0.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from jumpgym import ActionLayout

Credit = Literal["components", "total"]


def cost_to_go(costs: Tensor, closing: Tensor | float = 0.0) -> Tensor:
    """``Q_t = sum_{u >= t} c_u`` of eq. 1, by component, shape (T, m, C)."""
    return costs.flip(0).cumsum(0).flip(0) + closing


def total_cost(costs: Tensor, closing: Tensor | float = 0.0) -> Tensor:
    """``sum_u c_u`` for every gate: unbiased, though gates have no effect on what came before them."""
    return (costs.sum(0) + closing).expand_as(costs)


def leave_one_out(q: Tensor) -> Tensor:
    """Advantage ``Q_t`` less its mean over the other episodes, on which this one's gates have no effect.

    Kool, van Hoof and Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
    """
    m = q.shape[1]
    return (q - q.mean(1, keepdim=True)) * (m / (m - 1))


def value_advantage(q: Tensor, values: Tensor) -> Tensor:
    """Advantage ``Q_t - V(S_t)`` with a learned value (algorithm 24.1), (T, m, C); unbiased whatever V is."""
    return q - values


def gae(
    costs: Tensor,
    values: Tensor,
    gae_lambda: float,
    closing: Tensor | float = 0.0,
    gamma: float = 1.0,
) -> Tensor:
    """``sum_l (gamma lambda)^l delta_{t+l}``, ``delta_t = c_t + gamma V(S_{t+1}) - V(S_t)``, by component.

    ``gamma`` discounts by the period; it is 1 where costs and values are discounted to the first already.

    Schulman et al. (2016), eq. 16; algorithm 24.3. Biased for lambda < 1 unless V is the true value. With
    lambda 0 it is the one-step temporal difference (algorithm 24.4).
    """
    following = torch.cat([values[1:], torch.zeros_like(values[:1]) + closing])
    deltas = costs + gamma * following - values
    advantages = torch.empty_like(deltas)
    running = torch.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        running = advantages[t] = deltas[t] + gamma * gae_lambda * running
    return advantages


def normalised(advantages: Tensor) -> Tensor:
    """Advantages ``(A - mean) / standard deviation`` (algorithm 24.2), by component.

    The scale is lost, so that the gradient is biased: where few decisions matter all seem to.
    """
    mean, deviation = advantages.mean((0, 1)), advantages.std((0, 1))
    return (advantages - mean) / deviation.clamp(min=1e-8)


def minibatch(shape: tuple[int, ...], share: float, generator: torch.Generator, like: Tensor) -> Tensor:
    """Weights of decisions: ``1 / share`` for a random share of them, else 0; a sum over them is unbiased."""
    drawn = torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device) < share
    return drawn / share


def credited(advantages: Tensor, layout: ActionLayout, credit: Credit = "components") -> Tensor:
    """Advantage of each gate, (T, m, G): the sum over the components that it is credited with.

    Args:
        advantages: of each component, shape (T, m, C).
        layout: of the action; ``layout.credit`` says which components a gate enters.
        credit: "components" for these, "total" for all.
    """
    enters = torch.as_tensor(layout.credit, dtype=advantages.dtype, device=advantages.device)
    return advantages @ (enters if credit == "components" else torch.ones_like(enters)).T


def pathwise_loss(costs: Tensor, closing: Tensor | float = 0.0) -> Tensor:
    """``sum_t c_t``, mean over episodes: its gradient is the pathwise part (eq. 2, 5 and 7)."""
    return (costs.sum(0) + closing).sum(-1).mean()


def score_loss(log_prob: Tensor, advantages: Tensor) -> Tensor:
    """``sum_t log p(a_t^S | S_t) A_t``, mean over episodes: its gradient is the score-function part (eq. 1).

    Where ``log_prob`` is connected to the states, it contains the cross term, the effect of earlier
    quantities on the probability of later gates (eq. 4 and 6).

    Args:
        log_prob, advantages: of each gate, shape (T, m, G).
    """
    return (log_prob * advantages.detach()).sum(-1).sum(0).mean()


def expected_loss(probabilities: Tensor, option_costs: Tensor) -> Tensor:
    """``sum_t sum_k p(k | S_t) Q_t(k)``, mean over episodes: the score-function part without its sampling.

    Every option of a gate weighs what it costs, not only the sampled one (see ``branching``).

    Args:
        probabilities, option_costs: of each option of each gate, shape (T, m, options).
    """
    return (probabilities * option_costs.detach()).sum(-1).sum(0).mean()


def surrogate_loss(costs: Tensor, log_prob: Tensor, advantages: Tensor) -> Tensor:
    """Loss whose gradient is eq. 8 (for the gates' parameters eq. 1), the mean over episodes.

    Args:
        costs: shape (T, m, C).
        log_prob, advantages: of each gate, shape (T, m, G).
    """
    return pathwise_loss(costs) + score_loss(log_prob, advantages)


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
