"""Where the gradient of the reward goes in a policy gradient, and what the deterministic case does.

A known, differentiable system: ``s' = s + a``, cost ``s'^2 + 0.2 a^2``, and the policy ``a = -theta s + sigma
epsilon`` with ``epsilon ~ N(0, 1)``. As sigma falls the policy becomes the deterministic ``a = -theta s``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...report.formatting import markdown_of
from ..outcome import Outcome
from ..pictures import Panel, curves

THETA, START, PERIODS, CONTROL_COST = 0.3, 1.0, 5, 0.2
SIGMAS = (1.0, 0.3, 0.1, 0.03, 0.01)
TRAJECTORIES = 200_000


def trajectory(theta: Tensor, noise: Tensor, sigma: float, detach_actions: bool) -> tuple[Tensor, Tensor]:
    """Total cost and log-probability (up to a constant), (m,) each, of trajectories of noise (m, T).

    Args:
        theta: shape (m,), one for each trajectory, so that its gradient has one entry for each.
        noise: standard normal.
        sigma: standard deviation of the actions; at 0 there is no density, and the log-probability is 0.
        detach_actions: treat the actions as observed numbers that do not depend on theta.
    """
    state, cost, log_p = torch.full_like(theta, START), torch.zeros_like(theta), torch.zeros_like(theta)
    for epsilon in noise.T:
        mean = -theta * state
        action = mean + sigma * epsilon
        if detach_actions:
            action = action.detach()
        if sigma > 0:
            log_p = log_p - ((action - mean) / sigma) ** 2 / 2
        state = state + action
        cost = cost + state**2 + CONTROL_COST * action**2
    return cost, log_p


def score_function(theta: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """``R(tau) sum_t log pi(a_t | s_t)``: the detached cost weights the score."""
    cost, log_p = trajectory(theta, noise, sigma, detach_actions=True)
    return cost.detach() * log_p


def with_baseline(theta: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """The same with the mean cost of the other trajectories subtracted from the cost."""
    cost, log_p = trajectory(theta, noise, sigma, detach_actions=True)
    others = (cost.sum() - cost) / (len(cost) - 1)
    return (cost - others).detach() * log_p


def pathwise(theta: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """``R(tau(theta, epsilon))``: actions depend on theta, and the gradient passes through them."""
    return trajectory(theta, noise, sigma, detach_actions=False)[0]


ESTIMATORS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "score function": score_function,
    "score function, baseline": with_baseline,
    "pathwise": pathwise,
}


def estimates(estimator: Callable[[Tensor, Tensor, float], Tensor], noise: Tensor, sigma: float) -> Tensor:
    """Gradient estimates (m,), one from each trajectory."""
    theta = torch.full((len(noise),), THETA, dtype=noise.dtype, requires_grad=True)
    return torch.autograd.grad(estimator(theta, noise, sigma).sum(), theta)[0]


def exact_gradient(sigma: float) -> float:
    """Gradient of the expected cost, by the recursion of ``E[s^2]``."""
    theta = torch.tensor(THETA, dtype=torch.float64, requires_grad=True)
    second, cost = torch.tensor(START**2, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for _ in range(PERIODS):
        action = theta**2 * second + sigma**2
        second = (1 - theta) ** 2 * second + sigma**2
        cost = cost + second + CONTROL_COST * action
    return float(torch.autograd.grad(cost, theta)[0])


def gradient_of_observed_cost(noise: Tensor, sigma: float) -> float:
    """Largest derivative of ``R(tau)`` in theta if the actions of tau are observed numbers."""
    theta = torch.full((len(noise),), THETA, dtype=noise.dtype, requires_grad=True)
    cost, _ = trajectory(theta, noise, sigma, detach_actions=True)
    (gradient,) = torch.autograd.grad((cost + 0 * theta).sum(), theta)  # 0 theta puts theta into the graph
    return float(gradient.abs().max())


def deterministic_policy_gradient() -> float:
    """``sum_t (d mu / d theta) (d Q_t / d a)`` along the noiseless trajectory; Q_t follows the policy."""
    theta, total = torch.tensor(THETA, dtype=torch.float64, requires_grad=True), 0.0
    state = torch.tensor(START, dtype=torch.float64)
    for period in range(PERIODS):
        mean = -theta * state
        action = mean.detach().requires_grad_()
        following = state + action
        q = following**2 + CONTROL_COST * action**2
        for _ in range(period + 1, PERIODS):
            later = -THETA * following
            following = following + later
            q = q + following**2 + CONTROL_COST * later**2
        (slope,) = torch.autograd.grad(q, action)
        total += float(torch.autograd.grad(mean, theta)[0] * slope)
        state = (state + action).detach()
    return total


def run(seed: int) -> Outcome:
    """Measure the estimators for less and less noise of the actions, and in the deterministic limit."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((TRAJECTORIES, PERIODS), generator=generator, dtype=torch.float64)
    rows = []
    for sigma in SIGMAS:
        exact = exact_gradient(sigma)
        for name, estimator in ESTIMATORS.items():
            samples = estimates(estimator, noise, sigma)
            error = float(samples.std() / len(samples) ** 0.5)
            rows.append(
                {
                    "sigma": sigma,
                    "estimator": name,
                    "exact": exact,
                    "mean": float(samples.mean()),
                    "mean_se": error,
                    "z": (float(samples.mean()) - exact) / error,
                    "sd": float(samples.std()),
                }
            )
    nothing = torch.zeros((1, PERIODS), dtype=torch.float64)
    derivative = float(estimates(pathwise, nothing, 0.0))
    for name, value in (
        ("pathwise", derivative),
        ("sum of dmu/dtheta dQ/da", deterministic_policy_gradient()),
    ):
        rows.append(
            {
                "sigma": 0.0,
                "estimator": name,
                "exact": exact_gradient(0.0),
                "mean": value,
                "mean_se": 0.0,
                "sd": 0.0,
            }
        )
    table = pd.DataFrame(rows)
    observed = gradient_of_observed_cost(noise, SIGMAS[0])
    return Outcome(_text(table, observed), {"questions-001": table}, {"questions-001": _draw(table)})


def _draw(table: pd.DataFrame) -> bytes:
    sd = {name: table[(table.estimator == name) & (table.sigma > 0)].sd.to_numpy() for name in ESTIMATORS}
    label = "standard deviation of the estimate from one trajectory"
    return curves(np.array(SIGMAS), "standard deviation of the actions, sigma", [Panel(label, sd, {}, {})])


def _text(table: pd.DataFrame, observed: float) -> str:
    by = table.set_index(["estimator", "sigma"])
    first, last = SIGMAS[0], SIGMAS[-1]
    exact = by.exact["pathwise"]
    score, baseline, path = (by.sd[name] for name in ESTIMATORS)
    return f"""
## Where does the gradient of the reward go?

A known, differentiable system: `s' = s + a`, cost `s'^2 + {CONTROL_COST:g} a^2`, {PERIODS} periods from `s =
{START:g}`, policy `a = -theta s + sigma epsilon`, theta = {THETA:g}. {TRAJECTORIES:,} trajectories for each
sigma, the same for all estimators.

{markdown_of(table)}

![standard deviation against sigma](questions-001.png)

**It is not lost; the probabilities carry it.** A trajectory can be read in two ways. As a list of observed
numbers it has a cost that does not depend on theta: the derivative of `R(tau)` is {observed:g} here, in every
trajectory. What depends on theta is how probable those numbers were, and `R(tau) * grad log p(tau)` expresses
that without the derivative of the cost. As a function of theta and of noise that does not depend on theta,
`tau(theta, epsilon)`, the probabilities of the noise are fixed, and the whole gradient passes through the
cost: the pathwise gradient. Both are the whole derivative of the same expectation: all
{len(SIGMAS) * len(ESTIMATORS)} means agree with the exact gradient within {table.z.abs().max():.1f} standard
errors.

**The deterministic policy is the limit, but not every estimator reaches it.** As sigma falls from
{first:g} to {last:g}, the exact gradient goes from {exact[first]:.4g} to {exact[last]:.4g}, and to
{exact[0.0]:.4g} at 0. The standard deviation of the score function is {score.min():.3g} at sigma
{score.idxmin():g}, and then grows as 1 / sigma, to {score[last]:.3g}: the density becomes a spike, and at 0
there is no log-probability to differentiate. A baseline removes this growth, but the rest,
{baseline[last]:.3g}, does not vanish. The standard deviation of the pathwise gradient does, about in
proportion to sigma, from {path[first]:.3g} to {path[last]:.2g}: at sigma 0 one trajectory gives the exact
gradient, {by["mean"]["pathwise", 0.0]:.6g}; this is what differentiating the computational graph of the
deterministic system means.

**If the environment is known and differentiable, use this.** The same number follows from `sum_t (dmu/dtheta)
(dQ/da)`, {by["mean"]["sum of dmu/dtheta dQ/da", 0.0]:.6g}, the deterministic policy gradient: where the model
is not known, a learned Q replaces the part of the graph after the action. A cost that jumps with the action,
such as a fixed cost, has no derivative to pass on; it needs the probabilities, see the next question.
"""
