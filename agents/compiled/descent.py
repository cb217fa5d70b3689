"""The twin of ``Agent.descend`` for JAX: one step of Adam on the networks of a mirrored agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..networks.mirror import named_arrays, set_arrays

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""The defaults of ``torch.optim.Adam``."""

Arrays = dict[str, jax.Array]


class Adam(NamedTuple):
    """State of Adam, by parameter: number of steps, running first and second moments of the gradient."""

    step: Arrays
    first: Arrays
    second: Arrays


def adam(state: Adam, parameters: Arrays, gradient: Arrays, learning_rate: Any) -> tuple[Adam, Arrays]:
    """Return the state and the parameters after a step of Adam (Kingma and Ba 2015, algorithm 1).

    Args:
        state: of all parameters.
        parameters, gradient: of those that take the step.
        learning_rate: a float or a scalar.
    """
    step = {name: state.step[name] + 1 for name in gradient}
    first = {name: BETA1 * state.first[name] + (1 - BETA1) * g for name, g in gradient.items()}
    second = {name: BETA2 * state.second[name] + (1 - BETA2) * g**2 for name, g in gradient.items()}
    moved = {}
    for name, parameter in parameters.items():
        rate, root = learning_rate / (1 - BETA1 ** step[name]), jnp.sqrt(1 - BETA2 ** step[name])
        moved[name] = parameter - rate * first[name] / (jnp.sqrt(second[name]) / root + EPSILON)
    return Adam({**state.step, **step}, {**state.first, **first}, {**state.second, **second}), moved


def descend(
    agent: Any, objective: Callable[[], tuple[jax.Array, Any]], trained: Sequence[str] = ("",)
) -> Any:
    """Take a step of Adam down the gradient of a loss; see ``Agent.descend``.

    Where the loss or its gradient is not finite, the weights stay as they are, and ``agent.finite`` is False
    from then on.

    Args:
        agent: a mirrored agent, with its Adam state in ``adam``.
        objective, trained: see ``Agent.descend``.
    """
    parameters = {
        name: x
        for name, x in named_arrays(agent.networks)
        if name in agent.adam.step and name.startswith(tuple(trained))
    }
    others = [name for name, _ in named_arrays(agent.networks) if name not in parameters]

    def scaled(parameters: Arrays) -> tuple[jax.Array, Any]:
        set_arrays(agent.networks, parameters)
        loss, result = objective()
        changed = {name: x for name, x in named_arrays(agent.networks) if name in others}
        return loss / agent.cost_scale, (result, loss, changed, agent.logger.values, agent.generator.current)

    (_, aux), gradient = jax.value_and_grad(scaled, has_aux=True)(parameters)
    result, loss, changed, agent.logger.values, agent.generator.current = aux
    norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in gradient.values()))
    scale = jnp.minimum(agent.settings.max_grad_norm / (norm + 1e-6), 1.0)
    clipped = {name: scale * g for name, g in gradient.items()}
    finite = jnp.isfinite(loss) & jnp.isfinite(norm)
    after, moved = adam(agent.adam, parameters, clipped, agent.learning_rate)
    agent.adam, moved = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old), (after, moved), (agent.adam, parameters)
    )
    set_arrays(agent.networks, {**changed, **moved})
    agent.finite = agent.finite & finite
    agent.logger.record("train/loss", loss)
    agent.logger.record("train/gradient_norm", norm)
    return result


def repeat(agent: Any, step: Callable[[jax.Array], jax.Array], inputs: jax.Array) -> None:
    """Call ``step`` with one input after the other, until it returns False; see ``Agent.repeat``."""
    _announce_values(agent, step, inputs[0])

    def scanned(carry: Any, entry: jax.Array) -> tuple[Any, None]:
        def go_on(carry: Any) -> Any:
            _restore(agent, carry[1])
            return step(entry), _changeable(agent)

        return jax.lax.cond(carry[0], go_on, lambda carry: carry, carry), None

    (_, after), _ = jax.lax.scan(scanned, (jnp.asarray(True), _changeable(agent)), inputs)
    _restore(agent, after)


def _announce_values(agent: Any, step: Callable[[jax.Array], Any], entry: jax.Array) -> None:
    """Report 0 for whatever only ``step`` reports, since a loop of JAX cannot add to what it carries."""
    before = _changeable(agent)

    def reported(entry: jax.Array) -> Arrays:
        step(entry)
        return agent.logger.values

    added = jax.eval_shape(reported, entry)
    _restore(agent, before)
    zeros = {name: jnp.zeros(value.shape, value.dtype) for name, value in added.items()}
    agent.logger.values = {**zeros, **agent.logger.values}


def _changeable(agent: Any) -> Any:
    """Return everything that ``descend`` changes."""
    networks = dict(named_arrays(agent.networks))
    return networks, agent.adam, agent.finite, agent.generator.current, dict(agent.logger.values)


def _restore(agent: Any, values: Any) -> None:
    networks, agent.adam, agent.finite, agent.generator.current, agent.logger.values = values
    set_arrays(agent.networks, networks)
