"""The learned methods by name: how each is made, trained and saved.

Importing this imports neither PyTorch nor SB3.
"""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import resources
from typing import Any

import yaml

from jumpgym import checks

Callback = Callable[[Any], None]
"""A function of the model, called many times while it trains; ``model.clock`` tells the CPU time so far."""


def _left(
    model: Any, cpu_seconds: float | None, total_timesteps: int | None
) -> dict[str, float | int] | None:
    """What budgets leave to a model that has spent some, as keywords of ``learn``; None if nothing."""
    left: dict[str, float | int] = {}
    if total_timesteps is not None:
        left["total_timesteps"] = total_timesteps - model.num_timesteps
    if cpu_seconds is not None:
        left["cpu_seconds"] = cpu_seconds - model.clock.elapsed
    return None if any(each <= 0 for each in left.values()) else left


class Method(ABC):
    """A way to learn a policy.

    Args:
        description: one line, for people.
    """

    def __init__(self, description: str) -> None:
        self.description = description

    @abstractmethod
    def make(self, env: Any, seed: int, **hyperparameters: Any) -> Any:
        """An untrained model; ``evaluate(model, model.get_env())`` evaluates it.

        Args:
            env: environment id, environment or problem.
            seed: of networks and training noise.
            hyperparameters: they replace the method's own.
        """

    @abstractmethod
    def train(
        self,
        model: Any,
        callback: Callback,
        at_rest: Callback | None = None,
        *,
        cpu_seconds: float | None = None,
        total_timesteps: int | None = None,
    ) -> None:
        """Train until a model has spent CPU seconds, or else simulated a number of transitions.

        What a callback does within ``model.clock.pause()`` does not count.

        Args:
            model: new, or loaded to go on; what it has spent already counts.
            callback: called often.
            at_rest: called where the model may be saved so that a loaded one goes on bit by bit.
            cpu_seconds, total_timesteps: the budget, one of both.
        """

    @abstractmethod
    def load(self, path: str | os.PathLike[str], env: Any) -> Any:
        """The model of a checkpoint, to be evaluated, or trained further as if it had not been interrupted.

        Raises:
            FileNotFoundError, ValueError: if there is none, it is damaged, or does not fit ``env``.
        """

    @abstractmethod
    def save(self, model: Any, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint without pickle that ``load`` reads."""


class AgentMethod(Method):
    """An agent of ``jumpgym.agents``.

    Args:
        agent: name of its class.
        description: one line, for people.
        settings: keywords of the class.
    """

    def __init__(self, agent: str, description: str, **settings: Any) -> None:
        super().__init__(description)
        self.agent = agent
        self.settings = settings

    def make(self, env: Any, seed: int, **hyperparameters: Any) -> Any:
        """See ``Method.make``."""
        from jumpgym import agents

        return getattr(agents, self.agent)(env, seed=seed, **{**self.settings, **hyperparameters})

    def train(
        self,
        model: Any,
        callback: Callback,
        at_rest: Callback | None = None,
        *,
        cpu_seconds: float | None = None,
        total_timesteps: int | None = None,
    ) -> None:
        """See ``Method.train``."""
        left = _left(model, cpu_seconds, total_timesteps)
        if left is not None:
            callbacks = [callback] if at_rest is None else [callback, at_rest]
            model.learn(callback=callbacks, reset_num_timesteps=False, **left)

    def save(self, model: Any, path: str | os.PathLike[str]) -> None:
        """See ``Method.save``."""
        model.save(path)

    def load(self, path: str | os.PathLike[str], env: Any) -> Any:
        """The agent of a checkpoint, see ``Agent.load``."""
        from jumpgym import agents

        return getattr(agents, self.agent).load(path, env)


class SB3Method(Method):
    """A learner of ``jumpgym.baselines.sb3``.

    Args:
        name: its name there.
        description: one line, for people.
    """

    def __init__(self, name: str, description: str) -> None:
        super().__init__(description)
        self.name = name

    def make(self, env: Any, seed: int, **hyperparameters: Any) -> Any:
        """See ``Method.make``."""
        from ..sb3.learners import make_learner

        return make_learner(self.name, env, seed, hyperparameters)

    def train(
        self,
        model: Any,
        callback: Callback,
        at_rest: Callback | None = None,
        *,
        cpu_seconds: float | None = None,
        total_timesteps: int | None = None,
    ) -> None:
        """See ``Method.train``."""

        def on_step(local: dict[str, Any], _: dict[str, Any]) -> bool:
            callback(local["self"])
            return True

        left = _left(model, cpu_seconds, total_timesteps)
        if left is not None:
            model.learn(callback=on_step, at_rest=at_rest, reset_num_timesteps=False, **left)

    def save(self, model: Any, path: str | os.PathLike[str]) -> None:
        """See ``sb3.checkpoints.save``."""
        from ..sb3 import checkpoints

        checkpoints.save(model, path, self.name)

    def load(self, path: str | os.PathLike[str], env: Any) -> Any:
        """See ``Method.load``."""
        from jumpgym.agents.training import checkpoint

        from ..sb3 import checkpoints

        return checkpoints.load(path, env, self.name, *checkpoint.read(path))


METHODS: dict[str, AgentMethod | SB3Method] = {
    "mixed": AgentMethod("MixedGradient", "sampled gate with score function, quantity pathwise"),
    "mixed-heads": AgentMethod("MixedGradient", "as mixed, with two quantities in each regime", heads=2),
    "hpo": AgentMethod("HPO", "clipped loss of the gate over several epochs, quantity pathwise in the first"),
    "svg": AgentMethod("StochasticValueGradient", "pathwise over 5 periods, then a learned critic", steps=5),
    "reinforce": AgentMethod("Reinforce", "score function for gate and quantity, Gaussian"),
    "reinforce-truncated": AgentMethod(
        "Reinforce", "score function for gate and quantity, truncated normal", quantity="truncated_normal"
    ),
    "reinforce-kumaraswamy": AgentMethod(
        "Reinforce", "score function for gate and quantity, Kumaraswamy", quantity="kumaraswamy"
    ),
    "gumbel": AgentMethod("GumbelSoftmax", "relaxed gate, pathwise, guarded against explosion"),
    "gumbel-plain": AgentMethod("GumbelSoftmax", "relaxed gate, pathwise, as in the paper", form="plain"),
    "smoothed": AgentMethod("SmoothedCost", "smoothed cost, no decomposition, pathwise"),
    "fitted-q": AgentMethod("FittedQ", "fitted Q, explicit search over regimes and quantities"),
    "fitted-q-amortized": AgentMethod("AmortizedFittedQ", "fitted Q, policy fitted to recent minimisers"),
    "nfqca": AgentMethod("NFQCA", "fitted Q, actor for the quantities, gate by the least q"),
    "ppo-gate": SB3Method("ppo-gate", "PPO, gate and Gaussian order-up-to level"),
    "ppo-level": SB3Method("ppo-level", "PPO, discretised order-up-to levels"),
    "ppo-quantity": SB3Method("ppo-quantity", "PPO, discretised order quantities"),
    "ppo-box": SB3Method("ppo-box", "PPO, one Gaussian quantity, not decomposed"),
    "ppo-stock": SB3Method("ppo-stock", "PPO, gate and quantity, SB3's default settings, raw observations"),
    "a2c": SB3Method("a2c", "A2C, gate and Gaussian order-up-to level"),
    "trpo": SB3Method("trpo", "TRPO, gate and Gaussian order-up-to level"),
    "ddpg": SB3Method("ddpg", "DDPG, index of the regime and order-up-to level as real numbers"),
    "td3": SB3Method("td3", "TD3, index of the regime and order-up-to level as real numbers"),
    "sac": SB3Method("sac", "SAC, index of the regime and order-up-to level as real numbers"),
}
"""The learned methods of the comparison."""

REFERENCES = {
    "optimum": "exact dynamic programme",
    "classical": "best stationary policy of the classical family",
    "hindsight": "perfect information, a bound that no policy reaches",
}
"""What the learned methods are compared with."""


def one_thread() -> None:
    """Keep PyTorch to one thread: more only cost CPU time with networks and batches of this size."""
    import torch

    torch.set_num_threads(1)


def method(name: str) -> AgentMethod | SB3Method:
    """The learned method of a name; ValueError with the list of names if there is none."""
    return METHODS[checks.choice("agent", name, tuple(METHODS))]


@functools.cache
def _tuned() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load(
        resources.files("jumpgym.baselines.runs").joinpath("tuned.yml").read_text()
    )
    return table


def tuned(name: str, cpu_seconds: float | None) -> dict[str, Any]:
    """Hyperparameters of a learned method that ``jumpgym tune`` found for short trainings.

    Args:
        name: of the method.
        cpu_seconds: of the training; there are none for a longer one than ``tuned.yml`` says, nor
            for None.
    """
    short = cpu_seconds is not None and cpu_seconds <= _tuned()["up_to_seconds"]
    return dict(_tuned()["default"].get(name, {})) if short else {}


def tuning() -> str:
    """Which methods were tuned, for reports."""
    names = ", ".join(name for name in METHODS if name in _tuned()["default"])
    return (
        f"in trainings of up to {_tuned()['up_to_seconds']:g} CPU seconds {names} have the settings of "
        "baselines/tuned.yml, each found by jumpgym tune in as much CPU time (studies and commands: "
        "results/tuning); all others, and longer trainings, those of their class or of baselines/sb3.yml"
    )


def make(name: str, env: Any, seed: int, cpu_seconds: float | None = None, **hyperparameters: Any) -> Any:
    """An untrained model of a method, tuned for a training of ``cpu_seconds``; see ``Method.make``."""
    return method(name).make(env, seed, **{**tuned(name, cpu_seconds), **hyperparameters})


def load(path: str | os.PathLike[str], env: Any) -> tuple[str, Any]:
    """What kind of model a checkpoint holds, and the model, ready for ``evaluate(model, model.get_env())``.

    Nothing in the file is executed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, foreign, or does not fit ``env``.
    """
    from jumpgym.agents.training import checkpoint

    kind = checkpoint.read(path)[0].get("agent")
    for known in METHODS.values():
        if isinstance(known, AgentMethod) and known.agent == kind:
            return known.agent, known.load(path, env)
        if isinstance(known, SB3Method) and known.name == kind:
            return known.name, known.load(path, env)
    raise ValueError(f"{path} holds {kind!r}, which is no method of this version of jumpgym")
