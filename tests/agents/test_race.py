"""Restarts and reheating: several members share a budget, and the better ones go on."""

import io

import gymnasium as gym
import numpy as np
import pytest
import torch

from jumpgym.agents import MixedGradient
from jumpgym.agents.training import race as racing
from jumpgym.agents.training import validation
from jumpgym.agents.training.validation import validation_cost
from jumpgym.baselines import evaluate

SETUP_COST = "jumpgym/SetupCost-v0"
BATCH, PERIODS = 4, 10
ITERATION = BATCH * PERIODS


def new(restarts=4, engine="torch", **settings):
    problem = gym.make(SETUP_COST, horizon=PERIODS)
    settings = {"batch_size": BATCH, "hidden": (4,), "reheat": 0.0} | settings
    return MixedGradient(problem, restarts=restarts, engine=engine, **settings)


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


@pytest.mark.parametrize("restarts", [2, 5])
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
    assert abs(cost - measured.mean) < 4 * measured.standard_error * np.sqrt(1 + 4096 / validation.EPISODES)


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


def test_a_reheated_training_has_three_phases_with_schedules_of_their_own():
    agent = new(restarts=1, reheat=0.4)
    schedules = {}

    def note(agent):
        schedules[agent.iterations] = (agent.learning_rate, agent.phase.deviation, agent.phase.entropy_bonus)

    agent.learn(40 * ITERATION, callback=note)
    rates = np.array([schedules[i][0] for i in range(1, 40)]) / agent.settings.learning_rate
    assert np.flatnonzero(np.diff(rates) > 0).tolist() == [22, 32]  # it rises after 24 and after 34 of 40
    assert rates[[23, 33]] == pytest.approx([0.6, 0.3])
    phases = [schedules[i][1:] for i in (23, 24, 33, 34)]
    assert phases == pytest.approx(np.array([(0, 1), (0.4, 0.15), (0.4, 0.15), (0, 0)]), abs=1e-12)


@pytest.mark.parametrize(("engine", "better"), [("torch", "later"), ("jax", "earlier")])
def test_the_better_of_the_policies_before_and_after_the_second_phase_goes_on(monkeypatch, engine, better):
    agent = new(restarts=1, reheat=0.4, engine=engine)
    costs = {"later": [0.0, 1.0], "earlier": [1.0, 0.0]}[better] + [
        0.0,
        1.0,
    ]  # after the last phase: the later
    monkeypatch.setattr(racing, "validation_cost", lambda agent, stream: costs.pop(0))
    seen = {}
    agent.learn(40 * ITERATION, callback=lambda agent: seen.update({agent.iterations: weights(agent)}))
    assert not costs
    # Compared with what it was before the last phase, whose steps are small: a third of the learning rate.
    before, after, end = seen[24], seen[34], seen[35]
    assert (before != after).any()
    near = {"earlier": (end - before).norm(), "later": (end - after).norm()}
    assert min(near, key=near.get) == better


def test_noise_on_the_quantities_is_in_the_second_phase_alone():
    """Beside the quantities that the policy gives without noise in the same states."""
    agent = new(restarts=1, reheat=0.4)

    def spread(progress):
        agent.progress = progress
        episodes = agent.simulate(*agent.start())
        state_again = agent.policy(episodes.observations, lambda logits: episodes.gates)[2]
        return float((episodes.quantities - state_again).detach().abs().max())

    rounding = 1e-4
    assert max(spread(0.2), spread(0.9), spread(0.6 + 0.25 * agent.settings.entropy_until)) < rounding
    assert spread(0.6) > 1
    assert rounding < spread(0.75) < spread(0.6)


@pytest.mark.parametrize("engine", ["torch", "jax"])
def test_what_the_last_phase_spoils_is_undone(monkeypatch, engine):
    agent = new(restarts=1, reheat=0.4, engine=engine)
    costs, seen = [0.0, 1.0, 1.0, 0.0], {}
    monkeypatch.setattr(racing, "validation_cost", lambda agent, stream: costs.pop(0))
    agent.learn(40 * ITERATION, callback=lambda agent: seen.update({agent.iterations: weights(agent)}))
    assert not costs
    assert list(seen) == list(range(1, 41))
    assert (seen[40] == seen[34]).all()
    assert (seen[39] != seen[34]).any()


@pytest.mark.parametrize(("engine", "broken_off"), [("torch", 36), ("jax", 28)])
def test_a_reheated_training_goes_on_from_a_checkpoint_in_any_phase(engine, broken_off):
    whole, file = new(engine=engine, restarts=2, reheat=0.4), io.BytesIO()

    def save(agent):
        if agent.num_timesteps == broken_off * ITERATION:
            agent.save(file)

    whole.learn(40 * ITERATION, callback=save)
    loaded = MixedGradient.load(file, whole.problem)
    loaded.learn((40 - broken_off) * ITERATION, reset_num_timesteps=False)
    assert (weights(loaded) == weights(whole)).all()


@pytest.mark.parametrize("estimator", ["branching", "enumeration", "gumbel_softmax"])
def test_reheating_is_refused_by_estimators_without_sampled_gates(estimator):
    with pytest.raises(ValueError, match=rf"reheat=0\.4 belongs to .* not to '{estimator}'"):
        new(restarts=1, reheat=0.4, estimator=estimator)


@pytest.mark.parametrize(
    ("env", "settings", "deviation"),
    [
        (SETUP_COST, {}, 0.4),
        (SETUP_COST, {"reheat": None, "estimator": None}, 0.4),
        (SETUP_COST, {"estimator": "straight_through"}, 0.0),
        (SETUP_COST, {"estimator": "branching"}, 0.0),
        (SETUP_COST, {"heads": 2}, 0.4),
        (SETUP_COST, {"reheat": 0.2}, 0.2),
        ("jumpgym/JointReplenishment-v0", {}, 0.4),
        (gym.make("jumpgym/JointReplenishment-v0", items=5, horizon=PERIODS), {}, 0.0),
        (gym.make(SETUP_COST, horizon=None, max_episode_steps=PERIODS), {}, 0.4),
        (
            gym.make(SETUP_COST, horizon=None, max_episode_steps=PERIODS, demand=np.arange(300.0) % 7),
            {"validation_share": 0.3},
            0.0,
        ),
    ],
)
def test_trainings_are_reheated_by_default_where_that_is_possible(env, settings, deviation):
    assert MixedGradient(env, **settings).settings.reheat == deviation
