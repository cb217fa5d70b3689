"""Checkpoints of version 0.1.0 load, decide as they did, and go on learning.

Version 0.1.0 made them by ``Agent("jumpgym/SetupCost-v0", seed=1, batch_size=4, hidden=(3,)).learn(600)``,
and decided on ``OBSERVATIONS``.
"""

from pathlib import Path

import numpy as np
import pytest

from jumpgym import agents

FOLDER = Path(__file__).parent / "checkpoints"
OBSERVATIONS = np.stack([np.linspace(-20, 60, 30), np.arange(30) % 50], -1)
DECISIONS = np.load(FOLDER / "decisions-0.1.0.npz")


@pytest.mark.parametrize("name", sorted(path.name.partition("-")[0] for path in FOLDER.glob("*.zip")))
def test_a_checkpoint_of_version_0_1_0(name):
    agent = getattr(agents, name).load(FOLDER / f"{name}-0.1.0.zip", "jumpgym/SetupCost-v0")
    regime, quantity = agent.predict(OBSERVATIONS, deterministic=True)[0]
    np.testing.assert_array_equal(regime, DECISIONS[f"{name}_regime"])
    np.testing.assert_allclose(quantity, DECISIONS[f"{name}_quantity"], rtol=1e-5)
    assert agent.num_timesteps == 600
    agent.learn(200, reset_num_timesteps=False)
    assert agent.num_timesteps == 800
