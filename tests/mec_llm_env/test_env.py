from __future__ import annotations

import dataclasses
import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from mec_llm_env import ScenarioConfig, evaluate, sample_scenario
from mec_llm_env.actions import ENCODINGS as ACTION_ENCODINGS
from mec_llm_env.env import MecLlmEnv
from mec_llm_env.observations import ENCODINGS as OBSERVATION_ENCODINGS
from tests.mec_llm_env.bad_actions import spoiled_action


@pytest.mark.parametrize("observation_encoding", OBSERVATION_ENCODINGS)
@pytest.mark.parametrize("action_encoding", ACTION_ENCODINGS)
@pytest.mark.parametrize("episode_length", [1, 3])
def test_gymnasium_check_env(
    action_encoding: str, observation_encoding: str, episode_length: int
) -> None:
    env = gym.make(
        "MecLlm-v0",
        action_encoding=action_encoding,
        observation_encoding=observation_encoding,
        episode_length=episode_length,
        render_mode="rgb_array",
    )
    check_env(env.unwrapped)


@pytest.mark.parametrize("action_encoding", ["box", "multi_discrete"])
def test_stable_baselines3_check_env(action_encoding: str) -> None:
    env_checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = gym.make("MecLlm-v0", action_encoding=action_encoding)
    env_checker.check_env(env.unwrapped)


def test_made_by_module_name_too() -> None:
    env = gym.make("mec_llm_env:MecLlm-v0", preset="tiny-4x2")
    observation, info = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert info["scr"] == 0


def test_spec_is_json() -> None:
    env = gym.make(
        "MecLlm-v0", preset="tiny-4x2", overrides={"radio.bandwidth_mhz": 20}
    )
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.task.config.radio.bandwidth_mhz == 20  # type: ignore[attr-defined]
    json.loads(env.spec.to_json())


def test_one_decision_by_hand() -> None:
    env = gym.make("MecLlm-v0").unwrapped
    observation, _ = env.reset(seed=7)
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(7))
    task = env.task  # type: ignore[attr-defined]
    np.testing.assert_array_equal(observation, task.observation_codec.encode(scenario))
    env.action_space.seed(0)
    action = env.action_space.sample()
    after, reward, terminated, truncated, info = env.step(action)
    allocation = task.action_codec.decode(action, scenario)
    outcome = evaluate(scenario, allocation)
    assert type(reward) is float
    assert reward == info["scr"] == outcome.scr
    assert type(info["scr"]) is np.float64
    assert (terminated, truncated) == (True, False)
    np.testing.assert_array_equal(after, observation)  # the same scenario's
    for name in ("score", "delay_s", "energy_j", "cost"):
        assert type(info[name]) is np.float64
        assert info[name] == pytest.approx(getattr(outcome, name).mean())
    counts = np.bincount(allocation.server, minlength=2)
    np.testing.assert_array_equal(info["association_counts"], counts)
    assert set(info) == {
        *("scr", "score", "delay_s", "energy_j", "cost", "association_counts"),
        "repaired_users",
    }
    with pytest.raises(ResetNeeded, match="call reset first"):
        env.step(action)


@pytest.mark.parametrize("env_id", ["MecLlm-v0", "MecLlmMobile-v0"])
@pytest.mark.parametrize(("users", "servers"), [(10, 2), (1, 1), (3, 7), (23, 4)])
def test_info_has_one_layout_from_the_reset_on(
    env_id: str, users: int, servers: int
) -> None:
    """Recorders learn names, types and shapes from it; zeros before a figure."""
    overrides = {"users": users, "servers": servers}
    env = gym.make(env_id, overrides=overrides)

    def layout(info: dict[str, Any]) -> dict[str, Any]:
        return {k: (type(v), v.dtype, v.shape) for k, v in info.items()}

    first = env.reset(seed=0)[1]
    assert not any(np.any(value) for value in first.values())
    terminated, migrated = False, env_id == "MecLlm-v0"
    while not terminated:
        _, _, terminated, _, info = env.step(env.action_space.sample())
        assert layout(info) == layout(first)
        migrated |= bool(info.get("migrations", 0))
        figures = {k: v for k, v in info.items() if not k.startswith("migration")}
        assert figures.pop("repaired_users") == 0  # there is room for all
        assert all(np.any(value) for value in figures.values())
    assert migrated or servers == 1
    again = env.reset()[1]
    assert layout(again) == layout(first)
    assert not any(np.any(value) for value in again.values())


class EnvContext(dict):  # type: ignore[type-arg]
    """Like RLlib's: a dictionary with attributes."""

    worker_index = 1


def test_takes_its_arguments_as_one_mapping_too() -> None:
    context = EnvContext(preset="tiny-4x2", overrides={"radio.bandwidth_mhz": 20})
    env = MecLlmEnv(context)
    assert env.task.config.users == 4
    assert env.task.config.radio.bandwidth_mhz == 20
    assert MecLlmEnv({"render_mode": "rgb_array"}).render_mode == "rgb_array"
    both = MecLlmEnv({"preset": "tiny-4x2", "episode_length": 3}, episode_length=2)
    assert (both.task.config.users, both.task.episode_length) == (4, 2)
    assert MecLlmEnv({}).task.config == MecLlmEnv(None).task.config == ScenarioConfig()
    for wrong in ("tiny-4x2", 3, {1: 2}, [("preset", "tiny-4x2")]):
        with pytest.raises(ValueError, match=r"`config` must be a dictionary of .*got"):
            MecLlmEnv(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'pre'"):
        MecLlmEnv({"pre": 1})


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_autoreset_mode_for_single_environments_is_explained(mode: str) -> None:
    text = r"`autoreset_mode` is an argument of the batched .* vector_kwargs=\{"
    with pytest.raises(ValueError, match=text):
        gym.make_vec("MecLlm-v0", 2, vectorization_mode=mode, autoreset_mode="NextStep")
    with pytest.raises(ValueError, match=text):
        MecLlmEnv({"autoreset_mode": "NextStep"})


def test_longer_episodes_decide_on_successive_scenarios() -> None:
    env = gym.make("MecLlm-v0", episode_length=3).unwrapped
    rng = np.random.default_rng(5)
    codec = env.task.observation_codec  # type: ignore[attr-defined]
    expected = [codec.encode(sample_scenario(ScenarioConfig(), rng)) for _ in range(4)]
    observation, _ = env.reset(seed=5)
    np.testing.assert_array_equal(observation, expected[0])
    ends = []
    for k in (1, 2, 2):  # the last decision leaves its scenario
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        np.testing.assert_array_equal(observation, expected[k])
        ends.append(terminated)
        assert not truncated
    assert ends == [False, False, True]
    observation, _ = env.reset()
    np.testing.assert_array_equal(observation, expected[3])


def test_trajectories_are_determined_by_the_seed() -> None:
    runs = []
    for _ in range(2):
        env = gym.make("MecLlm-v0", episode_length=5)
        env.action_space.seed(1)
        observation, _ = env.reset(seed=3)
        run: list[Any] = [observation]
        for _ in range(5):
            run += env.step(env.action_space.sample())[:2]
        runs.append(run)
    for first, second in zip(*runs, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_given_scenario_is_used_and_draws_nothing() -> None:
    env = gym.make("MecLlm-v0").unwrapped
    given = sample_scenario(ScenarioConfig(), np.random.default_rng(99))
    codec = env.task.observation_codec  # type: ignore[attr-defined]
    for scenario in (given, given.to_torch()):
        observation, _ = env.reset(seed=3, options={"scenario": scenario})
        np.testing.assert_array_equal(observation, codec.encode(given))
    fresh, _ = env.reset()
    first = sample_scenario(ScenarioConfig(), np.random.default_rng(3))
    np.testing.assert_array_equal(fresh, codec.encode(first))


def test_bad_resets_are_named_and_change_nothing() -> None:
    env = gym.make("MecLlm-v0").unwrapped
    observation, _ = env.reset(seed=3)
    small = sample_scenario(ScenarioConfig(users=4), np.random.default_rng(0))
    wild = sample_scenario(ScenarioConfig(), np.random.default_rng(0))
    wild = dataclasses.replace(wild, data_bit=wild.data_bit * 1e9)
    for options, text in (
        ({"scenario": small}, "must have 10 users and 2 servers; got 4 and 2"),
        ({"scenario": wild}, "`data_bit` must be from .* to be observed"),
        ({"scenario": {"gain": 1}}, r"must be a mec_llm_env.Scenario; got dict"),
        ({"scenari": small}, "no reset option 'scenari'"),
        ({1: small, "scenari": small}, "no reset option 1"),
        ([small], r"`options` must be a dictionary, .*; got \[Scenario"),
        ({"scenario": small.stack([small] * 2)}, "must be a single scenario"),
    ):
        with pytest.raises(ValueError, match=text):
            env.reset(seed=4, options=options)
    np.testing.assert_array_equal(env.step(env.action_space.sample())[0], observation)


def test_a_bad_action_changes_nothing() -> None:
    env = gym.make("MecLlm-v0").unwrapped
    env.reset(seed=3)
    env.action_space.seed(0)
    action = env.action_space.sample()
    bad = action.copy()
    bad[12] = np.nan
    with pytest.raises(ValueError, match="got nan at index 12"):
        env.step(bad)
    after_error = env.step(action)[1]
    env.reset(seed=3)
    assert env.step(action)[1] == after_error


@pytest.mark.parametrize("encoding", ACTION_ENCODINGS)
def test_no_refused_action_changes_anything(encoding: str) -> None:
    rng = np.random.default_rng(0)
    env = gym.make(
        "MecLlm-v0", preset="tiny-4x2", action_encoding=encoding, episode_length=10**6
    ).unwrapped
    env.reset(seed=3)
    env.action_space.seed(0)

    def state() -> Any:
        return (
            env.scenario,  # type: ignore[attr-defined]
            env.outcome,  # type: ignore[attr-defined]
            env._decisions,  # type: ignore[attr-defined]
            env.np_random.bit_generator.state,
        )

    refused = 0
    for _ in range(300):
        before = state()
        try:
            env.step(spoiled_action(rng, env.action_space.sample()))
        except ValueError:
            refused += 1
            after = state()
            assert after[0] is before[0]
            assert after[1] is before[1]
            assert after[2:] == before[2:]
    assert 100 < refused < 300


def test_step_before_reset() -> None:
    env = gym.make("MecLlm-v0").unwrapped
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"preset": "paper"}, "no preset 'paper'"),
        ({"overrides": {"radio.power": 1}}, "no parameter 'radio.power'"),
        ({"action_encoding": "x"}, "`action_encoding` must be one of"),
        ({"observation_encoding": "x"}, "`observation_encoding` must be one of"),
        ({"episode_length": 0}, "`episode_length` must be an integer from 1 to"),
        ({"episode_length": True}, "`episode_length` must be an integer .*; got True"),
        ({"render_mode": "x"}, "`render_mode` must be"),
        ({"render_mode": np.zeros(2)}, "`render_mode` must be"),
        ({"action_encoding": ["box"]}, "`action_encoding` must be one of"),
        ({"observation_encoding": np.zeros(2)}, "`observation_encoding` must be one"),
        (
            {"overrides": {"radio.bandwidth_mhz": 5000}},
            r"`bandwidth_max_hz` must be from .* to be observed; got "
            r"`bandwidth_max_hz` = 5e\+09 from `radio.bandwidth_mhz` = 5000",
        ),
        (
            {"overrides": {"workload.layers": 600}},
            "`local_fraction_min` must be from .* from `workload.layers` = 600",
        ),
        (
            {"overrides": {"device.power_w": [1e-6, 1]}},
            r"`user_power_coefficient` .* from `device.power_w` = \[1e-06, 1\], "
            "`device.power_reference_ghz` = 1.3",
        ),
    ],
)
def test_bad_arguments_are_named(kwargs: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MecLlmEnv(**kwargs)
