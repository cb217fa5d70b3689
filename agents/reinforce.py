"""Reinforce: score-function gradients for both gates and quantities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from jumpgym import HindsightProblem, checks

from . import arrays
from .arrays import Array
from .gradients.estimators import ESTIMATORS, Credit, credited, score_loss
from .gradients.rollout import Rollout, at_period, stochastic_rollout
from .networks.distributions import DISTRIBUTIONS, QuantityDistribution
from .networks.gates import Choice, entropy, gumbel_noise, log_prob, most_probable, sampled_gate
from .networks.perceptrons import Value
from .networks.policies import HybridPolicy
from .windows import WindowedAgent, WindowSettings

Family = Literal["gaussian", "truncated_normal", "kumaraswamy"]
Estimator = Literal["reward_to_go", "leave_one_out", "value", "gae"]


class StochasticPolicy(HybridPolicy):
    """A hybrid policy whose quantities are sampled around the quantities of ``HybridPolicy``.

    Called as a function, it returns these quantities, the locations, without projecting them.

    Args:
        problem: the problem to decide on.
        hidden: widths of the hidden layers of each network.
        family: distribution of each quantity; see ``distributions``.
    """

    belongs: Array
    owner: Array

    def __init__(self, problem: HindsightProblem, hidden: Sequence[int], family: Family) -> None:
        super().__init__(problem, hidden, "problem")
        self.family = DISTRIBUTIONS[family]
        gates = torch.arange(len(self.layout.gates))
        belongs = (torch.tensor(self.layout.quantity_gate)[:, None] == gates).float()
        self.register_buffer("belongs", belongs, persistent=False)
        counts = torch.tensor([self.layout.gates[gate] for gate in self.layout.quantity_gate])
        owner = torch.repeat_interleave(torch.arange(len(counts)), counts)
        self.register_buffer("owner", owner, persistent=False)

    def _quantity(self, observation: Array, head: Array) -> Array:
        return self._unprojected(observation, head)

    def placed(self, quantity: Array, weights: Array) -> Array:
        """Return quantities (..., n) in the columns of the chosen regimes; the other columns are 0."""
        return quantity[..., self.owner] * weights[..., self.quantities.option]

    def act(
        self, observation: Array, choice: Choice, deviation: float
    ) -> tuple[Array, Array, Array, QuantityDistribution]:
        """Choose the gates, and return the distribution of the quantities in the chosen regimes.

        Args:
            observation: shape (..., n_obs).
            choice: see ``HybridPolicy.forward``.
            deviation: standard deviation of the quantities, in units of their scale.

        Returns:
            logits and weights (..., options) of all gates, the columns (..., n) of the chosen regimes, and
            the distribution (..., n) of the quantities in them.
        """
        logits, weights, locations = self(observation, choice)
        q = self.quantities
        columns = q.columns(most_probable(weights, self.layout.gate_groups))
        spread, low, high = (array[columns] for array in (deviation * q.scale, q.low, q.high))
        return logits, weights, columns, self.family(arrays.gather(locations, columns), spread, low, high)


@dataclass(frozen=True, kw_only=True)
class ReinforceSettings(WindowSettings):
    """Settings of ``Reinforce``, beside those of ``WindowSettings`` and ``AgentSettings``.

    Args:
        quantity: distribution of the quantities around the output of the network; see ``distributions``. A
            sample of "gaussian" is projected on the interval of its regime; "truncated_normal" and
            "kumaraswamy" are distributions on this interval (course notes, 23.2.1).
        estimator: advantage of the decisions: "reward_to_go" (no baseline), "leave_one_out", "value" (these
            three are unbiased), or "gae" (less variance, some bias); see ``MixedGradient``.
        gae_lambda: lambda of the estimator "gae", in [0, 1].
        credit: "components" credits each gate, and its quantities, with the components of the cost that the
            gate enters, "total" with the whole cost; see ``MixedGradientSettings``.
        deviation: initial standard deviation of the quantities, in units of the problem's
            ``quantity_scale``.
        final_deviation: standard deviation at the end of the training; in between it falls geometrically. The
            best policy under a large deviation differs from the best one without, and under a small deviation
            gradients are noisy.
        entropy_bonus, entropy_until: initial worth of the entropy of a gate and its quantities in one period,
            in units of cost, and the share of the training at which it has fallen to 0. None: a fifth of that
            of ``MixedGradientSettings``.
        batch_size: number of episodes that an iteration simulates.
    """

    quantity: Family = "gaussian"
    estimator: Estimator = "gae"
    gae_lambda: float = 0.95
    credit: Credit = "components"
    deviation: float = 0.2
    final_deviation: float = 0.03
    entropy_bonus: float | None = None
    entropy_until: float = 0.7
    batch_size: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(checks.choice, "quantity", allowed=get_args(Family))
        self._check(checks.choice, "estimator", allowed=get_args(Estimator))
        self._check(checks.number, "gae_lambda", low=0, high=1)
        self._check(checks.choice, "credit", allowed=("components", "total"))
        self._check(checks.number, "deviation", "final_deviation", low=1e-6)
        self._check_unless_none(checks.number, "entropy_bonus", low=0)
        self._check(checks.number, "entropy_until", low=1e-6, high=1)


class Reinforce(WindowedAgent):
    """Policy gradient by the score function alone (Williams, 1992; course notes, chapters 23 and 24).

    Gates and quantities are both sampled, and the gradient of both is ``sum_t grad log pi(a_t | S_t) A_t``,
    where ``log pi`` is the sum over gates of ``log p(gate) + log p(quantities of the gate | regime)``. The
    simulator is not differentiated, so that a comparison with ``MixedGradient`` shows what that gains.
    Deterministic decisions take the most probable regimes and the centre of the distributions of their
    quantities: the mean of the Gaussian, the mode of the truncated normal, the median of the Kumaraswamy.

    Args:
        env, device, engine: see ``Agent``.
        **settings: see ``ReinforceSettings``, ``WindowSettings`` and ``AgentSettings``.

    Example:
        >>> from jumpgym.agents import Reinforce
        >>> agent = Reinforce("jumpgym/SetupCost-v0", quantity="kumaraswamy").learn(total_timesteps=12_800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    Settings = ReinforceSettings
    settings: ReinforceSettings
    policy: StochasticPolicy

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        chosen = self.settings
        with self.seeded():
            self.policy = StochasticPolicy(self.problem, chosen.hidden, chosen.quantity)
            if self.infinite_horizon or ESTIMATORS[chosen.estimator].needs_value:
                self.value = Value(self.problem, chosen.hidden)
        self.build(policy=self.policy, value=self.value, windows=self.windows)

    @property
    def uncompiled(self) -> str | None:
        """See ``Agent.uncompiled``; only the Gaussian is precise enough in float32."""
        family = self.settings.quantity
        return None if family == "gaussian" else f"the distribution quantity={family!r} is not compiled"

    def simulate(self, state: Any, noise: Array) -> Rollout:
        """Simulate episodes with sampled gates and quantities, without gradient."""
        deviation = self._deviation()

        def policy(observation: Array, choice: Choice, uniforms: Array) -> tuple[Array, ...]:
            logits, weights, _, distribution = self.policy.act(observation, choice, deviation)
            proposal = self.policy.placed(distribution.sample(uniforms), weights)
            return logits, weights, self.policy.quantities.project(proposal), proposal

        return stochastic_rollout(self.problem, policy, state, noise, self.generator)

    def log_prob(self, episodes: Rollout) -> tuple[Array, Array]:
        """Return the log-probability of each gate with its quantities, and their entropy, (T, m, G) each."""
        assert episodes.proposals is not None
        gates, groups = episodes.gates, self.problem.layout.gate_groups
        logits, _, columns, distribution = self.policy.act(
            episodes.observations, lambda logits: gates, self._deviation()
        )
        belongs = self.policy.belongs
        of_quantities = distribution.log_prob(arrays.gather(episodes.proposals, columns))
        return (
            log_prob(logits, gates, groups) + of_quantities @ belongs,
            entropy(logits, groups) + distribution.entropy() @ belongs,
        )

    def loss(self, episodes: Rollout) -> Array:
        """Return the score-function loss, with the losses of the entropy and of the value."""
        chosen = self.settings
        log_p, entropies = self.log_prob(episodes)
        value_loss = self.value_loss(episodes)  # before the advantages: the first fit sets the scale
        advantages = self.advantages(episodes, self.closing(episodes), chosen.estimator, chosen.gae_lambda)
        return (
            score_loss(log_p, credited(advantages, self.problem.layout, chosen.credit))
            + self.entropy_loss(entropies, chosen.entropy_bonus, chosen.entropy_until)
            + value_loss
        )

    def decide(self, observation: Array, deterministic: bool) -> tuple[Array, Array]:
        """Return the most probable regimes and the centre of their quantities, or sample both."""
        groups = self.problem.layout.gate_groups
        noise = observation.new_zeros(1, *observation.shape[:-1], self.problem.layout.options)
        if not deterministic:
            noise = gumbel_noise(noise.shape, self.generator, noise)
        choice = at_period(sampled_gate(noise, groups), 0)
        _, weights, columns, distribution = self.policy.act(observation, choice, self._deviation())
        if deterministic:
            quantity = distribution.centre()
        else:
            quantity = distribution.sample(arrays.uniform(columns.shape, self.generator, noise))
        low, high = self.policy.quantities.low[columns], self.policy.quantities.high[columns]
        return most_probable(weights, groups), torch.clamp(quantity, low, high)

    def _deviation(self) -> float:
        """Return the standard deviation of the quantities at the present progress."""
        start, end = self.settings.deviation, self.settings.final_deviation
        return start * (end / start) ** self.progress
