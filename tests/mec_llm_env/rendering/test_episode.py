"""Pictures of slots: trails, migrations, titles, and the film that they make."""

from __future__ import annotations

import dataclasses
import gc
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import dashf  # noqa: F401  registers the encoding `association`
from mec_llm_env import MobileConfig, sample_trajectory
from mec_llm_env.mobile.env import MecLlmMobileEnv
from mec_llm_env.mobile.vector_env import MecLlmMobileVectorEnv

pytest.importorskip("matplotlib")

from mec_llm_env.rendering import SIZE, Episode, draw_decision

SHAPE = (*SIZE, 3)
TRAIL = (0xC3, 0xC9, 0xD2)
MAP = (slice(120, 660), slice(75, 615))  # rows and columns, within the axes
SMALL = {"users": 3, "mobility.slots": 6, "mobility.job_end_probability": 0.0}


def make(**overrides: Any) -> MecLlmMobileEnv:
    return MecLlmMobileEnv(
        overrides=SMALL | overrides,
        action_encoding="association",
        render_mode="rgb_array",
    )


def pixels_of(picture: Any, color: tuple[int, int, int]) -> int:
    return int((picture == np.array(color, dtype=np.uint8)).all(axis=-1).sum())


def dark_of(picture: Any) -> int:
    """Pixels of black and near it, whose neighbours smooth them."""
    whole = picture.astype(int)
    spread = whole.max(axis=-1) - whole.min(axis=-1)
    return int(((whole.max(axis=-1) < 120) & (spread < 10)).sum())


def test_trails_grow_and_migrations_show() -> None:
    env = make()
    env.reset(seed=1)
    before = env.render()
    assert before is not None
    assert pixels_of(before[MAP], TRAIL) == 0
    env.step(np.array([0, 0, 0]))
    first = env.render()
    assert first is not None
    assert pixels_of(first[MAP], TRAIL) == 0
    trails = []
    for _ in range(3):
        env.step(np.array([0, 0, 0]))
        stayed = env.render()
        assert stayed is not None
        trails.append(pixels_of(stayed[MAP], TRAIL))
    assert 0 < trails[0] < trails[-1]
    dark = dark_of(stayed[MAP])
    env.step(np.array([1, 0, 0]))
    moved = env.render()
    assert moved is not None
    assert dark_of(moved[MAP]) > dark + 30  # dashes to the server that was left


def test_the_picture_is_that_of_the_slot_its_past_and_its_sums() -> None:
    env = make()
    env.reset(seed=2)
    of = MobileConfig().with_overrides(SMALL)
    trajectory = sample_trajectory(of, np.random.default_rng(2))
    serving = np.zeros((3, 2))
    score = cost = 0.0
    for t in range(6):
        _, _, _, _, info = env.step(np.array([t % 2, 0, 1]))
        assert env.allocation is not None
        assert env.outcome is not None
        score += env.outcome.score.sum()
        cost += env.outcome.cost.sum()
        wanted = draw_decision(
            dataclasses.replace(trajectory.slot(t), serving=serving),
            env.allocation,
            env.outcome,
            Episode(
                slot=t + 1,
                slots=6,
                scr=score / cost,
                trails=trajectory.scenario.user_position_m[: t + 1],
                radius_m=of.layout.cell_radius_m,
            ),
        )
        assert (env.render() == wanted).all()
        assert info["episode_scr"] == pytest.approx(score / cost)
        serving = env.allocation.association


def test_trails_end_where_another_user_has_come() -> None:
    env = make(**{"mobility.job_end_probability": 1.0})
    env.reset(seed=1)
    for _ in range(4):
        env.step(np.array([0, 1, 0]))
    picture = env.render()
    assert picture is not None
    assert pixels_of(picture[MAP], TRAIL) == 0
    env = make()
    env.reset(seed=1)
    for _ in range(4):
        env.step(np.array([0, 1, 0]))
    env.reset(seed=1)
    picture = env.render()
    assert picture is not None
    assert pixels_of(picture[MAP], TRAIL) == 0


@pytest.mark.parametrize(
    ("users", "servers"), [(1, 1), (10, 2), (50, 10), (60, 30), (1000, 50)]
)
def test_every_size_gives_one_shape(users: int, servers: int) -> None:
    env = make(users=users, servers=servers)
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(3):
        env.step(env.action_space.sample())
    picture = env.render()
    assert picture is not None
    assert picture.shape == SHAPE
    assert picture.dtype == np.uint8
    assert picture.std() > 20


def test_batched_pictures_are_those_of_scalar_environments() -> None:
    arguments: dict[str, Any] = {
        "overrides": SMALL,
        "action_encoding": "association",
        "render_mode": "rgb_array",
    }
    batched = MecLlmMobileVectorEnv(2, autoreset_mode="Disabled", **arguments)
    env = MecLlmMobileEnv(**arguments)
    batched.reset(seed=5)
    first = batched.render()
    assert first is not None
    batched.action_space.seed(0)
    taken = [batched.action_space.sample() for _ in range(6)]
    for action in taken:
        batched.step(action)
    last = batched.render()
    assert last is not None
    for i in range(2):
        env.reset(seed=5 + i)
        assert (env.render() == first[i]).all()
        for action in taken:
            env.step(action[i])
        assert (env.render() == last[i]).all()


def test_a_new_episode_begins_without_trails_in_a_batch() -> None:
    envs = MecLlmMobileVectorEnv(
        2, overrides=SMALL, action_encoding="association", render_mode="rgb_array"
    )
    envs.reset(seed=0)
    for _ in range(7):  # the seventh is the first of the next episodes
        envs.step(np.zeros((2, 3), dtype=np.int64))
    for picture in envs.render() or ():
        assert pixels_of(picture[MAP], TRAIL) == 0
    for _ in range(3):
        envs.step(np.zeros((2, 3), dtype=np.int64))
    assert any(pixels_of(picture[MAP], TRAIL) for picture in envs.render() or ())


# MoviePy leaves pipes to FFmpeg open until they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_film_of_an_episode(tmp_path: Path) -> None:
    moviepy = pytest.importorskip("moviepy")
    folder = tmp_path / "films"
    env: Any = gym.make("MecLlmMobile-v0", overrides=SMALL, render_mode="rgb_array")
    env = gym.wrappers.RecordVideo(env, str(folder), episode_trigger=lambda _: True)
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(6):
        env.step(env.action_space.sample())
    env.close()
    (path,) = folder.glob("*.mp4")
    with moviepy.VideoFileClip(str(path)) as film:
        assert film.size == [SIZE[1], SIZE[0]]
        assert film.fps == env.metadata["render_fps"] == 4
        frames = list(film.iter_frames())
    del film, env
    gc.collect()
    assert len(frames) == 7  # before the first decision, then one a slot
    for one, other in pairwise(frames):
        assert one.shape == other.shape == SHAPE
        assert np.abs(one.astype(int) - other).max() > 100


def test_frames_in_a_list() -> None:
    env: Any = gym.make("MecLlmMobile-v0", overrides=SMALL, render_mode="rgb_array")
    env = gym.wrappers.RenderCollection(env)
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(6):
        env.step(env.action_space.sample())
    frames = env.render()
    assert [frame.shape for frame in frames] == [SHAPE] * 7
    for one, other in pairwise(frames):
        assert (one != other).any()


def test_nothing_is_kept_for_pictures_that_nobody_wants() -> None:
    env = MecLlmMobileEnv(overrides=SMALL)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert not env._passed
    assert "mec_llm_env.rendering.window" not in sys.modules or env._window is None


@pytest.mark.parametrize("env_id", ["MecLlm-v0", "MecLlmMobile-v0"])
def test_gymnasium_checks_all_render_modes(env_id: str) -> None:
    for mode in ("rgb_array", "human"):
        check_env(gym.make(env_id, render_mode=mode).unwrapped)
