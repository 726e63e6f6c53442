"""The batched sequential environment against the synchronous one, bit for bit."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv

import dashf  # noqa: F401  registers the encoding `association`
from mec_llm_env import MobileConfig, Trajectory, sample_trajectory
from mec_llm_env.actions import ENCODINGS
from tests.mec_llm_env.bad_actions import spoiled_action
from tests.mec_llm_env.test_vector_env import MODES, B, actions, assert_same

SMALL = {"users": 4, "mobility.slots": 4}


def make_both(mode: str, **kwargs: Any) -> tuple[VectorEnv, VectorEnv]:
    native = gym.make_vec("MecLlmMobile-v0", B, autoreset_mode=mode, **kwargs)
    sync = gym.make_vec(
        "MecLlmMobile-v0",
        B,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode(mode)},
        **kwargs,
    )
    return native, sync


def drawn(seed: int, *batch: int) -> Trajectory:
    config = MobileConfig().with_overrides(SMALL)
    return sample_trajectory(config, np.random.default_rng(seed), batch)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("action_encoding", "observation_encoding", "reward"),
    [
        ("box", "flat", "scr_difference"),
        ("multi_discrete", "tokens", "slot"),
        ("dict", "tokens", "surplus"),
        ("association", "flat", "scr_difference"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_synchronous_environment(
    mode: str, action_encoding: str, observation_encoding: str, reward: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    users, servers, slots = (int(i) for i in rng.integers(1, (20, 6, 6)))
    surplus = {"surplus_ratio": 100.0, "surplus_cost": 0.5}
    native, sync = make_both(
        mode,
        overrides={
            **{"users": users, "servers": servers, "mobility.slots": slots},
            "mobility.job_end_probability": 0.2,
            "server.max_users": None if seed else -(-users // servers),
        },
        action_encoding=action_encoding,
        observation_encoding=observation_encoding,
        reward=reward,
        **(surplus if reward == "surplus" else {}),
    )
    for name in ("action_space", "single_action_space", "observation_space"):
        assert getattr(native, name) == getattr(sync, name)
    assert native.metadata == sync.metadata
    assert_same(native.reset(seed=3), sync.reset(seed=3))
    sampled = actions(sync)
    for step in range(9):
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


def test_equals_it_at_the_larger_preset() -> None:
    native, sync = make_both("SameStep", preset="mobile-50x10")
    assert_same(native.reset(seed=0), sync.reset(seed=0))
    sampled = actions(sync)
    for _ in range(52):
        action = next(sampled)
        assert_same(native.step(action), sync.step(action))


@pytest.mark.parametrize("mode", MODES)
def test_given_trajectories(mode: str) -> None:
    native, sync = make_both(mode, overrides=SMALL)
    options: dict[str, Any] = {"trajectory": drawn(99)}
    assert_same(
        native.reset(seed=1, options=dict(options)),
        sync.reset(seed=1, options=dict(options)),
    )
    sampled = actions(sync)
    for step in range(7):
        if step == 2:  # some go on with the first one, some with another, some draw
            for seed, given in ((98, [True, False]), (None, [False, True])):
                mask = np.array([*given, False, False, False])
                options = {"reset_mask": mask}
                if seed is not None:
                    options["trajectory"] = drawn(seed)
                assert_same(
                    native.reset(options=dict(options)),
                    sync.reset(options=dict(options)),
                )
        action = next(sampled)
        result, expected = native.step(action), sync.step(action)
        assert_same(result, expected)
        if mode == "Disabled" and expected[2].any():
            options = {"reset_mask": expected[2]}
            assert_same(
                native.reset(options=dict(options)), sync.reset(options=dict(options))
            )


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_of_trajectories_is_one_each(mode: str) -> None:
    native, _ = make_both(mode, overrides=SMALL)
    batch = drawn(0, B)
    single = gym.make("MecLlmMobile-v0", overrides=SMALL)
    observation, _ = native.reset(options={"trajectory": batch})
    action = next(actions(native))
    expected = [single.reset(options={"trajectory": batch[i]})[0] for i in range(B)]
    np.testing.assert_array_equal(observation, expected)
    steps = [native.step(action)[:2] for _ in range(3)]
    for i in range(B):
        single.reset(options={"trajectory": batch[i]})
        for observations, rewards in steps:
            observation, reward, *_ = single.step(action[i])
            np.testing.assert_array_equal(observations[i], observation)
            assert rewards[i] == reward


def test_same_step_reports_the_end_in_final_info() -> None:
    env = gym.make_vec("MecLlmMobile-v0", B, overrides=SMALL)
    env.reset(seed=0)
    action = next(actions(env))
    total = np.zeros(B)
    for _ in range(4):
        _, rewards, terminated, _, infos = env.step(action)
        total += rewards
    assert terminated.all()
    np.testing.assert_allclose(infos["final_info"]["episode_scr"], total, rtol=1e-9)
    codec = env.unwrapped.task.observation_codec  # type: ignore[attr-defined]
    last = codec.read(np.stack(infos["final_obs"]))
    assert (last.slot == 4).all()
    np.testing.assert_allclose(last.scr, total, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_snapshot_goes_on_bit_for_bit(mode: str) -> None:
    env, other = (make_both(mode, overrides=SMALL)[0] for _ in range(2))
    env.reset(seed=0, options={"trajectory": drawn(5)})
    env.reset(options={"reset_mask": np.array([True, False, True, False, False])})
    sampled = actions(env)
    for _ in range(2):
        env.step(next(sampled))
    state = env.unwrapped.get_state()  # type: ignore[attr-defined]
    taken = [next(sampled) for _ in range(2)]
    expected = [env.step(action) for action in taken]
    other.unwrapped.set_state(state)  # type: ignore[attr-defined]
    for action, result in zip(taken, expected, strict=True):
        assert_same(other.step(action), result)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("encoding", [*ENCODINGS, "association"])
def test_no_refused_action_changes_anything(encoding: str, mode: str) -> None:
    rng = np.random.default_rng(0)
    slots = 2 if mode == "NextStep" else 10**5
    env, other = (
        gym.make_vec(
            "MecLlmMobile-v0",
            3,
            autoreset_mode=mode,
            overrides={"users": 3, "mobility.slots": slots},
            action_encoding=encoding,
        )
        for _ in range(2)
    )
    env.reset(seed=3)
    other.reset(seed=3)
    env.action_space.seed(0)
    refused = 0
    for _ in range(60):
        action = spoiled_action(rng, env.action_space.sample())
        try:
            result = env.step(action)
        except ValueError:
            refused += 1
        else:
            assert_same(other.step(action), result)
    assert 15 < refused < 60
    action = env.action_space.sample()
    assert_same(env.step(action), other.step(action))


def test_misuse_is_named() -> None:
    env = gym.make_vec("MecLlmMobile-v0", 2, overrides=SMALL)
    with pytest.raises(ResetNeeded, match="Reset all sub-environments before some"):
        env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ResetNeeded, match="call reset first"):
        env.step(next(actions(env)))
    with pytest.raises(ValueError, match=r"or a batch of 2; got batch shape \(3,\)"):
        env.reset(options={"trajectory": drawn(0, 3)})
    with pytest.raises(ValueError, match=r"no reset option 'scenario'\. Use 'traj"):
        env.reset(options={"scenario": drawn(0).slot(0)})
