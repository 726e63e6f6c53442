"""Pictures: their content by colour, their sizes, and the ways Gymnasium asks."""

import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from gymnasium.utils.env_checker import check_env

from mec_llm_env import ScenarioConfig, evaluate, sample_scenario
from mec_llm_env.actions import ActionCodec

matplotlib = pytest.importorskip("matplotlib")

from mec_llm_env.rendering import SIZE, decision_figure, draw_decision  # noqa: E402
from mec_llm_env.rendering.parts import color_of, marker_of  # noqa: E402

SHAPE = (*SIZE, 3)
ENV = "mec_llm_env:MecLlm-v0"
RED_SERVER = (0xD5, 0x5E, 0x00)  # the colour of server 1


def decision(users=4, servers=2, seed=0):
    config = ScenarioConfig(users=users, servers=servers)
    rng = np.random.default_rng(seed)
    scenario = sample_scenario(config, rng)
    action = rng.uniform(-1, 1, users * (servers + 5)).astype(np.float32)
    allocation = ActionCodec(users, servers).decode(action, scenario)
    return scenario, allocation, evaluate(scenario, allocation)


def pixels_of(picture, color):
    return int((picture == np.array(color, dtype=np.uint8)).all(axis=-1).sum())


@pytest.mark.parametrize(
    ("users", "servers"), [(1, 1), (4, 2), (10, 2), (50, 10), (60, 30), (1000, 50)]
)
def test_every_size_gives_one_shape(users, servers):
    picture = draw_decision(*decision(users, servers))
    assert picture.shape == SHAPE
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert picture.std() > 20


def test_equal_decisions_give_equal_pixels_whatever_the_user_has_set():
    first = draw_decision(*decision())
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert (draw_decision(*decision()) == first).all()
        assert matplotlib.rcParams["font.size"] == 30
    assert (draw_decision(*decision(seed=1)) != first).any()


def test_pyplot_keeps_no_figure():
    draw_decision(*decision())
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_a_server_s_colour_shows_whom_it_serves():
    scenario, allocation, _ = decision()
    everyone = np.zeros((4, 2))
    everyone[:, 0] = 1.0
    quarter = {
        "bandwidth_hz": np.full(4, 2.5e6),
        "server_frequency_hz": np.full(4, 3e8),
    }
    first = replace(allocation, association=everyone, **quarter)
    second = replace(allocation, association=everyone[:, ::-1].copy(), **quarter)
    pictures = [
        draw_decision(scenario, z, evaluate(scenario, z)) for z in (first, second)
    ]
    assert pixels_of(pictures[0], RED_SERVER) == 0
    assert pixels_of(pictures[1], RED_SERVER) > 5000


def test_a_taller_delay_is_a_taller_bar():
    scenario, allocation, outcome = decision(users=2)
    longer = replace(outcome, delay_local_s=outcome.delay_local_s + outcome.delay_s)
    pictures = [draw_decision(scenario, allocation, o) for o in (outcome, longer)]
    rows = np.flatnonzero((pictures[0] != pictures[1]).any(axis=(1, 2)))
    top, bottom = 0.5 * SIZE[0], 0.7 * SIZE[0]  # the panel of delays
    assert top < rows.min() < rows.max() < bottom


def test_before_the_decision_nothing_is_coloured_by_a_user():
    scenario, allocation, _ = decision()
    before = draw_decision(scenario, None, None)
    assert before.shape == SHAPE
    assert pixels_of(before, RED_SERVER) == 0
    assert draw_decision(scenario, allocation, None).shape == SHAPE


@pytest.mark.parametrize("absent", ["user_position_m", "server_position_m"])
def test_without_positions_the_map_is_left_out(absent):
    scenario, allocation, outcome = decision()
    scenario = replace(scenario, **{absent: None})
    assert draw_decision(scenario, allocation, outcome).shape == SHAPE
    assert draw_decision(scenario, None, None).shape == SHAPE


def test_users_at_one_point_are_drawn():
    scenario, allocation, outcome = decision()
    points = {name: 0 * getattr(scenario, name) for name in ("user_position_m",)}
    points["server_position_m"] = 0 * scenario.server_position_m
    assert draw_decision(replace(scenario, **points), allocation, outcome).any()


def test_torch_is_drawn_alike():
    pytest.importorskip("torch")
    arguments = decision()
    tensors = [argument.to_torch() for argument in arguments]
    assert (draw_decision(*tensors) == draw_decision(*arguments)).all()


def test_a_batch_is_refused():
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(0), (3,))
    with pytest.raises(ValueError, match=r"batch shape \(3,\)\. Draw scenario\[i\]"):
        draw_decision(scenario)


def test_without_matplotlib_the_command_is_named(monkeypatch):
    env = gym.make(ENV, render_mode="rgb_array").unwrapped
    env.reset(seed=0)
    monkeypatch.delitem(sys.modules, "mec_llm_env.rendering")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        DependencyNotInstalled, match=r'pip install "mec-llm-env\[render'
    ):
        env.render()


def test_environment_renders_the_last_decision():
    env = gym.make(ENV, render_mode="rgb_array", episode_length=2).unwrapped
    with pytest.raises(ResetNeeded):
        env.render()
    env.reset(seed=0)
    scenario = env.scenario
    assert (env.render() == draw_decision(scenario)).all()
    env.action_space.seed(0)
    env.step(env.action_space.sample())
    assert (env.render() == draw_decision(scenario, env.allocation, env.outcome)).all()


def test_gymnasium_checks_rendering():
    check_env(gym.make(ENV, render_mode="rgb_array").unwrapped)


def test_wrappers_collect_pictures():
    env = gym.make(ENV, render_mode="rgb_array")
    env = gym.wrappers.RenderCollection(env)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert [picture.shape for picture in env.render()] == [SHAPE, SHAPE]
    pixels = gym.wrappers.AddRenderObservation(gym.make(ENV, render_mode="rgb_array"))
    observation, _ = pixels.reset(seed=0)
    assert pixels.observation_space.contains(observation)


def test_batched_environment_renders_each_as_the_scalar_one_does():
    env = gym.make(ENV, render_mode="rgb_array").unwrapped
    batched = gym.make_vec(ENV, num_envs=2, render_mode="rgb_array")
    batched.reset(seed=3)
    batched.action_space.seed(0)
    actions = batched.action_space.sample()
    batched.step(actions)
    for i, picture in enumerate(batched.render()):
        env.reset(seed=3 + i)
        env.step(actions[i])
        assert (env.render() == picture).all()


def test_human_rendering_of_gymnasium(monkeypatch):
    """Shows pictures in a window, with the other package of the extra `render`."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pytest.importorskip("pygame")
    env = gym.wrappers.HumanRendering(
        gym.make("MecLlm-v0", preset="tiny-4x2", render_mode="rgb_array")
    )
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert env.screen_size is not None
    env.close()


def texts(figure):
    """Every text of a figure."""
    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_text()]


@pytest.mark.parametrize("width_in", [3.0, 3.5, 7.16])
@pytest.mark.parametrize(("users", "servers"), [(1, 1), (10, 2), (60, 30)])
def test_a_decision_is_drawn_for_print(width_in, users, servers, tmp_path):
    figure = decision_figure(*decision(users, servers), width_in=width_in)
    assert figure.get_figwidth() == width_in
    figure.canvas.draw()
    sizes = [
        t.get_fontsize()
        for t in figure.findobj(matplotlib.text.Text)
        if t.get_text() and t.get_visible()
    ]
    assert max(sizes) <= 10
    assert min(sizes) >= (5.5 if servers > 12 else 6)
    assert not figure._suptitle
    figure.savefig(tmp_path / "x.pdf")
    content = (tmp_path / "x.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Subtype /Type3" not in content
    figure.savefig(tmp_path / "x.svg")
    assert ">Delay per user (s)<" in (tmp_path / "x.svg").read_text()


def test_what_is_printed_is_what_is_shown(tmp_path):
    scenario, allocation, outcome = decision()
    for given in (
        (scenario, None, None),
        (scenario, allocation, outcome),
        (replace(scenario, user_position_m=None), allocation, outcome),
    ):
        figure = decision_figure(*given)
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert titles[1:] == [
            *("Bandwidth", "Compute", "Delay per user (s)", "Energy per user (J)")
        ]
        assert "map" in titles[0] or "gains" in titles[0]
        (legend,) = figure.legends
        assert "uplink" in [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("width_in", [2.9, 20.1, np.nan, -1])
def test_no_figure_of_such_a_width(width_in):
    with pytest.raises(ValueError, match="`width_in` must be from 3 to 20 inches; got"):
        decision_figure(*decision(), width_in=width_in)
    with pytest.raises(ValueError, match="batch shape"):
        decision_figure(
            sample_scenario(ScenarioConfig(), np.random.default_rng(), (2,))
        )


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_less_than_idle(seed):
    rng = np.random.default_rng(seed)
    users, servers = rng.integers(1, 12), rng.integers(1, 4)
    scenario, allocation, _ = decision(users, servers, seed)
    server = np.append(np.arange(servers), rng.integers(servers, size=12))[:users]
    association = np.eye(servers)[server]
    share = rng.random(users)
    share /= np.bincount(server, share, servers)[server]
    share *= 1 + 4e-16  # what rounding may do
    full = replace(
        allocation,
        association=association,
        bandwidth_hz=share * scenario.bandwidth_max_hz[server],
        server_frequency_hz=share * scenario.server_frequency_max_hz[server],
    )
    idle = [t for t in texts(decision_figure(scenario, full)) if "idle" in t]
    assert len(idle) == 2
    assert not any("-" in text for text in idle)
    if users >= servers:
        assert idle == ["0 % idle"] * 2


def test_servers_differ_in_colour_and_marker():
    assert len({(color_of(m), marker_of(m)) for m in range(60)}) == 60
    assert len({marker_of(m) for m in range(10)}) == 10  # in grey
