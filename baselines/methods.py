"""The learned methods by name: how each is made, trained and saved.

Importing this imports neither PyTorch nor SB3.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from jumpgym import checks

Callback = Callable[[Any], None]
"""A function of the model, called many times while it trains; ``model.clock`` tells the CPU time so far."""


class Method(ABC):
    """A way to learn a policy.

    Args:
        description: one line, for people.
    """

    def __init__(self, description: str) -> None:
        self.description = description

    @abstractmethod
    def make(self, env: Any, seed: int) -> Any:
        """An untrained model; ``evaluate(model, model.get_env())`` evaluates it."""

    @abstractmethod
    def train(
        self,
        model: Any,
        callback: Callback,
        *,
        cpu_seconds: float | None = None,
        total_timesteps: int | None = None,
    ) -> None:
        """Train for CPU seconds of this process, or else for a number of transitions.

        What a callback does within ``model.clock.pause()`` does not count.
        """

    @abstractmethod
    def save(self, model: Any, env: Any, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint without pickle that ``load`` reads; ``env`` is what the model was made for."""


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

    def make(self, env: Any, seed: int) -> Any:
        """See ``Method.make``."""
        from jumpgym import agents

        return getattr(agents, self.agent)(env, seed=seed, **self.settings)

    def train(
        self,
        model: Any,
        callback: Callback,
        *,
        cpu_seconds: float | None = None,
        total_timesteps: int | None = None,
    ) -> None:
        """See ``Method.train``."""
        model.learn(total_timesteps, callback=callback, cpu_seconds=cpu_seconds)

    def save(self, model: Any, env: Any, path: str | os.PathLike[str]) -> None:
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

    def make(self, env: Any, seed: int) -> Any:
        """See ``Method.make``."""
        from .sb3 import make_learner

        return make_learner(self.name, env, seed)

    def train(
        self,
        model: Any,
        callback: Callback,
        *,
        cpu_seconds: float | None = None,
        total_timesteps: int | None = None,
    ) -> None:
        """See ``Method.train``."""

        def on_step(local: dict[str, Any], _: dict[str, Any]) -> bool:
            callback(local["self"])
            return True

        model.learn(total_timesteps, callback=on_step, cpu_seconds=cpu_seconds)

    def save(self, model: Any, env: Any, path: str | os.PathLike[str]) -> None:
        """Write the policy's weights; SB3's own ``model.save`` keeps the optimizers too, but pickles."""
        from jumpgym.agents import checkpoint

        from .sb3 import hyperparameters_of

        weights = {name: tensor.cpu().numpy() for name, tensor in model.policy.state_dict().items()}
        settings = {
            "agent": self.name,
            "hyperparameters": hyperparameters_of(self.name, env),
            "num_timesteps": model.num_timesteps,
        }
        checkpoint.write(path, settings, weights)

    def load(
        self, path: str | os.PathLike[str], env: Any, stored: dict[str, Any], arrays: dict[str, Any]
    ) -> Any:
        """The model of the contents of a checkpoint.

        Raises:
            ValueError: if they do not fit ``env``.
        """
        import torch

        from .sb3 import make_learner

        model = make_learner(self.name, env, hyperparameters=stored["hyperparameters"])
        try:
            model.policy.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        except RuntimeError as error:
            raise ValueError(
                f"{path} does not fit the environment, or is damaged: its networks have other shapes"
            ) from error
        model.num_timesteps = stored["num_timesteps"]
        return model


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
}
"""What the learned methods are compared with."""


def one_thread() -> None:
    """Keep PyTorch to one thread: more only cost CPU time with networks and batches of this size."""
    import torch

    torch.set_num_threads(1)


def method(name: str) -> AgentMethod | SB3Method:
    """The learned method of a name; ValueError with the list of names if there is none."""
    return METHODS[checks.choice("agent", name, tuple(METHODS))]


def load(path: str | os.PathLike[str], env: Any) -> tuple[str, Any]:
    """What kind of model a checkpoint holds, and the model, ready for ``evaluate(model, model.get_env())``.

    Nothing in the file is executed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, foreign, or does not fit ``env``.
    """
    from jumpgym.agents import checkpoint

    stored, arrays = checkpoint.read(path)
    kind = stored.get("agent")
    for known in METHODS.values():
        if isinstance(known, AgentMethod) and known.agent == kind:
            return known.agent, known.load(path, env)
        if isinstance(known, SB3Method) and known.name == kind:
            return known.name, known.load(path, env, stored, arrays)
    raise ValueError(f"{path} holds {kind!r}, which is no method of this version of jumpgym")
