"""Restarts and reheating: several agents, or two policies of one, of which the better goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import ceil, log2
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jumpgym import checks

from .budget import NOTHING, Spent, checked_spent
from .engines import checked_key
from .training_state import restore_tensors, training_tensors
from .validation import validation_cost

RACED = 0.5
"""Share of the budget that is spent while there is more than one member."""

MEMBERS = "members/"

EARLIER = -1
"""Index, in a checkpoint, of the member as it was before an optional phase."""


@dataclass(frozen=True)
class Member:
    """All that a training has changed in one of the agents.

    Attributes:
        tensors: networks, optimizer and generator; see ``training_tensors``.
        key, cost_scale, iterations: see ``Agent``.
        spent: on this member alone.
    """

    tensors: dict[str, Tensor]
    key: NDArray[np.uint32]
    cost_scale: float
    iterations: int
    spent: Spent = NOTHING


class Race:
    """Successive halving (Jamieson and Talwalkar 2016) of agents that differ by their seed.

    All members train for the same time; then the better half goes on, by the cost of their deterministic
    policies on noise that no member was trained on, until one is left. Each round takes the same part of the
    first half of the budget, so the members of later rounds train longer; the last one has the other half to
    itself. The schedules of a member run over the time that the last one has in all. Members take turns in
    one agent, so that they share its compiled program.

    Before an optional phase (``Phase.optional``) the last member, or the only one, is copied; after it the
    better of the two policies goes on, on noise that was not trained on.

    Args:
        count: number of members.

    Attributes:
        members: those in the race; None for the one that is in the agent.
        position: which member trains, or is the next to train.
        earlier: the member as it was before an optional phase, until the better policy is chosen.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.members: list[Member | None] = []
        self.position = 0
        self.started = False
        self.earlier: Member | None = None

    @property
    def over(self) -> bool:
        """Whether the agent is the only member."""
        return (len(self.members) if self.started else self.count) <= 1

    @property
    def rounds(self) -> list[int]:
        """The number of members in each round, down to 2."""
        return [ceil(self.count / 2**done) for done in range(ceil(log2(self.count)))]

    @property
    def last_share(self) -> float:
        """Share of the budget that the member which is left last trains for."""
        return 1 - RACED + sum(self._shares)

    @property
    def _shares(self) -> list[float]:
        """Share of the budget that one member trains for in each round."""
        return [RACED / len(self.rounds) / members for members in self.rounds]

    def legs(self, agent: Any) -> Iterator[float]:
        """Let one member after the other train, and yield the progress at which it is to stop.

        An agent whose training is broken off, or saved, in the middle goes on with the member that it was.
        """
        if not self.started:
            self.members = [None, *(_newcomer(agent, index) for index in range(1, self.count))]
            self.started = True
        while len(self.members) > 1:
            done = self.rounds.index(len(self.members)) + 1
            stop = sum(self._shares[:done]) / self.last_share
            while self.position < len(self.members):
                self._enter(agent)
                yield stop
                self._leave(agent)
                self.position += 1
            self._halve(agent)
        for phase in agent.phases:
            if phase.optional and (self.earlier is not None or agent.progress < phase.end):
                if self.earlier is None:
                    yield phase.begin
                    self.earlier = self._copied(agent)
                yield phase.end
                self._keep_better(agent)
        yield 1.0

    def end(self) -> None:
        """Leave the member that is in the agent as the only one."""
        self.members, self.position, self.started, self.earlier = [], 0, True, None

    def _enter(self, agent: Any) -> None:
        member = self.members[self.position]
        if member is None:
            return
        self.members[self.position] = None
        restore_tensors(member.tensors, agent.networks, agent.optimizer, stepped=member.iterations > 0)
        agent.generator.set_state(member.tensors["generator"])
        agent.key, agent.cost_scale, agent.iterations = member.key, member.cost_scale, member.iterations
        agent.others = agent.spent.less(member.spent)

    def _leave(self, agent: Any) -> None:
        self.members[self.position] = self._copied(agent)

    @staticmethod
    def _copied(agent: Any) -> Member:
        tensors = training_tensors(agent.networks, agent.optimizer, agent.generator)
        copies = {name: tensor.clone() for name, tensor in tensors.items()}
        spent = agent.spent.less(agent.others)
        return Member(copies, agent.key, agent.cost_scale, agent.iterations, spent)

    def _keep_better(self, agent: Any) -> None:
        """Go back to the networks from before an optional phase, unless the policy is better now."""
        earlier, self.earlier = self.earlier, None
        assert earlier is not None
        now = self._copied(agent)

        def cost(member: Member) -> float:
            restore_tensors(member.tensors, agent.networks, agent.optimizer, stepped=member.iterations > 0)
            return validation_cost(agent, stream=1)

        better = min(now, earlier, key=cost)
        restore_tensors(better.tensors, agent.networks, agent.optimizer, stepped=better.iterations > 0)

    def _halve(self, agent: Any) -> None:
        """Keep the better half of the members; the last one stays in the agent."""
        costs = []
        for position in range(len(self.members)):
            self.position = position
            self._enter(agent)
            costs.append(validation_cost(agent, stream=len(self.members)))
            self._leave(agent)
        better = sorted(np.argsort(costs, kind="stable")[: ceil(len(costs) / 2)])
        self.members, self.position = [self.members[index] for index in better], 0
        agent.logger.record("race/cost", min(costs))
        agent.logger.record("race/members", len(self.members))
        if len(self.members) == 1:
            self._enter(agent)
            self.end()

    def stored(self) -> dict[str, Any]:
        """Return what JSON can hold of the state of the race."""
        return {
            "started": self.started,
            "position": self.position,
            "members": [_json(member) for member in self.members],
            "earlier": _json(self.earlier),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the tensors and keys of the members outside of the agent, by name."""
        named: dict[str, NDArray[Any]] = {}
        for index, member in [*enumerate(self.members), (EARLIER, self.earlier)]:
            if member is not None:
                prefix = f"{MEMBERS}{index}/"
                named |= {prefix + name: tensor.numpy(force=True) for name, tensor in member.tensors.items()}
                named[prefix + "key"] = member.key
        return named

    def restore(
        self, agent: Any, stored: dict[str, Any], arrays: dict[str, NDArray[Any]], *, same_device: bool
    ) -> None:
        """Take over what ``stored`` and ``arrays`` returned; this overwrites the weights of the agent.

        Args:
            agent: the agent that the members are to fit.
            stored, arrays: from a checkpoint.
            same_device: whether it was written on the agent's type of device. If not, the noise of each
                member starts afresh, since the state of a generator has no meaning on another type of device.

        Raises:
            KeyError: if something is missing.
            TypeError, ValueError, RuntimeError: if something does not fit the agent.
        """
        entries = checks.sequence("race.members", stored["members"])
        self.started = checks.choice("race.started", stored["started"], (True, False))
        self.position = checks.integer("race.position", stored["position"], low=0, high=len(entries))
        allowed = {0, 1, *self.rounds} if self.count == 1 else {0, *self.rounds}
        if len(entries) not in (allowed if self.started else {0}):
            raise ValueError(
                f"race.members has {len(entries)} entries, which restarts={self.count} and "
                f"race.started={self.started} do not allow"
            )
        absent = [index for index, entry in enumerate(entries) if entry is None]
        if absent and absent != [self.position]:
            raise ValueError(
                f"race.members {absent} are not stored; only that at race.position={self.position} may be "
                "absent, since it is in the agent"
            )
        self.members = [
            None if entry is None else _restored(agent, index, entry, arrays, same_device)
            for index, entry in enumerate(entries)
        ]
        entry = stored.get("earlier")  # checkpoints of version 0.2.0 have none
        self.earlier = None if entry is None else _restored(agent, EARLIER, entry, arrays, same_device)


def _json(member: Member | None) -> dict[str, Any] | None:
    """Return what JSON can hold of a member."""
    if member is None:
        return None
    spent = list(member.spent)
    return {"cost_scale": member.cost_scale, "iterations": member.iterations, "spent": spent}


def _restored(
    agent: Any, index: int, entry: dict[str, Any], arrays: dict[str, NDArray[Any]], same_device: bool
) -> Member:
    """Return a member of a checkpoint, after it has been tried in the agent."""
    prefix = f"{MEMBERS}{index}/"
    own_arrays = {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}
    key = checked_key(own_arrays.pop("key"))
    tensors = {name: torch.from_numpy(array) for name, array in own_arrays.items()}
    iterations = checks.integer(f"race.members[{index}].iterations", entry["iterations"], low=0)
    cost_scale = checks.number(f"race.members[{index}].cost_scale", entry["cost_scale"], low=0)
    spent = checked_spent(f"race.members[{index}].spent", entry["spent"])
    restore_tensors(tensors, agent.networks, agent.optimizer, stepped=iterations > 0)
    if not same_device:
        fresh = torch.Generator(agent.device).manual_seed(agent.settings.seed + index + iterations)
        tensors["generator"] = fresh.get_state()
    agent.generator.set_state(tensors["generator"])
    return Member(tensors, key, cost_scale, iterations, spent)


def _newcomer(agent: Any, index: int) -> Member:
    """Return an untrained member with a seed of its own."""
    seed = int(np.random.SeedSequence([agent.settings.seed, index]).generate_state(1, np.uint64)[0] >> 1)
    settings = {**asdict(agent.settings), "restarts": 1, "seed": seed}
    other = type(agent)(agent.problem, device=agent.device, engine="torch", **settings)
    tensors = training_tensors(other.networks, other.optimizer, other.generator)
    return Member(tensors, other.key, other.cost_scale, 0)
