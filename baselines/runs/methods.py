"""The learned methods by name.

A method is found by its name, or by the path of a class (``package.module:Class``) of any package. Importing
this module imports neither PyTorch nor SB3.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import os
from importlib import resources
from typing import Any

import yaml

from .learner import LearnerMethod
from .method import AgentMethod, Method, SB3Method

METHODS: dict[str, Method] = {
    "mixed": AgentMethod(
        "jumpgym.agents:MixedGradient", "sampled gate with score function, quantity pathwise"
    ),
    "mixed-torch": AgentMethod(
        "jumpgym.agents:MixedGradient", "as mixed, run by PyTorch without compilation", engine="torch"
    ),
    "mixed-heads": AgentMethod(
        "jumpgym.agents:MixedGradient", "as mixed, with three quantities in each regime", heads=3
    ),
    "mixed-one-phase": AgentMethod(
        "jumpgym.agents:MixedGradient", "as mixed, without noise on the quantities", reheat=0.0
    ),
    "hpo": AgentMethod(
        "jumpgym.agents:HPO", "clipped loss of the gate over several epochs, quantity pathwise in the first"
    ),
    "svg": AgentMethod(
        "jumpgym.agents:StochasticValueGradient",
        "pathwise over 5 periods, then a learned critic",
        steps=5,
    ),
    "reinforce": AgentMethod("jumpgym.agents:Reinforce", "score function for gate and quantity, Gaussian"),
    "reinforce-truncated": AgentMethod(
        "jumpgym.agents:Reinforce",
        "score function for gate and quantity, truncated normal",
        quantity="truncated_normal",
    ),
    "reinforce-kumaraswamy": AgentMethod(
        "jumpgym.agents:Reinforce",
        "score function for gate and quantity, Kumaraswamy",
        quantity="kumaraswamy",
    ),
    "gumbel": AgentMethod(
        "jumpgym.agents:GumbelSoftmax", "relaxed gate, pathwise, guarded against explosion"
    ),
    "gumbel-plain": AgentMethod(
        "jumpgym.agents:GumbelSoftmax", "relaxed gate, pathwise, as in the paper", form="plain"
    ),
    "smoothed": AgentMethod("jumpgym.agents:SmoothedCost", "smoothed cost, no decomposition, pathwise"),
    "fitted-q": AgentMethod(
        "jumpgym.agents:FittedQ", "fitted Q, explicit search over regimes and quantities"
    ),
    "fitted-q-amortized": AgentMethod(
        "jumpgym.agents:AmortizedFittedQ", "fitted Q, policy fitted to recent minimisers"
    ),
    "nfqca": AgentMethod("jumpgym.agents:NFQCA", "fitted Q, actor for the quantities, gate by the least q"),
    "ppo-compiled": AgentMethod(
        "jumpgym.agents:HybridPPO", "PPO as ppo-gate, on the engine of our agents: no pathwise gradient"
    ),
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
"""The registered methods, at first those of this package; see ``register_method``."""

BUILT_IN = tuple(METHODS)
"""Names of the methods of this package, which every process knows."""

REFERENCES = {
    "optimum": "exact dynamic programme",
    "classical": "best stationary policy of the classical family",
    "hindsight": "perfect information, a bound that no policy reaches",
}
"""What the learned methods are compared with."""


def register_method(name: str, method: Method) -> None:
    """Register a method of another package, to be found as ``package.module:name``.

    ``package.module`` is the module that makes this call, so that worker processes can import it.

    Args:
        name: letters, digits, and ``- _ . + =``.
        method: the method, such as ``AgentMethod("package.module:MyAgent", "what it does", batch_size=64)``.

    Raises:
        ValueError: if the name is taken, or is not allowed.
    """
    if not name or not all(letter.isalnum() or letter in "-_.+=" for letter in name):
        raise ValueError(f"method {name!r}: a name consists of letters, digits and - _ . + =")
    if name in BUILT_IN or name in REFERENCES:
        raise ValueError(f"method {name!r}: jumpgym has a method or reference of this name; choose another")
    METHODS[name] = method


def method(name: str) -> Method:
    """Return a method.

    Args:
        name: a registered name (``"mixed"``), or ``"package.module:Name"``, which imports the module. There
            ``Name`` is a name that the module registers, a subclass of ``jumpgym.agents.Agent``, a ``Method``
            or a subclass of it that is made without arguments, or a class that satisfies ``Learner``.

    Raises:
        ValueError: if there is none, naming those with similar names; or if the module cannot be imported.
    """
    if ":" in name:
        return _method_at(name)
    if name in METHODS:
        return METHODS[name]
    close = difflib.get_close_matches(name, METHODS, n=3)
    if close:
        raise ValueError(f"unknown method {name!r}: did you mean {' or '.join(close)}?")
    raise ValueError(
        f"unknown method {name!r}: there are {', '.join(METHODS)}; give those of other packages as "
        "package.module:Class"
    )


@functools.cache
def _method_at(path: str) -> Method:
    """The method at ``package.module:Name``."""
    module, _, name = path.partition(":")
    try:
        defined = vars(importlib.import_module(module))
    except ImportError as error:
        raise ValueError(f"method {path!r}: cannot import {module}: {error}") from error
    target = METHODS[name] if name in METHODS and name not in BUILT_IN else defined.get(name)
    if isinstance(target, Method):
        return target
    if not inspect.isclass(target):
        raise ValueError(f"method {path!r}: {module} neither defines the class {name} nor registers the name")
    if issubclass(target, Method):
        return target()  # type: ignore[call-arg]
    from jumpgym.agents import Agent

    description = (inspect.getdoc(target) or path).partition("\n")[0]
    if issubclass(target, Agent):
        return AgentMethod(path, description)
    missing = [part for part in ("learn", "predict", "save", "load") if not hasattr(target, part)]
    if missing:
        raise ValueError(
            f"method {path!r}: the class has no {', '.join(missing)}; it must be an agent, or offer what "
            "jumpgym.baselines.Learner describes"
        )
    return LearnerMethod(path, description)


def description(name: str) -> str:
    """One line on a method or reference; of a method that cannot be found, only that."""
    if name in REFERENCES:
        return REFERENCES[name]
    try:
        return method(name).description
    except ValueError:
        return "a method from outside jumpgym"


def one_thread() -> None:
    """Keep PyTorch to one thread: more only cost CPU time with networks and batches of this size."""
    import torch

    torch.set_num_threads(1)


@functools.cache
def _tuned() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load(
        resources.files("jumpgym.baselines.runs").joinpath("tuned.yml").read_text()
    )
    return table


def tuned(name: str) -> dict[str, Any]:
    """Return the hyperparameters of a method in ``tuned.yml``; empty if there are none."""
    return dict(_tuned().get(name, {}))


def tuning() -> str:
    """Say which methods were tuned, for reports."""
    names = ", ".join(name for name in METHODS if name in _tuned())
    return (
        f"{names} use the settings of baselines/runs/tuned.yml, found by jumpgym tune (studies and commands: "
        "results/tuning); all others use those of their class or of baselines/sb3/sb3.yml"
    )


def make(name: str, env: Any, seed: int, **hyperparameters: Any) -> Any:
    """Return an untrained model with the method's tuned hyperparameters; see ``Method.make``."""
    return method(name).make(env, seed, **{**tuned(name), **hyperparameters})


def load(path: str | os.PathLike[str], env: Any, name: str | None = None) -> tuple[str, Any]:
    """Load a checkpoint, ready for ``evaluate(model, model.get_env())``.

    Args:
        path: the checkpoint; of a method of this package nothing in it is executed.
        env: environment id, environment or problem.
        name: the method that wrote it, see ``method``; needed only for one from another package.

    Returns:
        What kind of model it is (the class of an agent, or the name of a learner), and the model.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, foreign, or does not fit ``env``.
    """
    from jumpgym.agents.training import checkpoint

    if name is not None:
        return name, method(name).load(path, env)
    kind = checkpoint.read_settings(path).get("agent")
    for candidate in METHODS.values():
        if isinstance(candidate, AgentMethod) and candidate.path.partition(":")[2] == kind:
            return kind, candidate.load(path, env)
        if isinstance(candidate, SB3Method) and candidate.name == kind:
            return kind, candidate.load(path, env)
    raise ValueError(
        f"{path} holds {kind!r}, which is no method of this version of jumpgym; if it is one of another "
        "package, name it: package.module:Class"
    )
