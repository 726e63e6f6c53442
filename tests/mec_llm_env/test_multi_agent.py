"""The PettingZoo environment against PettingZoo's tests and the single-agent one."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from mec_llm_env import ScenarioConfig, parallel_env, sample_scenario

zoo = pytest.importorskip("pettingzoo.test")

KINDS = [("users", "box"), ("users", "multi_discrete"), ("servers", "box")]


@pytest.mark.parametrize("reward", ["shared", "own"])
@pytest.mark.parametrize(("agents", "encoding"), KINDS)
@pytest.mark.parametrize("episode_length", [1, 3])
def test_pettingzoo_s_own_tests(
    agents: str, encoding: str, reward: str, episode_length: int
) -> None:
    def make() -> Any:
        return parallel_env(
            agents=agents,
            reward=reward,
            action_encoding=encoding,
            preset="tiny-4x2",
            episode_length=episode_length,
        )

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.parallel_api_test(make(), num_cycles=20)
        zoo.parallel_seed_test(make, num_cycles=5)


@pytest.mark.parametrize(("agents", "encoding"), KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_a_joint_action_has_the_single_agent_s_outcome(
    agents: str, encoding: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 13)), int(rng.integers(1, 6))
    overrides: dict[str, Any] = {"users": n, "servers": m}
    if seed % 2:
        overrides["server.max_users"] = int(np.ceil(n / m))
    kwargs: dict[str, Any] = {
        "overrides": overrides,
        "action_encoding": encoding,
        "episode_length": 3,
    }
    shared = parallel_env(agents=agents, **kwargs)
    own = parallel_env(agents=agents, reward="own", **kwargs)
    single = gym.make("MecLlm-v0", **kwargs)
    for env in (shared, own, single):
        env.reset(seed=seed)
    assert len(shared.agents) == (n if agents == "users" else m)
    for space in shared.action_spaces.values():
        space.seed(int(rng.integers(2**31)))
    for _ in range(3):
        actions = {name: shared.action_space(name).sample() for name in shared.agents}
        joint = shared.joint_action(actions)
        _, scr, terminated, _, info = single.step(joint)
        outcome = single.unwrapped.outcome  # type: ignore[attr-defined]
        _, rewards, ends, _, infos = shared.step(actions)
        _, parts, *_ = own.step(actions)
        for env in (shared, own):
            np.testing.assert_allclose(env.env.outcome.cost, outcome.cost, rtol=1e-12)
        assert set(rewards.values()) == {scr}
        assert sum(parts.values()) == pytest.approx(scr, rel=1e-12)
        assert set(ends.values()) == {terminated}
        for each in infos.values():
            assert each["scr"] == info["scr"]
            assert each["repaired_users"] == info["repaired_users"]
        if agents == "users":
            assert list(parts.values()) == pytest.approx(
                outcome.score / outcome.cost.sum(), rel=1e-12
            )
    assert shared.agents == []


def test_servers_give_what_they_offer() -> None:
    """Each user has the server that asks the most, and the resources it offers."""
    env = parallel_env(agents="servers", overrides={"users": 3, "servers": 2})
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    offers = rng.uniform(-1, 1, (2, 3, 6))  # server, user, request and resources
    offers[:, :, 0] = [[0.5, -0.2, 0.9], [0.4, 0.1, -1.0]]
    actions = {f"server_{i}": offers[i].ravel() for i in range(2)}
    joint = env.joint_action(actions).reshape(3, 7)
    np.testing.assert_array_equal(joint[:, :2], offers[:, :, 0].T)
    np.testing.assert_array_equal(joint[:, 2:], offers[[0, 1, 0], [0, 1, 2], 1:])
    env.step(actions)
    np.testing.assert_array_equal(env.env.allocation.server, [0, 1, 0])


@pytest.mark.parametrize(("users", "servers"), [(1, 1), (5, 3), (12, 2), (2, 6)])
def test_what_users_and_servers_see(users: int, servers: int) -> None:
    n, m = users, servers
    overrides = {"users": n, "servers": m}
    env, other = (
        parallel_env(agents=k, overrides=overrides) for k in ("users", "servers")
    )
    seen, _ = env.reset(seed=3)
    seen_by_servers, _ = other.reset(seed=3)
    config = ScenarioConfig(users=n, servers=m)
    scenario = sample_scenario(config, np.random.default_rng(3))
    tokens = gym.make(
        "MecLlm-v0", overrides=overrides, observation_encoding="tokens"
    ).reset(seed=3)[0]
    best = scenario.channel_gain.argmax(axis=-1)
    for i in range(n):
        row = seen[f"user_{i}"]
        assert env.observation_space(f"user_{i}").contains(row)
        np.testing.assert_array_equal(row[: m + 9], tokens["users"][i])
        around = row[m + 9 :].reshape(m, 9)
        np.testing.assert_array_equal(around[:, :7], tokens["servers"])
        for j in range(m):
            there = [k for k in range(n) if k != i and best[k] == j]
            work = scenario.workload_flop
            others = np.delete(work, i).sum()
            share = len(there) / (n - 1) if n > 1 else 0.0
            part = work[there].sum() / others if n > 1 else 0.0
            assert around[j, 7:] == pytest.approx([share, part], abs=1e-6)
    for j in range(m):
        row = seen_by_servers[f"server_{j}"]
        assert other.observation_space(f"server_{j}").contains(row)
        np.testing.assert_array_equal(row[:7], tokens["servers"][j])
        table = row[7:].reshape(n, 11)
        gains = tokens["users"][:, :m]
        np.testing.assert_array_equal(table[:, 0], gains[:, j])
        elsewhere = np.delete(gains, j, axis=1)
        highest = elsewhere.max(axis=1) if m > 1 else np.full(n, -10.0)
        np.testing.assert_array_equal(table[:, 1], highest)
        np.testing.assert_array_equal(table[:, 2:], tokens["users"][:, m:])
    everything = np.concatenate([tokens["users"].ravel(), tokens["servers"].ravel()])
    np.testing.assert_array_equal(env.state(), everything)


REWARDS: list[dict[str, Any]] = [
    {},
    {"slot_reward": "slot"},
    {"slot_reward": "surplus", "surplus_ratio": 90.0, "surplus_cost": 0.3},
]


@pytest.mark.parametrize(("agents", "encoding"), KINDS)
@pytest.mark.parametrize("reward", ["shared", "own"])
def test_pettingzoo_s_own_tests_with_users_that_move(
    agents: str, encoding: str, reward: str
) -> None:
    def make() -> Any:
        return parallel_env(
            "MecLlmMobile-v0",
            agents=agents,
            reward=reward,
            action_encoding=encoding,
            overrides={"users": 4, "mobility.slots": 5},
        )

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.parallel_api_test(make(), num_cycles=20)
        zoo.parallel_seed_test(make, num_cycles=8)


@pytest.mark.parametrize(("agents", "encoding"), KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_moving_users_have_the_single_agent_s_outcome(
    agents: str, encoding: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 9)), int(rng.integers(1, 6))
    kwargs: dict[str, Any] = {
        "overrides": {"users": n, "servers": m, "mobility.slots": 4},
        "action_encoding": encoding,
    }
    several = {**kwargs, **REWARDS[seed % 3], "agents": agents}
    shared = parallel_env("MecLlmMobile-v0", **several)
    own = parallel_env("MecLlmMobile-v0", reward="own", **several)
    renamed = {k.removeprefix("slot_"): v for k, v in REWARDS[seed % 3].items()}
    single = gym.make("MecLlmMobile-v0", **kwargs, **renamed).unwrapped
    for env in (own, single):
        env.reset(seed=seed)
    seen = shared.reset(seed=seed)[0]
    for space in shared.action_spaces.values():
        space.seed(int(rng.integers(2**31)))
    for slot in range(4):
        for name, row in seen.items():
            assert shared.observation_space(name).contains(row)
        actions = {name: shared.action_space(name).sample() for name in shared.agents}
        before = single.situation.seen  # type: ignore[attr-defined]
        _, scr, ended, _, info = single.step(shared.joint_action(actions))
        seen, rewards, ends, _, infos = shared.step(actions)
        _, parts, *_ = own.step(actions)
        assert set(rewards.values()) == {scr}
        tolerance = 1e-12 * max(1.0, float(info["episode_scr"]))
        assert sum(parts.values()) == pytest.approx(scr, abs=tolerance)
        assert set(ends.values()) == {ended} == {slot == 3}
        for each in infos.values():
            assert each["episode_scr"] == info["episode_scr"]
        if agents == "users" and seed % 3 == 0:
            outcome = single.outcome  # type: ignore[attr-defined]
            last = single.situation.seen  # type: ignore[attr-defined]
            added = outcome.score - before.scr * outcome.cost
            assert list(parts.values()) == pytest.approx(added / last.cost, rel=1e-12)
    assert shared.agents == []


def test_what_moving_users_and_servers_see() -> None:
    """Who holds a state is counted there; a server sees its own column of them."""
    n, m = 5, 3
    overrides = {"users": n, "servers": m, "mobility.slots": 9}
    single = gym.make(
        "MecLlmMobile-v0", overrides=overrides, observation_encoding="tokens"
    )
    env, other = (
        parallel_env("MecLlmMobile-v0", agents=k, overrides=overrides)
        for k in ("users", "servers")
    )
    tokens, seen = single.reset(seed=1)[0], env.reset(seed=1)[0]
    other.reset(seed=1)
    for _ in range(4):
        actions = {name: env.action_space(name).sample() for name in env.agents}
        joint = env.joint_action(actions)
        rows = joint.reshape(n, m + 5)
        offers = [np.column_stack([rows[:, j], rows[:, m:]]) for j in range(m)]
        tokens, seen = single.step(joint)[0], env.step(actions)[0]
        requests = {f"server_{j}": offers[j].ravel() for j in range(m)}
        seen_by_servers = other.step(requests)[0]
        scenario = env.env.scenario
        held = scenario.serving
        at = np.where(
            held.any(axis=-1), held.argmax(axis=-1), scenario.channel_gain.argmax(-1)
        )
        for i in range(n):
            row = seen[f"user_{i}"]
            np.testing.assert_array_equal(row[: 2 * m + 15], tokens["users"][i])
            around = row[2 * m + 15 :].reshape(m, 14)
            np.testing.assert_array_equal(around[:, :12], tokens["servers"])
            others = np.delete(at, i)
            share = [(others == j).mean() for j in range(m)]
            assert around[:, 12] == pytest.approx(share, abs=1e-6)
        for j in range(m):
            table = seen_by_servers[f"server_{j}"][12:].reshape(n, 18)
            users = tokens["users"]
            np.testing.assert_array_equal(table[:, 0], users[:, j])
            np.testing.assert_array_equal(table[:, 2:11], users[:, m : m + 9])
            np.testing.assert_array_equal(table[:, 11], users[:, m + 9 + j])
            np.testing.assert_array_equal(table[:, 12:], users[:, 2 * m + 9 :])


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="`agents` must be one of users, servers; got"):
        parallel_env(agents="cells")
    with pytest.raises(ValueError, match="`reward` must be one of shared, own; got 3"):
        parallel_env(reward=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be 'box' or 'multi_discrete' with agen"):
        parallel_env(action_encoding="dict")
    with pytest.raises(ValueError, match="must be 'box' with agents='servers'"):
        parallel_env(agents="servers", action_encoding="multi_discrete")
    with pytest.raises(ValueError, match="`observation_encoding` is 'tokens' with sev"):
        parallel_env(observation_encoding="flat")
    with pytest.raises(ValueError, match="`env_id` must be one of MecLlm-v0, MecLlmMo"):
        parallel_env("MecLlm-tiny-v0")
    with pytest.raises(ValueError, match="`slot_reward` is for 'MecLlmMobile-v0'; got"):
        parallel_env(slot_reward="slot")
    with pytest.raises(ValueError, match="`reward` must be one of scr_difference, slo"):
        parallel_env("MecLlmMobile-v0", slot_reward="own")
    env = parallel_env(preset="tiny-4x2")
    actions = {name: env.action_space(name).sample() for name in env.possible_agents}
    with pytest.raises(ResetNeeded):
        env.step(actions)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="entry for 'user_2' and each other agent"):
        env.step({k: v for k, v in actions.items() if k != "user_2"})
    with pytest.raises(
        ValueError, match=r"`actions\['user_1'\]` must have shape \(7,\)"
    ):
        env.step({**actions, "user_1": np.zeros(6)})
    with pytest.raises(ValueError, match="must be finite; got nan"):
        env.step({**actions, "user_3": np.full(7, np.nan)})
    env.step(actions)  # nothing had changed
    servers = parallel_env(agents="servers", preset="tiny-4x2")
    with pytest.raises(ResetNeeded):
        servers.step(
            {k: servers.action_space(k).sample() for k in servers.possible_agents}
        )
