"""Random search for the hyperparameters of a learner of ``jumpgym.baselines.sb3``.

``python -m jumpgym.baselines.tune_sb3 --env jumpgym/SetupCost-v0 --method ppo-gate --trials 30 --budget 20``
prints the best as YAML for ``sb3.yml``. The first trial is what ``sb3.yml`` says already. The noise of the
evaluation has another seed than that of the comparison, so that nothing is fitted to the latter.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jumpgym import as_problem

from .budgeted import (
    Budgeted,
    BudgetedA2C,
    BudgetedDDPG,
    BudgetedPPO,
    BudgetedSAC,
    BudgetedTD3,
    BudgetedTRPO,
)
from .evaluation import evaluate
from .hybrid_policy import HybridActorCriticPolicy
from .methods import one_thread
from .sb3 import LEARNERS, hyperparameters_of, make_learner

COMMON: dict[str, list[Any]] = {
    "learning_rate": [0.001, 0.002, 0.003, 0.005, 0.008],
    "reward_scale": ["auto"],
    "net_arch": [[32, 32], [64, 64], [128, 128]],
    "activation": ["tanh", "relu"],
}
"""Values of every learner that a trial draws from uniformly."""

ON_POLICY: dict[str, list[Any]] = {"n_envs": [32, 64, 128, 256], "gae_lambda": [0.8, 0.9, 0.95, 0.98]}
OFF_POLICY: dict[str, list[Any]] = {
    "n_envs": [32, 64, 128],
    "gradient_steps": [2, 4, 8],
    "batch_size": [128, 256],
    "n_steps": [1, 3, 5],
    "gamma": [0.95, 0.98, 0.99],
    "tau": [0.005, 0.01, 0.02],
}
SPACES: dict[type[Budgeted], dict[str, list[Any]]] = {
    BudgetedPPO: ON_POLICY
    | {
        "minibatches": [2, 5, 10],
        "n_epochs": [2, 3, 5, 8],
        "clip_range": [0.1, 0.2, 0.3],
        "ent_coef": [0.0, 0.001, 0.003],
    },
    BudgetedA2C: ON_POLICY | {"n_steps": [5, 10, 25, 50], "vf_coef": [0.25, 0.5, 1.0]},
    BudgetedTRPO: ON_POLICY
    | {
        "minibatches": [2, 5, 10],
        "target_kl": [0.01, 0.02, 0.05],
        "cg_max_steps": [5, 10, 15],
        "sub_sampling_factor": [1, 4],
        "n_critic_updates": [3, 5, 10],
    },
    BudgetedDDPG: OFF_POLICY | {"action_noise": [0.1, 0.2, 0.3, 0.5]},
    BudgetedTD3: OFF_POLICY | {"action_noise": [0.1, 0.2, 0.3, 0.5], "policy_delay": [1, 2]},
    BudgetedSAC: OFF_POLICY | {"ent_coef": ["auto_0.1", "auto_1.0"]},
}
"""Further values, of each algorithm; ``minibatches`` is how many a rollout of one episode is divided into."""

HYBRID: dict[str, list[Any]] = {
    "log_std_init": [-2.0, -1.5, -1.0, -0.5],
    "logit_scale": [1.0, 3.0, 5.0],
}
"""Further ones of learners with a categorical gate."""

EVALUATION_SEED = 1_000_001


def draw(rng: np.random.Generator, name: str, horizon: int) -> dict[str, Any]:
    """Hyperparameters drawn for a learner, as entries of ``sb3.yml``; over those that are there already."""
    learner = LEARNERS[name]
    space = COMMON | SPACES[learner.algorithm]
    space |= HYBRID if learner.policy is HybridActorCriticPolicy else {}
    drawn = {key: values[rng.integers(len(values))] for key, values in space.items()}
    if "minibatches" in drawn:
        drawn |= {"n_steps": horizon, "batch_size": drawn["n_envs"] * horizon // drawn.pop("minibatches")}
    return drawn


def search(env: str, name: str, trials: int, budget: float, seed: int, output: Path) -> dict[str, Any]:
    """Train ``trials`` settings for ``budget`` CPU seconds with two seeds each; the one of least mean cost.

    Every trial is a line of the CSV file ``output``: trial, mean cost, costs by seed, settings as JSON.
    """
    rng = np.random.default_rng(seed)
    horizon = as_problem(env).horizon
    if horizon is None:
        raise ValueError(f"{env}: horizon=None, but the learners need episodes; give a horizon")
    best: dict[str, Any] = {}
    least = float("inf")
    with output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "mean_cost", "cost_by_seed", "hyperparameters"])
        for trial in range(trials):
            settings = draw(rng, name, horizon) if trial else hyperparameters_of(name, env)
            costs = []
            for train_seed in (EVALUATION_SEED + 1, EVALUATION_SEED + 2):
                model = make_learner(name, env, train_seed, settings)
                model.learn(cpu_seconds=budget)
                costs.append(evaluate(model, model.get_env(), 8192, seed=EVALUATION_SEED).mean)
            mean = float(np.mean(costs))
            writer.writerow([trial, f"{mean:.2f}", " ".join(f"{c:.2f}" for c in costs), json.dumps(settings)])
            file.flush()
            print(f"trial {trial}: mean cost {mean:.2f}")
            if mean < least:
                best, least = settings, mean
    return best


def main() -> None:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", required=True, help="environment id")
    parser.add_argument("--method", required=True, choices=sorted(LEARNERS))
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--budget", type=float, default=20.0, help="CPU seconds of each training")
    parser.add_argument("--seed", type=int, default=0, help="of the search")
    parser.add_argument("--output", type=Path, default=Path("tune_sb3.csv"))
    args = parser.parse_args()
    one_thread()
    best = search(args.env, args.method, args.trials, args.budget, args.seed, args.output)
    print(yaml.safe_dump({args.env: {args.method: best}}, sort_keys=False, default_flow_style=None))


if __name__ == "__main__":
    main()
