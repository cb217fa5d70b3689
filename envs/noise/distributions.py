"""Distributions as people give them: frozen ``scipy.stats`` ones, those of its new interface, numbers, texts.

A text such as ``"poisson(10)"`` names a distribution of ``scipy.stats``. It is parsed, never evaluated, so it
may come from a command line or a file of settings.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import numbers
import os
import re
from typing import Any

import numpy as np
import scipy  # and not scipy.stats, which is then loaded at its first use and takes a second
from numpy.typing import NDArray

from ..checks import MOST_SHOWN, shown

MAX_VALUES = 1_000_000
"""Most values of a discrete distribution."""

TAIL = 1e-13
"""Probability beyond which a distribution's tail is cut, so that noise and observations are bounded."""

FEW_VALUES = 4096
"""Up to so many values the last one is searched by scipy, which can take one step after the other."""

CALL = re.compile(r"\s*[A-Za-z_][\w.]*\s*\(.*\)\s*", re.DOTALL)
LIST = re.compile(r"\s*\[.*[A-Za-z_]\w*\s*\(.*\]\s*", re.DOTALL)

COMBINATIONS = ("Mixture", "abs", "truncate")
"""Functions and classes, other than families, that a text may call."""


def is_distribution(noise: Any) -> bool:
    """Whether it looks like a ``scipy.stats`` distribution, of the old or the new interface."""
    return hasattr(noise, "support") and (hasattr(noise, "ppf") or hasattr(noise, "icdf"))


def is_constant(noise: Any) -> bool:
    """Whether it is a number, which stands for noise that always has this value."""
    return isinstance(noise, numbers.Real) and not isinstance(noise, (bool, np.timedelta64))


def describe(distribution: Any) -> str:
    """A distribution as a person would write it, such as ``poisson(20)``; short enough for an error."""
    family = getattr(distribution, "dist", None)
    if family is not None:
        keywords = (f"{name}={_plain(value)}" for name, value in distribution.kwds.items())
        text = f"{family.name}({', '.join([*map(_plain, distribution.args), *keywords])})"
    elif isinstance(distribution, (scipy.stats.rv_continuous, scipy.stats.rv_discrete)):
        text = type(distribution).__name__.replace("rv_sample", "rv_discrete")
    else:
        text = " ".join(str(distribution).split())
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def _plain(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def parse(noise: Any, name: str) -> Any:
    """Noise with distributions in place of the texts that name them, also in lists; all else unchanged.

    Args:
        noise: what a user gave.
        name: of the parameter, for errors.

    Raises:
        ValueError: if a text calls something that is no distribution, or with wrong arguments.

    >>> parse("poisson(10)", "demand").mean()
    np.float64(10.0)
    """
    if isinstance(noise, (list, tuple)) and any(isinstance(entry, (str, list, tuple)) for entry in noise):
        return [parse(entry, name) for entry in noise]
    if not isinstance(noise, str) or os.path.exists(noise):
        return noise
    family, bracket, _ = noise.strip().partition("(")
    is_family = family.strip() in _families()
    if is_family and not bracket:
        raise ValueError(f"{name}={noise!r} lacks its parameters: write {_usage(noise)}")
    if not (is_family or CALL.fullmatch(noise) or LIST.fullmatch(noise)):
        return noise
    try:
        tree = ast.parse(noise.strip(), mode="eval").body
    except (MemoryError, RecursionError, SyntaxError, ValueError):
        raise ValueError(
            f"{name}={shown(noise)} must be a distribution of scipy.stats with its parameters, such as "
            "poisson(20) or gamma(4, scale=5), or a list of such"
        ) from None
    return _value(tree, f"{name}={shown(noise)}")


def _value(node: ast.AST, where: str) -> Any:
    """The number, list or distribution of a part of a text.

    Args:
        node: the part.
        where: parameter and text, for errors.
    """
    if isinstance(node, ast.Call):
        return _call(node, where)
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(entry, where) for entry in node.elts]
    if isinstance(node, ast.Name) and node.id == "inf":
        return np.inf
    try:
        value = ast.literal_eval(node)
    except (TypeError, ValueError, MemoryError, RecursionError):
        value = None
    if not is_constant(value):
        part = ast.unparse(node)
        raise ValueError(f"{where}: {shown(part)} must be a number, a list, or a distribution of scipy.stats")
    return value


def _call(node: ast.Call, where: str) -> Any:
    called = ast.unparse(node.func)
    name = re.sub(r"^(scipy\.)?(stats\.|st\.)?", "", called)
    families = _families()
    if name not in families:
        close = difflib.get_close_matches(name, families, n=2) or difflib.get_close_matches(
            name.lower(), families, n=2
        )
        advice = f"did you mean {' or '.join(close)}?" if close else "such as poisson, gamma or lognorm"
        raise ValueError(f"{where}: scipy.stats has no distribution {shown(called)}; {advice}")
    arguments = [_value(argument, where) for argument in node.args]
    keywords = {str(keyword.arg): _value(keyword.value, where) for keyword in node.keywords}
    family = abs if name == "abs" else getattr(scipy.stats, name)
    try:
        distribution = family(*arguments, **keywords)
        if hasattr(distribution, "args"):  # scipy checks arguments when a method is called
            distribution.support()
    except Exception as error:
        raise ValueError(f"{where}: {str(error)[:MOST_SHOWN]}; write {_usage(name)}") from error
    return distribution


def _families() -> list[str]:
    """Names in ``scipy.stats`` that a text may call: families of distributions and ``COMBINATIONS``."""
    generic = scipy.stats.rv_continuous, scipy.stats.rv_discrete
    new = inspect.getmro(getattr(scipy.stats, "Normal", int))[1:-2]  # from scipy 1.15 on
    names = [
        name
        for name, value in vars(scipy.stats).items()
        if isinstance(value, generic) or (inspect.isclass(value) and issubclass(value, new))
    ]
    return [*names, "rv_discrete", *(name for name in COMBINATIONS if new)]


def _usage(name: str) -> str:
    """How a family is called, with its parameters."""
    family = getattr(scipy.stats, name, None)
    if isinstance(family, (scipy.stats.rv_continuous, scipy.stats.rv_discrete)):
        shapes = [family.shapes] if family.shapes else []
        scale = ["scale=1"] if isinstance(family, scipy.stats.rv_continuous) else []
        return f"{name}({', '.join([*shapes, 'loc=0', *scale])})"
    examples = {
        "rv_discrete": "rv_discrete(values=([0, 5], [0.9, 0.1]))",
        "Mixture": "Mixture([Uniform(a=0, b=9), Uniform(a=9, b=40)], weights=[0.9, 0.1])",
        "truncate": "truncate(Normal(mu=20, sigma=9), lb=0)",
        "abs": "abs(Normal(mu=0, sigma=9))",
    }
    return examples.get(name, f"{name}(...) as the documentation of scipy.stats.{name} says")


def is_discrete(distribution: Any) -> bool:
    """Whether its values are whole numbers, up to a shift."""
    new = getattr(scipy.stats, "Binomial", None)  # from scipy 1.16 on
    return hasattr(distribution, "pmf") and (
        hasattr(distribution, "ppf") or (new is not None and isinstance(distribution, inspect.getmro(new)[1]))
    )


def quantiles(
    distribution: Any, lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Quantiles of a continuous distribution at probabilities ``lower``, then at ``1 - upper``."""
    has_quantiles = hasattr(distribution, "ppf")
    below = (distribution.ppf if has_quantiles else distribution.icdf)(lower)
    above = (distribution.isf if has_quantiles else distribution.iccdf)(upper)
    # Numerical inversion may leave neighbours in the wrong order by a rounding error.
    return np.maximum.accumulate(np.concatenate([below, above]))


def values(distribution: Any, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of a discrete distribution, all but those in its tails, and their probabilities.

    Args:
        distribution: a discrete distribution with a mean.
        name: of the parameter, for errors.

    Raises:
        ValueError: if there are more than ``MAX_VALUES``.
    """
    family = getattr(distribution, "dist", distribution)
    if hasattr(family, "xk"):  # scipy.stats.rv_discrete(values=...): any values, not only integers
        loc = float(distribution.ppf(0.5)) - float(family.ppf(0.5))
        return np.asarray(family.xk, dtype=float) + loc, np.asarray(family.pk, dtype=float)
    has_quantiles = hasattr(distribution, "ppf")
    tail = distribution.sf if has_quantiles else distribution.ccdf
    with np.errstate(all="ignore"):  # scipy divides by zero at some ends of a domain, as for geom(1.0)
        start = float(np.asarray(distribution.support()[0]))
        first = max(float((distribution.ppf if has_quantiles else distribution.icdf)(TAIL)), start)
        span = _span(tail, first)
        if span > MAX_VALUES:
            raise ValueError(
                f"{name}: {describe(distribution)} has too long a tail: its values beyond {first:g} + "
                f"{MAX_VALUES:,} have probability {float(tail(first + MAX_VALUES)):.1e}, of which at most "
                f"{TAIL:g} can be cut; give fewer values, as by scipy.stats.rv_discrete(values=...)"
            )
        last = first + span
        if has_quantiles and span <= FEW_VALUES:
            last = max(float(distribution.isf(TAIL)), first)
        points = np.asarray(first + np.arange(round(last - first) + 1), dtype=float)
        probabilities = np.asarray(distribution.pmf(points), dtype=float)
    if not abs(probabilities.sum() - 1) < 1e-6:
        raise ValueError(
            f"{name}: the probabilities of {describe(distribution)} from {first:g} to {last:g} add up to "
            f"{probabilities.sum():g} instead of 1; give them by scipy.stats.rv_discrete(values=...)"
        )
    return points, probabilities


def _span(tail: Any, first: float) -> int:
    """The least n such that values beyond ``first + n`` have at most probability ``TAIL``, by bisection.

    A number above ``MAX_VALUES`` if that is not enough. ``isf`` of some families takes a minute for it.
    """
    if not float(tail(first + MAX_VALUES)) <= TAIL:
        return MAX_VALUES + 1
    low, high = -1, 1
    while float(tail(first + high)) > TAIL:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if float(tail(first + middle)) > TAIL else (low, middle)
    return min(high, MAX_VALUES)
