"""The batched environment against Gymnasium's synchronous one, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv

from mec_llm_env import Scenario, ScenarioConfig, sample_scenario
from mec_llm_env.actions import ENCODINGS
from tests.mec_llm_env.bad_actions import spoiled_action

MODES = [mode.value for mode in AutoresetMode]
B = 5


def assert_same(actual: Any, expected: Any, path: str = "") -> None:
    """Compares nested tuples, dictionaries, arrays and arrays of arrays."""
    if isinstance(expected, tuple):
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            assert_same(a, e, f"{path}[{i}]")
    elif isinstance(expected, dict):
        assert set(actual) == set(expected), path
        for key in expected:
            assert_same(actual[key], expected[key], f"{path}/{key}")
    elif isinstance(expected, np.ndarray) and expected.dtype == object:
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            assert (a is None) == (e is None), path
            if e is not None:
                assert_same(a, e, f"{path}[{i}]")
    else:
        assert type(actual) is type(expected), path
        np.testing.assert_array_equal(actual, expected, err_msg=path)
        assert np.asarray(actual).dtype == np.asarray(expected).dtype, path


def make_both(mode: str, **kwargs: Any) -> tuple[VectorEnv, VectorEnv]:
    native = gym.make_vec("MecLlm-v0", B, autoreset_mode=mode, **kwargs)
    sync = gym.make_vec(
        "MecLlm-v0",
        B,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode(mode)},
        **kwargs,
    )
    return native, sync


def actions(env: VectorEnv, seed: int = 0) -> Iterator[Any]:
    env.action_space.seed(seed)
    while True:
        yield env.action_space.sample()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("episode_length", [1, 3])
@pytest.mark.parametrize(
    ("action_encoding", "observation_encoding"),
    [
        ("box", "flat"),
        ("multi_discrete", "tokens"),
        ("dict", "tokens"),
        ("dict_flat", "flat"),
    ],
)
@pytest.mark.parametrize("preset", ["paper-10x2", "medium-50x10"])
def test_equals_the_synchronous_environment(
    mode: str,
    episode_length: int,
    action_encoding: str,
    observation_encoding: str,
    preset: str,
) -> None:
    native, sync = make_both(
        mode,
        preset=preset,
        episode_length=episode_length,
        action_encoding=action_encoding,
        observation_encoding=observation_encoding,
    )
    for name in ("action_space", "single_action_space", "observation_space"):
        assert getattr(native, name) == getattr(sync, name)
    assert native.metadata == sync.metadata
    assert_same(native.reset(seed=3), sync.reset(seed=3))
    sampled = actions(sync)
    for step in range(8):
        action = next(sampled)
        result, expected = native.step(action), sync.step(action)
        assert_same(result, expected)
        mask = expected[2].copy()
        mask[step % B] |= step % 2 == 0  # puts the episodes out of step
        if mode == "Disabled" and mask.any():
            options = {"reset_mask": mask}
            assert_same(
                native.reset(options=dict(options)), sync.reset(options=dict(options))
            )
    assert_same(native.reset(), sync.reset())


@pytest.mark.parametrize("mode", MODES)
def test_masks_and_seeds_of_a_reset(mode: str) -> None:
    native, sync = make_both(mode, episode_length=4)
    assert_same(native.reset(seed=[5, 3, 3, 1, 0]), sync.reset(seed=[5, 3, 3, 1, 0]))
    assert native.np_random_seed == sync.np_random_seed == (5, 3, 3, 1, 0)
    sampled = actions(sync)
    mask = np.array([True, False, True, False, False])
    for seed in (None, 9, [7, None, None, None, 2]):
        action = next(sampled)
        assert_same(native.step(action), sync.step(action))
        options = {"reset_mask": mask}
        seeds = seed if not isinstance(seed, list) else list(seed)
        assert_same(
            native.reset(seed=seeds, options=dict(options)),
            sync.reset(seed=seeds, options=dict(options)),
        )
    for ours, theirs in zip(native.np_random, sync.np_random, strict=True):
        assert ours.bit_generator.state == theirs.bit_generator.state


def test_options_are_not_changed() -> None:
    env = gym.make_vec("MecLlm-v0", B)
    env.reset(seed=0)
    options = {"reset_mask": np.eye(B, dtype=bool)[1]}
    env.reset(options=options)
    assert list(options) == ["reset_mask"]


def test_no_seed_differs_from_run_to_run() -> None:
    first, _ = gym.make_vec("MecLlm-v0", 2).reset()
    second, _ = gym.make_vec("MecLlm-v0", 2).reset()
    assert (first != second).any()
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize("mode", MODES)
def test_given_scenarios(mode: str) -> None:
    native, sync = make_both(mode)
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(99))
    options = {"scenario": scenario}
    assert_same(
        native.reset(seed=1, options=dict(options)),
        sync.reset(seed=1, options=dict(options)),
    )
    action = next(actions(sync))
    assert_same(native.step(action), sync.step(action))
    batch = sample_scenario(ScenarioConfig(), np.random.default_rng(0), (B,))
    observation, _ = native.reset(options={"scenario": batch})
    codec = native.unwrapped.task.observation_codec  # type: ignore[attr-defined]
    np.testing.assert_array_equal(observation, codec.encode(batch))


def test_same_step_reports_the_decision_in_final_info() -> None:
    env = gym.make_vec("MecLlm-v0", B)
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    first, _ = env.reset(seed=0)
    after, rewards, terminated, _, infos = env.step(next(actions(env)))
    assert terminated.all()
    np.testing.assert_array_equal(infos["final_info"]["scr"], rewards)
    assert not infos["scr"].any()  # of the episode that has begun
    assert set(infos["final_info"]) < set(infos)
    np.testing.assert_array_equal(np.stack(infos["final_obs"]), first)
    assert (after != first).any(axis=-1).all()


def test_results_do_not_change_later() -> None:
    env = gym.make_vec("MecLlm-v0", B, episode_length=2)
    sampled = actions(env)
    first, _ = env.reset(seed=0)
    kept = first.copy()
    first[:] = 0  # a user may do what it likes with what it got
    result = env.step(next(sampled))
    copies = [np.array(part) for part in result[:4]]
    env.step(next(sampled))
    for part, copy in zip(result[:4], copies, strict=True):
        np.testing.assert_array_equal(part, copy)
    assert (kept != 0).any()


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_action_changes_nothing(mode: str) -> None:
    env, _ = make_both(mode, episode_length=2)
    env.reset(seed=0)
    action = next(actions(env))
    bad = action.copy()
    bad[3, 4] = np.inf
    with pytest.raises(ValueError, match=r"got inf at index \(3, 4\)"):
        env.step(bad)
    with pytest.raises(ValueError, match=r"shape \(5, 70\); got \(4, 70\)"):
        env.step(action[1:])
    after_error = env.step(action)
    env.reset(seed=0)
    assert_same(after_error, env.step(action))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_refused_action_changes_anything(encoding: str, mode: str) -> None:
    rng = np.random.default_rng(0)
    env = gym.make_vec(
        "MecLlm-v0",
        3,
        autoreset_mode=mode,
        preset="tiny-4x2",
        action_encoding=encoding,
        episode_length=2 if mode == "NextStep" else 10**6,
    )
    env.reset(seed=3)
    env.action_space.seed(0)
    refused = 0
    for _ in range(150):
        before = env.get_state()  # type: ignore[attr-defined]
        try:
            env.step(spoiled_action(rng, env.action_space.sample()))
        except ValueError:
            refused += 1
            after = env.get_state()  # type: ignore[attr-defined]
            streams = [s.pop("streams") for s in (before, after)]
            assert_same(
                *[s.pop("situation").scenario.to_dict() for s in (after, before)]
            )
            assert_same(after, before)
            old, new = (
                [g.bit_generator.state for g in s["generators"]] for s in streams
            )
            assert old == new
    assert 40 < refused < 150


def test_actions_of_ended_sub_environments_do_not_count() -> None:
    env, _ = make_both("NextStep")
    env.reset(seed=0)
    action = next(actions(env))
    env.step(action)
    _, rewards, terminated, _, infos = env.step(np.full_like(action, np.nan))
    assert not rewards.any()
    assert not terminated.any()
    task = env.task  # type: ignore[attr-defined]
    for name, zeros in task.no_figures((B,)).items():
        np.testing.assert_array_equal(infos[name], zeros)


@pytest.mark.parametrize("mode", MODES)
def test_a_snapshot_goes_on_bit_for_bit(mode: str) -> None:
    env, other = (make_both(mode, episode_length=2)[0] for _ in range(2))
    env.reset(seed=0)
    sampled = actions(env)
    env.step(next(sampled))
    state = env.unwrapped.get_state()  # type: ignore[attr-defined]
    action = next(sampled)
    expected = env.step(action)
    other.unwrapped.set_state(state)  # type: ignore[attr-defined]
    assert_same(other.step(action), expected)


def test_a_bad_seed_changes_nothing() -> None:
    env, other = (gym.make_vec("MecLlm-v0", 2) for _ in range(2))
    env.reset(seed=[3, 4])
    other.reset(seed=[3, 4])
    with pytest.raises(gym.error.Error, match="greater or equal to zero"):
        env.reset(seed=[5, -1])
    np.testing.assert_array_equal(env.reset()[0], other.reset()[0])
    assert env.np_random_seed == (3, 4)


def test_misuse_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"`num_envs` must be an integer from 1 to 1e.06"
    ):
        gym.make_vec("MecLlm-v0", 0)
    with pytest.raises(ValueError, match="`autoreset_mode` must be one of 'NextStep'"):
        gym.make_vec("MecLlm-v0", 2, autoreset_mode="Never")
    with pytest.raises(
        ValueError, match="`render_mode` must be None, 'human' or 'rgb_array'"
    ):
        gym.make_vec("MecLlm-v0", 2, render_mode="ansi")
    env = gym.make_vec("MecLlm-v0", 2, autoreset_mode="Disabled")
    action = next(actions(env))
    with pytest.raises(ResetNeeded, match="call reset first"):
        env.step(action)
    with pytest.raises(ResetNeeded, match="Reset all sub-environments before some"):
        env.reset(options={"reset_mask": np.array([True, False])})
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"one entry for each of the 2 sub-env.*got 3"):
        env.reset(seed=[1, 2, 3])
    for seed in (1.5, "12", {1: 2, 3: 4}):
        with pytest.raises(ValueError, match="`seed` must be an integer, one for each"):
            env.reset(seed=seed)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`options\['reset_mask'\]` must be a NumPy"):
        env.reset(options={"reset_mask": [True, False]})
    with pytest.raises(ValueError, match="with a true entry"):
        env.reset(options={"reset_mask": np.zeros(2, bool)})
    with pytest.raises(ValueError, match=r"`options` must be a dictionary, .*; got 3"):
        env.reset(options=3)  # type: ignore[arg-type]
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"batch of 2; got batch shape \(3,\)"):
        env.reset(options={"scenario": Scenario.stack([scenario] * 3)})
    env.step(action)
    with pytest.raises(ResetNeeded, match="sub-environment 0 has ended"):
        env.step(action)
