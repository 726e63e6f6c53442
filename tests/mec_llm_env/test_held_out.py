"""The splits of the environments: held-out scenarios in order, with their bounds."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from agents.problems.instances import held_out_instances, validation_instances
from mec_llm_env import (
    MOBILE_PRESETS,
    PRESETS,
    MobileConfig,
    ScenarioConfig,
    sample_scenario,
    sample_trajectory,
)
from mec_llm_env.bank import bank_presets, load_bank
from mec_llm_env.held_out import SPLITS
from mec_llm_env.mobile.bank import load_trajectory_bank
from tests.mec_llm_env.test_vector_env import MODES, assert_same


def observed(env: Any, scenario: Any) -> Any:
    return env.unwrapped.task.observation_codec.encode(scenario)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("episode_length", [1, 3])
def test_scenarios_come_in_order(split: str, episode_length: int) -> None:
    kwargs: dict[str, Any] = {"split": split, "episode_length": episode_length}
    env = gym.make("MecLlm-tiny-v0", **kwargs)
    config = ScenarioConfig.preset("tiny-4x2")
    instances = {"test": held_out_instances, "validation": validation_instances}
    wanted = instances[split](config, 9)
    observation, _ = env.reset()
    seen, scr = [observation], []
    while len(scr) < 9:
        action = env.action_space.sample()
        observation, reward, terminated, *_ = env.step(action)
        scr.append(reward)
        if terminated:
            observation, _ = env.reset()
        seen.append(observation)
    np.testing.assert_array_equal(seen[:9], observed(env, wanted))
    observation, _ = env.reset(seed=4)
    np.testing.assert_array_equal(observation, observed(env, wanted[4]))
    assert env.unwrapped.np_random_seed == 4


@pytest.mark.parametrize("preset", bank_presets())
def test_info_has_the_bank_s_bound(preset: str) -> None:
    env = gym.make("MecLlm-v0", preset=preset, split="test")
    bank = load_bank(preset)
    _, first = env.reset()
    assert first["upper_bound"] == first["optimality"] == 0
    for i in range(4):
        *_, info = env.step(env.action_space.sample())
        assert info["upper_bound"] == bank.bound[i]
        assert info["optimality"] == info["scr"] / bank.bound[i]
        assert type(info["optimality"]) is np.float64
        env.reset()
    # Beyond the bank, and on a scenario of one's own, no bound is known.
    env.reset(seed=len(bank))
    assert np.isnan(env.step(env.action_space.sample())[-1]["upper_bound"])
    scenario = sample_scenario(ScenarioConfig.preset(preset), np.random.default_rng(0))
    env.reset(seed=0, options={"scenario": scenario})
    assert np.isnan(env.step(env.action_space.sample())[-1]["optimality"])
    env.reset()  # what was given took none of the split's
    assert env.step(env.action_space.sample())[-1]["upper_bound"] == bank.bound[0]


def test_info_has_the_bound_of_an_episode() -> None:
    env = gym.make("MecLlmMobile-v0", split="test")
    bank = load_trajectory_bank("mobile-10x2")
    env.action_space.seed(0)
    _, first = env.reset(seed=1)
    assert first["upper_bound"] == first["optimality"] == 0
    terminated = False
    while not terminated:
        *_, terminated, _, info = env.step(env.action_space.sample())
        assert info["upper_bound"] == bank.bound[1]
        if not terminated:
            assert np.isnan(info["optimality"])
    assert 0 < info["optimality"] == info["episode_scr"] / bank.bound[1] < 1
    assert type(info["optimality"]) is np.float64
    # It is the episode that was bounded.
    task = env.unwrapped.task
    begun = task.begin(task.recall(bank.trajectory[1], (), 0))
    np.testing.assert_array_equal(env.reset(seed=1)[0], task.observe(begun))
    env.reset(seed=len(bank))
    assert np.isnan(env.step(env.action_space.sample())[-1]["upper_bound"])
    trajectory = sample_trajectory(
        MobileConfig.preset("mobile-10x2"), np.random.default_rng(0)
    )
    env.reset(seed=0, options={"trajectory": trajectory})
    for _ in range(2):  # what is carried from slot to slot
        assert np.isnan(env.step(env.action_space.sample())[-1]["upper_bound"])


def test_batched_episodes_have_their_bounds() -> None:
    env = gym.make_vec("MecLlmMobile-v0", 3, split="test", autoreset_mode="NextStep")
    bank = load_trajectory_bank("mobile-10x2")
    env.reset()
    env.action_space.seed(0)
    for _ in range(50):
        *_, infos = env.step(env.action_space.sample())
        np.testing.assert_array_equal(infos["upper_bound"], bank.bound[:3])
    np.testing.assert_array_equal(
        infos["optimality"], infos["episode_scr"] / bank.bound[:3]
    )
    env.step(env.action_space.sample())  # begins the next ones
    *_, infos = env.step(env.action_space.sample())
    np.testing.assert_array_equal(infos["upper_bound"], bank.bound[3:6])


@pytest.mark.parametrize(
    "kwargs",
    [
        {"split": "validation"},
        {"split": "test", "overrides": {"radio.bandwidth_mhz": 20}},
        {},
    ],
)
def test_there_is_no_bound_where_the_bank_has_none(kwargs: dict[str, Any]) -> None:
    env = gym.make("MecLlm-v0", preset="tiny-4x2", **kwargs)
    assert "upper_bound" not in env.reset()[1]
    assert "upper_bound" not in env.step(env.action_space.sample())[-1]
    mobile: dict[str, Any] = dict(kwargs)
    if "overrides" in kwargs:
        mobile["overrides"] = {"mobility.slots": 2}
    env = gym.make("MecLlmMobile-v0", **mobile)
    assert "upper_bound" not in env.reset()[1]
    assert "optimality" not in env.step(env.action_space.sample())[-1]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("env_id", "kwargs", "count", "stride"),
    [
        ("MecLlm-v0", {"preset": "tiny-4x2"}, 3, None),
        ("MecLlm-v0", {"preset": "tiny-4x2", "episode_length": 2}, 5, None),
        ("MecLlm-v0", {"overrides": {"users": 3, "servers": 4}}, 1, 7),
        ("MecLlmMobile-v0", {"overrides": {"users": 3, "mobility.slots": 2}}, 4, None),
        ("MecLlmMobile-v0", {"overrides": {"users": 2, "mobility.slots": 3}}, 2, 1),
    ],
)
def test_the_batched_environment_equals_the_synchronous_one(
    mode: str,
    split: str,
    env_id: str,
    kwargs: dict[str, Any],
    count: int,
    stride: int | None,
) -> None:
    kwargs = {**kwargs, "split": split}
    native = gym.make_vec(
        env_id, count, autoreset_mode=mode, split_stride=stride, **kwargs
    )
    sync = gym.make_vec(
        env_id,
        count,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode(mode)},
        split_stride=count if stride is None else stride,
        **kwargs,
    )
    assert_same(native.reset(seed=0), sync.reset(seed=0))
    sync.action_space.seed(0)
    for step in range(9):
        action = sync.action_space.sample()
        result, expected = native.step(action), sync.step(action)
        assert_same(result, expected)
        mask = expected[2].copy()
        mask[step % count] |= step % 2 == 0  # puts the episodes out of step
        if mode == "Disabled" and mask.any():
            for env in (native, sync):
                env.reset(options={"reset_mask": mask.copy()})
    assert_same(native.reset(), sync.reset())


def test_together_sub_environments_decide_each_scenario_once() -> None:
    env = gym.make_vec("MecLlm-tiny-v0", 25, split="test")
    env.reset()
    env.action_space.seed(0)
    bounds = []
    for _ in range(4):
        *_, infos = env.step(env.action_space.sample())
        bounds.append(infos["final_info"]["upper_bound"])
    np.testing.assert_array_equal(np.concatenate(bounds), load_bank("tiny-4x2").bound)


def test_a_snapshot_knows_where_the_split_is() -> None:
    env, other = (gym.make_vec("MecLlm-tiny-v0", 3, split="test") for _ in range(2))
    env.reset(seed=5)
    env.action_space.seed(0)
    action = env.action_space.sample()
    env.step(action)
    other.set_state(env.get_state())  # type: ignore[attr-defined]
    for _ in range(3):
        assert_same(other.step(action), env.step(action))


@pytest.mark.parametrize("preset", MOBILE_PRESETS)
def test_held_out_episodes_are_trajectories(preset: str) -> None:
    overrides = {"users": 4, "mobility.slots": 3}
    kwargs = {"preset": preset, "overrides": overrides}
    env = gym.make("MecLlmMobile-v0", split="test", **kwargs)
    played = gym.make("MecLlmMobile-v0", **kwargs)
    config = MobileConfig.preset(preset).with_overrides(overrides)
    for i in range(3):
        trajectory = sample_trajectory(config, np.random.default_rng(20_000_000 + i))
        first, _ = env.reset()
        same, _ = played.reset(options={"trajectory": trajectory})
        np.testing.assert_array_equal(first, same)
        terminated = False
        while not terminated:
            action = env.action_space.sample()
            observation, _, terminated, *_ = env.step(action)
            np.testing.assert_array_equal(observation, played.step(action)[0])


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="`split` must be None or one of validation, "):
        gym.make("MecLlm-v0", split="train")
    with pytest.raises(ValueError, match="`split_stride` is for a `split`; got 3"):
        gym.make("MecLlmMobile-v0", split_stride=3)
    with pytest.raises(ValueError, match="`split_stride` must be an integer from 1"):
        gym.make("MecLlm-v0", split="test", split_stride=0)
    env = gym.make("MecLlm-tiny-v0", split="validation")
    env.reset(seed=3)
    with pytest.raises(ValueError, match=r"`seed` must be below 10,000,000 .*10000000"):
        env.reset(seed=10_000_000)
    with pytest.raises(gym.error.Error):
        env.reset(seed=-1)
    wanted = validation_instances(ScenarioConfig.preset("tiny-4x2"), 5)[4]
    np.testing.assert_array_equal(env.reset()[0], observed(env, wanted))


def test_there_is_an_id_for_each_preset() -> None:
    ids = [name for name in gym.registry if name.startswith("MecLlm")]
    made = {}
    for env_id in ids:
        assert gym.make(f"mec_llm_env:{env_id}").reset(seed=0)[1]["scr"] == 0
        kind = env_id.split("-")[0]
        spec = gym.spec(env_id)
        preset = spec.kwargs.get("preset", "default")
        made[kind, preset] = gym.make_vec(env_id, 2).task.config  # type: ignore[attr-defined]
    for kind, presets, config in (
        ("MecLlm", PRESETS, ScenarioConfig),
        ("MecLlmMobile", MOBILE_PRESETS, MobileConfig),
    ):
        for preset in presets:
            assert made.pop((kind, preset)) == config.preset(preset)
        made.pop((kind, "default"))
    assert not made
