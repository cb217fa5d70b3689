"""The learners of Stable-Baselines3 and sb3-contrib by name, with hyperparameters from ``sb3.yml``."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import torch
import yaml
from gymnasium import spaces
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import nn

from jumpgym import HindsightProblem, as_problem, checks
from jumpgym.adapters.decisions import Decision
from jumpgym.adapters.grid_views import LevelGridView, QuantityGridView
from jumpgym.adapters.grids import order_quantities
from jumpgym.adapters.scales import typical_cost
from jumpgym.adapters.views import (
    ActionView,
    BoxLevelView,
    BoxView,
    QuantityView,
    float_box,
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
from .vec_env import ProblemFeatures, ProblemVecEnv, ScaledMonitor


class UnitQuantityView(ActionView):
    """``Box(-1, 1, (n,))``: undecomposed quantities, scaled to the range of ``order_quantities``.

    PPO's Gaussian starts with mean 0 and standard deviation 1, so it needs actions of that size. Samples
    below -1 are clipped; for an inventory they are orders of exactly 0.
    """

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        self._quantity = QuantityView(problem, normalize=False)
        self.space = spaces.Box(-1.0, 1.0, self._quantity.space.shape, np.float32)
        grids = order_quantities(problem)
        self._low, self._high = (np.array([grid[end] for grid in grids]) for end in (0, -1))

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array (m, n)."""
        fraction = (np.asarray(action, dtype=np.float64) + 1) / 2
        return self._quantity.decode(observation, self._low + fraction * (self._high - self._low))


class UnitLevelView(BoxLevelView):
    """``BoxLevelView`` with levels in [-1, 1] only: for an inventory, orders up to twice its ``level_scale``.

    A deterministic actor stretches its tanh, and its exploration, over the whole Box. The range of
    ``BoxLevelView`` is three times too wide for that. Levels outside of [-1, 1] are out of reach.
    """

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        ones = np.ones(len(self.layout.quantity_gate))
        self.space = float_box(*self._bounds(-ones, ones))


def _in_units(problem: HindsightProblem) -> BoxView:
    """``BoxView`` for ``HybridActorCriticPolicy``, which gives indices of regimes and scales quantities."""
    return BoxView(problem, normalize=False)


@dataclass(frozen=True)
class Learner:
    """An algorithm of SB3, with the actions and observations that it works on.

    Attributes:
        algorithm: of SB3 or sb3-contrib.
        view: makes the view of a problem's actions, or raises NotApplicable if it has no such actions.
        policy: class of the policy.
        policy_kwargs: keywords of the policy that follow from the problem.
        features: True if the network gets the inputs of the package's agents, False for raw observations.
    """

    algorithm: type[Budgeted]
    view: Callable[[HindsightProblem], ActionView]
    policy: type[BasePolicy] = ActorCriticPolicy
    policy_kwargs: Callable[[HindsightProblem], dict[str, Any]] = lambda problem: {}
    features: bool = True


def _levels(problem: HindsightProblem) -> dict[str, Any]:
    """Policy keywords for dimensionless levels: an untrained network gives 0, a sensible level everywhere."""
    return {**_gates(problem), "quantity_offset": 0.0, "quantity_scale": 1.0}


def _quantities(problem: HindsightProblem) -> dict[str, Any]:
    """Policy keywords for quantities: an untrained network gives the middle of a regime's sensible range."""
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
    "ppo-gate-quantity": Learner(BudgetedPPO, _in_units, HybridActorCriticPolicy, _quantities),
    "ppo-level": Learner(BudgetedPPO, LevelGridView),
    "ppo-quantity": Learner(BudgetedPPO, QuantityGridView),
    "ppo-box": Learner(BudgetedPPO, UnitQuantityView),
    "ppo-stock": Learner(BudgetedPPO, _in_units, HybridActorCriticPolicy, _quantities, features=False),
    "a2c": Learner(BudgetedA2C, BoxLevelView, HybridActorCriticPolicy, _levels),
    "trpo": Learner(BudgetedTRPO, BoxLevelView, HybridActorCriticPolicy, _levels),
    "ddpg": Learner(BudgetedDDPG, UnitLevelView, TD3Policy),
    "td3": Learner(BudgetedTD3, UnitLevelView, TD3Policy),
    "sac": Learner(BudgetedSAC, UnitLevelView, SACPolicy),
}
"""The learners by name.

- ``ppo-gate``, ``a2c``, ``trpo``: a categorical gate and a Gaussian order-up-to level.
- ``ppo-gate-quantity``: a categorical gate and a Gaussian quantity.
- ``ppo-level``, ``ppo-quantity``: discretised order-up-to levels or quantities.
- ``ppo-box``: Gaussian quantities without a gate.
- ``ppo-stock``: gate and quantity, with SB3's default hyperparameters, raw observations, unscaled rewards.
- ``ddpg``, ``td3``, ``sac``: one vector of real numbers, which contains the index of each gate's regime.

The last three differentiate a learned Q in the action, which a categorical gate does not allow. The actor's
tanh is stretched to the Box of ``UnitLevelView``, and the environment rounds the columns of the gates.
Their Q therefore has to fit a function that jumps where the regime changes, and it treats regimes with
neighbouring indices as similar.
"""

POLICY_KEYS = ("net_arch", "log_std_init", "logit_scale", "n_critics")
"""Hyperparameters that are keywords of the policy; the others are keywords of the algorithm."""

OWN_KEYS = ("n_envs", "reward_scale", "cosine", "activation", "policy_kwargs")
"""Hyperparameters of ``make_learner`` itself."""

SET_HERE = {"self", "policy", "env", "seed", "device", "policy_kwargs", "args", "kwargs", "_init_setup_model"}
"""Parameters of the algorithms that are no hyperparameters, since ``make_learner`` sets them."""

LARGEST_GAMMA = 0.99
"""Largest discount factor without a horizon, unless one is given: the sum of all later costs must exist."""

ACTIVATIONS = {"tanh": Tanh, "relu": nn.ReLU}


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load(
        resources.files("jumpgym.baselines.sb3").joinpath("sb3.yml").read_text()
    )
    return table


def hyperparameters_of(name: str, env: Any) -> dict[str, Any]:
    """Hyperparameters from ``sb3.yml``: the defaults of a learner, updated by those of the environment.

    Args:
        name: one of ``LEARNERS``.
        env: an environment id or an environment; anything without an id gets the defaults.

    Raises:
        ValueError: if the learner is unknown.
    """
    checks.choice("name", name, tuple(LEARNERS))
    spec = getattr(env, "spec", None)
    env_id = env if isinstance(env, str) else getattr(spec, "id", None)
    of_environment = _table().get(str(env_id), {})
    return {**_table()["default"][name], **of_environment.get(name, {})}


def make_learner(
    name: str,
    env: Any,
    seed: int | None = None,
    hyperparameters: dict[str, Any] | None = None,
    *,
    device: str | torch.device = "cpu",
    tensorboard_log: str | None = None,
    verbose: int = 0,
    **kwargs: Any,
) -> Budgeted:
    """An untrained learner, with a native ``VecEnv`` of the environment's problem.

    ``model.learn(cpu_seconds=60)`` or ``model.learn(total_timesteps=2_000_000)`` trains it;
    ``evaluate(model, model.get_env())`` and SB3's ``evaluate_policy(model, model.get_env())`` evaluate it.

    Args:
        name: one of ``LEARNERS``.
        env: environment id, environment or problem. Without a horizon, an environment that was made with
            ``max_episode_steps``: episodes are then truncated, and the value of what follows is learned.
        seed: of the network, the exploration and the training noise.
        hyperparameters: entries that replace those of ``hyperparameters_of``: ``n_envs``, ``reward_scale``
            (a number, or "auto" for 1 / ``typical_cost``), ``cosine`` (True anneals the learning rate),
            ``activation`` ("tanh" or "relu"), those of ``POLICY_KEYS``, ``action_noise`` (standard deviation
            of the exploration of DDPG and TD3, for actions scaled to [-1, 1]), ``policy_kwargs`` (a dict of
            further keywords of SB3's policy), and keywords of the algorithm. Without a horizon ``gamma`` is
            at most ``LARGEST_GAMMA`` unless it is given.
        device, tensorboard_log, verbose: as in SB3.
        kwargs: further hyperparameters.

    Raises:
        NotApplicable: if the learner is not made for the problem: it needs a horizon or a limit, and learners
            of quantities without a gate need a problem whose regimes follow from the quantities.
        ValueError: if the learner or a hyperparameter is unknown.
    """
    problem = as_problem(env)
    overridden = {**(hyperparameters or {}), **kwargs}
    settings = {**hyperparameters_of(name, env), **overridden}
    if problem.horizon is None and "gamma" not in overridden:
        settings["gamma"] = min(settings["gamma"], LARGEST_GAMMA)
    hyperparameters = dict(settings)  # kept for checkpoints
    learner = LEARNERS[name]
    _check_names(name, settings)
    reward_scale = settings.pop("reward_scale", 1.0)
    if reward_scale == "auto":
        reward_scale = 1 / typical_cost(problem)
    reward_scale = checks.number("reward_scale", reward_scale)
    vec_env = ScaledMonitor(ProblemVecEnv(env, settings.pop("n_envs"), learner.view(problem)), reward_scale)
    further_policy_kwargs = settings.pop("policy_kwargs", {})
    policy_kwargs = learner.policy_kwargs(problem)
    policy_kwargs |= {key: settings.pop(key) for key in POLICY_KEYS if key in settings}
    activation = checks.choice("activation", settings.pop("activation", "tanh"), tuple(ACTIVATIONS))
    policy_kwargs["activation_fn"] = ACTIVATIONS[activation]
    if learner.features:
        policy_kwargs |= {
            "features_extractor_class": ProblemFeatures,
            "features_extractor_kwargs": {"problem": problem},
        }
    if settings.pop("cosine", False):
        settings["learning_rate"] = Cosine(settings["learning_rate"])
    if "action_noise" in settings:
        mean = np.zeros(get_action_dim(vec_env.action_space))
        settings["action_noise"] = NormalActionNoise(mean, mean + settings["action_noise"])
    algorithm: Any = learner.algorithm
    model: Budgeted = algorithm(
        learner.policy,
        vec_env,
        seed=seed,
        device=device,
        policy_kwargs={**policy_kwargs, **further_policy_kwargs},
        **{"tensorboard_log": tensorboard_log, "verbose": verbose, **settings},
    )
    model.hyperparameters = hyperparameters
    return model


def _check_names(name: str, hyperparameters: dict[str, Any]) -> None:
    """Raise a ValueError for hyperparameters that a learner does not have."""
    learner = LEARNERS[name]
    of_policy = _parameters(learner.policy) & set(POLICY_KEYS)
    allowed = sorted(of_policy | set(OWN_KEYS) | _parameters(learner.algorithm) - SET_HERE)
    unknown = sorted(hyperparameters.keys() - set(allowed))
    if unknown:
        close = difflib.get_close_matches(unknown[0], allowed, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ValueError(
            f"hyperparameters: {name} has no {', '.join(unknown)}; {hint}allowed are {', '.join(allowed)}"
        )


def _parameters(cls: type[Any]) -> set[str]:
    """Names of the constructor's parameters, with those of the base classes that it passes ``kwargs`` to."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" in vars(base):
            parameters = inspect.signature(base).parameters
            names |= parameters.keys()
            if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
                break
    return names
