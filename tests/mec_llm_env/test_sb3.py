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
from mec_llm_env import Scenario
from mec_llm_env.sb3 import SB3VecEnv


def adapter(count: int, **kwargs: Any) -> SB3VecEnv:
    envs = gym.make_vec("MecLlm-v0", count, preset="tiny-4x2", **kwargs)
    return SB3VecEnv(envs)  # type: ignore[arg-type]


def dummy(count: int, **kwargs: Any) -> DummyVecEnv:
    def make() -> gym.Env[Any, Any]:
        return gym.make("MecLlm-v0", preset="tiny-4x2", **kwargs)

    return DummyVecEnv([make] * count)


@pytest.mark.parametrize("encoding", ["box", "multi_discrete"])
@pytest.mark.parametrize("length", [1, 3])
def test_equals_dummy_vec_env(encoding: str, length: int) -> None:
    kwargs = {"action_encoding": encoding, "episode_length": length}
    ours, theirs = adapter(3, **kwargs), dummy(3, **kwargs)
    ours.seed(7)
    theirs.seed(7)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    ours.action_space.seed(0)
    for _ in range(5):
        actions = np.stack([ours.action_space.sample() for _ in range(3)])
        got, wanted = ours.step(actions), theirs.step(actions)
        for one, other in zip(got[:3], wanted[:3], strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        assert any(wanted[2]) or length > 1
        for one, other in zip(got[3], wanted[3], strict=True):
            assert set(one) == set(other)
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])


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
    with pytest.raises(ValueError, match="no dictionary actions"):
        adapter(2, action_encoding="dict")


def test_attributes_are_shared() -> None:
    ours = adapter(3)
    assert ours.get_attr("num_envs") == [3, 3, 3]
    assert ours.get_attr("task", indices=[1]) == [ours.envs.task]
    assert ours.env_is_wrapped(gym.Wrapper) == [False] * 3
    ours.close()
