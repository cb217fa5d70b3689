"""Other action spaces by keyword or by id, in single environments and native batches."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import data_equivalence as equal
from suite import class_of, every_environment

import jumpgym
from jumpgym.adapters.named_views import VIEWS
from jumpgym.baselines import evaluate
from jumpgym.wrappers import BoxAction, BoxQuantity, DictAction, DiscreteLevel, DiscreteQuantity

SETUP_COST = "jumpgym/SetupCost-v0"
WRAPPERS = {
    "dict": DictAction,
    "box": BoxAction,
    "quantity": BoxQuantity,
    "grid": DiscreteQuantity,
    "levels": DiscreteLevel,
}
NO_MEMBERSHIP = "jumpgym/SwitchedLQR-v0"
NATIVE = {"vectorization_mode": "vector_entry_point"}


def test_every_view_has_a_name_and_a_wrapper():
    assert VIEWS.keys() == {"tuple", *WRAPPERS}


@every_environment
@pytest.mark.parametrize("action", WRAPPERS)
def test_the_keyword_equals_the_wrapper_in_one_environment_and_in_a_batch(env_id, action):
    """Over two episodes, since levels depend on the stock, which autoreset changes."""
    keywords = {"action": action, "horizon": 3}
    if env_id == NO_MEMBERSHIP and action not in ("box", "dict"):
        with pytest.raises(jumpgym.NotApplicable, match="the regime does not follow from the quantity"):
            gym.make(env_id, **keywords)
        return
    wrapped, env = WRAPPERS[action](gym.make(env_id, horizon=3)), gym.make(env_id, **keywords)
    batch = gym.make_vec(env_id, 1, **NATIVE, **keywords, autoreset_mode="SameStep")
    assert env.action_space == wrapped.action_space == batch.single_action_space
    batch.action_space.seed(2)
    assert equal(env.reset(seed=0), wrapped.reset(seed=0))
    batch.reset(seed=0)
    for period in range(6):
        actions = batch.action_space.sample()
        single = next(iter(gym.vector.utils.iterate(batch.action_space, actions)))
        step = env.step(single)
        assert equal(step, wrapped.step(single), exact=True)
        observations, rewards, terminations, _, infos = batch.step(actions)
        assert rewards[0] == pytest.approx(step[1], rel=1e-9)
        assert terminations[0] == step[2] == (period % 3 == 2)
        seen = infos["final_obs"][0] if step[2] else observations[0]
        np.testing.assert_allclose(seen, step[0], rtol=1e-6)
        if step[2]:
            assert equal(env.reset(), wrapped.reset())


@every_environment
def test_ids_for_box_and_dict_actions(env_id):
    if not env_id.startswith("jumpgym/"):
        return
    for suffix, wrapper in (("box", BoxAction), ("dict", DictAction)):
        name = f"{env_id.removesuffix('-v0')}-{suffix}-v0"
        expected = wrapper(gym.make(env_id)).action_space
        assert gym.make(name).action_space == gym.make_vec(name, 2, **NATIVE).single_action_space == expected
        assert type(jumpgym.as_problem(name)) is type(jumpgym.as_problem(env_id))
        assert jumpgym.environment_id(name) == name
    assert len(jumpgym.ENVIRONMENTS) == 12  # variants are no environments of their own


def test_variants_are_not_suggested():
    with pytest.raises(ValueError, match="did you mean jumpgym/SetupCost-v0") as raised:
        jumpgym.environment_id("SetupCost-bx")
    assert "-box" not in str(raised.value)


def test_an_unknown_view_is_named():
    with pytest.raises(ValueError, match="action='flat' must be one of 'tuple', 'dict', 'box'"):
        gym.make(SETUP_COST, action="flat")


def test_wrappers_refuse_an_environment_that_has_another_view_already():
    with pytest.raises(TypeError, match=r"needs a jumpgym environment with actions \(regime, quantity\)"):
        BoxAction(gym.make(SETUP_COST, action="dict"))


@pytest.mark.parametrize("limit", [{}, {"max_episode_steps": 60}])
def test_evaluate_reads_the_actions_of_the_view(limit):
    class Pairs:
        def predict(self, observation, deterministic=True):
            stock = observation[:, 0].astype(float)
            asked = np.where(stock < 14, 60 - stock, 0.0)
            return (np.sign(asked).astype(int), asked), None

    class Columns(Pairs):
        def predict(self, observation, deterministic=True):
            regime, asked = super().predict(observation)[0]
            return np.stack([2.0 * regime - 1, asked / 100 - 1], axis=-1), None

    plain = evaluate(Pairs(), SETUP_COST, episodes=64).costs
    env = gym.make(SETUP_COST, action="box", **limit)
    np.testing.assert_allclose(evaluate(Columns(), env, episodes=64).costs, plain, rtol=1e-9)


@every_environment
def test_a_configuration_may_be_passed_as_a_dict(env_id):
    """As RLlib does, where an environment is given as a class."""
    environment = class_of(env_id)
    env = environment({"horizon": 3, "action": "box", "render_mode": "ansi"})
    assert env.unwrapped.problem.horizon == 3
    assert isinstance(env.action_space, spaces.Box)
    assert env.render_mode == "ansi"
    assert environment({}).action_space == environment().action_space
    for wrong in ("ansi", 3, ["horizon"]):
        with pytest.raises(TypeError, match=rf"{environment.__name__}: .* must be a dict of parameters"):
            environment(wrong)
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'horizons'=3"):
        environment({"horizons": 3})
