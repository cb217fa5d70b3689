"""Distributions of quantities on the intervals of their regimes: samples are transformed uniforms.

All are computed in float64 whatever comes in, since differences of tail probabilities cancel in float32, and
give the dtype that came in. A quantity whose interval is a point is no decision: there the distributions
have log-probability and entropy 0, and the sample is the point.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from .. import arrays
from ..arrays import Array

SMALLEST = 1e-12
"""Uniforms, and places in a unit interval, keep this distance from 0 and 1."""


class QuantityDistribution(ABC):
    """Independent quantities, each on an interval.

    Args:
        location: what the quantity is without deviation, in units, (...,); it may lie outside the interval.
        deviation: scale of the deviation from it, in units, greater than 0.
        low, high: ends of the interval, in units; all four broadcast.
    """

    def __init__(self, location: Array, deviation: Array, low: Array, high: Array) -> None:
        self.dtype = location.dtype
        self.xp = arrays.namespace(location)
        parts = (arrays.precise(part) + arrays.precise(0 * location) for part in (deviation, low, high))
        self.location = arrays.precise(location)
        self.deviation, self.low, self.high = parts
        self.fixed = self.low >= self.high
        # The formulas need an interval; where it is a point their results are not used.
        self.width = self.xp.where(self.fixed, 1.0, self.high - self.low)
        # Float32, in which JAX computes, has no number between 1 - 6e-8 and 1.
        self.smallest = SMALLEST if arrays.is_torch(location) else 1e-7

    def sample(self, uniforms: Array) -> Array:
        """Quantities (...,) of uniforms (...,), increasing in them, differentiable in the parameters."""
        uniforms = self.xp.clip(arrays.precise(uniforms), self.smallest, 1 - self.smallest)
        return self._result(self.low, self._sample(uniforms))

    def log_prob(self, quantity: Array) -> Array:
        """Log-density (...,), per unit, of quantities (...,)."""
        quantity = self.xp.where(self.fixed, self.low, arrays.precise(quantity))
        return self._result(0.0, self._log_prob(quantity))

    def entropy(self) -> Array:
        """Differential entropy (...,), in closed form."""
        return self._result(0.0, self._entropy())

    def centre(self) -> Array:
        """What to do without exploration, within the interval, (...,)."""
        return self._result(self.low, self._centre())

    def _result(self, fixed: Array | float, free: Array) -> Array:
        result = self.xp.where(self.fixed, fixed, free)
        return result.to(self.dtype) if arrays.is_torch(result) else result

    @abstractmethod
    def _sample(self, uniforms: Array) -> Array: ...

    @abstractmethod
    def _log_prob(self, quantity: Array) -> Array: ...

    @abstractmethod
    def _entropy(self) -> Array: ...

    @abstractmethod
    def _centre(self) -> Array: ...


class Gaussian(QuantityDistribution):
    """Normal with mean ``location``; samples may lie outside the interval, on which they are then projected.

    The log-probability is that of the sample before the projection.
    """

    def _sample(self, uniforms: Array) -> Array:
        return self.location + self.deviation * arrays.normal_quantile(uniforms)

    def _log_prob(self, quantity: Array) -> Array:
        z = (quantity - self.location) / self.deviation
        return -0.5 * z**2 - self.xp.log(self.deviation) - 0.5 * math.log(2 * math.pi)

    def _entropy(self) -> Array:
        return self.xp.log(self.deviation) + 0.5 * math.log(2 * math.pi * math.e)

    def _centre(self) -> Array:
        return self.xp.clip(self.location, self.low, self.high)


class TruncatedNormal(QuantityDistribution):
    """Normal of mean ``location`` and standard deviation ``deviation``, restricted to the interval.

    With the location far outside, both probabilities of ``x = Phi^-1(u Phi(b) + (1 - u) Phi(a))`` (course
    notes, 23.2.1.1) are 0 or 1 in floating point. Here all is measured from the end of the interval that is
    nearer to the location, by scaled complementary error functions. That is good for locations up to
    ``FARTHEST`` deviations outside, where they are cut off.
    """

    FARTHEST = 1e6
    TAIL = 5.0

    def __init__(self, location: Tensor, deviation: Tensor, low: Tensor, high: Tensor) -> None:
        super().__init__(location, deviation, low, high)
        self.mirrored = self.location > self.low + self.width / 2
        near = torch.where(self.mirrored, self.location - self.high, self.low - self.location)
        # In deviations: the location lies `start` before the near end (inside the interval if negative).
        self.start = (near / self.deviation).clamp(max=self.FARTHEST)
        self.length = self.width / self.deviation
        self.mass = _normal_mass(self.start, self.length)

    def _sample(self, uniforms: Tensor) -> Tensor:
        share = torch.where(self.mirrored, 1 - uniforms, uniforms)
        with torch.no_grad():
            steps = self._steps(share)
        # A Newton step from the solution, whose value it hardly changes, gives its gradient: implicit
        # reparameterisation (Figurnov et al., 2018).
        steps = (steps - self._excess(steps, share)).clamp(min=0.0)
        return self._quantity(torch.minimum(steps, self.length))

    def _steps(self, share: Tensor) -> Tensor:
        """Deviations from the near end within which a share of the probability lies."""
        begin, end = torch.special.ndtr(self.start), torch.special.ndtr(self.start + self.length)
        body = torch.special.ndtri(begin + share * (end - begin)) - self.start
        # Far in the tail exp(-(s^2 / 2 + start s)) is the probability beyond s, up to O(1 / start^2).
        beyond = torch.exp(-self.length * (self.length / 2 + self.start.clamp(min=0.0)))
        depth = -torch.log1p(-share * (1 - beyond))
        tail = 2 * depth / (torch.sqrt(self.start**2 + 2 * depth) + self.start.abs())
        steps = torch.where(self.start > self.TAIL, tail, body)
        for _ in range(2):
            steps = torch.minimum((steps - self._excess(steps, share)).clamp(min=0.0), self.length)
        return steps

    def _excess(self, steps: Tensor, share: Tensor) -> Tensor:
        """``(F(s) - share) / f(s)``, the Newton step to the quantile; f is taken as constant."""
        density = torch.exp(-_exponent(self.start, steps)).detach()
        fraction = _normal_mass(self.start, steps) - share * self.mass
        return fraction / density.clamp(min=1e-300)

    def _quantity(self, steps: Tensor) -> Tensor:
        distance = steps * self.deviation
        return torch.where(self.mirrored, self.low + self.width - distance, self.low + distance)

    def _log_prob(self, quantity: Tensor) -> Tensor:
        near = torch.where(self.mirrored, self.low + self.width - quantity, quantity - self.low)
        steps = torch.minimum(near.clamp(min=0.0) / self.deviation, self.length)
        return -_exponent(self.start, steps) - torch.log(self.mass) - torch.log(self.deviation)

    def _entropy(self) -> Tensor:
        # H = log(mass deviation) + E[exponent], by E[z^2] = 1 + (z_near f(z_near) - z_far f(z_far)) / mass
        outside, end = self.start.clamp(min=0.0), self.start + self.length
        near = self.start * torch.exp(-_exponent(self.start, torch.zeros_like(self.length)))
        far = end * torch.exp(-_exponent(self.start, self.length))
        mean_exponent = 0.5 * (1 + (near - far) / self.mass - outside**2)
        return torch.log(self.mass) + torch.log(self.deviation) + mean_exponent

    def _centre(self) -> Tensor:
        return torch.clamp(self.location, self.low, self.high)


def _exponent(start: Tensor, steps: Tensor) -> Tensor:
    """``((start + steps)^2 - max(start, 0)^2) / 2`` without cancellation."""
    outside = start.clamp(min=0.0)
    inside = start - outside
    return 0.5 * (steps + inside) * (steps + inside + 2 * outside)


def _normal_mass(start: Tensor, steps: Tensor) -> Tensor:
    """Integral of ``exp(-exponent)`` over steps from the near end; greater than 0 where steps are."""
    outside = start.clamp(min=0.0)
    end = outside + steps
    decay = torch.exp(-0.5 * steps * (steps + 2 * outside))
    root = math.sqrt(0.5)
    tail = torch.special.erfcx(root * outside) - decay * torch.special.erfcx(root * end)
    body = torch.erf(root * (start + steps)) - torch.erf(root * start)
    return math.sqrt(math.pi / 2) * torch.where(start > 0, tail, body)


class Kumaraswamy(QuantityDistribution):
    """``low + width x`` with ``P(x <= y) = 1 - (1 - y^alpha)^beta`` on the unit interval (notes, 23.2.1.2).

    The interval may be far wider than sensible quantities, so that alpha and beta of order 1 would order far
    too much. So the median is the location, bent smoothly into the interval, and alpha is such that the
    density at a small median is that of a normal of the standard deviation ``deviation``. Neither alpha nor
    beta is below 1, where densities are infinite at an end, nor are they so large that they overflow: the
    deviation hardly falls below 0.3 % of the median.
    """

    LARGEST = 300.0

    def __init__(self, location: Tensor, deviation: Tensor, low: Tensor, high: Tensor) -> None:
        super().__init__(location, deviation, low, high)
        spread = torch.minimum(self.deviation / self.width, torch.tensor(0.25, dtype=torch.float64))
        relative = (self.location - self.low) / self.width
        bent = spread * torch.nn.functional.softplus(relative / spread)
        self.median = 1 - spread * torch.nn.functional.softplus((1 - bent) / spread)
        self.median = self.median.clamp(1e-4, 1 - 1e-4)
        slope = math.sqrt(2 / math.pi) / math.log(2)
        depth = -torch.log(self.median)
        alpha = 1 + slope * self.median / spread
        self.alpha = torch.clamp(alpha, math.log(2) / depth, self.LARGEST / depth)
        # F(median) = 1/2
        self.beta = -math.log(2) / torch.log1p(-torch.exp(-self.alpha * depth))

    def _sample(self, uniforms: Tensor) -> Tensor:
        # x = (1 - (1 - u)^(1 / beta))^(1 / alpha)
        inner = -torch.expm1(torch.log1p(-uniforms) / self.beta)
        return self.low + self.width * torch.exp(torch.log(inner) / self.alpha)

    def _log_prob(self, quantity: Tensor) -> Tensor:
        # f = alpha beta x^(alpha - 1) (1 - x^alpha)^(beta - 1)
        log_x = torch.log(((quantity - self.low) / self.width).clamp(SMALLEST, 1 - SMALLEST))
        log_complement = torch.log1p(-torch.exp(self.alpha * log_x))
        shapes = torch.log(self.alpha) + torch.log(self.beta) - torch.log(self.width)
        return shapes + (self.alpha - 1) * log_x + (self.beta - 1) * log_complement

    def _entropy(self) -> Tensor:
        harmonic = torch.special.digamma(self.beta + 1) + 0.5772156649015329
        shapes = torch.log(self.alpha) + torch.log(self.beta) - torch.log(self.width)
        return (1 - 1 / self.beta) + (1 - 1 / self.alpha) * harmonic - shapes

    def _centre(self) -> Tensor:
        return self.low + self.width * self.median


DISTRIBUTIONS: dict[str, type[QuantityDistribution]] = {
    "gaussian": Gaussian,
    "truncated_normal": TruncatedNormal,
    "kumaraswamy": Kumaraswamy,
}
"""By the names that ``Reinforce`` takes."""
