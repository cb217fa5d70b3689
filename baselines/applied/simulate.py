"""``simulate``: what becomes of a policy, period by period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from jumpgym import HindsightProblem, as_problem, checks

from ..evaluation import Evaluation, draw, plus_minus, simulated_periods, total_costs
from .policies import named_policy
from .trajectories import trajectory_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PERIODS = 200
"""Default number of periods of an infinite-horizon problem."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """Simulated episodes of a policy.

    Attributes:
        table: a row for each episode, period and item, with the columns ``episode``, ``period`` (elapsed
            periods), ``item``, ``stock`` and ``on_order`` (units before the order is placed), ``regime``,
            ``order``, ``arrived``, ``demand``, ``unmet`` (units of demand that were not met at once),
            ``cost_KIND`` for each kind of cost, and ``cost``. What no single item causes, such as trucks, is
            in rows of the item "all items". Problems without items have the entries of the state, the
            quantities and the noise by name. Costs are not discounted here.
        costs: total cost of each episode, also by kind, as ``evaluate`` reports it.
        service: fill rate and cycle service level, see ``service.service_levels``; None without stocks.
        problem: that was simulated.
    """

    table: pd.DataFrame
    costs: Evaluation
    service: pd.DataFrame | None
    problem: HindsightProblem

    def plot(self) -> Figure:
        """A picture: state, decisions and cost by kind, period by period; see ``picture.draw_simulation``."""
        from .picture import draw_simulation

        return draw_simulation(self.problem, self.table)

    def __str__(self) -> str:
        """Mean cost by kind with standard errors, and the service levels in per cent."""
        costs, errors = self.costs, self.costs.standard_error_by_kind
        amounts = {kind: plus_minus(mean, errors[kind]) for kind, mean in costs.mean_by_kind.items()}
        amounts["cost"] = plus_minus(costs.mean, costs.standard_error)
        per_period = self.problem.horizon is None and self.problem.discount == 1
        unit = "a period" if per_period else "an episode"
        width = max(map(len, amounts))
        lines = [f"mean cost of {unit}, {len(costs.costs):,} episodes"]
        lines += [f"  {kind:{width}}  {amount}" for kind, amount in amounts.items()]
        if self.service is not None:
            shown = (100 * self.service).rename(columns=lambda name: f"{name.replace('_', ' ')}, %")
            lines.append(shown.reset_index().to_string(index=False, float_format="{:.1f}".format))
        return "\n".join(lines)


def simulate(
    policy: Any, env: Any, episodes: int = 1000, seed: int = 0, periods: int | None = None
) -> Simulation:
    """Simulate a policy without exploration, and tell what happens in each period.

    The episodes are those of ``evaluate`` with the same seed. With an infinite horizon they begin in the
    initial state and there is no warm-up.

    Args:
        policy: anything that ``evaluate`` takes, or "optimum", "classical" or the path of a checkpoint.
        env: environment id, environment or problem, as in ``evaluate``.
        episodes: number of episodes, at least 1.
        seed: seed of the noise.
        periods: only for an infinite horizon; default ``PERIODS``.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed; or if what the policy
            returns does not fit the environment.

    >>> simulation = simulate("classical", "jumpgym/SetupCost-v0", episodes=100, seed=0)
    >>> simulation.table.shape
    (5000, 15)
    >>> bool(abs(simulation.table.cost.sum() / 100 - simulation.costs.mean) < 1e-6)
    True
    """
    episodes = checks.integer("episodes", episodes, low=1)
    chosen, env = named_policy(policy, env)
    problem = as_problem(env)
    if problem.horizon is None:
        periods = checks.integer("periods", PERIODS if periods is None else periods, low=1)
    elif periods is not None:
        raise ValueError(
            f"{periods=} is for problems without a horizon; this one has {problem.horizon} periods"
        )
    start, noise = draw(problem, episodes, seed, periods)
    simulated = list(simulated_periods(chosen, env, start, noise))
    table, service = trajectory_table(problem, simulated)
    return Simulation(table, total_costs(problem, simulated, episodes), service, problem)
