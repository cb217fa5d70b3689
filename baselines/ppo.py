"""Stable-Baselines3 PPO on hybrid problems: the baselines by name, hyperparameters from ``ppo.yml``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import yaml
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecMonitor
from torch import nn

from jumpgym import HindsightProblem, as_problem, checks
from jumpgym.agents.clock import CpuClock
from jumpgym.agents.networks import Tanh
from jumpgym.agents.schedules import cosine
from jumpgym.env import draw_noise
from jumpgym.grids import order_quantities
from jumpgym.views import (
    ActionView,
    BoxLevelView,
    BoxView,
    Decision,
    LevelGridView,
    QuantityGridView,
    QuantityView,
)

from .hybrid_policy import HybridActorCriticPolicy
from .sb3_vec_env import ProblemFeatures, ProblemVecEnv


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


@dataclass(frozen=True)
class Method:
    """What one PPO baseline decides, and what it sees.

    Attributes:
        view: from the problem to the view of its actions.
        policy: the class of the policy.
        policy_kwargs: from the problem to the keywords of the policy that follow from it.
        features: whether the network gets the inputs of the package's agents instead of raw observations.
    """

    view: Callable[[HindsightProblem], ActionView]
    policy: type[ActorCriticPolicy] = ActorCriticPolicy
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


METHODS: dict[str, Method] = {
    "ppo-gate": Method(BoxLevelView, HybridActorCriticPolicy, _levels),
    "ppo-gate-quantity": Method(BoxView, HybridActorCriticPolicy, _quantities),
    "ppo-level": Method(LevelGridView),
    "ppo-quantity": Method(QuantityGridView),
    "ppo-box": Method(UnitQuantityView),
    "ppo-stock": Method(BoxView, HybridActorCriticPolicy, _quantities, features=False),
}
"""The PPO baselines.

``ppo-gate``: gate and Gaussian order-up-to level. ``ppo-gate-quantity``: gate and Gaussian quantity.
``ppo-level``, ``ppo-quantity``: discretised order-up-to levels or quantities. ``ppo-box``: Gaussian
quantities, not decomposed. ``ppo-stock``: gate and quantity again, with SB3's default hyperparameters, raw
observations and unscaled rewards.
"""


class Cosine:
    """A learning rate that falls from ``initial`` to 0 along half a cosine; a schedule that SB3 can save."""

    def __init__(self, initial: float) -> None:
        self.initial = initial

    def __call__(self, progress_remaining: float) -> float:
        """Learning rate when this fraction of the training remains."""
        return cosine(self.initial, 1 - min(max(progress_remaining, 0.0), 1.0))


class BudgetedPPO(PPO):
    """SB3's PPO, whose training budget may be given in CPU seconds.

    Attributes:
        clock: CPU time of the current ``learn``. A callback that evaluates does so within
            ``model.clock.pause()``, so that evaluation does not count as training.
    """

    clock: CpuClock | None = None
    _cpu_seconds: float | None = None

    def learn(  # type: ignore[override]
        self,
        total_timesteps: int | None = None,
        callback: Any = None,
        log_interval: int = 1,
        tb_log_name: str = "PPO",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
        cpu_seconds: float | None = None,
    ) -> BudgetedPPO:
        """Train; as in SB3, but the budget is either ``total_timesteps`` or ``cpu_seconds``.

        Schedules follow the fraction of the budget that is used up.

        Raises:
            ValueError: if neither budget is given, or both.
        """
        if (total_timesteps is None) == (cpu_seconds is None):
            raise ValueError(f"give one budget: {total_timesteps=} or {cpu_seconds=}")
        self._cpu_seconds = cpu_seconds
        if cpu_seconds is not None:
            checks.number("cpu_seconds", cpu_seconds, low=0)
            callback = CallbackList([*_as_list(callback), _StopAtBudget(cpu_seconds)])
        steps = sys.maxsize if total_timesteps is None else total_timesteps
        self.clock = CpuClock()
        return super().learn(steps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar)

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        super()._update_current_progress_remaining(num_timesteps, total_timesteps)
        if self._cpu_seconds is not None and self.clock is not None:
            self._current_progress_remaining = max(1 - self.clock.elapsed / self._cpu_seconds, 0.0)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "clock"]


class _StopAtBudget(BaseCallback):
    """Stops training when ``model.clock`` has counted ``seconds``."""

    model: BudgetedPPO

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def _on_step(self) -> bool:
        assert self.model.clock is not None
        return self.model.clock.elapsed < self.seconds


def _as_list(callback: Any) -> list[BaseCallback]:
    if callback is None:
        return []
    if isinstance(callback, list):
        return callback
    return [callback if isinstance(callback, BaseCallback) else ConvertCallback(callback)]


def ppo_hyperparameters(name: str, env: Any) -> dict[str, Any]:
    """Hyperparameters of a method from ``ppo.yml``: the default ones, and over them those of the environment.

    Args:
        name: one of ``METHODS``.
        env: an environment id or an environment; anything without an id has the defaults.
    """
    checks.choice("name", name, tuple(METHODS))
    table = yaml.safe_load(resources.files("jumpgym.baselines").joinpath("ppo.yml").read_text())
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


def make_ppo(
    name: str, env: Any, seed: int | None = None, hyperparameters: dict[str, Any] | None = None, **kwargs: Any
) -> BudgetedPPO:
    """An untrained PPO baseline over a native ``VecEnv`` of the environment's problem.

    ``model.learn(cpu_seconds=60)`` or ``model.learn(total_timesteps=2_000_000)`` trains it;
    ``evaluate(model, model.get_env())`` and SB3's ``evaluate_policy(model, model.get_env())`` evaluate it.

    Args:
        name: one of ``METHODS``.
        env: environment id, environment or problem.
        seed: of the network, the exploration and the training noise.
        hyperparameters: entries that replace those of ``ppo_hyperparameters``: ``n_envs``, ``reward_scale``
            (a number, or "auto" for 1 / ``typical_cost``), ``cosine`` (anneal the learning rate),
            ``activation`` ("tanh" or "relu"), ``net_arch``,
            ``log_std_init`` and ``logit_scale`` of the policy, and keywords of SB3's ``PPO``.
        kwargs: further keywords of SB3's ``PPO``, such as ``tensorboard_log``.

    Raises:
        ValueError: if the method is unknown.
        NotImplementedError: if the method's actions leave the regimes open, which this problem needs.
    """
    problem = as_problem(env)
    settings = {**ppo_hyperparameters(name, env), **(hyperparameters or {})}
    method = METHODS[name]
    reward_scale = settings.pop("reward_scale", 1.0)
    if reward_scale == "auto":
        reward_scale = 1 / typical_cost(problem)
    vec_env = VecMonitor(
        ProblemVecEnv(problem, settings.pop("n_envs"), method.view(problem), reward_scale=reward_scale)
    )
    policy_kwargs = method.policy_kwargs(problem)
    for key in ("net_arch", "log_std_init", "logit_scale"):
        if key in settings:
            policy_kwargs[key] = settings.pop(key)
    activation = settings.pop("activation", "tanh")
    policy_kwargs["activation_fn"] = {"tanh": Tanh, "relu": nn.ReLU}[activation]
    if method.features:
        policy_kwargs |= {
            "features_extractor_class": ProblemFeatures,
            "features_extractor_kwargs": {"problem": problem},
        }
    if settings.pop("cosine", False):
        settings["learning_rate"] = Cosine(settings["learning_rate"])
    return BudgetedPPO(
        method.policy, vec_env, seed=seed, device="cpu", policy_kwargs=policy_kwargs, **settings, **kwargs
    )
