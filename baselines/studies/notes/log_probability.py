"""The log-probability of a reparameterised sample, and which of the two estimators to use."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, pi, sqrt
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.distributions import Normal

from ...report.formatting import markdown_of
from ..outcome import Outcome

MEAN, SIGMA = 0.7, 0.5
SAMPLES = 400_000
JUMP, FIXED_COST = 1.0, 8.0
"""Above ``JUMP`` the second of the costs below is higher by ``FIXED_COST``."""


def smooth(x: Tensor) -> Tensor:
    """``x^2``: what happens inside a regime."""
    return x**2


def with_jump(x: Tensor) -> Tensor:
    """``x^2`` and a fixed cost beyond a threshold."""
    return x**2 + FIXED_COST * (x > JUMP)


def exact_gradient(cost: Callable[[Tensor], Tensor]) -> float:
    """``d/dmu E[cost(x)]``: ``2 mu``, and for the jump the normal density at the threshold."""
    z = (JUMP - MEAN) / SIGMA
    density = exp(-(z**2) / 2) / (SIGMA * sqrt(2 * pi))
    return 2 * MEAN + (FIXED_COST * density if cost is with_jump else 0.0)


def score_function(cost: Callable[[Tensor], Tensor], policy: Normal) -> Tensor:
    """``cost(x) log p(x)`` of a detached sample: its gradient is ``cost(x) (x - mu) / sigma^2``."""
    x = policy.sample()
    return cost(x) * policy.log_prob(x)


def pathwise(cost: Callable[[Tensor], Tensor], policy: Normal) -> Tensor:
    """``cost(mu + sigma epsilon)``: its gradient is ``cost'(x)``."""
    return cost(policy.rsample())


def mistaken(cost: Callable[[Tensor], Tensor], policy: Normal) -> Tensor:
    """``cost(x) log p(x)`` of a reparameterised sample with detached cost, which is a mistake."""
    x = policy.rsample()
    return cost(x).detach() * policy.log_prob(x)


ESTIMATORS = {
    "score function, sample()": score_function,
    "pathwise, rsample()": pathwise,
    "log_prob(rsample())": mistaken,
}
COSTS = {"smooth": smooth, "with a jump": with_jump}


def policy() -> tuple[Normal, Tensor, Tensor]:
    """The Gaussian, with a separate mean and standard deviation for each sample."""
    mean = torch.full((SAMPLES,), MEAN, dtype=torch.float64, requires_grad=True)
    sigma = torch.full((SAMPLES,), SIGMA, dtype=torch.float64, requires_grad=True)
    return Normal(mean, sigma), mean, sigma


def derivatives_of_log_prob() -> pd.DataFrame:
    """Derivatives of ``log p(x)`` with respect to mu and sigma: at fixed x, through x, and both together."""
    gaussian, mean, sigma = policy()
    x = gaussian.rsample()
    through = x.detach().requires_grad_()
    by_density = torch.autograd.grad(gaussian.log_prob(x.detach()).sum(), (mean, sigma))
    both = torch.autograd.grad(gaussian.log_prob(x).sum(), (mean, sigma), retain_graph=True)
    frozen = Normal(mean.detach(), sigma.detach())
    (slope,) = torch.autograd.grad(frozen.log_prob(through).sum(), through)
    by_sample = torch.autograd.grad((x * slope).sum(), (mean, sigma))
    formula = (x.detach() - MEAN) / SIGMA**2
    derivatives = {
        "through the density, log_prob(x.detach())": by_density,
        "(x - mu) / sigma^2": (formula,),
        "through the sample": by_sample,
        "both, log_prob(x)": both,
    }
    rows = []
    for name, (in_mean, *in_sigma) in derivatives.items():
        row: dict[str, str | float] = {
            "derivative of log p(x)": name,
            "mean_in_mu": float(in_mean.mean()),
            "sd_in_mu": float(in_mean.std()),
            "largest_in_mu": float(in_mean.abs().max()),
        }
        for column in in_sigma:
            row |= {"mean_in_sigma": float(column.mean()), "sd_in_sigma": float(column.std())}
        rows.append(row)
    return pd.DataFrame(rows)


def compare_estimators() -> pd.DataFrame:
    """Each estimator of the derivative of the expected cost with respect to mu, for both costs."""
    rows = []
    for cost_name, cost in COSTS.items():
        exact = exact_gradient(cost)
        for name, estimator in ESTIMATORS.items():
            gaussian, parameter, _ = policy()
            (samples,) = torch.autograd.grad(estimator(cost, gaussian).sum(), parameter)
            mean, error = float(samples.mean()), float(samples.std() / SAMPLES**0.5)
            rows.append(
                {
                    "cost": cost_name,
                    "estimator": name,
                    "exact": exact,
                    "mean": mean,
                    "mean_se": error,
                    "z": (mean - exact) / error if error > 0 else float("nan"),
                    "sd": float(samples.std()),
                }
            )
    return pd.DataFrame(rows)


def run(seed: int) -> Outcome:
    """The derivatives of the log-probability, and the estimators that use it."""
    with torch.random.fork_rng(devices=[]):  # torch.distributions takes no generator
        torch.manual_seed(seed)
        derivatives, estimators = derivatives_of_log_prob(), compare_estimators()
    tables = {"questions-004-log-prob": derivatives, "questions-004-estimators": estimators}
    return Outcome(_text(derivatives, estimators), tables)


def _text(derivatives: pd.DataFrame, estimators: pd.DataFrame) -> str:
    by: Any = derivatives.set_index("derivative of log p(x)")
    number, both = by.loc["through the density, log_prob(x.detach())"], by.loc["both, log_prob(x)"]
    rows: Any = estimators.set_index(["cost", "estimator"])
    score, path, wrong = ESTIMATORS
    ratio = (rows.sd["smooth", score] / rows.sd["smooth", path]) ** 2
    jump = rows.loc[("with a jump", path)]
    return f"""
## Why has the log_prob of a reparameterised sample no gradient in the mean?

`x ~ N(mu, sigma^2)` at mu = {MEAN:g}, sigma = {SIGMA:g}; derivatives by PyTorch, {SAMPLES:,} samples.

{markdown_of(derivatives)}

**Because two effects cancel.** A larger mean raises the density at points above it: for a fixed sample the
derivative is `(x - mu) / sigma^2` (with the square, which the question omits), with mean
{number.mean_in_mu:.1g} and standard deviation {number.sd_in_mu:.3g}. A reparameterised sample `mu + sigma
epsilon` moves with the mean, which changes the log-density by the opposite amount, since its distance from
the mean in standard deviations stays the same. The sum of the two is at most {both.largest_in_mu:.1g} in any
sample. Only the height of the density then depends on a parameter: the derivative with respect to sigma is -1
/ sigma = {both.mean_in_sigma:.4g} in every sample. This is no contradiction: "the derivative of log p" is a
partial derivative at fixed x, whereas PyTorch returns the total derivative if x depends on the parameters.

So the answer to the first question is yes: a sampled action can be put into `grad log pi` as it is. No
reparameterisation is needed, and the sample must be detached (`sample()` or `detach`).

{markdown_of(estimators)}

**There are two estimators, and each needs its own kind of sample.** The score function weights `log_prob` of
a detached sample by the cost. The pathwise estimator differentiates the cost of a reparameterised sample, and
needs no log_prob. `log_prob(rsample())` weighted by the cost is neither: its gradient is
{rows["mean"]["smooth", wrong]:.1g} instead of {rows.exact["smooth", wrong]:.3g}, and nothing is learned.

**Use the pathwise estimator where the cost is known and smooth in the action**, here with {ratio:.1f} times
less variance. **Use the score function where the cost jumps or is unknown.** With a fixed cost of
{FIXED_COST:g} for x above {JUMP:g}, the pathwise estimate is {jump["mean"]:.3g}, and the exact gradient
{jump.exact:.3g}. Samples on both sides of the jump have the same slope, and none sees the jump, so the
estimate is {abs(jump.z):,.0f} standard errors off, in spite of its small variance. The score function needs
no slope, and is {abs(rows.z["with a jump", score]):.1f} standard errors off. Hence the mixed gradient of this
suite: the jump is put into a gate, whose gradient comes from the score function, and the rest is smooth, so
that its gradient is pathwise.
"""
