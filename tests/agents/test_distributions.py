"""Distributions of quantities: against SciPy, by Kolmogorov-Smirnov tests, and far in the tails."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from jumpgym.agents.networks.distributions import (
    DISTRIBUTIONS,
    Gaussian,
    Kumaraswamy,
    TruncatedNormal,
)

EACH = pytest.mark.parametrize("family", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
BOUNDED = pytest.mark.parametrize("family", [TruncatedNormal, Kumaraswamy])

CASES = [  # location, deviation, low, high
    (30.0, 10.0, 0.0, 200.0),
    (3.0, 10.0, 0.0, 200.0),
    (-40.0, 10.0, 0.0, 200.0),
    (260.0, 20.0, 0.0, 200.0),
    (10.0, 30.0, 8.0, 25.0),
    (0.2, 0.01, -1.0, 1.0),
]
EACH_CASE = pytest.mark.parametrize("case", CASES, ids=str)


def of(family, case, dtype=torch.float64):
    return family(*(torch.tensor(number, dtype=dtype) for number in case))


def uniforms(count=20_000, seed=0):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cdf(family, case):
    """The distribution function, by other means than those of the module."""
    location, deviation, low, high = case
    if family is Gaussian:
        return scipy.stats.norm(location, deviation).cdf
    if family is TruncatedNormal:
        ends = (low - location) / deviation, (high - location) / deviation
        return scipy.stats.truncnorm(*ends, location, deviation).cdf
    found = of(family, case)
    a, b = float(found.alpha), float(found.beta)
    # 1 - (1 - x^a)^b, where x^a may be below the resolution of 1
    return lambda x: -np.expm1(b * np.log1p(-(np.clip((x - low) / (high - low), 0, 1) ** a)))


@EACH
@EACH_CASE
def test_samples_follow_the_distribution_function(family, case):
    drawn = of(family, case).sample(uniforms()).numpy()
    assert scipy.stats.kstest(drawn, cdf(family, case)).pvalue > 1e-3
    if family is not Gaussian:
        assert drawn.min() >= case[2]
        assert drawn.max() <= case[3]


def test_the_formula_as_printed_in_the_course_would_be_seen():
    found = of(Kumaraswamy, CASES[0])
    a, b, u = found.alpha, found.beta, uniforms()
    printed = 200 * (1 - (1 - u**a) ** (1 / b))
    assert scipy.stats.kstest(printed.numpy(), cdf(Kumaraswamy, CASES[0])).pvalue < 1e-6


@EACH
@EACH_CASE
def test_densities_are_the_slopes_of_the_distribution_function(family, case):
    found, function = of(family, case), cdf(family, case)
    x = found.sample(torch.linspace(0.05, 0.95, 7, dtype=torch.float64))
    step = 1e-5 * case[1]
    slope = (function(x.numpy() + step) - function(x.numpy() - step)) / (2 * step)
    np.testing.assert_allclose(found.log_prob(x).exp().numpy(), slope, rtol=1e-5)


@EACH
@EACH_CASE
def test_entropy_is_the_mean_of_minus_the_log_probability(family, case):
    found = of(family, case)
    surprise = -found.log_prob(found.sample(uniforms(100_000)))
    error = float(surprise.std()) / len(surprise) ** 0.5
    assert abs(float(surprise.mean() - found.entropy())) < 4 * error + 1e-9


@BOUNDED
@EACH_CASE
def test_the_score_has_mean_zero(family, case):
    """By quadrature over uniforms: a log-probability with a wrong normaliser would fail."""
    tensors = [torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in case[:2]]
    found = family(*tensors, *(torch.tensor(end, dtype=torch.float64) for end in case[2:]))
    grid = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    mean = found.log_prob(found.sample(grid).detach()).mean()
    for gradient in torch.autograd.grad(mean, tensors):
        assert abs(float(gradient)) * case[1] < 1e-3


@EACH
@EACH_CASE
def test_samples_are_differentiable_in_their_parameters(family, case):
    def draw(location, deviation):
        low, high = (torch.tensor(end, dtype=torch.float64) for end in case[2:])
        return family(location, deviation, low, high).sample(uniforms(5))

    parameters = [torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in case[:2]]
    assert torch.autograd.gradcheck(draw, parameters, eps=1e-5 * case[1], atol=1e-5, rtol=1e-4)


@EACH
@EACH_CASE
def test_the_centre_lies_within_the_interval_and_the_kumaraswamy_median_halves(family, case):
    found = of(family, case)
    centre = float(found.centre())
    assert case[2] <= centre <= case[3]
    if family is Kumaraswamy:
        assert cdf(family, case)(centre) == pytest.approx(0.5, abs=1e-9)
    else:
        assert centre == np.clip(case[0], case[2], case[3])


def test_the_kumaraswamy_deviates_about_as_asked_where_the_interval_is_wide():
    found = of(Kumaraswamy, (60.0, 6.0, 0.0, 200.0))
    assert float(found.centre()) == pytest.approx(60, abs=0.1)
    assert 0.8 < float(found.sample(uniforms()).std()) / 6 < 1.5


TAILS = [
    (-1e3, 1.0, 0.0, 200.0),
    (1e3, 0.1, 0.0, 200.0),
    (-100.0, 1e-3, 0.0, 200.0),
    (100.0, 1e-3, 0.0, 200.0),
    (500.0, 1e-3, 0.0, 200.0),
    (50.0, 1e6, 0.0, 200.0),
    (1e9, 1e-3, 0.0, 200.0),
    (0.0, 1.0, 0.0, 200.0),
    (200.0, 1e-3, 0.0, 200.0),
]


@EACH
@pytest.mark.parametrize("case", TAILS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_outside_the_interval_everything_is_finite(family, case, dtype):
    tensors = [torch.tensor(number, dtype=dtype, requires_grad=True) for number in case[:2]]
    found = family(*tensors, *(torch.tensor(end, dtype=dtype) for end in case[2:]))
    drawn = found.sample(torch.tensor([0.0, 1e-6, 0.3, 0.999, 1.0], dtype=dtype))
    assert drawn.dtype == dtype
    assert bool((drawn[1:] >= drawn[:-1]).all())
    for result in (drawn, found.log_prob(drawn.detach()), found.entropy(), found.centre()):
        assert torch.isfinite(result).all()
        for gradient in torch.autograd.grad(result.sum(), tensors, retain_graph=True, allow_unused=True):
            assert gradient is None or torch.isfinite(gradient)


@pytest.mark.parametrize("far", [4.0, 6.0, 40.0, 1e3, 1e5])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_tail_of_the_truncated_normal_is_nearly_exponential(far, side):
    """The location `far` deviations outside: against quadrature of the density, and its score."""
    location = torch.tensor(side * far if side < 0 else 10 + far, dtype=torch.float64, requires_grad=True)
    one, low, high = (torch.tensor(number, dtype=torch.float64) for number in (1.0, 0.0, 10.0))
    found = TruncatedNormal(location, one, low, high)
    distance = np.array([0.1, 1.0, 3.0]) / far
    # density of the distance d to the near end ~ exp(-far d - d^2 / 2)
    mass, _ = scipy.integrate.quad(lambda d: math.exp(-far * d - d * d / 2), 0, min(10, 50 / far))
    mean, _ = scipy.integrate.quad(lambda d: d * math.exp(-far * d - d * d / 2) / mass, 0, min(10, 50 / far))
    x = torch.tensor(10 - distance if side > 0 else distance, dtype=torch.float64)
    log_prob = found.log_prob(x)
    expected = -far * distance - distance**2 / 2 - math.log(mass)
    np.testing.assert_allclose(log_prob.detach().numpy(), expected, rtol=1e-6, atol=1e-6)
    # score in the location: z - E[z], deviations towards the location's side
    score = torch.autograd.grad(log_prob[1], location)[0]
    assert float(score) * -side * far == pytest.approx((distance[1] - mean) * far, rel=1e-3, abs=1e-4)
    drawn = found.sample(torch.tensor([0.5], dtype=torch.float64))
    near = float(drawn.detach()) if side < 0 else 10 - float(drawn.detach())
    half, _ = scipy.integrate.quad(lambda d: math.exp(-far * d - d * d / 2) / mass, 0, near)
    assert half == pytest.approx(0.5, abs=1e-4)


@EACH
def test_an_interval_that_is_a_point_is_no_decision(family):
    location = torch.tensor([3.0, 3.0], requires_grad=True)
    found = family(location, torch.tensor(1.0), torch.tensor([0.0, 0.0]), torch.tensor([0.0, 10.0]))
    drawn = found.sample(torch.tensor([0.3, 0.3]))
    log_prob, entropy = found.log_prob(drawn.detach() + 1), found.entropy()
    assert drawn[0] == found.centre()[0] == log_prob[0] == entropy[0] == 0
    assert drawn[1] != 0
    assert log_prob[1] != 0
    gradient = torch.autograd.grad((log_prob + entropy + drawn).sum(), location)[0]
    assert gradient[0] == 0
    assert gradient[1] != 0
    assert torch.isfinite(gradient).all()
