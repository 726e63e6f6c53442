"""Looking ahead and hysteresis, in the environment and on observations alone."""

from __future__ import annotations

import concurrent.futures

import gymnasium as gym
import numpy as np
import pytest

import dashf
import mec_llm_env  # noqa: F401 - registers the environments
from dashf.sequential.forecast import expected_slots
from mec_llm_env import MobileConfig, sample_trajectory, violations
from mec_llm_env.mobile.task import MobileTask

#: Everybody walks.
WALK = {
    "users": 6,
    "mobility.slots": 20,
    "mobility.still_share": 0.0,
    "mobility.pedestrian_share": 1.0,
    "mobility.vehicular_share": 0.0,
}


def make(count: int, **kwargs):
    return gym.make_vec(
        "MecLlmMobile-v0",
        num_envs=count,
        action_encoding="association",
        autoreset_mode="Disabled",
        **kwargs,
    )


def returns(env, policy, first_seed: int = 10_000_000) -> np.ndarray:
    """The SCR of one episode in each environment."""
    count = env.num_envs
    observation, _ = env.reset(seed=[first_seed + i for i in range(count)])
    total = np.zeros(count)
    for _ in range(env.unwrapped.task.episode_length):
        action, _ = policy.predict(observation)
        observation, reward, _, _, _ = env.step(action)
        total += reward
    return total


def test_looking_ahead_pays() -> None:
    env = make(16, overrides={"mobility.slots": 25})
    ahead = returns(env, dashf.LookaheadPolicy(env))
    myopic = returns(env, dashf.SolverPolicy(env, "dual"))
    assert ahead.mean() > 1.01 * myopic.mean()
    trajectory = sample_trajectory(
        env.unwrapped.task.config, np.random.default_rng(10_000_000)
    )
    assert ahead[0] <= dashf.trajectory_bound(trajectory).value


def test_without_a_horizon_it_is_myopic() -> None:
    env = make(6, overrides=WALK)
    blind = returns(env, dashf.LookaheadPolicy(env, horizon=0))
    myopic = returns(env, dashf.SolverPolicy(env, "dual"))
    assert blind.mean() == pytest.approx(myopic.mean(), rel=0.01)


def test_hysteresis_moves_sooner() -> None:
    env = make(8, overrides={"mobility.slots": 25})
    migrations = []
    for weight in (0.0, 0.4, 1.0):
        policy = dashf.SolverPolicy(env, "dual", migration_weight=weight)
        observation, _ = env.reset(seed=0)
        count = 0
        for _ in range(25):
            action, _ = policy.predict(observation)
            observation, _, _, _, info = env.step(action)
            count += info["migrations"].sum()
        migrations.append(count)
    assert migrations[0] > migrations[1] > migrations[2]
    with pytest.raises(ValueError, match="`migration_weight` must be"):
        dashf.SolverPolicy(env, migration_weight=1.5)


@pytest.mark.parametrize("seed", range(8))
def test_any_size_is_decided_feasibly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, servers = int(rng.integers(1, 9)), int(rng.integers(1, 5))
    changes = {
        "users": users,
        "servers": servers,
        "mobility.slots": int(rng.integers(1, 6)),
        "layout.cell_radius_m": float(rng.choice([100, 2000])),
        "radio.fading": str(rng.choice(["none", "rayleigh"])),
    }
    if seed % 2:
        changes["server.max_users"] = -(-users // servers)
    env = make(3, overrides=changes)
    task = env.unwrapped.task
    policy = dashf.LookaheadPolicy(env, horizon=int(rng.integers(0, 12)))
    observation, _ = env.reset(seed=seed)
    for _ in range(task.episode_length):
        seen = task.observation_codec.read(observation)
        allocation = policy.decide(seen)
        worst = violations(seen.scenario, allocation)
        assert max(np.max(v) for v in worst.values()) <= 1e-6
        one = policy.decide(seen[0])
        np.testing.assert_array_equal(one.association, allocation.association[0])
        action, _ = policy.predict(observation)
        observation, reward, _, _, _ = env.step(action)
        assert np.isfinite(reward).all()


def test_threads_decide_alike() -> None:
    env = make(8, overrides=WALK)
    task = env.unwrapped.task
    observation, _ = env.reset(seed=0)
    policy = dashf.LookaheadPolicy(task)
    seen = task.observation_codec.read(observation)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: policy.decide(seen[i]), range(8)))
    for i, allocation in enumerate(found):
        expected = policy.decide(seen[i])
        np.testing.assert_array_equal(allocation.association, expected.association)


def test_forecasts_are_what_comes_on_average() -> None:
    """Over many users the expected log-gain of the next slots is the mean one."""
    config = MobileConfig().with_overrides({"users": 2_000, "mobility.slots": 3})
    env = gym.make("MecLlmMobile-v0", overrides={"users": 2_000, "mobility.slots": 3})
    observation, _ = env.reset(seed=1)
    seen = env.unwrapped.task.observation_codec.read(observation)
    trajectory = sample_trajectory(config, np.random.default_rng(1))
    for k, expected in enumerate(expected_slots(config, seen, 2), start=1):
        stays = ~trajectory.joined[1 : k + 1].any(axis=0)
        now = np.log(trajectory.scenario.channel_gain[0][stays])
        then = np.log(trajectory.scenario.channel_gain[k][stays])
        forecast = np.log(expected.channel_gain[stays])
        error, change = forecast - then, now - then
        assert abs(error.mean()) < 0.1  # nepers
        assert error.std() < 0.8 * change.std()


def test_other_environments_are_refused() -> None:
    with pytest.raises(ValueError, match="must be a MobileConfig; got ScenarioConfig"):
        dashf.LookaheadPolicy(gym.make("MecLlm-v0"))
    with pytest.raises(ValueError, match="`horizon` must be"):
        dashf.LookaheadPolicy(MobileTask(), horizon=-1)


def test_it_decides_whole_layers() -> None:
    overrides = {"mobility.slots": 4, "workload.split": "whole_layers"}
    overrides |= {"workload.layers": 5, "objective.score_weight_bandwidth": 0.2}
    overrides |= {"objective.score_weight_compute": 0.2}
    overrides |= {"objective.score_weight_offload": 0.6}
    env = gym.make_vec("MecLlmMobile-v0", 2, overrides=overrides)
    policy = dashf.LookaheadPolicy(env)
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        seen = env.unwrapped.task.observation_codec.read(observation)
        z = policy.decide(seen)
        assert (seen.scenario.layers == 5).all()
        assert np.abs(5 * z.local_fraction - np.round(5 * z.local_fraction)).max() == 0
        assert max(v.max() for v in violations(seen.scenario, z).values()) <= 1e-6
        action, _ = policy.predict(observation)
        observation, *_ = env.step(action)
