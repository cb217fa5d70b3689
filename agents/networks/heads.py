"""Several heads for each regime: alternatives of the same kind between which the gate chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jumpgym import ActionLayout, HindsightProblem

from ..training.allowance import spend


class SeveralHeads(HindsightProblem):
    """A problem in which each regime with a choice of quantity is offered ``heads`` times.

    Inside a regime the cost of a quantity may have several local minima, as when an order lasts for two or
    for three periods: the pathwise gradient stays in the one where it starts, and a head that is smooth in
    the state cannot jump from one to the other. Of several heads each finds the minimum that is next to it,
    and the gate picks the best, state by state. The problem itself stays as it is: all copies of a regime
    cost the same.

    Args:
        problem: whose regimes are repeated.
        heads: copies of each regime in which some quantity has an interval of positive length; at least 1.

    Attributes:
        problem: the problem itself.
        regime_of: the regime of ``problem`` that each option stands for, shape (options,).
        log_weight: logarithm of the weight of each option, shape (options,): the copies of a regime have the
            weight 1 together.
    """

    SPREAD = 1.0
    """Distance of neighbouring heads at the start, in outputs of ``quantity_from``."""

    def __init__(self, problem: HindsightProblem, heads: int) -> None:
        layout = problem.layout
        free = np.zeros(layout.options, bool)
        np.logical_or.at(free, layout.option_of_column, layout.high > layout.low)
        copies = np.where(free, heads, 1)
        owner = np.repeat(np.arange(layout.options), copies)
        spend(int(copies.sum()) ** 2, f"heads={heads}")
        bounds = np.split(copies, layout.gate_start[1:])
        self.problem = problem
        self.horizon, self.discount = problem.horizon, problem.discount
        self.observation_low, self.observation_high = problem.observation_low, problem.observation_high
        self.state_scale, self.noise_shape = problem.state_scale, problem.noise_shape
        self.start_shape, self.season = problem.start_shape, problem.season
        self.coupled, self.item_entries = problem.coupled, problem.item_entries
        self.thresholds = problem.thresholds
        per_column = copies[layout.option_of_column]
        self.column_of = np.repeat(np.arange(len(layout.low)), per_column)
        self.regime_of = np.concatenate([np.repeat(np.arange(len(counts)), counts) for counts in bounds])
        self.log_weight = -np.log(np.repeat(copies, copies))
        copy_of = np.concatenate([np.arange(count) for count in per_column])
        places = copy_of - (np.repeat(per_column, per_column) - 1) / 2
        starts = np.cumsum([0, *per_column[:-1]])
        self._copies = [starts + np.minimum(copy, per_column - 1) for copy in range(heads)]
        self.layout = ActionLayout(
            [int(counts.sum()) for counts in bounds],
            layout.quantity_gate,
            layout.low[self.column_of],
            layout.high[self.column_of],
            layout.credit,
        )
        super().__init__(
            {
                "offsets": self.SPREAD * places,
                "own": np.eye(heads)[:, copy_of],
                "option_of_head": np.eye(layout.options)[owner],
                "column_of_head": np.eye(len(layout.low))[self.column_of],
                "weight_of_column": np.eye(self.layout.options)[:, self.layout.option_of_column],
                "column_of_option": np.eye(layout.options)[:, layout.option_of_column],
            }
        )

    @property
    def observation_scale(self) -> NDArray[np.float64]:
        """Those of the problem."""
        return self.problem.observation_scale

    @property
    def quantity_scale(self) -> NDArray[np.float64]:
        """Those of the problem, for each head."""
        return self.problem.quantity_scale[self.column_of]

    @property
    def item_parameters(self) -> NDArray[np.float64] | None:
        """Those of the problem."""
        return self.problem.item_parameters

    @property
    def item_loads(self) -> NDArray[np.float64] | None:
        """Those of the problem."""
        return self.problem.item_loads

    def initial_state(self, uniforms: Any) -> Any:
        """See ``HindsightProblem.initial_state``."""
        return self.problem.initial_state(uniforms)

    def noise(self, uniforms: Any) -> Any:
        """See ``HindsightProblem.noise``."""
        return self.problem.noise(uniforms)

    def with_past(self, state: Any, uniforms: Any) -> Any:
        """See ``HindsightProblem.with_past``."""
        return self.problem.with_past(state, uniforms)

    def observe(self, state: Any) -> Any:
        """See ``HindsightProblem.observe``."""
        return self.problem.observe(state)

    def step(self, state: Any, gate: Any, quantity: Any, noise: Any) -> tuple[Any, Any]:
        """See ``HindsightProblem.step``; a regime has the weight and the mean quantity of its heads."""
        c = self.constants(quantity)
        weights = gate @ c.option_of_head
        heads, total = gate @ c.weight_of_column, weights @ c.column_of_option
        mixed = (heads * quantity) @ c.column_of_head / c.xp.where(total > 0, total, c.xp.ones_like(total))
        return self.problem.step(state, weights, mixed, noise)

    def quantity_from(self, observation: Any, output: Any) -> Any:
        """See ``HindsightProblem.quantity_from``; heads start apart from each other."""
        c = self.constants(output)
        moved = output + c.offsets
        parts = [self.problem.quantity_from(observation, moved[..., copy]) for copy in self._copies]
        return sum(part[..., self.column_of] * own for part, own in zip(parts, c.own, strict=True))

    def regimes(self, options: Tensor) -> Tensor:
        """Regimes (..., G) of the problem that the chosen options (..., G) of the gates belong to."""
        start = torch.as_tensor(self.layout.gate_start, device=options.device)
        return torch.as_tensor(self.regime_of, device=options.device)[start + options]
