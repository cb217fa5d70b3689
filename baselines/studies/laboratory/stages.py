"""Every estimator of the gate's gradient, on one problem and one policy at three stages of training."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from jumpgym import HindsightProblem, as_problem
from jumpgym.agents import MixedGradient
from jumpgym.agents.networks.gates import entropy
from jumpgym.agents.training.device import one_thread

from ...report.formatting import markdown_of
from ...report.styles import png
from ..outcome import Outcome
from .estimates import (
    ROUNDS,
    SPLIT,
    Weights,
    enumerable,
    estimators,
    largest_state_gradient,
    relative_times,
    sample,
)
from .trained import FITTING, STAGES, explained, stages

BATCH = 128
"""Episodes for one estimate."""

ESTIMATES, REFERENCE = 80, 160
"""Numbers of estimates of each estimator, and for the reference, at each stage."""

UNIT = "gae"
"""The estimator whose time serves as unit of time."""

UNKNOWN = 0.2
"""Standard error of the reference, relative to its norm, above which a bias cannot be detected."""

LARGEST = 1e3
"""Largest multiple of the reference's norm that is drawn."""


class Reference(NamedTuple):
    """The gradient that serves as truth.

    Attributes:
        mean: of the estimates, shape (parameters,).
        variance: trace of the covariance of one estimate.
        deviations: of the estimates from their mean, shape (R, parameters).
        norm: of the gradient, corrected for the bias that noise adds to the norm of a mean.
    """

    mean: Tensor
    variance: float
    deviations: Tensor
    norm: float

    @classmethod
    def of(cls, estimates: Tensor) -> Reference:
        """From estimates (R, parameters)."""
        mean = estimates.mean(0)
        deviations = estimates - mean
        variance = float((deviations**2).sum() / (len(estimates) - 1))
        squared = float(mean @ mean) - variance / len(estimates)
        return cls(mean, variance, deviations, max(squared, 1e-300) ** 0.5)

    @property
    def standard_error(self) -> float:
        """Of the mean, relative to the norm."""
        return float((self.variance / len(self.deviations)) ** 0.5 / self.norm)


def quality(parts: Tensor, reference: Reference) -> dict[str, float]:
    """Quality of an estimator whose estimates are (N, parts, parameters), all relative to the norm.

    The squared bias is the mean product of two different estimates, each minus the reference, less the
    variance of the reference's mean. So noise does not increase it, and it may be estimated as negative.

    Returns:
        ``bias``, which is 0 if its square is estimated as negative; ``bias_error``, the increase of the bias
        by one standard error of its square; ``bias_z``, the square divided by its standard error (which is an
        upper estimate); ``sd``, the root of the trace of the covariance; ``cosine``, the mean over the
        estimates; ``relative_error`` of one estimate; and for each part ``norm`` (of the mean) and ``sd``.
    """
    whole = parts.sum(1).double()
    count, others = len(whole), len(reference.deviations)
    centred = (whole - reference.mean) / reference.norm
    products = centred @ centred.T
    pairs = (products.sum(1) - products.diagonal()) / (count - 1)
    squared = float(pairs.mean()) - reference.standard_error**2
    along = reference.deviations @ centred.mean(0) / reference.norm
    noise = reference.deviations @ reference.deviations.T / reference.norm**2
    linear = 4 * pairs.var() / count + 4 * along.var() / others
    error = float((linear + _of_noise_alone(products) + _of_noise_alone(noise)) ** 0.5)
    bias = max(squared, 0.0) ** 0.5
    sd = _sd(whole) / reference.norm
    result = {
        "bias": bias,
        "bias_error": (bias**2 + error) ** 0.5 - bias,
        "bias_z": squared / error,
        "sd": sd,
        "cosine": float(torch.nn.functional.cosine_similarity(whole, reference.mean[None]).mean()),
        "relative_error": (bias**2 + sd**2) ** 0.5,
    }
    for name, part in zip(SPLIT, parts.double().unbind(1), strict=True):
        spread = _sd(part) / reference.norm
        mean = float(part.mean(0).norm()) / reference.norm
        result[f"{name}_norm"] = max(mean**2 - spread**2 / count, 0.0) ** 0.5
        result[f"{name}_sd"] = spread
    return result


def _of_noise_alone(products: Tensor) -> Tensor:
    """Variance of the mean product of different samples that remains if their mean is 0.

    Without it, a mean that happens to lie close to the reference would get too small a standard error.
    """
    count = len(products)
    different = products - products.diagonal().diag()
    return 2 * (different**2).sum() / (count * (count - 1)) ** 2


def _sd(samples: Tensor) -> float:
    return float(samples.var(0).sum() ** 0.5)


def make_reference(
    problem: HindsightProblem, weights: Weights, seed: int, count: int, batch: int
) -> Reference:
    """The reference: by enumeration of the gates where that is possible, else by branching to the end."""
    best = "enumeration" if enumerable(problem) else "branching"
    agent = weights.agent(problem, seed, batch_size=batch, estimator=best)
    return Reference.of(sample({best: agent}, count)[best].sum(1).double())


def measure(
    problem: HindsightProblem,
    weights: Weights,
    seed: int,
    estimates: int,
    reference: int,
    batch: int,
) -> tuple[pd.DataFrame, Reference, dict[str, MixedGradient]]:
    """Quality of every estimator at a stage, the reference, and the agents that were measured.

    Args:
        problem: with a finite horizon.
        weights: of policy and value.
        seed: of all noise; the reference uses noise of its own.
        estimates, reference: how many estimates of each estimator, and of the reference.
        batch: episodes of an estimate.
    """
    truth = make_reference(problem, weights, seed + 1_000_000, reference, batch)
    agents = {
        name: weights.agent(problem, seed, batch_size=batch, **settings)
        for name, settings in estimators(problem).items()
    }
    rows = [{"estimator": name, **quality(parts, truth)} for name, parts in sample(agents, estimates).items()]
    return pd.DataFrame(rows), truth, agents


def run(seed: int, env: Any) -> Outcome:
    """Bias, standard deviation, direction and time of every estimator at three stages."""
    problem = as_problem(env)
    tables, texts = [], []
    times: dict[str, float] = {}
    with one_thread(torch.device("cpu")):
        for name, weights in stages(problem, seed, STAGES).items():
            table, truth, agents = measure(problem, weights, seed, ESTIMATES, REFERENCE, BATCH)
            if not times:
                seconds, times = relative_times(agents, UNIT)
            table.insert(0, "stage", name)
            table["time"] = table.estimator.map(times)
            table["error_at_equal_time"] = (table.bias**2 + table.time * table.sd**2) ** 0.5
            tables.append(table)
            texts.append(_section(name, weights, table, truth, agents))
    table = pd.concat(tables, ignore_index=True)
    text = _introduction(env.spec.id, problem, seconds) + "\n\n".join(texts)
    return Outcome(text, {"stages": table}, {"stages": draw(table)})


def _introduction(name: str, problem: HindsightProblem, seconds: float) -> str:
    by = "enumeration of all gates" if enumerable(problem) else "branching to the end of the horizon"
    return f"""\
{name}, {problem.horizon} periods. {ESTIMATES} estimates of each estimator on new noise, each from {BATCH}
episodes, of the gradient with respect to the parameters of the policy. Bias, standard deviation (root of the
trace of the covariance) and relative error of one estimate are relative to the norm of the reference: the
mean of {REFERENCE} estimates by {by}, on noise of its own. The bias is corrected for the noise in the norm of
a mean; ± is the increase by one standard error of its square, and z is the square divided by its standard
error. Time: CPU time of an estimate (simulate, differentiate) on one thread in multiples of that of {UNIT},
{1e3 * seconds:.0f} ms; median of {ROUNDS} rounds in which the estimators take turns. Error at equal time is
that of the mean of as many estimates as take the time of one of {UNIT}. There is no entropy bonus, no
revival, and no limit on the gradient of states here.

The policies come from one training of the default agent, and all estimators use the same weights. The value
was fitted by {FITTING} steps of Adam to new episodes of the frozen policy. Relaxations use the temperature of
the stage's iteration. Like enumeration they differentiate a single cost, which counts as pathwise here, and
have no score part and no cross term. A row is empty where gradients overflowed.

![Bias and standard deviation](stages.png)

"""


def _section(
    name: str, weights: Weights, table: pd.DataFrame, truth: Reference, agents: dict[str, MixedGradient]
) -> str:
    agent = agents[UNIT]
    episodes = agent.simulate(*agent.start())
    undecided = float(entropy(episodes.logits.detach(), agent.model.layout.gate_groups).mean())
    limit = MixedGradient(agent.problem).settings.state_gradient_limit
    largest = largest_state_gradient(agents["leave_one_out"])
    acts = "acts here" if limit is not None and largest > limit else "does not act here"
    unknown = " That is too large to detect a bias: noise outweighs the gradient." * (
        truth.standard_error > UNKNOWN
    )
    columns = {
        "estimator": table.estimator,
        "bias": [
            f"{bias:.3g} ± {error:.2g}" for bias, error in zip(table.bias, table.bias_error, strict=True)
        ],
        "z": table.bias_z,
        "sd": table.sd,
        "cosine": table.cosine,
        "relative error": table.relative_error,
        "time": table.time,
        "error at equal time": table.error_at_equal_time,
        **{f"{part} norm": table[f"{part}_norm"] for part in SPLIT},
        **{f"{part} sd": table[f"{part}_sd"] for part in SPLIT},
    }
    return f"""\
## {name}

After {weights.iterations} iterations; entropy of a gate {undecided:.3f}; the value explains
{100 * explained(agent):.1f} % of the variance of costs to go within a period. Norm of the reference
{truth.norm:.4g}, its own standard error {100 * truth.standard_error:.1f} % of that.{unknown} Largest
gradient of a state {largest:.3g} in the units of `state_gradient_limit`, whose default {limit:g} {acts}.

{markdown_of(pd.DataFrame(columns), 3)}
"""


def draw(table: pd.DataFrame) -> bytes:
    """For each stage bias and standard deviation of the gradient; below, standard deviations of its parts."""
    names = list(dict.fromkeys(table.stage))
    estimators = list(dict.fromkeys(table.estimator))
    figure = Figure(figsize=(3.2 + 3.6 * len(names), 1.6 + 0.52 * len(estimators)), layout="constrained")
    panels = figure.subplots(2, len(names), sharex=True, sharey=True, squeeze=False)
    whole = {
        "sd": ("standard deviation", "o", "black"),
        "bias": ("bias, and twice\nits error above it", "D", "white"),
    }
    marks = zip(SPLIT, ("s", "x", "+"), ("white", "#0072B2", "#D55E00"), strict=True)
    split = {f"{part}_sd": (f"sd, {part}", marker, face) for part, marker, face in marks}
    for column, name in enumerate(names):
        here = table[table.stage == name].set_index("estimator").loc[estimators]
        places = np.arange(len(here))
        for axes, shown in ((panels[0, column], whole), (panels[1, column], split)):
            for key, (label, marker, face) in shown.items():
                x = here[key].where(here[key] > 0).clip(upper=LARGEST)
                edge = None if marker in ("x", "+") else "black"
                axes.scatter(x, places, 38, face, marker=marker, edgecolors=edge, label=label, zorder=3)
            axes.set(xscale="log", yticks=places, yticklabels=estimators)
            axes.grid(color="#dddddd")
        reach = (here.bias + 2 * here.bias_error).clip(upper=LARGEST)
        panels[0, column].hlines(
            places, here.bias.clip(1e-3, LARGEST), reach, color="black", linewidth=1, linestyle=":"
        )
        panels[0, column].axvline(1, color="black", linewidth=0.8)
        panels[0, column].set_title(name)
        panels[1, column].set_xlabel("relative to the norm of the gradient")
    panels[0, 0].invert_yaxis()
    for axes, label in zip(panels[:, 0], ("whole gradient", "its parts"), strict=True):
        axes.set_ylabel(label)
    for row in panels:
        row[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return png(figure)
