"""Bias and variance of relaxed gates against the temperature, on a problem small enough to enumerate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import scipy
import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem
from jumpgym.agents.gradients.enumeration import expected_cost
from jumpgym.agents.gradients.estimators import cost_to_go, leave_one_out, pathwise_loss, surrogate_loss
from jumpgym.agents.gradients.rollout import rollout
from jumpgym.agents.networks.gates import gumbel_noise, log_prob, relaxed_gate, sampled_gate
from jumpgym.agents.networks.policies import HybridPolicy
from jumpgym.problems.setup_cost import setup_cost

from ...report.formatting import markdown_of
from ..outcome import Outcome
from ..pictures import Panel, curves

TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 2.0, 5.0)
EPISODES, BATCH = 200_000, 2_000
TYPICAL = 256
"""Episodes of a typical training step, for which the error of an estimate is reported."""

VALUES, CHANCES = (3.0, 9.0), (0.6, 0.4)
"""Possible demands of a period, and their probabilities."""

Estimator = Callable[[HybridPolicy, Any, Tensor, Tensor], Tensor]
"""A function from policy, initial states, noise (m, T) and Gumbel noise (T, m, options) to a loss."""

CONTROL = "score function, leave-one-out"


def tiny_problem() -> HindsightProblem:
    """Setup costs over four periods with two possible demands: 16 paths of the gate, and 16 of the demand."""
    demand = scipy.stats.rv_discrete(values=(VALUES, CHANCES))
    return setup_cost(
        fixed_cost=8.0, shortage_cost=4.0, demand=demand, horizon=4, max_order=40.0, discount=0.9
    )


def tiny_policy(problem: HindsightProblem, seed: int) -> HybridPolicy:
    """A small network in float64 whose gate is undecided and depends on the state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = HybridPolicy(problem, (3,), "problem").double()
    with torch.no_grad():
        *_, last = policy.net.children()
        assert isinstance(last, nn.Linear)
        last.weight.mul_(4)
    return policy


def exact_gradient(problem: HindsightProblem, policy: HybridPolicy) -> Tensor:
    """Gradient (parameters,) of the expected cost, over all paths of gate and demand."""
    assert problem.horizon is not None
    paths = list(product(range(len(VALUES)), repeat=problem.horizon))
    demand = torch.tensor(VALUES, dtype=torch.float64)[torch.tensor(paths)]
    chance = torch.tensor(CHANCES, dtype=torch.float64)[torch.tensor(paths)].prod(-1)
    start = problem.initial_state(torch.zeros(len(paths), dtype=torch.float64))
    return gradient((chance * expected_cost(problem, policy, start, demand)).sum(), policy)


def relaxed(problem: HindsightProblem, temperature: float, straight_through: bool) -> Estimator:
    """Pathwise cost of relaxed gates: eq. 9 and 10, with ``straight_through`` eq. 12 of the method note."""

    def loss(policy: HybridPolicy, start: Any, noise: Tensor, gumbel: Tensor) -> Tensor:
        gate = relaxed_gate(gumbel, problem.layout.gate_groups, temperature, straight_through)
        return pathwise_loss(rollout(problem, policy, gate, start, noise).costs)

    return loss


def score_function(problem: HindsightProblem) -> Estimator:
    """The unbiased mixed gradient, eq. 8, with a leave-one-out baseline: the control of the measurement."""

    def loss(policy: HybridPolicy, start: Any, noise: Tensor, gumbel: Tensor) -> Tensor:
        groups = problem.layout.gate_groups
        path = rollout(problem, policy, sampled_gate(gumbel, groups), start, noise)
        advantages = leave_one_out(cost_to_go(path.costs.detach()))
        return surrogate_loss(path.costs, log_prob(path.logits, path.gates, groups), advantages)

    return loss


def gradient(loss: Tensor, policy: HybridPolicy) -> Tensor:
    """Gradient (parameters,) of a loss with respect to all parameters of the policy."""
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(policy.parameters()))])


def measure(
    problem: HindsightProblem, policy: HybridPolicy, estimator: Estimator, exact: Tensor, seed: int
) -> dict[str, float]:
    """Bias, its standard error, and standard deviation for one episode, relative to the exact norm.

    Also the cosine between the mean and the exact gradient, the largest |z| of a parameter's bias, and the
    root mean square error of an estimate from ``TYPICAL`` episodes.
    """
    assert problem.horizon is not None
    generator = torch.Generator().manual_seed(seed)
    start = problem.initial_state(torch.zeros(BATCH, dtype=torch.float64))
    estimates = []
    for _ in range(EPISODES // BATCH):
        uniforms = torch.rand((BATCH, problem.horizon), generator=generator, dtype=torch.float64)
        shape = (problem.horizon, BATCH, problem.layout.options)
        gumbel = gumbel_noise(shape, generator, uniforms)
        estimates.append(gradient(estimator(policy, start, problem.noise(uniforms), gumbel), policy))
    samples, norm = torch.stack(estimates), exact.norm()
    mean, count = samples.mean(0), len(samples)
    bias, errors = mean - exact, samples.std(0) / count**0.5
    along = (samples - mean) @ bias / bias.norm()  # the delta method: how the norm of the bias varies
    deviation = BATCH**0.5 * samples.var(0).sum().sqrt() / norm
    relative = bias.norm() / norm
    return {
        "bias": float(relative),
        "bias_se": float(along.std() / count**0.5 / norm),
        "sd": float(deviation),
        "cosine": float(torch.cosine_similarity(mean, exact, 0)),
        "largest_z": float((bias.abs() / errors.clamp(min=1e-12)).max()),
        f"error_of_{TYPICAL}": float((relative**2 + deviation**2 / TYPICAL).sqrt()),
    }


RELAXATIONS: dict[str, Callable[[HindsightProblem, float], Estimator]] = {
    "Gumbel-softmax": partial(relaxed, straight_through=False),
    "straight-through": partial(relaxed, straight_through=True),
}


def run(seed: int) -> Outcome:
    """The relaxations at every temperature, and the score function for comparison."""
    problem = tiny_problem()
    policy = tiny_policy(problem, seed)
    exact = exact_gradient(problem, policy)
    rows: list[dict[str, Any]] = [
        {"estimator": name, "temperature": temperature}
        | measure(problem, policy, relaxation(problem, temperature), exact, seed)
        for name, relaxation in RELAXATIONS.items()
        for temperature in TEMPERATURES
    ]
    control = measure(problem, policy, score_function(problem), exact, seed)
    rows.append({"estimator": CONTROL, "temperature": np.nan, **control})
    table = pd.DataFrame(rows)
    return Outcome(_text(table), {"temperatures": table}, {"temperatures": _draw(table)})


def _draw(table: pd.DataFrame) -> bytes:
    by_name = {name: table[table.estimator == name] for name in RELAXATIONS}
    control = table[table.estimator == CONTROL].iloc[0]

    def lines(column: str) -> dict[str, np.ndarray[Any, Any]]:
        return {name: rows[column].to_numpy() for name, rows in by_name.items()}

    return curves(
        np.array(TEMPERATURES),
        "temperature",
        [
            Panel(
                "bias / norm of the exact gradient",
                lines("bias"),
                lines("bias_se"),
                {CONTROL: control.bias},
            ),
            Panel("standard deviation of one episode / norm", lines("sd"), {}, {CONTROL: control.sd}),
        ],
    )


def _text(table: pd.DataFrame) -> str:
    control = table[table.estimator == CONTROL].iloc[0]
    error = f"error_of_{TYPICAL}"
    items = []
    for name in RELAXATIONS:
        rows: Any = table[table.estimator == name].set_index("temperature")
        cold, warm = rows.iloc[0], rows.iloc[-1]
        least, best = rows.bias.idxmin(), rows[error].idxmin()
        items.append(
            f"- {name}: the bias is {cold.bias:.2g} ± {cold.bias_se:.1g} at temperature {cold.name:g} and "
            f"{warm.bias:.2g} at {warm.name:g}; it is smallest at {least:g}, {rows.bias[least]:.2g} ± "
            f"{rows.bias_se[least]:.1g}. The standard deviation is {cold.sd:.2g} at {cold.name:g}, "
            f"{rows.sd[1.0]:.2g} at 1 and {warm.sd:.2g} at {warm.name:g}. The smallest cosine with the exact "
            f"gradient is {rows.cosine.min():.2g}, at {rows.cosine.idxmin():g}. An estimate from {TYPICAL} "
            f"episodes has its smallest error at {best:g}, {rows[error][best]:.2g}."
        )
    listed = "\n".join(items)
    return f"""
The problem has setup costs, four periods and two possible demands; the policy is a small network whose gate
is undecided. The exact gradient is the sum over all 256 paths of gate and demand. The relaxations are those
of the method note, without the safeguards that longer horizons need. Each row is from {EPISODES:,} episodes.
Figures are relative to the norm of the exact gradient: `bias` of the mean estimate, with its standard error;
`sd`, the standard deviation of the estimate from one episode, over all parameters; `{error}`, the root mean
square error of an estimate from {TYPICAL} episodes. `largest_z` is the largest bias of a parameter in units
of its standard error.

![bias and standard deviation against the temperature](temperatures.png)

The last row of the table, which has no temperature, is the unbiased score function. Its estimated bias of
{control.bias:.2g} is the noise of {EPISODES:,} episodes (largest |z| {control.largest_z:.2g}). Its error from
{TYPICAL} episodes is {control[error]:.2g}.

{listed}

Gumbel-softmax gates simulate a different problem, in which a fraction of an order pays a fraction of the
fixed cost. As the temperature falls, it approaches the true problem, while the derivative of the gate becomes
a spike that few samples hit. Straight-through gates simulate the true problem at any temperature, but with
the wrong derivative: at low temperatures it uses the mean of the slopes at "nothing" and at "order" instead
of the difference of the costs, which is wrong where the cost is curved between the two. So a lower
temperature cures the bias of Gumbel-softmax gates, at the price of variance, but not that of straight-through
gates.

{markdown_of(table, 3)}
"""
