"""Simulation of many episodes in one program that JAX compiles, for any policy that JAX can trace."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

from . import checks
from .adapters.registry import as_problem
from .extras import needs_extra

Array: TypeAlias = Any
"""An array of JAX."""

Policy: TypeAlias = Callable[..., tuple[Array, Array]]


class CompiledRollout:
    """A policy in a problem, compiled: the costs of many episodes at the speed of the problem itself.

    The policy is a function of arrays of JAX. It is called with the observations (episodes, n) of one period
    and with the arguments that are passed through, such as the weights of a network. It returns the weights
    of the regimes of all gates, (episodes, options), one-hot for a hard decision, and the quantities
    (episodes, columns), one for each regime of their gates; see ``problem.layout``. Quantities are projected
    on the intervals of their regimes, as in the environment.

    Costs are arrays of JAX and can be differentiated by ``jax.grad`` in the arguments that are passed
    through. The first call for a number of episodes compiles, which takes a second or so.

    Args:
        env: environment id, environment or problem.
        policy: see above.
        periods: number of periods of an episode; only for a problem with an infinite horizon, which needs it.

    Raises:
        ModuleNotFoundError: if JAX is not installed.
        ValueError: if ``periods`` is missing, or given for a problem with a horizon.

    Example:
        An (s, S) policy: below a stock of 15, order up to 62.

        >>> import jax.numpy as jnp
        >>> from jumpgym.simulation import CompiledRollout
        >>> def policy(observation, s, S):
        ...     order = observation[:, 0] < s
        ...     return jnp.stack([~order, order], -1).astype(float), (S - observation[:, :1]) * jnp.ones(2)
        >>> rollout = CompiledRollout("jumpgym/SetupCost-v0", policy)
        >>> costs = rollout(10_000, 0, 15.0, 62.0)
        >>> costs.shape, 2400 < float(costs.mean()) < 2600
        ((10000,), True)
    """

    def __init__(self, env: Any, policy: Policy, periods: int | None = None) -> None:
        with needs_extra("jumpgym.simulation", "compiled"):
            self._jax = importlib.import_module("jax")
        self.problem = problem = as_problem(env)
        self.policy = policy
        if problem.horizon is not None and periods is not None:
            raise ValueError(
                f"periods={periods} is for problems with an infinite horizon; this one has "
                f"horizon={problem.horizon}: leave periods out"
            )
        if problem.horizon is None and periods is None:
            raise ValueError(
                "this problem has horizon=None: give the periods to simulate, such as periods=100"
            )
        self.periods: int = problem.horizon or checks.integer("periods", periods, low=1)
        self._fresh = self._jax.jit(self._simulate, static_argnums=0)
        self._replay = self._jax.jit(self._costs)

    def __call__(self, episodes: int, seed: int = 0, *arguments: Any) -> Array:
        """Return the discounted total costs (episodes,) of episodes on fresh noise.

        Args:
            episodes: their number.
            seed: of initial states and noise. Equal seeds give equal noise, whatever the policy.
            arguments: passed on to the policy.
        """
        episodes = checks.integer("episodes", episodes, low=1)
        key = self._jax.random.key(checks.integer("seed", seed, low=0, high=2**31 - 1))
        return self._fresh(episodes, key, *arguments)

    def replay(self, state: Any, noise: Any, *arguments: Any) -> Array:
        """Return the discounted total costs (episodes,) of episodes on given noise.

        Args:
            state: initial states, as ``problem.initial_state`` returns them, for all episodes.
            noise: shape (episodes, periods, *noise_shape), as ``problem.noise`` returns it.
            arguments: passed on to the policy.

        Raises:
            ValueError: if the noise has another shape.
        """
        xp = self._jax.numpy
        noise = xp.asarray(noise, dtype=float)
        expected = (len(noise), self.periods, *self.problem.noise_shape)
        if noise.shape != expected:
            raise ValueError(f"noise of shape {noise.shape} must have shape {('episodes', *expected[1:])}")
        return self._replay(
            type(state)(*(xp.asarray(entry, dtype=float) for entry in state)), noise, *arguments
        )

    def _simulate(self, episodes: int, key: Any, *arguments: Any) -> Array:
        """Draw initial states and noise, and simulate."""
        problem, random = self.problem, self._jax.random
        of_start, of_noise = random.split(key)
        start = random.uniform(of_start, (episodes, *problem.start_shape))
        uniforms = random.uniform(of_noise, (episodes, self.periods, *problem.noise_shape))
        return self._costs(*problem.begin(start, uniforms), *arguments)

    def _costs(self, state: Any, noise: Array, *arguments: Any) -> Array:
        problem, xp = self.problem, self._jax.numpy
        low, high = problem.layout.low, problem.layout.high

        def step(state: Any, period: tuple[Array, Array]) -> tuple[Any, Array]:
            discount, noise = period
            weights, quantities = self.policy(problem.observe(state), *arguments)
            self._check(weights, quantities, len(noise))
            state, costs = problem.step(state, weights, xp.clip(quantities, low, high), noise)
            return state, discount * costs.sum(-1)

        discounts = xp.asarray(
            [problem.discount**period for period in range(self.periods)], dtype=noise.dtype
        )
        _, costs = self._jax.lax.scan(step, state, (discounts, xp.moveaxis(noise, 1, 0)))
        return costs.sum(0)

    def _check(self, weights: Array, quantities: Array, episodes: int) -> None:
        layout = self.problem.layout
        for name, array, width in (
            ("weights", weights, layout.options),
            ("quantities", quantities, len(layout.low)),
        ):
            if array.shape != (episodes, width):
                raise ValueError(
                    f"the policy returned {name} of shape {array.shape}; they must have shape "
                    f"{(episodes, width)}: a column for each regime of each gate, see problem.layout"
                )
