"""Train without JAX: PyTorch does it, and asking for JAX says what to install. Run by ``make wheel``."""

from jumpgym.agents import MixedGradient


def main() -> None:
    """Train a little."""
    agent = MixedGradient("jumpgym/SetupCost-v0", batch_size=8).learn(total_timesteps=800)
    refusal = ""
    try:
        MixedGradient("jumpgym/SetupCost-v0", engine="jax")
    except ImportError as error:
        refusal = str(error)
    if agent.engine != "torch" or "jumpgym[compiled]" not in refusal:
        raise SystemExit(f"without JAX: engine {agent.engine}, refusal {refusal!r}")
    print("without JAX:", agent)


if __name__ == "__main__":
    main()
