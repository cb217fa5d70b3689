"""The search spaces of ``jumpgym tune``: the hyperparameters of each method with their ranges or choices."""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from typing import Any

from ..runs.methods import METHODS, AgentMethod, SB3Method, make, tuned


@dataclass(frozen=True)
class Range:
    """Real numbers from ``low`` to ``high``, distributed uniformly, or log-uniformly if ``log``."""

    low: float
    high: float
    log: bool = True


Space = dict[str, Range | list[Any]]
"""Ranges and choices by name, which is a keyword of ``Method.make``, ``WIDTH`` or ``MINIBATCHES``."""

WIDTH = "width"
"""Width of both hidden layers: the keyword ``hidden`` of our agents, ``net_arch`` of SB3's learners."""

MINIBATCHES = "minibatches"
"""Number of minibatches of a rollout: ``batch_size`` is ``n_envs * n_steps`` divided by it."""

DIGITS = 3
"""Significant digits of real numbers, so that the files hold exactly the values that were tried."""

_LEARNER: Space = {
    "learning_rate": Range(3e-4, 1e-2),
    WIDTH: [32, 64, 128],
    "activation": ["tanh", "relu"],
}
_ON_POLICY: Space = _LEARNER | {
    "n_envs": [32, 64, 128, 256],
    "n_steps": [10, 25, 50],
    "gae_lambda": [0.8, 0.9, 0.95, 0.98],
}
_PPO: Space = _ON_POLICY | {
    MINIBATCHES: [2, 5, 10, 20],
    "n_epochs": [2, 3, 5, 8],
    "clip_range": [0.1, 0.2, 0.3],
    "ent_coef": [0.0, 0.001, 0.003, 0.01],
}
_GAUSSIAN: Space = {"log_std_init": Range(-2.5, 0.0, log=False)}
_HYBRID: Space = _GAUSSIAN | {"logit_scale": [1.0, 3.0, 5.0]}
_OFF_POLICY: Space = _LEARNER | {
    "n_envs": [32, 64, 128],
    "gradient_steps": [2, 4, 8],
    "batch_size": [64, 128, 256],
    "n_steps": [1, 3, 5],
    "gamma": [0.95, 0.98, 0.99],
    "tau": [0.005, 0.01, 0.02],
}
_DETERMINISTIC: Space = _OFF_POLICY | {"action_noise": [0.1, 0.2, 0.3, 0.5]}

_AGENT: Space = {
    "learning_rate": Range(5e-4, 2e-2),
    "batch_size": [32, 64, 128, 256, 512],
    WIDTH: [32, 64, 128],
    "max_grad_norm": Range(0.05, 5.0),
}
_EXPLORATION: Space = {"entropy_until": Range(0.3, 1.0, log=False)}
_MIXED: Space = (
    _AGENT
    | _EXPLORATION
    | {
        "estimator": ["leave_one_out", "gae"],
        "gae_lambda": [0.8, 0.9, 0.95, 0.98],
        "revival": [0.3, 1.0, 3.0],
    }
)
_REINFORCE: Space = (
    _AGENT
    | _EXPLORATION
    | {
        "gae_lambda": [0.8, 0.9, 0.95, 0.98],
        "deviation": Range(0.05, 0.5),
        "final_deviation": Range(0.01, 0.1),
    }
)
_GUMBEL: Space = _AGENT | {
    "temperature": Range(0.3, 3.0),
    "temperature_decay": Range(0.002, 0.1),
    "min_temperature": Range(0.02, 0.3),
}
_FITTED_Q: Space = _AGENT | {
    "batch_size": [16, 32, 64, 128],
    "fit_steps": [4, 8, 16],
    "epsilon": Range(0.05, 0.5),
    "level_noise": Range(0.1, 0.6),
}

SPACES: dict[str, Space] = {
    "mixed": _MIXED,
    "mixed-torch": _MIXED,
    "mixed-heads": _MIXED,
    "mixed-one-phase": _MIXED,
    "hpo": _AGENT
    | {
        "learning_rate": Range(3e-4, 1e-2),
        "max_grad_norm": Range(0.2, 10.0),
        "gamma": [0.9, 0.93, 0.96, 0.99],
        "gae_lambda": [0.9, 0.93, 0.96, 0.98],
        "clip": Range(0.08, 0.3),
        "epochs": [2, 3, 5, 8],
        "entropy_bonus": Range(1e-3, 5e-2),
    },
    "svg": _AGENT
    | _EXPLORATION
    | {
        "steps": [2, 5, 10, 20],
        "noise": Range(0.03, 0.4),
        "critic_lambda": [0.8, 0.9, 0.95, 1.0],
        "critic_fits": [1, 2, 4, 8],
        "revival": [0.3, 1.0, 3.0],
    },
    "reinforce": _REINFORCE,
    "reinforce-truncated": _REINFORCE,
    "reinforce-kumaraswamy": _REINFORCE,
    "gumbel": _GUMBEL,
    "gumbel-plain": _GUMBEL,
    "smoothed": _AGENT | {"steepness": Range(5.0, 200.0)},
    "fitted-q": _FITTED_Q,
    "fitted-q-amortized": _FITTED_Q
    | {"exact_fraction": [0.1, 0.25, 0.5], "policy_steps": [2, 4, 8], "policy_batch": [512, 1024, 2048]},
    "nfqca": _FITTED_Q | {"actor_steps": [2, 4, 8]},
    "ppo-compiled": _AGENT
    | {
        "max_grad_norm": Range(0.1, 5.0),
        "gae_lambda": [0.8, 0.9, 0.95, 0.98],
        "clip": [0.1, 0.2, 0.3],
        "epochs": [2, 3, 5, 8],
        "minibatch_size": [160, 320, 640, 1280],
        "deviation": Range(0.08, 1.0),
        "entropy_bonus": [0.0, 0.001, 0.003, 0.01],
    },
    "ppo-gate": _PPO | _HYBRID,
    "ppo-level": _PPO,
    "ppo-quantity": _PPO,
    "ppo-box": _PPO | _GAUSSIAN,
    "a2c": _ON_POLICY
    | _HYBRID
    | {
        "n_steps": [5, 10, 25, 50],
        "ent_coef": [0.0, 0.001, 0.003, 0.01],
        "vf_coef": [0.25, 0.5, 1.0],
        "max_grad_norm": [0.2, 0.5, 1.0, 2.0],
    },
    "trpo": _ON_POLICY
    | _HYBRID
    | {
        MINIBATCHES: [2, 5, 10, 20],
        "target_kl": [0.01, 0.02, 0.05],
        "cg_max_steps": [5, 8, 10, 15],
        "sub_sampling_factor": [1, 4],
        "n_critic_updates": [3, 5, 10],
    },
    "ddpg": _DETERMINISTIC,
    "td3": _DETERMINISTIC | {"policy_delay": [1, 2]},
    "sac": _OFF_POLICY | {"ent_coef": ["auto_0.1", "auto_1.0"]},
}
"""Search space of each method that can be tuned.

``ppo-stock`` has none, since its purpose is to show SB3's own settings. No space contains an entropy bonus in
units of cost, since it would mean something else in each environment.
"""


def space_of(method: str) -> Space:
    """The search space of a method.

    Raises:
        ValueError: if it has none; the message names the methods that have one.
    """
    if method not in SPACES:
        raise ValueError(f"method={method!r} has no search space; those with one are {', '.join(SPACES)}")
    return SPACES[method]


def hyperparameters(method: str, values: dict[str, Any]) -> dict[str, Any]:
    """Turn values from the search space of a method into keywords of ``Method.make``."""
    keywords = {name: _rounded(value) for name, value in values.items()}
    if WIDTH in keywords:
        hidden = "hidden" if isinstance(METHODS[method], AgentMethod) else "net_arch"
        keywords[hidden] = [keywords.pop(WIDTH)] * 2
    if MINIBATCHES in keywords:
        rollout = keywords["n_envs"] * keywords["n_steps"]
        keywords["batch_size"] = rollout // keywords.pop(MINIBATCHES)
    return keywords


def default_values(method: str, env: Any) -> dict[str, Any]:
    """The method's present settings, as values of its space; without those outside it."""
    registered = METHODS[method]
    if isinstance(registered, AgentMethod):
        settings = asdict(make(method, env, 0).settings)
        layers = settings["hidden"]
    else:
        assert isinstance(registered, SB3Method)
        settings = _sb3_settings(registered.name, env) | tuned(method)
        layers = settings["net_arch"]
        if "n_steps" in settings and "batch_size" in settings:
            settings[MINIBATCHES] = settings["n_envs"] * settings["n_steps"] // settings["batch_size"]
    if len(set(layers)) == 1 and len(layers) == 2:
        settings[WIDTH] = layers[0]
    return {
        name: settings[name]
        for name, allowed in space_of(method).items()
        if _holds(allowed, settings.get(name))
    }


def _sb3_settings(name: str, env: Any) -> dict[str, Any]:
    """Settings of a learner: those of ``sb3.yml``, and else the defaults of its classes and of SB3."""
    from ..sb3.learners import LEARNERS, hyperparameters_of

    settings: dict[str, Any] = {"activation": "tanh"}
    for maker in (LEARNERS[name].policy, LEARNERS[name].algorithm):
        for base in reversed(maker.__mro__):
            if "__init__" in vars(base):
                parameters = inspect.signature(base).parameters.values()
                settings |= {p.name: p.default for p in parameters if p.default is not p.empty}
    return settings | hyperparameters_of(name, env)


def _holds(allowed: Range | list[Any], value: Any) -> bool:
    if isinstance(allowed, list):
        return value in allowed
    return isinstance(value, (int, float)) and allowed.low <= value <= allowed.high


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
