"""An environment and two methods of another package, for ``jumpgym compare``:

python -m jumpgym compare --env kiosk:Kiosk-v0 --methods kiosk:LevelSearch kiosk:Careful
"""

import json

import gymnasium as gym
import numpy as np
import scipy.stats

from jumpgym import HybridEnv, HybridVectorEnv, NotApplicable, RegimeTable, as_problem
from jumpgym.agents import MixedGradient
from jumpgym.baselines import evaluate
from jumpgym.inventory import single_item


@single_item(demand=scipy.stats.poisson(3), horizon=10)
def kiosk(*, delivery_fee=5.0, max_order=30.0):
    """A kiosk orders newspapers; each delivery costs a fee."""
    return RegimeTable(
        low=[0, 0],
        high=[0, max_order],
        fixed_cost=[0, delivery_fee],
        unit_cost=[0, 0],
        lead_time=[0, 0],
    )


class KioskEnv(HybridEnv):
    make_problem = staticmethod(kiosk)


class KioskVectorEnv(HybridVectorEnv):
    make_problem = staticmethod(kiosk)


gym.register("Kiosk-v0", KioskEnv, vector_entry_point=KioskVectorEnv)


class LevelSearch:
    """random search for an order-up-to level"""

    def __init__(self, env, seed=0, level=1.0, spread=5.0):
        self.problem, self.level, self.spread = as_problem(env), level, spread
        if len(self.problem.layout.gates) > 1:
            raise NotApplicable("LevelSearch: there must be a single gate")
        self.rng, self.num_timesteps, self.best = np.random.default_rng(seed), 0, np.inf

    def learn(self, total_timesteps, callback):
        end, goes_on = self.num_timesteps + total_timesteps, True
        while goes_on and self.num_timesteps < end:
            before, self.level = self.level, self.level + self.spread * self.rng.normal()
            cost = evaluate(self, self.problem, episodes=64, seed=1 + self.num_timesteps).mean
            if cost < self.best:
                self.best = cost
            else:
                self.level = before
            self.num_timesteps += 64 * self.problem.horizon
            goes_on = callback(self)

    def predict(self, observation, deterministic=False):
        order = np.maximum(self.level - np.asarray(observation)[:, 0], 0.0)
        return ((order > 0).astype(int), order), None

    def save(self, path):
        with open(path, "w") as file:
            json.dump(self.level, file)

    @classmethod
    def load(cls, path, env):
        with open(path) as file:
            return cls(env, level=json.load(file))


class Careful(MixedGradient):
    """MixedGradient with a larger standard step"""

    SCALE_UPDATE = 0.2
