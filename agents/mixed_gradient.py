"""MixedGradient: pathwise gradients for the quantity, and for the gate any of the estimators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn

from jumpgym import HindsightProblem, NotApplicable, as_problem, checks

from .gradients.branching import Closing, option_costs
from .gradients.enumeration import check_paths, expected_cost
from .gradients.estimators import Credit, credited, expected_loss, minibatch, pathwise_loss, score_loss
from .gradients.exploration import entropy_weight, revival_loss
from .gradients.rollout import Policy, Rollout, rollout
from .gumbel_softmax import GumbelSoftmax, guarded
from .networks.gates import entropy, gumbel_noise, log_prob, probabilities, relaxed_gate, sampled_gate
from .networks.heads import SeveralHeads
from .networks.item_policy import ItemPolicy, ItemValue
from .networks.perceptrons import Value
from .networks.policies import HybridPolicy, QuantityHead
from .training.schedules import linear_until
from .windows import WindowedAgent

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
WITH_VALUE = ("value", "normalised", "gae", "td")
RELAXED = ("gumbel_softmax", "straight_through")
POLICIES = {"central": (HybridPolicy, Value), "shared": (ItemPolicy, ItemValue)}
"""Policies and the values that go with them."""


class MixedGradient(WindowedAgent):
    """Hybrid-action policy gradient (Alvo, section 2.1).

    Quantities are deterministic; their gradient is pathwise. Gates are sampled, and the gradient of their
    parameters is estimated:

    | ``estimator`` | advantage of a gate | bias |
    |---|---|---|
    | ``"total_cost"`` | cost of the whole episode | none |
    | ``"reward_to_go"`` | cost from its period on | none |
    | ``"leave_one_out"`` | that, less the mean of the other episodes | none |
    | ``"value"`` | that, less a learned value (algorithm 24.1) | none |
    | ``"normalised"`` | that, normalised, on a random quarter of the decisions (24.2) | scale |
    | ``"gae"`` | generalised advantage (24.3) | where the value is wrong |
    | ``"td"`` | one-step temporal difference (24.4) | more |
    | ``"branching"`` | what every other option would have cost, see ``branching`` | none without a window |
    | ``"enumeration"`` | none: the exact expectation over gates, on few paths only | none, nor sampling |
    | ``"gumbel_softmax"`` | none: relaxed gates, pathwise, see ``GumbelSoftmax`` | much |
    | ``"straight_through"`` | none: hard gates with relaxed gradients | much |

    A problem without an end is learnt on windows, see ``WindowedAgent``: then what follows a window is told
    by a learned value, and no estimator is free of bias.

    Args:
        env: environment id, environment or problem.
        estimator: of the gate's gradient, see above. None: "leave_one_out", or "gae" with many items.
        heads: levels between which the gate chooses in each regime, see ``SeveralHeads``: 2 where the cost of
            a quantity has several local minima inside a regime.
        policy: "central" for one network of all, "shared" for one that all items share, see ``ItemPolicy``.
        cross_term: "full" is the unbiased gradient of eq. 8; "off" leaves out how earlier quantities change
            the probability of later gates (eq. 4 and 6): less variance, some bias in mid-training.
            "detached" leaves out besides how they change later levels: gradients pass through the simulator,
            but not through the networks' inputs. Best with several items, where a network of all inputs
            passes on the noise of each to all. It is biased away from the optimum only: there, later
            decisions being best, how they react changes the cost to second order. None: "detached" for
            several items, else "full".
        gae_lambda: of "gae".
        branch_window: of "branching": periods that a branch is followed, closed by a learned value; None: to
            the end.
        credit: "components" credits each gate with the components of the cost that it enters
            (``problem.layout.credit``), "total" with all. With one component they are the same. With many
            items components have far less variance (Schulman et al. 2015, "Gradient estimation using
            stochastic computation graphs", theorem 1). They are exact where a gate has no influence on later
            costs of the other components, as when each item's decisions follow from its own state. Where one
            network sees all items, or items share a resource, an item's gate also changes what later happens
            to the others, and this is left out: an approximation. Branching always sees all costs.
        entropy_bonus: cost units that the entropy of a gate in one period is worth at the start, annealed in
            a line to 0 at ``entropy_until`` of the training. It keeps the gate from settling on "always
            order" before the levels are right. None takes 40 % of ``cost_scale`` divided by the number of
            gates plus 1: for one gate 20 %.
        entropy_until: fraction of training in (0, 1].
        quantity_head: see ``HybridPolicy``.
        revival: weight, in units of ``cost_scale``, of the loss that revives heads which have lost their
            gradient, see ``HybridPolicy.revival``; annealed as the entropy bonus is.
        batch_size: episodes in an iteration. None: 256, or 96 with many items.
        hidden: widths of the hidden layers of each network. None: (64, 64), or (128, 128) with many items.
        **settings: of every agent, see ``WindowedAgent`` and ``Agent``.

    "Many items" are ``MANY`` quantities or more.

    Example:
        >>> from jumpgym.agents import MixedGradient
        >>> agent = MixedGradient("jumpgym/SetupCost-v0", seed=0).learn(total_timesteps=25_600)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    name = "MixedGradient"
    MINIBATCH = 0.25
    MANY = 5

    def __init__(
        self,
        env: Any,
        *,
        estimator: Estimator | None = None,
        heads: int = 1,
        policy: Literal["central", "shared"] = "central",
        cross_term: Literal["full", "off", "detached"] | None = None,
        gae_lambda: float = 0.95,
        branch_window: int | None = None,
        credit: Credit = "components",
        entropy_bonus: float | None = None,
        entropy_until: float = 0.7,
        quantity_head: QuantityHead = "problem",
        revival: float = 1.0,
        batch_size: int | None = None,
        hidden: Sequence[int] | None = None,
        **settings: Any,
    ) -> None:
        problem = as_problem(env)
        quantities = len(problem.layout.quantity_gate)
        many = quantities >= self.MANY
        if estimator is None:
            estimator = "gae" if many else "leave_one_out"
        if cross_term is None:
            cross_term = "detached" if quantities > 1 and problem.item_entries is not None else "full"
        if batch_size is None:
            batch_size = 96 if many else 256
        if hidden is None:
            hidden = (128, 128) if many else (64, 64)
        self.estimator = checks.choice("estimator", estimator, get_args(Estimator))
        self.heads = checks.integer("heads", heads, low=1, high=100)
        self.policy_kind = checks.choice("policy", policy, tuple(POLICIES))
        self.cross_term = checks.choice("cross_term", cross_term, ("full", "off", "detached"))
        self.credit = checks.choice("credit", credit, ("components", "total"))
        self.gae_lambda = checks.number("gae_lambda", gae_lambda, low=0, high=1)
        self.branch_window = branch_window
        self.entropy_bonus = (
            None if entropy_bonus is None else checks.number("entropy_bonus", entropy_bonus, low=0)
        )
        self.entropy_until = checks.number("entropy_until", entropy_until, low=1e-6, high=1)
        self.quantity_head = quantity_head
        self.revival = checks.number("revival", revival, low=0)
        super().__init__(env, batch_size=batch_size, hidden=hidden, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The policy, and the value where the estimator needs one."""
        self.model: HindsightProblem = self.problem
        if self.heads > 1:
            self.model = SeveralHeads(self.problem, self.heads)
        self._check_estimator()
        make, _ = POLICIES[self.policy_kind]
        detached = self.cross_term == "detached"
        self.policy: HybridPolicy = make(self.model, self.hidden, self.quantity_head, detached)
        networks = {"policy": self.policy, **self.window_networks()}
        if "value" not in networks and (self.estimator in WITH_VALUE or self.branch_window is not None):
            self.value = self.make_value()
            networks["value"] = self.value
        return networks

    def make_value(self) -> Value:
        """The value that goes with the policy."""
        return POLICIES[self.policy_kind][1](self.problem, self.hidden)

    def settings(self) -> dict[str, Any]:
        """See ``Persistent.settings``; the attribute ``policy`` is the network."""
        return {**super().settings(), "policy": self.policy_kind}

    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Episodes with sampled or relaxed gates."""
        groups = self.model.layout.gate_groups
        gumbel = gumbel_noise((noise.shape[1], len(noise), self.model.layout.options), self.generator, noise)
        policy: Policy = self.policy
        gate = sampled_gate(gumbel, groups)
        if self.estimator in RELAXED:
            temperature = GumbelSoftmax.temperature_after(self.iterations)
            gate = relaxed_gate(gumbel, groups, temperature, self.estimator == "straight_through")
            policy = guarded(self.policy)
        episodes = rollout(self.model, policy, gate, state, noise, self._limits(noise))
        return episodes._replace(gumbel=gumbel)

    def loss(self, episodes: Rollout) -> Tensor:
        """Cost and score, less the entropy bonus, and the losses of revival and of the value."""
        logits = self.gate_logits(episodes)
        undecided = entropy(logits, self.model.layout.gate_groups)
        bonus = entropy_weight(
            self.entropy_bonus, self.cost_scale, undecided.shape[-1], self.entropy_until, self.progress
        )
        revival = linear_until(self.revival, self.entropy_until, self.progress) * self.cost_scale
        self.logger.record("train/entropy", float(undecided.detach().mean()))
        value_loss: Tensor | float = 0.0
        if "value" in self.networks:  # first of all: the first fit tells the scale of the value
            value_loss = self.value_loss(episodes, self.costs_to_go(episodes))
        return (
            self.surrogate(episodes, logits)
            - bonus * undecided.sum(-1).sum(0).mean()
            + revival * revival_loss(self.policy, episodes)
            + value_loss
        )

    def gate_logits(self, episodes: Rollout) -> Tensor:
        """Logits (T, m, options), connected to the states if there is a cross term."""
        if self.cross_term != "off":
            return episodes.logits
        return self.policy(episodes.observations.detach(), lambda logits: episodes.gates)[0]

    def surrogate(self, episodes: Rollout, logits: Tensor) -> Tensor:
        """Loss whose gradient estimates that of the expected cost (eq. 8)."""
        if self.estimator == "enumeration":
            return expected_cost(self.model, self.policy, episodes.states[0], episodes.noise).mean()
        return pathwise_loss(episodes.costs, self.closing(episodes)) + self.score(episodes, logits)

    def score(self, episodes: Rollout, logits: Tensor) -> Tensor:
        """The part of the loss whose gradient is the score-function part; 0 for relaxations."""
        groups = self.model.layout.gate_groups
        if self.estimator in RELAXED:
            return logits.new_zeros(())
        if self.estimator == "branching":
            assert episodes.gumbel is not None
            costs = option_costs(
                self.model, self.policy, episodes, episodes.gumbel, episodes.noise, self._branch_closing()
            )
            return expected_loss(probabilities(logits, groups), costs)
        log_p = log_prob(logits, episodes.gates, groups)
        if self.estimator == "normalised":
            log_p = log_p * minibatch(log_p.shape, self.MINIBATCH, self.generator, log_p)
        advantages = self.advantages(episodes, self.estimator, self.gae_lambda)
        return score_loss(log_p, credited(advantages, self.problem.layout, self.credit))

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """The most probable regime of each gate, or a sampled one, and the quantities."""
        regime, quantity = self.policy.choose(observation, self.generator, deterministic)
        if isinstance(self.model, SeveralHeads):
            regime = self.model.regimes(regime)
        return regime, quantity

    def _branch_closing(self) -> Closing:
        if self.branch_window is None and not self.endless:
            return Closing()
        return Closing(self.branch_window, self._cost_to_go)

    def _cost_to_go(self, observations: Tensor) -> Tensor:
        """Learned cost to go (...,) of observations; nothing follows the last period."""
        values = self.value(observations).sum(-1)
        horizon = self.problem.horizon
        return values if horizon is None else values * (observations[..., -1] < horizon)

    def _check_estimator(self) -> None:
        if self.branch_window is not None:
            if self.estimator != "branching":
                raise ValueError(
                    f"branch_window={self.branch_window} is of the estimator 'branching', not of "
                    f"{self.estimator!r}: leave it out"
                )
            self.branch_window = checks.integer("branch_window", self.branch_window, low=1)
            if self.branch_window > self.periods:
                raise ValueError(
                    f"branch_window={self.branch_window} is longer than the {self.periods} periods that are "
                    "simulated: branch_window=None follows branches to the end"
                )
        if self.estimator == "enumeration":
            if self.endless:
                raise NotApplicable(
                    "estimator='enumeration' needs a problem with an end, and this one has horizon=None; use "
                    "'branching' or 'gae'"
                )
            check_paths(self.model, self.periods)
