"""Three Monte Carlo estimators of one gradient: the demonstration of the course notes, section 23.3.

The objective is ``J(theta) = E[x^2 theta]`` with ``x ~ N(theta, 1)``, so ``J = theta (1 + theta^2)``. Each
estimator is a mean over N samples whose derivative in theta is the estimate.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...report.formatting import markdown_of
from ..outcome import Outcome
from ..pictures import violins

THETA, BATCH, TRIALS = 1.0, 1000, 1000
TRUE_GRADIENT = 1 + 3 * THETA**2

PRINTED = {
    "naive": (1.999266, -2.000734, 0.005756, 4.008693),
    "score function": (3.995299, -0.004701, 0.058130, 0.058152),
    "reparameterised": (3.999579, -0.000421, 0.017229, 0.017230),
}
"""Mean, bias, variance and mean squared error as printed in the course notes, from other random numbers."""


def naive(theta: Tensor, noise: Tensor) -> Tensor:
    """``mean(x^2 theta)`` with samples held fixed: the derivative ignores that they depend on theta."""
    x = (theta + noise).detach()
    return (x**2 * theta).mean(-1)


def score_function(theta: Tensor, noise: Tensor) -> Tensor:
    """``mean(f log p(x | theta) + x^2 theta)``: ``f`` times the score, and the derivative of ``f`` itself."""
    x = (theta + noise).detach()
    log_p = -((x - theta) ** 2) / 2
    return ((x**2 * theta).detach() * log_p + x**2 * theta).mean(-1)


def reparameterised(theta: Tensor, noise: Tensor) -> Tensor:
    """``mean(x^2 theta)`` with ``x = theta + epsilon``: the derivative passes through the samples."""
    x = theta + noise
    return (x**2 * theta).mean(-1)


ESTIMATORS = {"naive": naive, "score function": score_function, "reparameterised": reparameterised}


def estimates(name: str, noise: Tensor) -> NDArray[np.float64]:
    """Estimates (trials,) of the gradient, from standard normal noise (trials, N)."""
    theta = torch.full((len(noise), 1), THETA, dtype=noise.dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(ESTIMATORS[name](theta, noise).sum(), theta)
    values: NDArray[np.float64] = gradient[:, 0].numpy()
    return values


def exact_moments(name: str) -> tuple[float, float]:
    """Mean and variance of the estimate from one sample, by Gauss-Hermite quadrature, exact here."""
    nodes, weights = np.polynomial.hermite.hermgauss(8)  # exact for polynomials up to degree 15
    values = estimates(name, torch.tensor(2**0.5 * nodes)[:, None])
    chances = weights / np.pi**0.5
    mean = float(chances @ values)
    return round(mean, 12), float(chances @ (values - mean) ** 2)


def run(seed: int) -> Outcome:
    """Mean, bias, variance and mean squared error, beside theory and the figures of the course notes."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((TRIALS, BATCH), generator=generator, dtype=torch.float64)
    samples = {name: estimates(name, noise) for name in ESTIMATORS}
    rows = []
    for name, values in samples.items():
        bias, variance = values.mean() - TRUE_GRADIENT, values.var()
        exact_mean, exact_variance = exact_moments(name)
        rows.append(
            {
                "estimator": name,
                "mean": values.mean(),
                "bias": bias,
                "bias_se": values.std(ddof=1) / TRIALS**0.5,
                "variance": variance,
                "mse": bias**2 + variance,
                "exact_bias": exact_mean - TRUE_GRADIENT,
                "exact_variance": exact_variance / BATCH,
                **dict(
                    zip(("seed_mean", "seed_bias", "seed_variance", "seed_mse"), PRINTED[name], strict=True)
                ),
            }
        )
    table = pd.DataFrame(rows)
    picture = violins(samples, "gradient estimate", TRUE_GRADIENT, f"true gradient, {TRUE_GRADIENT:g}")
    return Outcome(_text(table), {"table": table}, {"table": picture})


def _text(table: pd.DataFrame) -> str:
    measured = table[
        ["estimator", "mean", "bias", "bias_se", "variance", "mse", "exact_bias", "exact_variance"]
    ]
    seeds = table[["estimator", "seed_mean", "seed_bias", "seed_variance", "seed_mse"]]
    by_name = table.set_index("estimator")
    wrong = by_name.loc["naive"]
    ratio = by_name.variance["score function"] / by_name.variance["reparameterised"]
    exact_ratio = by_name.exact_variance["score function"] / by_name.exact_variance["reparameterised"]
    return f"""
`J(theta) = E[x^2 theta]` with `x ~ N(theta, 1)` at `theta = {THETA:g}`, where the gradient is
{TRUE_GRADIENT:g}. {TRIALS:,} estimates of each kind, each the mean over {BATCH:,} samples, which are the same
for all estimators.

{markdown_of(measured)}

![violins of the estimates](table.png)

`bias_se` is the standard error of mean and bias. The exact columns are of the same functions, by quadrature.

- The naive estimator holds the samples fixed, and so ignores that theta moves them. Its bias is
  {abs(wrong.bias / wrong.bias_se):,.0f} standard errors, and larger samples do not reduce it. Its small
  variance does not help: it is {100 * wrong.variance / wrong.mse:.2g} % of the mean squared error.
- Score function and reparameterisation are unbiased. The variance of the score function is {ratio:.2f} times
  that of the reparameterisation (exactly {exact_ratio:.2f} times), so it needs as many times more samples
  for the same accuracy.

The figures printed in the course notes, from other random numbers:

{markdown_of(seeds)}
"""
