"""Reinforce: score-function gradients for the gate and the quantity both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem, checks

from .gradients import estimators
from .gradients.exploration import entropy_weight
from .gradients.rollout import Rollout, rollout
from .networks.distributions import DISTRIBUTIONS, QuantityDistribution
from .networks.gates import entropy, gumbel_noise, log_prob, most_probable, sampled_gate
from .networks.perceptrons import Value
from .networks.policies import Choice, HybridPolicy
from .windows import WindowedAgent

Family = Literal["gaussian", "truncated_normal", "kumaraswamy"]
Estimator = Literal["reward_to_go", "leave_one_out", "value", "gae"]


class StochasticPolicy(HybridPolicy):
    """A hybrid policy whose quantities are sampled around what ``HybridPolicy`` puts them at.

    Called, it returns these, the locations, in the form of ``problem.quantity_from`` and not projected.

    Args:
        problem: what is decided.
        hidden: widths of the hidden layers of each network.
        family: of the distribution of each quantity, see ``distributions``.
    """

    belongs: Tensor

    def __init__(self, problem: HindsightProblem, hidden: Sequence[int], family: Family) -> None:
        super().__init__(problem, hidden, "problem")
        self.family = DISTRIBUTIONS[family]
        gates = torch.arange(len(self.layout.gates))
        belongs = (torch.tensor(self.layout.quantity_gate)[:, None] == gates).float()
        self.register_buffer("belongs", belongs, persistent=False)

    def _quantity(self, observation: Tensor, head: Tensor) -> Tensor:
        return self._unprojected(observation, head)

    def act(
        self, observation: Tensor, choice: Choice, deviation: float
    ) -> tuple[Tensor, Tensor, Tensor, QuantityDistribution]:
        """Decide: gates by ``choice``, and how the quantities in the regimes chosen are distributed.

        Args:
            observation: shape (..., n_obs).
            choice: see ``HybridPolicy.forward``.
            deviation: of the quantities, in units of their scale.

        Returns:
            Logits and weights (..., options) of all gates, the columns (..., n) of the regimes chosen, and
            the distribution (..., n) of the quantities in these.
        """
        logits, weights, locations = self(observation, choice)
        q = self.quantities
        columns = q.columns(most_probable(weights, self.layout.gate_groups))
        spread, low, high = (each[columns] for each in (deviation * q.scale, q.low, q.high))
        return logits, weights, columns, self.family(locations.gather(-1, columns), spread, low, high)


class Reinforce(WindowedAgent):
    """Policy gradient by the score function alone (Williams, 1992; course notes, chapters 23 and 24).

    Gates and quantities are both sampled, and both follow ``sum_t grad log pi(a_t | S_t) A_t``, where
    ``log pi`` is the sum over gates of ``log p(gate) + log p(quantities of the gate | regime chosen)``. The
    simulator is not differentiated: what ``MixedGradient`` gains by it shows in the comparison. In evaluation
    the most probable regime is taken, and the centre of its quantities' distributions: the mean of the
    Gaussian, the mode of the truncated normal, the median of the Kumaraswamy.

    Args:
        env: environment id, environment or problem.
        quantity: distribution of the quantities around what the network says, see ``distributions``:
            "gaussian" is projected on the interval of the regime after it was sampled; "truncated_normal" and
            "kumaraswamy" live on the interval (course notes, 23.2.1).
        estimator: advantages of "reward_to_go" (no baseline), "leave_one_out", "value" (these three are
            unbiased), or "gae" (less variance, some bias); see ``estimators``.
        gae_lambda: of "gae".
        credit: "components" credits each gate, and its quantities, with the components of the cost that it
            enters, "total" with all; see ``MixedGradient``.
        deviation: standard deviation of the quantities at the start, in units of the problem's
            ``quantity_scale``.
        final_deviation: the like at the end; in between it falls geometrically. The optimum under a large
            deviation is not the one without, and under a small one gradients are noisy.
        entropy_bonus: cost units that the entropy of a gate and its quantities in one period is worth at the
            start; None and ``entropy_until``: see ``MixedGradient``.
        entropy_until: fraction of training in (0, 1].
        batch_size, **settings: of every agent, see ``WindowedAgent`` and ``Agent``.

    Example:
        >>> from jumpgym.agents import Reinforce
        >>> agent = Reinforce("jumpgym/SetupCost-v0", quantity="kumaraswamy").learn(total_timesteps=12_800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    name = "Reinforce"

    def __init__(
        self,
        env: Any,
        *,
        quantity: Family = "gaussian",
        estimator: Estimator = "gae",
        gae_lambda: float = 0.95,
        credit: estimators.Credit = "components",
        deviation: float = 0.2,
        final_deviation: float = 0.03,
        entropy_bonus: float | None = None,
        entropy_until: float = 0.7,
        batch_size: int = 128,
        **settings: Any,
    ) -> None:
        self.quantity = checks.choice("quantity", quantity, get_args(Family))
        self.estimator = checks.choice("estimator", estimator, get_args(Estimator))
        self.gae_lambda = checks.number("gae_lambda", gae_lambda, low=0, high=1)
        self.credit = checks.choice("credit", credit, ("components", "total"))
        self.deviation = checks.number("deviation", deviation, low=1e-6)
        self.final_deviation = checks.number("final_deviation", final_deviation, low=1e-6)
        self.entropy_bonus = (
            None if entropy_bonus is None else checks.number("entropy_bonus", entropy_bonus, low=0)
        )
        self.entropy_until = checks.number("entropy_until", entropy_until, low=1e-6, high=1)
        super().__init__(env, batch_size=batch_size, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The policy, and the value where the estimator or the end of a window needs one."""
        self.policy = StochasticPolicy(self.problem, self.hidden, self.quantity)
        networks = {"policy": self.policy, **self.window_networks()}
        if "value" not in networks and self.estimator in ("value", "gae"):
            networks["value"] = self.value = Value(self.problem, self.hidden)
        return networks

    @torch.no_grad()
    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Episodes without gradient; ``quantities`` are as sampled, before they were projected."""
        layout, deviation, drawn = self.problem.layout, self._deviation(), []
        shape = (noise.shape[1], len(noise))
        gate = sampled_gate(gumbel_noise((*shape, layout.options), self.generator, noise), layout.gate_groups)
        uniforms = iter(self._uniforms((*shape, len(layout.quantity_gate)), noise))

        def policy(observation: Tensor, choice: Choice) -> tuple[Tensor, Tensor, Tensor]:
            logits, weights, columns, found = self.policy.act(observation, choice, deviation)
            sample = found.sample(next(uniforms))
            quantities = sample.new_zeros(*sample.shape[:-1], len(layout.low)).scatter(-1, columns, sample)
            drawn.append(quantities)
            return logits, weights, self.policy.quantities.project(quantities)

        episodes = rollout(self.problem, policy, gate, state, noise)
        return episodes._replace(quantities=torch.stack(drawn))

    def log_prob(self, episodes: Rollout) -> tuple[Tensor, Tensor]:
        """Log-probability of each gate with its quantities, and their entropy, (T, m, G) each."""
        gates, groups = episodes.gates, self.problem.layout.gate_groups
        logits, _, columns, found = self.policy.act(
            episodes.observations, lambda logits: gates, self._deviation()
        )
        belongs = self.policy.belongs.to(logits)
        of_quantities = found.log_prob(episodes.quantities.gather(-1, columns))
        return (
            log_prob(logits, gates, groups) + of_quantities @ belongs,
            entropy(logits, groups) + found.entropy() @ belongs,
        )

    def loss(self, episodes: Rollout) -> Tensor:
        """Score, less the entropy bonus, and the loss of the value."""
        log_p, undecided = self.log_prob(episodes)
        bonus = entropy_weight(
            self.entropy_bonus, self.cost_scale, log_p.shape[-1], self.entropy_until, self.progress
        )
        self.logger.record("train/entropy", float(undecided.detach().mean()))
        value_loss: Tensor | float = 0.0
        if "value" in self.networks:  # first of all: the first fit tells the scale of the value
            value_loss = self.value_loss(episodes, self.costs_to_go(episodes))
        advantages = self.advantages(episodes, self.estimator, self.gae_lambda)
        return (
            estimators.score_loss(log_p, estimators.credited(advantages, self.problem.layout, self.credit))
            - bonus * undecided.sum(-1).sum(0).mean()
            + value_loss
        )

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """The most probable regime of each gate and the centre of its quantities, or sampled ones."""
        groups = self.problem.layout.gate_groups
        noise = observation.new_zeros(1, *observation.shape[:-1], self.problem.layout.options)
        gate = sampled_gate(
            noise if deterministic else gumbel_noise(noise.shape, self.generator, noise), groups
        )
        _, weights, columns, found = self.policy.act(
            observation, lambda logits: gate(logits, 0), self._deviation()
        )
        quantity = found.centre() if deterministic else found.sample(self._uniforms(columns.shape, noise))
        low, high = self.policy.quantities.low[columns], self.policy.quantities.high[columns]
        return most_probable(weights, groups), torch.clamp(quantity, low, high)

    def _deviation(self) -> float:
        return self.deviation * (self.final_deviation / self.deviation) ** self.progress

    def _uniforms(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        return torch.rand(shape, generator=self.generator, dtype=like.dtype, device=like.device)
