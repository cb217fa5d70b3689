"""Random search for the hyperparameters of a PPO baseline.

``python -m jumpgym.baselines.tune_ppo --env jumpgym/SetupCost-v0 --method ppo-gate --trials 30 --budget 20``
prints the best as YAML for ``ppo.yml``. The first trial is what ``ppo.yml`` says already. The noise of the
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

from .evaluation import evaluate
from .hybrid_policy import HybridActorCriticPolicy
from .methods import one_thread
from .ppo import METHODS, make_ppo, ppo_hyperparameters

SPACE: dict[str, list[Any]] = {
    "n_envs": [32, 64, 128, 256],
    "minibatches": [2, 5, 10],
    "n_epochs": [2, 3, 5, 8],
    "gae_lambda": [0.8, 0.9, 0.95, 0.98],
    "clip_range": [0.1, 0.2, 0.3],
    "ent_coef": [0.0, 0.001, 0.003],
    "learning_rate": [0.001, 0.002, 0.003, 0.005, 0.008],
    "reward_scale": ["auto"],
    "net_arch": [[32, 32], [64, 64], [128, 128]],
    "activation": ["tanh", "relu"],
}
"""Values that a trial draws from uniformly; ``minibatches`` is how many a rollout is divided into."""

HYBRID_SPACE: dict[str, list[Any]] = {
    "log_std_init": [-2.0, -1.5, -1.0, -0.5],
    "logit_scale": [1.0, 3.0, 5.0],
}
"""Further ones of methods with a gate."""

EVALUATION_SEED = 1_000_001


def draw(rng: np.random.Generator, name: str, horizon: int) -> dict[str, Any]:
    """Hyperparameters drawn for a method, as entries of ``ppo.yml``."""
    space = SPACE | (HYBRID_SPACE if METHODS[name].policy is HybridActorCriticPolicy else {})
    drawn = {key: values[rng.integers(len(values))] for key, values in space.items()}
    batch_size = drawn["n_envs"] * horizon // drawn.pop("minibatches")
    return {**drawn, "n_steps": horizon, "batch_size": batch_size}


def search(env: str, name: str, trials: int, budget: float, seed: int, output: Path) -> dict[str, Any]:
    """Train ``trials`` settings for ``budget`` CPU seconds with two seeds each; the one of least mean cost.

    Every trial is a line of the CSV file ``output``: trial, mean cost, costs by seed, settings as JSON.
    """
    rng = np.random.default_rng(seed)
    horizon = as_problem(env).horizon
    if horizon is None:
        raise ValueError(f"{env}: horizon=None, but PPO learns from episodes; give a horizon")
    best: dict[str, Any] = {}
    least = float("inf")
    with output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "mean_cost", "cost_by_seed", "hyperparameters"])
        for trial in range(trials):
            settings = draw(rng, name, horizon) if trial else ppo_hyperparameters(name, env)
            costs = []
            for train_seed in (EVALUATION_SEED + 1, EVALUATION_SEED + 2):
                model = make_ppo(name, env, train_seed, settings)
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
    parser.add_argument("--method", required=True, choices=sorted(METHODS))
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--budget", type=float, default=20.0, help="CPU seconds of each training")
    parser.add_argument("--seed", type=int, default=0, help="of the search")
    parser.add_argument("--output", type=Path, default=Path("tune_ppo.csv"))
    args = parser.parse_args()
    one_thread()
    best = search(args.env, args.method, args.trials, args.budget, args.seed, args.output)
    print(yaml.safe_dump({args.env: {args.method: best}}, sort_keys=False, default_flow_style=None))


if __name__ == "__main__":
    main()
