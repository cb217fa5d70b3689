"""Rendering as text and as a chart."""

import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from matplotlib.backends.backend_agg import FigureCanvasAgg
from suite import active, every_environment, flat, passive


@every_environment
def test_chart_is_an_image_that_follows_the_episode(env_id):
    env = gym.make(env_id, render_mode="rgb_array")
    action = active(env.unwrapped.problem, share=0.02)
    env.reset(seed=0)
    frames = [env.render()]
    env.step(action)
    frames.append(env.render())
    for frame in frames:
        assert (frame.dtype, frame.shape) == (np.uint8, frames[0].shape)
        assert frame.shape[2] == 3
        assert min(frame.shape[:2]) > 200
        assert frame.std() > 5  # something is drawn
    assert (frames[0] != frames[1]).any()
    env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), frames[0])


LARGE = {
    "jumpgym/TruckCapacity-v0": {"max_trucks": 40, "truck_capacity": 3.0},
    "jumpgym/QuantityDiscount-v0": {"breakpoints": (1, 2, 3, 4, 5), "unit_costs": (6, 5, 4, 3, 2, 1)},
    "jumpgym/JointReplenishment-v0": {"items": 10, "lead_time": 2},
    "jumpgym/LoanBrackets-v0": {"terms": (1, 7)},
    "jumpgym/BudgetDiscount-v0": {"lead_time": 5, "horizon": None},
}


@every_environment
def test_nothing_on_a_chart_overlaps_or_leaves_it(env_id, monkeypatch):
    env = gym.make(env_id, render_mode="rgb_array", **LARGE.get(env_id, {}))
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(9):
        env.step(env.action_space.sample())
    canvases = []
    draw = FigureCanvasAgg.draw
    monkeypatch.setattr(FigureCanvasAgg, "draw", lambda canvas: (canvases.append(canvas), draw(canvas)))
    env.render()
    (canvas,) = canvases
    whole = canvas.figure.bbox
    for ax in canvas.figure.axes:
        boxes = {"title": ax._left_title.get_window_extent(), "label": ax.yaxis.label.get_window_extent()}
        boxes["ticks"] = ax.yaxis.get_tightbbox()
        assert boxes["title"].x1 < ax.bbox.x1
        legend = ax.get_legend()
        if legend is not None:
            boxes["legend"] = legend.get_window_extent()
            assert not boxes["legend"].overlaps(boxes["title"]), (env_id, ax.get_title(loc="left"))
        for name, box in boxes.items():
            assert whole.x0 <= box.x0, name
            assert box.x1 <= whole.x1, name


@every_environment
def test_text_tells_the_state_and_the_periods(env_id):
    env = gym.make(env_id, render_mode="ansi", horizon=14)
    problem = env.unwrapped.problem
    env.reset(seed=0)
    total, observations = 0.0, [problem.observe(env.unwrapped._state)]

    def header(period):
        seen = zip(problem.observation_names[:-1], observations[-1], strict=False)
        return (
            f"period {period} of 14   "
            + "   ".join(f"{name}: {value:.1f}" for name, value in seen)
            + f"   cost so far: {total:.1f}"
        )

    assert env.render() == header(0) + "\n"
    for period in range(13):
        action = (active if period % 2 else passive)(problem)
        _, reward, _, _, info = env.step(action)
        total -= reward
        observations.append(problem.observe(env.unwrapped._state))
    lines = env.render().splitlines()
    assert lines[0] == header(13)
    assert [line.split()[0] for line in lines[1:]] == ["period", *map(str, range(4, 14))]
    shown = range(len(observations[0]) - 1) if problem.charted is None else problem.charted
    before = observations[-2][list(shown)]
    regime = ",".join(f"{int(r)}" for r in flat(info["regime"]))
    expected = [*before, regime, *flat(info["quantity"], info["noise"]), -reward]
    words = [word if isinstance(word, str) else f"{word:.1f}" for word in expected]
    assert lines[-1].split() == ["13", *words]
    names = [problem.observation_names[i] for i in shown]
    columns = ["period", *names, "regime", *problem.quantity_names, *noise_names(problem), "cost"]
    assert lines[1].split() == " ".join(columns).split()
    assert len({len(line) for line in lines[1:]}) == 1  # columns


def noise_names(problem):
    if not problem.noise_shape:
        return [problem.noise_name]
    return [f"{problem.noise_name} {i + 1}" for i in range(problem.noise_shape[0])]


def test_text_of_an_inventory_by_hand():
    env = gym.make(
        "jumpgym/SetupCost-v0", render_mode="ansi", horizon=20, lead_time=1, initial_inventory=12.0
    )
    env.reset(seed=0, options={"noise": np.arange(20.0)})
    assert env.render() == "period 0 of 20   stock: 12.0   arrives in 0: 0.0   cost so far: 0.0\n"
    total = 0.0
    for _ in range(15):
        total -= env.step((0, [0.0]))[1]
    lines = env.render().splitlines()
    head = f"period 15 of 20   stock: {12 - 105:.1f}   arrives in 0: 0.0   cost so far: {total:.1f}"
    assert lines[0] == head
    assert lines[-1].split()[4] == "14.0"  # the demand


def test_many_items_are_counted_not_listed():
    env = gym.make("jumpgym/JointReplenishment-v0", items=10, render_mode="ansi", horizon=None)
    env.reset(seed=0)
    env.step((np.ones(11, dtype=int), np.ones(10)))
    head, names, row = env.render().splitlines()
    assert head.startswith("period 1   stock 1: ")
    assert "stock 6" in head
    assert "stock 7" not in head
    assert "(and 4 more)" in head
    assert len(names) == len(row)
    assert "order 7" not in names


def test_without_a_render_mode_it_warns():
    env = gym.make("jumpgym/SetupCost-v0")
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.unwrapped.render() is None


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_before_reset(mode):
    with pytest.raises(ResetNeeded, match="render"):
        gym.make("jumpgym/SetupCost-v0", render_mode=mode).unwrapped.render()


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    env = gym.make("jumpgym/SetupCost-v0", render_mode="rgb_array")
    env.reset(seed=0)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyNotInstalled, match=r'pip install "jumpgym\[baselines\]"'):
        env.render()


def test_rendering_leaves_pyplot_alone():
    monitored = "matplotlib.pyplot" in sys.modules
    env = gym.make("jumpgym/SetupCost-v0", render_mode="rgb_array")
    env.reset(seed=0)
    env.render()
    assert monitored or "matplotlib.pyplot" not in sys.modules
