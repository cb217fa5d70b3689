"""MixedGradient: pathwise gradients for the quantities, and a choice of estimators for the gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal, Self

import torch

from jumpgym import HindsightProblem, NotApplicable, checks

from . import arrays
from .arrays import Array
from .gradients.branching import Closing, option_costs
from .gradients.enumeration import check_paths, expected_cost
from .gradients.estimators import (
    ESTIMATORS,
    Credit,
    credited,
    expected_loss,
    minibatch,
    pathwise_loss,
    score_loss,
)
from .gradients.rollout import Policy, Rollout, sampled_rollout
from .gumbel_softmax import guarded, temperature_after
from .networks.gates import entropy, log_prob, probabilities, relaxed_gate, sampled_gate
from .networks.heads import SeveralHeads
from .networks.item_policy import ItemPolicy, ItemValue
from .networks.perceptrons import Value
from .networks.policies import HEADS, HybridPolicy, QuantityHead
from .training.schedules import linear_until, reheated
from .windows import WindowedAgent, WindowSettings

Estimator = Literal[
    "total_cost",
    "reward_to_go",
    "leave_one_out",
    "value",
    "normalised",
    "gae",
    "td",
    "branching",
    "enumeration",
    "gumbel_softmax",
    "straight_through",
]
POLICIES: dict[str, tuple[type[HybridPolicy], type[Value]]] = {
    "central": (HybridPolicy, Value),
    "shared": (ItemPolicy, ItemValue),
}
"""The classes of the policy and of the value that goes with it."""

REPLAYED = "branching", "enumeration"
"""Estimators that simulate other decisions beside those of the rollout."""

MANY = 5
"""Number of quantities from which a problem has "many items"."""


@dataclass(frozen=True, kw_only=True)
class MixedGradientSettings(WindowSettings):
    """Settings of ``MixedGradient``, beside those of ``WindowSettings`` and ``AgentSettings``.

    "Many items" are ``MANY`` quantities or more. A None stands for the default.

    Args:
        estimator: of the gates' gradient; see ``MixedGradient``. Default: "leave_one_out", or "gae" with many
            items.
        heads: number of levels in each regime between which the gate chooses; see ``SeveralHeads``. Use 3 if
            the cost as a function of the quantity has several local minima inside a regime.
        policy: "central" for one network of all inputs, "shared" for one that all items share; see
            ``ItemPolicy``.
        cross_term: which effects of a quantity on later decisions the gradient includes. "full" gives the
            unbiased gradient of eq. 8. "off" leaves out the effect on the probabilities of later gates (eq. 4
            and 6), which reduces the variance and biases the middle of a training. "detached" also leaves out
            the effect on later levels: gradients pass through the simulator, but not through the networks'
            inputs. Where a network sees all items, it would pass the noise of each on to all. At the optimum
            "detached" is unbiased, since the reaction of optimal decisions has no first-order effect on the
            cost. Default: "detached" with several items, otherwise "full".
        gae_lambda: lambda of the estimator "gae", in [0, 1].
        branch_window: for the estimator "branching", the number of periods for which a branch is simulated;
            a learned value bootstraps the cost beyond. None simulates branches to the end.
        credit: "components" credits each gate with the components of the cost that it enters
            (``problem.layout.credit``), "total" with the whole cost. With many items, components have far
            less variance (Schulman et al. 2015, "Gradient estimation using stochastic computation graphs",
            theorem 1). They are exact if a gate has no influence on later costs of the other components, as
            when the decisions on each item follow from its own state. If one network sees all items, or items
            share a resource, they are an approximation. Branching always counts the whole cost.
        entropy_bonus: initial worth of the entropy of a gate in one period, in units of cost; it falls to 0
            linearly until ``entropy_until``. It keeps the gate from settling on "always order" before the
            levels are right, and from always doing the same where the alternative needs practice. None:
            ``cost_scale``, the magnitude of the cost of a period, divided by the mean of 1 and the number of
            gates, and by ``heads``. The heads of a regime together weigh as much as one of a regime without.
        entropy_until: share of the training, in (0, 1].
        quantity_head: form of the quantities; see ``HybridPolicy``.
        revival: weight, in units of ``cost_scale``, of the loss that revives heads without a gradient; see
            ``HybridPolicy.revival``. It falls as the entropy bonus does.
        reheat: initial standard deviation of the noise on the outputs of the quantities' heads in a second
            phase of the training; 0 for a training in one phase. From 0.6 of the training on, the learning
            rate (at 0.6 of its setting), the entropy bonus (at 0.15) and this noise fall again, the noise to
            0 at ``entropy_until`` of the phase. The noise smooths the cost over the quantities, so that a
            level which covers a period too many can leave its local minimum. From 0.85 on the training ends
            at a low learning rate without entropy bonus. After each of both phases the better policy goes
            on, the one from before or the one from after, by its cost on noise that was not trained on; see
            ``Race``. Default: 0.4, but 0 with many items, where it was not tried, for estimators without
            sampled gates or that replay them ("branching"), which have no such phase, and without an end if
            ``validation_share`` already compares policies.
        batch_size: number of episodes that an iteration simulates. Default: 64, or 96 with many items; 32 if
            these share a network, of which every episode is many samples.
        learning_rate, max_grad_norm: see ``AgentSettings``. Default: 0.0055 and 0.07, or 0.003 and 0.2 with
            many items.
        hidden: widths of the hidden layers. Default: (32, 32), or (128, 128) with many items that do not
            share a network.
    """

    BY_PROBLEM: ClassVar = (
        "estimator",
        "cross_term",
        "reheat",
        "batch_size",
        "learning_rate",
        "max_grad_norm",
        "hidden",
    )
    """Settings whose defaults depend on the problem, or on each other."""

    estimator: Estimator = "leave_one_out"
    heads: int = 1
    policy: Literal["central", "shared"] = "central"
    cross_term: Literal["full", "off", "detached"] = "full"
    gae_lambda: float = 0.95
    branch_window: int | None = None
    credit: Credit = "components"
    entropy_bonus: float | None = None
    entropy_until: float = 0.8
    quantity_head: QuantityHead = "problem"
    revival: float = 0.3
    reheat: float = 0.4
    batch_size: int = 64
    learning_rate: float = 5.5e-3
    max_grad_norm: float = 0.07
    hidden: Sequence[int] = (32, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(checks.choice, "estimator", allowed=tuple(ESTIMATORS))
        self._check(checks.integer, "heads", low=1, high=100)
        self._check(checks.choice, "policy", allowed=tuple(POLICIES))
        self._check(checks.choice, "cross_term", allowed=("full", "off", "detached"))
        self._check(checks.choice, "credit", allowed=("components", "total"))
        self._check(checks.number, "gae_lambda", low=0, high=1)
        self._check_unless_none(checks.integer, "branch_window", low=1)
        self._check_unless_none(checks.number, "entropy_bonus", low=0)
        self._check(checks.number, "entropy_until", low=1e-6, high=1)
        self._check(checks.choice, "quantity_head", allowed=tuple(HEADS))
        self._check(checks.number, "revival", "reheat", low=0)
        if self.branch_window is not None and self.estimator != "branching":
            raise ValueError(
                f"branch_window={self.branch_window} belongs to the estimator 'branching', not to "
                f"{self.estimator!r}: leave it out"
            )
        if self.reheat > 0 and not _samples(self.estimator):
            raise ValueError(
                f"reheat={self.reheat:g} belongs to estimators of the score function, such as "
                f"'leave_one_out', not to {self.estimator!r}: leave it out"
            )

    @property
    def comparing(self) -> list[str]:
        """See ``WindowSettings.comparing``."""
        return super().comparing + (["reheat"] if self.reheat > 0 else [])

    @classmethod
    def for_problem(cls, problem: HindsightProblem, **settings: Any) -> Self:
        """See ``AgentSettings.for_problem``; for the defaults see ``BY_PROBLEM``."""
        quantities = len(problem.layout.quantity_gate)
        many, several = quantities >= MANY, quantities > 1 and problem.item_entries is not None
        defaults = {name: getattr(cls, name) for name in cls.BY_PROBLEM}
        if several:
            defaults["cross_term"] = "detached"
        if many:
            defaults |= {"estimator": "gae", "learning_rate": 3e-3, "max_grad_norm": 0.2}
            shared = settings.get("policy") == "shared"
            defaults |= {"batch_size": 32} if shared else {"batch_size": 96, "hidden": (128, 128)}
        chosen = {
            name: value for name, value in settings.items() if value is not None or name not in defaults
        }
        made = super().for_problem(problem, **{**defaults, "reheat": 0.0, **chosen})
        held_back = problem.horizon is None and made.validation_share > 0
        tried = not many and not held_back and _samples(made.estimator)
        if "reheat" not in chosen and tried:
            made = replace(made, reheat=defaults["reheat"])
        if made.estimator == "enumeration" and problem.horizon is None:
            raise NotApplicable(
                "estimator='enumeration' needs a finite horizon, and this problem has horizon=None; use "
                "'branching' or 'gae'"
            )
        return made


def _samples(estimator: str) -> bool:
    """Whether an estimator needs no more of the gates than one sample of each."""
    return estimator not in REPLAYED and not ESTIMATORS[estimator].relaxed


class MixedGradient(WindowedAgent):
    """Hybrid-action policy gradient (Alvo, section 2.1).

    Quantities are deterministic, and their gradient is pathwise. Gates are sampled, and the gradient of their
    parameters is estimated:

    | ``estimator`` | advantage of a gate | bias |
    |---|---|---|
    | ``"total_cost"`` | cost of the whole episode | none |
    | ``"reward_to_go"`` | cost from its period on | none |
    | ``"leave_one_out"`` | that, less its mean over the other episodes | none |
    | ``"value"`` | that, less a learned value (algorithm 24.1) | none |
    | ``"normalised"`` | that, normalised, for a random quarter of the decisions (24.2) | scale |
    | ``"gae"`` | generalised advantage (24.3) | if the value is wrong |
    | ``"td"`` | one-step temporal difference (24.4) | more |
    | ``"branching"`` | cost of every option, see ``branching`` | none without ``branch_window`` |
    | ``"enumeration"`` | none: exact expectation over the gates, for short horizons | none, nor variance |
    | ``"gumbel_softmax"`` | none: relaxed gates, pathwise, see ``GumbelSoftmax`` | large |
    | ``"straight_through"`` | none: hard gates with the gradient of relaxed ones | large |

    A problem with an infinite horizon is learnt on windows; see ``WindowedAgent``. A learned value then
    bootstraps the cost beyond the window, so that every estimator is biased as far as this value is wrong.

    Args:
        env, device, engine: see ``Agent``.
        **settings: see ``MixedGradientSettings``, ``WindowSettings`` and ``AgentSettings``.

    Raises:
        NotApplicable: if gates are to be enumerated and have too many paths, or if ``policy="shared"`` and
            the problem has no items.

    Example:
        >>> from jumpgym.agents import MixedGradient
        >>> agent = MixedGradient("jumpgym/SetupCost-v0", seed=0).learn(total_timesteps=25_600)
        >>> agent
        MixedGradient(SetupCost, estimator='leave_one_out', 25,600 time steps)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    Settings = MixedGradientSettings
    settings: MixedGradientSettings

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        chosen = self.settings
        self.estimator = ESTIMATORS[chosen.estimator]
        self.model = SeveralHeads(self.problem, chosen.heads) if chosen.heads > 1 else self.problem
        self.entropy_worth = 1.0 / chosen.heads
        self._check_length()
        if chosen.reheat > 0:
            self.phases = reheated(chosen.reheat)
        make_policy, make_value = POLICIES[chosen.policy]
        with self.seeded():
            detached = chosen.cross_term == "detached"
            self.policy = make_policy(self.model, chosen.hidden, chosen.quantity_head, detached)
            if self.infinite_horizon or self.estimator.needs_value or chosen.branch_window is not None:
                self.value = make_value(self.problem, chosen.hidden)
        self.build(policy=self.policy, value=self.value, windows=self.windows)

    @property
    def uncompiled(self) -> str | None:
        """See ``Agent.uncompiled``."""
        estimator = self.settings.estimator
        if estimator in REPLAYED:
            return f"the estimator {estimator!r} is not compiled"
        return None

    def simulate(self, state: Any, noise: Array) -> Rollout:
        """Simulate episodes with sampled or relaxed gates."""
        policy: Policy = self.policy
        gate_from = sampled_gate
        if self.estimator.relaxed:
            policy = guarded(self.policy)
            gate_from = partial(
                relaxed_gate,
                temperature=temperature_after(self.iterations),
                straight_through=self.settings.estimator == "straight_through",
            )
        deviation: Any = None
        if len(self.phases) > 1:
            deviation = linear_until(self.phase.deviation, self.settings.entropy_until, self.phase_progress)
        return sampled_rollout(
            self.model, policy, state, noise, self.generator, self.limits, gate_from, deviation
        )

    def loss(self, episodes: Rollout) -> Array:
        """Return the surrogate loss, with the losses of the entropy, of the revival and of the value."""
        chosen = self.settings
        logits = self.gate_logits(episodes)
        log_weight = None
        if isinstance(self.model, SeveralHeads):
            log_weight = arrays.constant(self.model.log_weight, logits)
        entropies = entropy(logits, self.model.layout.gate_groups, log_weight)
        revival = linear_until(chosen.revival, chosen.entropy_until, self.phase_progress) * self.cost_scale
        value_loss = self.value_loss(episodes)  # before the surrogate loss: the first fit sets the scale
        return (
            self.surrogate(episodes, logits)
            + self.entropy_loss(entropies, chosen.entropy_bonus, chosen.entropy_until)
            + revival * self.revival_loss(episodes)
            + value_loss
        )

    def gate_logits(self, episodes: Rollout) -> Array:
        """Return the logits (T, m, options), connected to the states unless the cross term is "off"."""
        if self.settings.cross_term != "off":
            return episodes.logits
        return self.policy(arrays.detach(episodes.observations), lambda logits: episodes.gates)[0]

    def surrogate(self, episodes: Rollout, logits: Array) -> Array:
        """Return the loss whose gradient estimates the gradient of the expected cost (eq. 8)."""
        if self.settings.estimator == "enumeration":
            return expected_cost(self.model, self.policy, episodes.states[0], episodes.noise).mean()
        closing = self.closing(episodes)
        return pathwise_loss(episodes.costs, closing) + self.score(episodes, logits, closing)

    def score(self, episodes: Rollout, logits: Array, closing: Array) -> Array:
        """Return the part of the surrogate loss due to the sampling of the gates; 0 for relaxed gates.

        Args:
            episodes: T periods of m episodes.
            logits: shape (T, m, options).
            closing: value of the states after the last period, shape (m, C); see ``closing``.
        """
        groups = self.model.layout.gate_groups
        if self.estimator.relaxed:
            return arrays.namespace(logits).zeros_like(logits[0, 0, 0])
        if self.settings.estimator == "branching":
            costs = option_costs(self.model, self.policy, episodes, self._branch_closing())
            return expected_loss(probabilities(logits, groups), costs)
        log_p = log_prob(logits, episodes.gates, groups)
        if self.estimator.share < 1:
            log_p = log_p * minibatch(log_p.shape, self.estimator.share, self.generator, log_p)
        chosen = self.settings
        advantages = self.advantages(episodes, closing, chosen.estimator, chosen.gae_lambda)
        return score_loss(log_p, credited(advantages, self.problem.layout, chosen.credit))

    def decide(self, observation: Array, deterministic: bool) -> tuple[Array, Array]:
        """See ``Agent.decide``; several heads of a regime are this regime."""
        regime, quantity = super().decide(observation, deterministic)
        if isinstance(self.model, SeveralHeads):
            regime = self.model.regimes(regime)
        return regime, quantity

    def _branch_closing(self) -> Closing:
        window = self.settings.branch_window
        if window is None and not self.infinite_horizon:
            return Closing()
        return Closing(window, self._cost_to_go)

    def _cost_to_go(self, observations: Array) -> Array:
        """Return the learned cost to go (...,) of observations; it is 0 after the last period."""
        assert self.value is not None
        values = self.value(observations).sum(-1)
        horizon = self.problem.horizon
        return values if horizon is None else values * (observations[..., -1] < horizon)

    def _check_length(self) -> None:
        """Refuse branches that are longer than what is simulated, and too many paths to enumerate."""
        window = self.settings.branch_window
        if window is not None and window > self.periods:
            raise ValueError(
                f"branch_window={window} is longer than the {self.periods} periods that are simulated: "
                "branch_window=None follows branches to the end"
            )
        if self.settings.estimator == "enumeration":
            check_paths(self.model, self.periods)
