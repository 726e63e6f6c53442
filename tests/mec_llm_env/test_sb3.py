"""The Stable-Baselines3 adapter equals Stable-Baselines3's own `DummyVecEnv`."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv

import mec_llm_env  # noqa: F401 - registers
from mec_llm_env import MobileConfig, Scenario, sample_trajectory
from mec_llm_env.sb3 import SB3VecEnv


def adapter(count: int, **kwargs: Any) -> SB3VecEnv:
    envs = gym.make_vec("MecLlm-v0", count, preset="tiny-4x2", **kwargs)
    return SB3VecEnv(envs)  # type: ignore[arg-type]


def dummy(count: int, **kwargs: Any) -> DummyVecEnv:
    def make() -> gym.Env[Any, Any]:
        return gym.make("MecLlm-v0", preset="tiny-4x2", **kwargs)

    return DummyVecEnv([make] * count)


def assert_same_infos(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert set(one) == set(other)
        for name in one:
            assert type(one[name]) is type(other[name])
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("encoding", ["box", "multi_discrete"])
@pytest.mark.parametrize("length", [1, 3])
def test_equals_dummy_vec_env(encoding: str, length: int) -> None:
    kwargs = {"action_encoding": encoding, "episode_length": length}
    ours, theirs = adapter(3, **kwargs), dummy(3, **kwargs)
    ours.seed(7)
    theirs.seed(7)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    assert_same_infos(ours.reset_infos, theirs.reset_infos)
    ours.action_space.seed(0)
    for _ in range(5):
        actions = np.stack([ours.action_space.sample() for _ in range(3)])
        got, wanted = ours.step(actions), theirs.step(actions)
        for one, other in zip(got[:3], wanted[:3], strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        assert any(wanted[2]) or length > 1
        assert_same_infos(got[3], wanted[3])
        assert_same_infos(ours.reset_infos, theirs.reset_infos)


@pytest.mark.parametrize("encoding", ["box", "multi_discrete"])
def test_stable_baselines3_accepts_the_scalar_environment(encoding: str) -> None:
    check_env(gym.make("MecLlm-v0", action_encoding=encoding).unwrapped)


def test_an_algorithm_trains_on_it() -> None:
    model = PPO("MlpPolicy", adapter(4), n_steps=4, batch_size=8, seed=0, device="cpu")
    model.learn(32)
    assert model.num_timesteps == 32


def test_given_scenarios() -> None:
    ours = adapter(2)
    ours.seed(0)
    ours.reset()
    scenario = ours.envs.scenario
    assert isinstance(scenario, Scenario)
    ours.set_options([{"scenario": scenario[1]}, {"scenario": scenario[0]}])
    observation = ours.reset()
    codec = ours.envs.task.observation_codec
    np.testing.assert_array_equal(observation, codec.encode(scenario)[::-1])
    ours.set_options([{"scenario": scenario[1]}, {}])
    with pytest.raises(ValueError, match="sub-environment 1 differs"):
        ours.reset()


def test_refuses_what_stable_baselines3_cannot_use() -> None:
    with pytest.raises(ValueError, match=r"autoreset_mode='SameStep'.*'NextStep'"):
        adapter(2, autoreset_mode="NextStep")
    for encoding in ("dict", "dict_flat"):
        with pytest.raises(ValueError, match="no dictionary actions"):
            adapter(2, action_encoding=encoding)


def test_refuses_what_is_not_the_batched_environment() -> None:
    batched = gym.make_vec("MecLlm-v0", 2, preset="tiny-4x2")
    for wrapped in (
        gym.wrappers.vector.RecordEpisodeStatistics(batched),
        gym.wrappers.vector.ClipReward(batched, 0, 1),
    ):
        with pytest.raises(ValueError, match=r"Leave out the wrapper; .* VecMonitor"):
            SB3VecEnv(wrapped)  # type: ignore[arg-type]
    sync = gym.make_vec("MecLlm-v0", 2, preset="tiny-4x2", vectorization_mode="sync")
    single = gym.make("MecLlm-v0", preset="tiny-4x2")
    for other in (sync, single, "MecLlm-v0"):
        with pytest.raises(ValueError, match=r"`envs` must be .*; got .*make_vec_env"):
            SB3VecEnv(other)  # type: ignore[arg-type]


def test_the_sequential_environment_equals_dummy_vec_env() -> None:
    kwargs: dict[str, Any] = {"overrides": {"users": 3, "mobility.slots": 3}}
    envs = gym.make_vec("MecLlmMobile-v0", 2, **kwargs)
    ours = SB3VecEnv(envs)  # type: ignore[arg-type]
    theirs = DummyVecEnv([lambda: gym.make("MecLlmMobile-v0", **kwargs)] * 2)
    config = MobileConfig().with_overrides(kwargs["overrides"])
    given = [sample_trajectory(config, np.random.default_rng(i)) for i in range(2)]
    for options in ({}, [{"trajectory": trajectory} for trajectory in given]):
        for either in (ours, theirs):
            either.seed(7)
            either.set_options(options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(ours.reset(), theirs.reset())
        assert_same_infos(ours.reset_infos, theirs.reset_infos)
        for _ in range(4):
            actions = np.stack([ours.action_space.sample() for _ in range(2)])
            got, wanted = ours.step(actions), theirs.step(actions)
            for one, other in zip(got[:3], wanted[:3], strict=True):
                np.testing.assert_array_equal(one, other)
            assert_same_infos(got[3], wanted[3])
    ours.set_options({"scenario": None})
    with pytest.raises(ValueError, match=r"takes \{'trajectory': trajectory\} for"):
        ours.reset()


def test_attributes_are_those_of_sub_environments() -> None:
    ours, theirs = adapter(3), dummy(3)
    for either in (ours, theirs):
        either.seed(7)
        either.reset()
    for indices in (None, [2, 0], 1):
        got, wanted = (
            either.get_attr("scenario", indices) for either in (ours, theirs)
        )
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one.channel_gain, other.channel_gain)
    assert ours.get_attr("task", indices=[1]) == [ours.envs.task]
    assert ours.env_method("render", indices=[0, 1]) == [None, None]
    with pytest.raises(AttributeError, match="no attribute 'cell'"):
        ours.get_attr("cell")
    ours.set_attr("cell", 7, indices=[0, 2])
    assert ours.get_attr("cell") == [7, None, 7]
    with pytest.raises(ValueError, match="`scenario` is the environment's own"):
        ours.set_attr("scenario", None)
    assert ours.env_is_wrapped(gym.Wrapper) == [False] * 3
    ours.close()


@pytest.mark.parametrize("batched", [True, False])
def test_sb3_contrib_finds_the_masks(batched: bool) -> None:
    contrib = pytest.importorskip("sb3_contrib")
    from sb3_contrib.common.maskable import utils

    kwargs: dict[str, Any] = {
        "overrides": {"users": 3, "server.max_users": 2},
        "action_encoding": "multi_discrete",
    }
    env: Any = (
        SB3VecEnv(gym.make_vec("MecLlm-v0", 4, **kwargs))
        if batched
        else gym.make("MecLlm-v0", **kwargs)
    )
    model = contrib.MaskablePPO("MlpPolicy", env, n_steps=16, batch_size=16, seed=0)
    model.learn(64)
    assert utils.is_masking_supported(model.get_env())
    masks = utils.get_action_masks(model.get_env())
    assert masks.shape == (4 if batched else 1, 3 * (2 + 5 * 11))
    assert masks.all()
