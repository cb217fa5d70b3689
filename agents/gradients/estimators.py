"""Estimators of the gradient of the gates: each is one short function whose lines match its equation.

Equation numbers are those of the method note (Alvo, "RL with pathwise and score-function gradients", 2.1);
algorithm numbers are those of the course notes "Policy Parametrization Methods" (chapters 20 to 25).

Shapes are (T, m, C) for C cost components in T periods of m episodes. Costs and values are discounted to the
first period. ``closing``, of shape (m, C), is the value of the state after the last period of a window; it is
0 at the end of an episode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from jumpgym import ActionLayout

from .. import arrays
from ..arrays import Array

Credit = Literal["components", "total"]


def cost_to_go(costs: Array, closing: Array | float = 0.0) -> Array:
    """Return ``Q_t = sum_{u >= t} c_u`` (eq. 1), by component, (T, m, C)."""
    xp = arrays.namespace(costs)
    return xp.flip(xp.cumsum(xp.flip(costs, (0,)), 0), (0,)) + closing


def total_cost(costs: Array, closing: Array | float = 0.0) -> Array:
    """Return ``sum_u c_u`` for every gate: unbiased, although gates do not affect earlier costs."""
    return arrays.namespace(costs).broadcast_to(costs.sum(0) + closing, costs.shape)


def leave_one_out(q: Array) -> Array:
    """Return ``Q_t`` less its mean over the other episodes, which the gates of this episode do not affect.

    Kool, van Hoof and Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
    """
    m = q.shape[1]
    return (q - q.mean(1, keepdims=True)) * (m / (m - 1))


def gae(
    costs: Array,
    values: Array,
    gae_lambda: float,
    closing: Array | float = 0.0,
    gamma: float = 1.0,
) -> Array:
    """Return ``sum_l (gamma lambda)^l delta_{t+l}``, ``delta_t = c_t + gamma V(S_{t+1}) - V(S_t)``.

    Schulman et al. (2016), eq. 16; algorithm 24.3. Biased for lambda < 1 unless V is the true value. Lambda 0
    gives the one-step temporal difference (algorithm 24.4).

    Args:
        costs, values: shape (T, m, C).
        gae_lambda: lambda, in [0, 1].
        closing: shape (m, C).
        gamma: discount per period; 1 if costs and values are already discounted to the first period.
    """
    xp = arrays.namespace(costs)
    following = xp.concat([values[1:], xp.zeros_like(values[:1]) + closing])
    deltas = costs + gamma * following - values
    ahead = np.arange(len(costs)) - np.arange(len(costs))[:, None]  # u - t
    weights = np.where(ahead >= 0, (gamma * gae_lambda) ** np.maximum(ahead, 0), 0.0)
    return xp.tensordot(arrays.constant(weights, costs), deltas, ([1], [0]))


def normalised(advantages: Array) -> Array:
    """Return ``(A - mean) / standard deviation`` (algorithm 24.2), by component.

    The scale is lost, which biases the gradient: where few decisions matter, all of them seem to.
    """
    deviation = arrays.namespace(advantages).clip(arrays.deviation(advantages, (0, 1)), min=1e-8)
    return (advantages - advantages.mean((0, 1))) / deviation


class CostData(NamedTuple):
    """What an advantage is computed from, without gradient.

    Attributes:
        costs: shape (T, m, C).
        closing: shape (m, C).
        values: learned value of each state, shape (T, m, C); None without a learned value.
        gae_lambda: lambda of the generalised advantage.
        unit: cost unit in which normalised advantages are returned.
    """

    costs: Array
    closing: Array
    values: Array | None
    gae_lambda: float
    unit: float

    @property
    def q(self) -> Array:
        """The cost to go ``Q_t``."""
        return cost_to_go(self.costs, self.closing)

    @property
    def v(self) -> Array:
        """The learned value ``V(S_t)``."""
        assert self.values is not None
        return self.values


class Estimator(NamedTuple):
    """One way to estimate the gradient of the gates' parameters.

    Attributes:
        advantage: the advantage (T, m, C) by which the score function is multiplied; None if the estimator
            does without the score function.
        needs_value: whether it needs a learned value.
        relaxed: whether gates are relaxed in training.
        biased: whether it is biased on whole episodes. On windows every estimator is biased unless the value
            that closes them is true.
        share: share of the decisions, drawn at random, that enter the estimate.
    """

    advantage: Callable[[CostData], Array] | None
    needs_value: bool = False
    relaxed: bool = False
    biased: bool = False
    share: float = 1.0


ESTIMATORS = {
    "total_cost": Estimator(lambda d: total_cost(d.costs, d.closing)),
    "reward_to_go": Estimator(lambda d: d.q),
    "leave_one_out": Estimator(lambda d: leave_one_out(d.q)),
    "value": Estimator(lambda d: d.q - d.v, needs_value=True),  # algorithm 24.1; unbiased whatever V is
    "normalised": Estimator(
        lambda d: d.unit * normalised(d.q - d.v), needs_value=True, biased=True, share=0.25
    ),
    "gae": Estimator(lambda d: gae(d.costs, d.v, d.gae_lambda, d.closing), needs_value=True, biased=True),
    "td": Estimator(lambda d: gae(d.costs, d.v, 0.0, d.closing), needs_value=True, biased=True),
    "branching": Estimator(None),
    "enumeration": Estimator(None),
    "gumbel_softmax": Estimator(None, relaxed=True, biased=True),
    "straight_through": Estimator(None, relaxed=True, biased=True),
}
"""The estimators of ``MixedGradient``, which describes them, by name."""


def minibatch(shape: tuple[int, ...], share: float, generator: Any, like: Array) -> Array:
    """Return weights of decisions: ``1 / share`` for a random share of them, and 0 for the others."""
    return (arrays.uniform(shape, generator, like) < share) / share


def credited(advantages: Array, layout: ActionLayout, credit: Credit = "components") -> Array:
    """Return the advantage of each gate, (T, m, G): the sum over the components that it is credited with.

    Args:
        advantages: of each component, shape (T, m, C).
        layout: of the action; ``layout.credit`` says which components a gate enters.
        credit: "components" for these components, "total" for all.
    """
    enters = layout.credit if credit == "components" else np.ones_like(layout.credit)
    # Not a matrix product, which jaxlib 0.10.2 miscompiles with several gates: its gradients were 7 % off.
    return (advantages[..., None, :] * arrays.constant(enters, advantages)).sum(-1)


def pathwise_loss(costs: Array, closing: Array | float = 0.0) -> Array:
    """Return ``sum_t c_t``, mean over episodes, whose gradient is the pathwise part (eq. 2, 5 and 7)."""
    return (costs.sum(0) + closing).sum(-1).mean()


def score_loss(log_prob: Array, advantages: Array) -> Array:
    """Return ``sum_t log p(a_t^S | S_t) A_t``, mean over episodes; its gradient is the score part (eq. 1).

    If ``log_prob`` is connected to the states, it contains the cross term, the effect of earlier quantities
    on the probability of later gates (eq. 4 and 6).

    Args:
        log_prob, advantages: of each gate, shape (T, m, G).
    """
    return (log_prob * arrays.detach(advantages)).sum(-1).sum(0).mean()


def expected_loss(probabilities: Array, option_costs: Array) -> Array:
    """Return ``sum_t sum_k p(k | S_t) Q_t(k)``, mean over episodes: the score part without sampled options.

    Args:
        probabilities, option_costs: of each option of each gate, shape (T, m, options).
    """
    return (probabilities * arrays.detach(option_costs)).sum(-1).sum(0).mean()


def surrogate_loss(costs: Array, log_prob: Array, advantages: Array) -> Array:
    """Return the loss whose gradient is eq. 8 (for the gates' parameters eq. 1), mean over episodes.

    Args:
        costs: shape (T, m, C).
        log_prob, advantages: of each gate, shape (T, m, G).
    """
    return pathwise_loss(costs) + score_loss(log_prob, advantages)


def cost_unit(costs: Array) -> Any:
    """Return the magnitude of the cost of a period, greater than 0, as a unit of cost for training.

    If all costs are positive, this is the mean cost of a period. If some are negative, as with utilities, the
    mean can be 0, or a constant that no decision changes; then it is the standard deviation of the cost over
    episodes, averaged over the periods.

    Args:
        costs: shape (T, m, C), without gradient.

    Returns:
        a float, or a scalar of JAX.
    """
    xp, total = arrays.namespace(costs), costs.sum(-1)
    unit = xp.where((total >= 0).all(), total.mean(), arrays.deviation(total, 1).mean())
    return arrays.largest(arrays.number(unit), 1e-8)
