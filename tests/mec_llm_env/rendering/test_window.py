"""The window of `render_mode="human"`, on SDL's dummy screen."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, Error, ResetNeeded

pytest.importorskip("matplotlib")
pygame = pytest.importorskip("pygame")

from mec_llm_env.rendering import SIZE  # noqa: E402
from mec_llm_env.rendering.window import Window, tiled  # noqa: E402

IDS = ["MecLlm-v0", "MecLlmMobile-v0"]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    pygame.display.quit()


def screen() -> Any:
    """What the window shows, [H, W, 3]; None without one."""
    if not pygame.display.get_init() or pygame.display.get_surface() is None:
        return None
    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


@pytest.mark.parametrize("env_id", IDS)
def test_reset_and_step_show_the_picture(env_id: str) -> None:
    env = gym.make(env_id, render_mode="human").unwrapped
    other = gym.make(env_id, render_mode="rgb_array").unwrapped
    assert screen() is None
    with pytest.raises(ResetNeeded):
        env.render()
    env.reset(seed=0)
    other.reset(seed=0)
    assert (screen() == other.render()).all()
    env.action_space.seed(0)
    action = env.action_space.sample()
    env.step(action)
    other.step(action)
    assert (screen() == other.render()).all()
    assert env.render() is None  # type: ignore[func-returns-value]
    env.close()
    assert screen() is None
    env.close()
    env.reset(seed=0)  # opens it again
    assert screen() is not None


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("num_envs", [1, 2, 5])
def test_the_first_four_of_a_batch_share_the_window(env_id: str, num_envs: int) -> None:
    envs = gym.make_vec(env_id, num_envs, render_mode="human")
    others = gym.make_vec(env_id, num_envs, render_mode="rgb_array")
    envs.action_space.seed(0)
    action = envs.action_space.sample()
    for env in (envs, others):
        env.reset(seed=0)
        env.step(action)
    pictures = others.render()
    assert pictures is not None
    shown = screen()
    assert (shown == tiled(pictures[:4])).all()
    rows = {1: 2, 2: 1}.get(num_envs, 2)
    assert shown.shape == (rows * SIZE[0] // 2, SIZE[1], 3)
    assert envs.render() is None
    envs.close()
    assert screen() is None


def test_tiles_are_where_they_belong() -> None:
    pictures = [np.full((*SIZE, 3), 40 * k, dtype=np.uint8) for k in range(1, 4)]
    canvas = tiled(pictures)
    corners = [canvas[y, x, 0] for y in (0, -1) for x in (0, -1)]
    assert corners == [40, 80, 120, 255]
    assert (tiled(pictures[:1]) == 40).all()


def test_pictures_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("mec_llm_env.rendering.window.sleep", waited.append)
    window = Window("title", fps=4)
    picture = np.zeros((*SIZE, 3), dtype=np.uint8)
    window.show([picture])
    window.show([picture])
    assert waited[0] == 0
    assert 0.1 < waited[1] <= 0.25
    assert pygame.display.get_caption()[0] == "title"


@pytest.mark.parametrize("env_id", IDS)
def test_an_environment_with_a_window_is_copied_and_pickled(env_id: str) -> None:
    env = gym.make(env_id, render_mode="human").unwrapped
    env.reset(seed=0)
    action = env.action_space.sample()
    copies = copy.deepcopy(env), pickle.loads(pickle.dumps(env))
    reward = env.step(action)[1]
    assert [again.step(action)[1] for again in copies] == [reward] * 2


def test_without_a_screen_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    env = gym.make("MecLlm-v0", render_mode="human").unwrapped
    monkeypatch.setenv("SDL_VIDEODRIVER", "none-such")
    with pytest.raises(Error, match=r"no screen .*SDL_VIDEODRIVER=dummy"):
        env.reset(seed=0)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("library", ["pygame", "matplotlib"])
def test_without_the_extra_the_command_is_named(
    env_id: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.startswith("mec_llm_env.rendering")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("mec_llm_env.rendering", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    for make in (gym.make, gym.make_vec):
        with pytest.raises(
            DependencyNotInstalled, match=rf'needs {library}.*"mec-llm-env\[render\]"'
        ):
            make(env_id, render_mode="human")
