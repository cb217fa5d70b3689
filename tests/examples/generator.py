from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from jumpgym import ActionLayout, HindsightProblem, HybridEnv, HybridVectorEnv


class Battery(NamedTuple):
    energy: Any  # kWh, shape (...,)
    period: Any


class Generator(HindsightProblem):
    """A generator with a start-up cost and a least power; unserved load costs 10 per kWh."""

    def __init__(self, start_cost=5.0, least=2.0, power=10.0, storage=20.0, horizon=24):
        self.horizon, self.storage, self.start_cost = horizon, storage, start_cost
        self.layout = ActionLayout(gates=[2], quantity_gate=[0], low=[0, least], high=[0, power])
        self.observation_low, self.observation_high = np.zeros(2), np.array([storage, horizon])
        super().__init__()

    def initial_state(self, uniforms):  # uniforms (...,)
        return Battery(self.storage * uniforms, 0 * uniforms)

    def noise(self, uniforms):  # load in kWh, (..., horizon)
        return 6 * uniforms

    def observe(self, state):
        xp = self.constants(state.energy).xp
        return xp.stack([state.energy, state.period], axis=-1)

    def step(self, state, gate, quantity, noise):  # gate and quantity (..., 2): off, on
        xp = self.constants(quantity).xp
        produced = (gate * quantity).sum(-1)
        energy = state.energy + produced - noise
        unserved = xp.clip(-energy, 0.0, None)
        cost = self.start_cost * gate[..., 1] + produced + 10.0 * unserved
        return Battery(xp.clip(energy, 0.0, self.storage), state.period + 1), cost[..., None]


class GeneratorEnv(HybridEnv):
    make_problem = Generator


class GeneratorVectorEnv(HybridVectorEnv):
    make_problem = Generator


gym.register("Generator-v0", GeneratorEnv, vector_entry_point=GeneratorVectorEnv)
