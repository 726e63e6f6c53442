"""`get_attr`, `call` and `set_attr` against Gymnasium's synchronous environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from mec_llm_env import Scenario
from mec_llm_env.env import MecLlmEnv
from mec_llm_env.record import ArrayRecord
from tests.mec_llm_env.mobile.test_vector_env import make_both as make_both_mobile
from tests.mec_llm_env.test_vector_env import MODES, make_both

B = 5  # of `make_both`

#: Of scalar environments that none other has: a task of one's own, private names.
OWN = ("task", "unwrapped", "decided_scenario", "allocation", "outcome")


def assert_alike(actual: Any, expected: Any) -> None:
    if isinstance(expected, ArrayRecord):
        assert type(actual) is type(expected)
        actual, expected = actual.to_dict(), expected.to_dict()
        assert set(actual) == set(expected)
        for name in expected:
            assert_alike(actual[name], expected[name])
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(actual, expected)
    elif isinstance(expected, np.random.Generator):
        assert actual.bit_generator.state == expected.bit_generator.state
    else:
        assert actual == expected


def both(env_id: str, mode: str, **kwargs: Any) -> Any:
    if env_id == "MecLlm-v0":
        return make_both(mode, preset="tiny-4x2", episode_length=2, **kwargs)
    return make_both_mobile(mode, overrides={"users": 3, "mobility.slots": 2}, **kwargs)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", ["MecLlm-v0", "MecLlmMobile-v0"])
def test_every_public_attribute_equals_that_of_the_synchronous_one(
    env_id: str, mode: str
) -> None:
    native, sync = both(env_id, mode)
    native.reset(seed=4)
    sync.reset(seed=4)
    sync.action_space.seed(0)
    names = [
        name
        for name in dir(MecLlmEnv(preset="tiny-4x2"))
        if not name.startswith("_") and name not in OWN
    ]
    attributes = [n for n in names if not callable(getattr(MecLlmEnv, n, None))]
    assert {"scenario", "np_random", "np_random_seed", "spec", "render_mode"} <= set(
        attributes
    )
    for _ in range(3):
        for name in attributes:
            actual, expected = native.get_attr(name), sync.get_attr(name)
            assert type(actual) is type(expected) is tuple
            for one, other in zip(actual, expected, strict=True):
                assert_alike(one, other)
        action = sync.action_space.sample()
        ended = sync.step(action)[2]
        native.step(action)
        if mode == "Disabled" and ended.any():
            for env in (native, sync):
                env.reset(options={"reset_mask": ended.copy()})


@pytest.mark.parametrize("env_id", ["MecLlm-v0", "MecLlmMobile-v0"])
def test_what_was_decided_is_each_ones_own(env_id: str) -> None:
    native, sync = both(env_id, "NextStep")
    for env in (native, sync):
        env.reset(seed=4)
        assert env.get_attr("outcome") == (None,) * B
    sync.action_space.seed(0)
    for decided in (True, True, False, True):
        action = sync.action_space.sample()
        for env in (native, sync):
            env.step(action)
        for name in ("decided_scenario", "allocation", "outcome"):
            for one, other in zip(
                native.get_attr(name), sync.get_attr(name), strict=True
            ):
                assert (one is not None) == decided
                assert_alike(one, other)


@pytest.mark.parametrize("env_id", ["MecLlm-v0", "MecLlmMobile-v0"])
def test_pictures_are_each_ones_own(env_id: str) -> None:
    pytest.importorskip("matplotlib")
    native, sync = both(env_id, "NextStep", render_mode="rgb_array")
    sync.action_space.seed(0)
    for env in (native, sync):
        env.reset(seed=4)
    for _ in range(3):  # two decisions, then a beginning
        action = sync.action_space.sample()
        for env in (native, sync):
            env.step(action)
        np.testing.assert_array_equal(native.call("render"), sync.call("render"))


def test_one_task_for_all_and_no_pictures_without_a_mode() -> None:
    native, _ = make_both("SameStep")
    assert native.get_attr("task") == (native.task,) * B  # type: ignore[attr-defined]
    assert native.get_attr("scenario") == (None,) * B
    assert native.call("render") == (None,) * B


def test_scenarios_of_a_large_batch_are_those_decided_next() -> None:
    env = gym.make_vec("MecLlm-v0", 64, preset="tiny-4x2")
    observation, _ = env.reset(seed=0)
    codec = env.task.observation_codec  # type: ignore[attr-defined]
    stacked = Scenario.stack(list(env.get_attr("scenario")))
    np.testing.assert_array_equal(codec.encode(stacked), observation)


def test_attributes_of_ones_own() -> None:
    env, sync = make_both("SameStep", preset="tiny-4x2")
    for either in (env, sync):
        either.set_attr("cell", list(range(B)))
        assert either.get_attr("cell") == tuple(range(B))
        either.set_attr("cell", "all")
        assert either.get_attr("cell") == ("all",) * B
        with pytest.raises(AttributeError):
            either.get_attr("nothing")
        with pytest.raises(ValueError, match=r"got 2|`2` values"):
            either.set_attr("cell", [1, 2])
    other = gym.make_vec("MecLlm-v0", B, preset="tiny-4x2")
    with pytest.raises(AttributeError, match="have no attribute 'cell'"):
        other.get_attr("cell")


def test_misuse_is_named() -> None:
    env = gym.make_vec("MecLlm-v0", 2, preset="tiny-4x2")
    for name in ("scenario", "task", "np_random", "render_mode", "num_envs", "step"):
        with pytest.raises(ValueError, match=f"`{name}` is the environment's own and"):
            env.set_attr(name, 3)
    with pytest.raises(ValueError, match=r"cannot reset .* options=\{'reset_mask'"):
        env.call("reset")
    with pytest.raises(ValueError, match="cannot step sub-environments"):
        env.call("step", 0)


@pytest.mark.parametrize("env_id", ["MecLlm-v0", "MecLlmMobile-v0"])
def test_masks_are_each_ones_own(env_id: str) -> None:
    kwargs = {
        "overrides": {"users": 5, "servers": 3, "server.max_users": 2},
        "action_encoding": "multi_discrete",
    }
    native = gym.make_vec(env_id, B, **kwargs)
    sync = gym.make_vec(env_id, B, vectorization_mode="sync", **kwargs)
    for env in (native, sync):
        with pytest.raises(ResetNeeded):
            env.call("action_masks")
        env.reset(seed=0)
    scenario = native.scenario  # type: ignore[attr-defined]
    slots = np.broadcast_to(scenario.max_users, (B, 3)).copy()
    slots[2] = [0, 3, 2]
    given = Scenario(**{**scenario.to_dict(), "max_users": slots})
    if env_id == "MecLlm-v0":
        native.reset(options={"scenario": given})
        for i, env in enumerate(sync.envs):  # type: ignore[attr-defined]
            env.reset(options={"scenario": given[i]})
    masks = native.call("action_masks")
    np.testing.assert_array_equal(masks, sync.call("action_masks"))
    assert np.stack(masks).all() == (env_id != "MecLlm-v0")


def test_repaired_users_are_in_info() -> None:
    kwargs = {
        "overrides": {"users": 6, "servers": 3, "server.max_users": 2},
        "action_encoding": "multi_discrete",
    }
    env = gym.make("MecLlm-v0", **kwargs)
    _, info = env.reset(seed=0)
    assert info["repaired_users"] == 0
    action = np.zeros(36, dtype=np.int64)  # all at server 0
    *_, info = env.step(action)
    assert info["repaired_users"] == 4
    assert type(info["repaired_users"]) is np.int64
    np.testing.assert_array_equal(info["association_counts"], [2, 2, 2])
