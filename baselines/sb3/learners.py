"""The learners of Stable-Baselines3 and sb3-contrib by name, with hyperparameters from ``sb3.yml``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import yaml
from gymnasium import spaces
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.vec_env import VecMonitor
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import nn

from jumpgym import HindsightProblem, as_problem, checks
from jumpgym.adapters.env import draw_noise
from jumpgym.adapters.grids import order_quantities
from jumpgym.adapters.views import (
    ActionView,
    BoxLevelView,
    BoxView,
    Decision,
    LevelGridView,
    QuantityGridView,
    QuantityView,
)
from jumpgym.agents.networks.perceptrons import Tanh

from .budgeted import (
    Budgeted,
    BudgetedA2C,
    BudgetedDDPG,
    BudgetedPPO,
    BudgetedSAC,
    BudgetedTD3,
    BudgetedTRPO,
    Cosine,
)
from .hybrid_policy import HybridActorCriticPolicy
from .vec_env import ProblemFeatures, ProblemVecEnv


class UnitQuantityView(ActionView):
    """``Box(-1, 1, (n,))``: undecomposed quantities, over the range of ``order_quantities``.

    The Gaussian of PPO starts with mean 0 and deviation 1, so it needs actions of that size. What it puts
    below -1 is clipped: for an inventory an order of exactly 0.
    """

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        self._quantity = QuantityView(problem)
        self.space = spaces.Box(-1.0, 1.0, self._quantity.space.shape, np.float32)
        grids = order_quantities(problem)
        self._low, self._high = (np.array([grid[end] for grid in grids]) for end in (0, -1))

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array (m, n)."""
        share = (np.asarray(action, dtype=np.float64) + 1) / 2
        return self._quantity.decode(observation, self._low + share * (self._high - self._low))


class UnitLevelView(BoxLevelView):
    """``BoxLevelView`` with levels over [-1, 1]: for an inventory orders up to twice its ``level_scale``.

    The tanh of a deterministic actor is stretched to the Box, and its exploration with it: over the whole
    range of ``BoxLevelView`` that is three times too much. What lies outside this range is out of reach.
    """

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        ones = np.ones(len(self.layout.quantity_gate))
        self.space = self._columns(-ones, ones)


@dataclass(frozen=True)
class Learner:
    """What learns, what it decides, and what it sees.

    Attributes:
        algorithm: of SB3 or sb3-contrib.
        view: from the problem to the view of its actions.
        policy: the class of the policy.
        policy_kwargs: from the problem to the keywords of the policy that follow from it.
        features: whether the network gets the inputs of the package's agents instead of raw observations.
    """

    algorithm: type[Budgeted]
    view: Callable[[HindsightProblem], ActionView]
    policy: type[BasePolicy] = ActorCriticPolicy
    policy_kwargs: Callable[[HindsightProblem], dict[str, Any]] = lambda problem: {}
    features: bool = True


def _levels(problem: HindsightProblem) -> dict[str, Any]:
    """Dimensionless levels; those of a network that gives 0 are 0, which is sensible everywhere."""
    return {**_gates(problem), "quantity_offset": 0.0, "quantity_scale": 1.0}


def _quantities(problem: HindsightProblem) -> dict[str, Any]:
    """Quantities; those of a network that gives 0 are the middle of what is sensible in the regime."""
    layout, grids = problem.layout, order_quantities(problem)
    regimes = [layout.gates[gate] for gate in layout.quantity_gate]
    largest = np.repeat([grid[-1] for grid in grids], regimes)
    low = np.maximum(layout.low, np.repeat([grid[0] for grid in grids], regimes))
    high = np.maximum(np.minimum(layout.high, largest), low)
    half = np.maximum((high - low) / 2, 1e-3)  # a Gaussian needs some width, even where it is not used
    return {
        **_gates(problem),
        "quantity_offset": ((low + high) / 2).tolist(),
        "quantity_scale": half.tolist(),
    }


def _gates(problem: HindsightProblem) -> dict[str, Any]:
    layout = problem.layout
    active = (layout.low < layout.high).tolist()
    return {"gates": list(layout.gates), "quantity_gate": list(layout.quantity_gate), "active": active}


LEARNERS: dict[str, Learner] = {
    "ppo-gate": Learner(BudgetedPPO, BoxLevelView, HybridActorCriticPolicy, _levels),
    "ppo-gate-quantity": Learner(BudgetedPPO, BoxView, HybridActorCriticPolicy, _quantities),
    "ppo-level": Learner(BudgetedPPO, LevelGridView),
    "ppo-quantity": Learner(BudgetedPPO, QuantityGridView),
    "ppo-box": Learner(BudgetedPPO, UnitQuantityView),
    "ppo-stock": Learner(BudgetedPPO, BoxView, HybridActorCriticPolicy, _quantities, features=False),
    "a2c": Learner(BudgetedA2C, BoxLevelView, HybridActorCriticPolicy, _levels),
    "trpo": Learner(BudgetedTRPO, BoxLevelView, HybridActorCriticPolicy, _levels),
    "ddpg": Learner(BudgetedDDPG, UnitLevelView, TD3Policy),
    "td3": Learner(BudgetedTD3, UnitLevelView, TD3Policy),
    "sac": Learner(BudgetedSAC, UnitLevelView, SACPolicy),
}
"""The learners.

``ppo-gate``: gate and Gaussian order-up-to level. ``ppo-gate-quantity``: gate and Gaussian quantity.
``ppo-level``, ``ppo-quantity``: discretised order-up-to levels or quantities. ``ppo-box``: Gaussian
quantities, not decomposed. ``ppo-stock``: gate and quantity again, with SB3's default hyperparameters, raw
observations and unscaled rewards. ``a2c``, ``trpo``: gate and Gaussian order-up-to level, as ``ppo-gate``.

``ddpg``, ``td3``, ``sac``: one vector of real numbers, the index of each gate's regime among them. These
differentiate a learned Q in the action, which a categorical gate does not allow: the actor's tanh is
stretched to the Box of ``UnitLevelView``, and the environment rounds the columns of the gates. So their Q is
fitted to a function that jumps where the regime changes, and that knows regimes next to each other only.
"""


POLICY_KEYS = ("net_arch", "log_std_init", "logit_scale", "n_critics")
"""Hyperparameters that are keywords of the policy, not of the algorithm."""


def hyperparameters_of(name: str, env: Any) -> dict[str, Any]:
    """Hyperparameters from ``sb3.yml``: the default ones of a learner, over them those of the environment.

    Args:
        name: one of ``LEARNERS``.
        env: an environment id or an environment; anything without an id has the defaults.
    """
    checks.choice("name", name, tuple(LEARNERS))
    table = yaml.safe_load(resources.files("jumpgym.baselines.sb3").joinpath("sb3.yml").read_text())
    spec = getattr(env, "spec", None)
    env_id = env if isinstance(env, str) else getattr(spec, "id", None)
    return {**table["default"][name], **table.get(env_id, {}).get(name, {})}


def typical_cost(problem: HindsightProblem, episodes: int = 64) -> float:
    """Mean absolute cost of a period under gates drawn uniformly, each with its sensible first quantity."""
    layout, rng = problem.layout, np.random.default_rng(0)
    state = problem.initial_state(rng.random((episodes, *problem.start_shape)))
    noise = draw_noise(problem, rng, episodes)
    total = 0.0
    for period in range(noise.shape[1]):
        regime = rng.integers(0, layout.gates, (episodes, len(layout.gates)))
        quantities = problem.quantity_from(problem.observe(state), np.zeros((episodes, len(layout.low))))
        asked = np.take_along_axis(quantities, layout.columns(regime), -1)
        action = layout.flat(regime, layout.project(regime, asked))
        state, costs = problem.step(state, *action, noise[:, period])
        total += float(np.abs(costs.sum(-1)).mean())
    return max(total / noise.shape[1], 1e-8)


def make_learner(
    name: str, env: Any, seed: int | None = None, hyperparameters: dict[str, Any] | None = None, **kwargs: Any
) -> Budgeted:
    """An untrained learner over a native ``VecEnv`` of the environment's problem.

    ``model.learn(cpu_seconds=60)`` or ``model.learn(total_timesteps=2_000_000)`` trains it;
    ``evaluate(model, model.get_env())`` and SB3's ``evaluate_policy(model, model.get_env())`` evaluate it.

    Args:
        name: one of ``LEARNERS``.
        env: environment id, environment or problem.
        seed: of the network, the exploration and the training noise.
        hyperparameters: entries that replace those of ``hyperparameters_of``: ``n_envs``, ``reward_scale``
            (a number, or "auto" for 1 / ``typical_cost``), ``cosine`` (anneal the learning rate),
            ``activation`` ("tanh" or "relu"), those of ``POLICY_KEYS``, ``action_noise`` (standard deviation
            of the exploration of DDPG and TD3, where the Box is [-1, 1]), and keywords of the algorithm.
        kwargs: further keywords of the algorithm, such as ``tensorboard_log``.

    Raises:
        ValueError: if the learner is unknown, or a hyperparameter is none of it.
        NotImplementedError: if the learner's actions leave the regimes open, which this problem needs.
    """
    problem = as_problem(env)
    settings = {**hyperparameters_of(name, env), **(hyperparameters or {}), **kwargs}
    hyperparameters = dict(settings)  # a checkpoint keeps them; from the rest all other keywords follow
    learner = LEARNERS[name]
    reward_scale = settings.pop("reward_scale", 1.0)
    if reward_scale == "auto":
        reward_scale = 1 / typical_cost(problem)
    vec_env = VecMonitor(
        ProblemVecEnv(problem, settings.pop("n_envs"), learner.view(problem), reward_scale=reward_scale)
    )
    policy_kwargs = learner.policy_kwargs(problem)
    policy_kwargs |= {key: settings.pop(key) for key in POLICY_KEYS if key in settings}
    activation = settings.pop("activation", "tanh")
    policy_kwargs["activation_fn"] = {"tanh": Tanh, "relu": nn.ReLU}[activation]
    if learner.features:
        policy_kwargs |= {
            "features_extractor_class": ProblemFeatures,
            "features_extractor_kwargs": {"problem": problem},
        }
    if settings.pop("cosine", False):
        settings["learning_rate"] = Cosine(settings["learning_rate"])
    _check_keywords(name, learner.policy, policy_kwargs)
    _check_keywords(name, learner.algorithm, settings)
    if "action_noise" in settings:
        mean = np.zeros(get_action_dim(vec_env.action_space))
        settings["action_noise"] = NormalActionNoise(mean, mean + settings["action_noise"])
    algorithm: Any = learner.algorithm
    model: Budgeted = algorithm(
        learner.policy, vec_env, seed=seed, device="cpu", policy_kwargs=policy_kwargs, **settings
    )
    model.hyperparameters = hyperparameters
    return model


def _check_keywords(name: str, maker: type[Any], keywords: dict[str, Any]) -> None:
    """ValueError if ``keywords`` holds what ``maker`` does not take."""
    known: set[str] = set()
    for base in maker.__mro__:
        if "__init__" in vars(base):
            parameters = inspect.signature(base).parameters
            known |= parameters.keys()
            if all(each.kind is not each.VAR_KEYWORD for each in parameters.values()):
                break  # nothing is handed on to the classes it inherits from
    unknown = sorted(keywords.keys() - known)
    if unknown:
        raise ValueError(f"hyperparameters: {name} ({maker.__name__}) has no {', '.join(unknown)}")
