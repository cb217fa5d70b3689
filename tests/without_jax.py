"""Train without JAX: PyTorch does it, and asking for JAX says what to install. Run by ``make wheel``."""

from jumpgym.agents import MixedGradient

agent = MixedGradient("jumpgym/SetupCost-v0", batch_size=8).learn(total_timesteps=800)
assert agent.engine == "torch", agent.engine
try:
    MixedGradient("jumpgym/SetupCost-v0", engine="jax")
except ImportError as error:
    assert "jumpgym[compiled]" in str(error), error
else:
    raise AssertionError("engine='jax' was accepted without JAX")
print("without JAX:", agent)
