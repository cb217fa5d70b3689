"""Restarts: several members share a budget, and the better ones go on."""

import io

import gymnasium as gym
import numpy as np
import pytest
import torch

from jumpgym.agents import MixedGradient
from jumpgym.agents.training import race as racing
from jumpgym.agents.training.validation import validation_cost
from jumpgym.baselines import evaluate

SETUP_COST = "jumpgym/SetupCost-v0"
BATCH, PERIODS = 4, 10
ITERATION = BATCH * PERIODS


def new(restarts=4, **settings):
    problem = gym.make(SETUP_COST, horizon=PERIODS)
    return MixedGradient(problem, batch_size=BATCH, hidden=(4,), restarts=restarts, **settings)


def trained(agent, iterations, **arguments):
    """What happened: the position in the race, the number of members, the iterations and the progress."""
    steps = []

    def note(agent):
        steps.append((len(agent.race.members), agent.race.position, agent.iterations, agent.progress))

    agent.learn(iterations * ITERATION, callback=note, **arguments)
    return steps


def weights(agent):
    return torch.cat([p.detach().flatten() for p in agent.networks.parameters()])


def test_members_have_equal_time_and_the_last_one_ends_its_schedule():
    agent = new(restarts=4)
    steps = trained(agent, 96)
    assert agent.num_timesteps == 96 * ITERATION
    by_member = {}
    for members, position, iterations, progress in steps:
        by_member.setdefault((members, position), []).append((iterations, progress))
    assert [len(by_member[4, i]) for i in range(4)] == [6] * 4  # a quarter of the budget, in four
    assert [len(by_member[2, i]) for i in range(2)] == [12] * 2  # a quarter in two
    assert len(by_member[0, 0]) == 48
    for entries in by_member.values():
        iterations, progress = np.array(entries).T
        assert (np.diff(iterations) == 1).all()
        assert (np.diff(progress) > 0).all()
    assert steps[-1][2:] == (6 + 12 + 48, 1.0)


@pytest.mark.parametrize("restarts", [2, 3, 5])
def test_the_member_with_the_lowest_validation_cost_is_left(monkeypatch, restarts):
    firsts = {}

    def cost(agent, stream):
        """The member that drew the largest first weight is said to be the cheapest."""
        bias = -float(weights(agent)[0])
        firsts.setdefault(stream, []).append(bias)
        return bias

    monkeypatch.setattr(racing, "validation_cost", cost)
    agent = new(restarts=restarts, learning_rate=0)
    trained(agent, 20 * restarts)
    assert len(firsts[restarts]) == restarts == len(set(firsts[restarts]))
    assert -float(weights(agent)[0]) == min(firsts[restarts])


def test_validation_is_the_cost_in_the_environment():
    agent = new(restarts=1).learn(20 * ITERATION)
    measured = evaluate(agent, gym.make(SETUP_COST, horizon=PERIODS), episodes=4096, seed=1)
    cost = validation_cost(agent, stream=2)
    assert validation_cost(agent, stream=2) == cost != validation_cost(agent, stream=3)
    assert abs(cost - measured.mean) < 4 * measured.standard_error * np.sqrt(1 + 4096 / 512)


@pytest.mark.parametrize(("engine", "broken_off"), [("torch", 5), ("torch", 30), ("jax", 17)])
def test_a_race_goes_on_from_a_checkpoint_as_if_it_had_not_been_broken_off(engine, broken_off):
    whole, file = new(engine=engine, restarts=3), io.BytesIO()

    def save(agent):
        if agent.num_timesteps == broken_off * ITERATION:
            agent.save(file)

    whole.learn(40 * ITERATION, callback=save)
    loaded = MixedGradient.load(file, whole.problem)
    saved = weights(loaded)
    loaded.learn((40 - broken_off) * ITERATION, reset_num_timesteps=False)
    assert loaded.num_timesteps == whole.num_timesteps == 40 * ITERATION
    assert (weights(loaded) == weights(whole)).all()
    assert (saved != weights(whole)).any()


def test_a_new_training_ends_an_unfinished_race():
    agent = new(restarts=4)
    agent.learn(40 * ITERATION, callback=lambda agent: agent.num_timesteps < 5 * ITERATION)
    assert not agent.race.over
    steps = trained(agent, 10)
    assert agent.race.over
    assert [step[2] for step in steps] == list(range(1, 11))
