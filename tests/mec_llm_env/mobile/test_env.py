from __future__ import annotations

import dataclasses
import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import dashf
from mec_llm_env import MOBILE_PRESETS, MobileConfig, Trajectory, sample_trajectory
from mec_llm_env.actions import ENCODINGS as ACTION_ENCODINGS
from mec_llm_env.mobile.env import MecLlmMobileEnv
from mec_llm_env.mobile.task import REWARDS
from mec_llm_env.objective import evaluate
from mec_llm_env.observations import ENCODINGS as OBSERVATION_ENCODINGS
from tests.mec_llm_env.bad_actions import spoiled_action

SURPLUS = {"surplus_ratio": 100.0, "surplus_cost": 0.5}


def small(**changes: Any) -> MobileConfig:
    return MobileConfig().with_overrides({"users": 4, "mobility.slots": 5, **changes})


def make(**kwargs: Any) -> MecLlmMobileEnv:
    kwargs.setdefault("overrides", {"users": 4, "mobility.slots": 5})
    return MecLlmMobileEnv(**kwargs)


@pytest.mark.parametrize("observation_encoding", OBSERVATION_ENCODINGS)
@pytest.mark.parametrize("action_encoding", [*ACTION_ENCODINGS, "association"])
@pytest.mark.parametrize("slots", [1, 50])
def test_gymnasium_check_env(
    action_encoding: str, observation_encoding: str, slots: int
) -> None:
    env = gym.make(
        "MecLlmMobile-v0",
        action_encoding=action_encoding,
        observation_encoding=observation_encoding,
        overrides={"mobility.slots": slots},
        render_mode="rgb_array",
    )
    check_env(env.unwrapped)


@pytest.mark.parametrize("preset", MOBILE_PRESETS)
def test_every_preset_makes_one(preset: str) -> None:
    env = gym.make("mec_llm_env:MecLlmMobile-v0", preset=preset)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    task = env.unwrapped.task  # type: ignore[attr-defined]
    assert task.config == MobileConfig.preset(preset)


@pytest.mark.parametrize("action_encoding", ["box", "multi_discrete", "association"])
def test_stable_baselines3_check_env(action_encoding: str) -> None:
    env_checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = gym.make("MecLlmMobile-v0", action_encoding=action_encoding)
    env_checker.check_env(env.unwrapped)


def test_spec_is_json() -> None:
    env = gym.make(
        "MecLlmMobile-v0",
        preset="mobile-50x10",
        overrides={"mobility.slots": 20, "migration.backhaul_mbit_per_s": 100},
        reward="surplus",
        **SURPLUS,
    )
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    task = again.unwrapped.task  # type: ignore[attr-defined]
    assert task.config.migration.backhaul_mbit_per_s == 100
    assert task.episode_length == 20
    json.loads(env.spec.to_json())


def test_an_episode_by_hand() -> None:
    """The sums of the specification, from the trajectory and `evaluate` alone."""
    env = make()
    env.action_space.seed(0)
    observation, _ = env.reset(seed=7)
    trajectory = sample_trajectory(small(), np.random.default_rng(7))
    codec = env.task.observation_codec
    serving = np.zeros((4, 2))
    score = cost = ratio = 0.0
    for t in range(5):
        serving = serving * ~trajectory.joined[t][:, None]
        scenario = dataclasses.replace(trajectory.slot(t), serving=serving)
        seen = codec.read(observation)
        assert seen.slot == t
        np.testing.assert_array_equal(seen.joined, ~serving.any(axis=-1))
        np.testing.assert_array_equal(seen.scenario.serving, serving)
        for name, value in scenario.to_dict().items():
            decoded = getattr(seen.scenario, name)
            np.testing.assert_allclose(decoded, value, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose([seen.scr, seen.cost], [ratio, cost], rtol=1e-5)

        action = env.action_space.sample()
        observation, reward, terminated, truncated, info = env.step(action)
        allocation = env.task.action_codec.decode(action, scenario)
        outcome = evaluate(scenario, allocation)
        score += outcome.score.sum()
        cost += outcome.cost.sum()
        assert type(reward) is float
        assert reward == pytest.approx(score / cost - ratio, rel=1e-12, abs=1e-12)
        ratio = score / cost
        assert info["episode_scr"] == pytest.approx(ratio, rel=1e-12)
        assert info["scr"] == outcome.scr
        moved = serving.any(axis=-1) & (serving != allocation.association).any(axis=-1)
        assert info["migrations"] == moved.sum()
        assert info["migration_delay_s"] == pytest.approx(
            (moved * scenario.migration_delay_s).mean()
        )
        assert info["migration_energy_j"] == pytest.approx(
            (moved * scenario.migration_energy_j).mean()
        )
        assert (terminated, truncated) == (t == 4, False)
        serving = allocation.association
    # The end is observed: the last slot again, its states where they have come to be.
    seen = codec.read(observation)
    assert seen.slot == 5
    np.testing.assert_array_equal(seen.scenario.serving, serving)
    with pytest.raises(ResetNeeded, match="call reset first"):
        env.step(action)


@pytest.mark.parametrize("seed", range(4))
def test_the_return_is_the_scr_of_the_episode(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, servers, slots = (int(i) for i in rng.integers(1, (20, 6, 60)))
    size = {"users": users, "servers": servers, "mobility.slots": slots}
    returns = {}
    for reward in REWARDS:
        env = make(
            overrides=size,
            reward=reward,
            **(SURPLUS if reward == "surplus" else {}),
        )
        env.action_space.seed(seed)
        env.reset(seed=seed)
        rewards, slot_scrs, scores, costs = [], [], [], []
        for _ in range(slots):
            _, r, terminated, _, info = env.step(env.action_space.sample())
            rewards.append(r)
            slot_scrs.append(info["scr"])
            scores.append(info["score"])
            costs.append(info["cost"])
        assert terminated
        returns[reward] = sum(rewards)
        if reward == "slot":
            assert rewards == slot_scrs
    episode_scr = sum(scores) / sum(costs)
    assert info["episode_scr"] == pytest.approx(episode_scr, rel=1e-12)
    assert returns["scr_difference"] == pytest.approx(episode_scr, rel=1e-9)
    surplus = (sum(scores) - 100 * sum(costs)) / (slots * 0.5)
    assert returns["surplus"] == pytest.approx(surplus, rel=1e-9)


def test_with_one_slot_it_is_the_one_decision_problem() -> None:
    env = make(overrides={"mobility.slots": 1})
    env.reset(seed=3)
    action = env.action_space.sample()
    _, reward, terminated, _, info = env.step(action)
    assert terminated
    assert reward == info["scr"] == info["episode_scr"]


def test_a_given_trajectory_is_that_of_its_seed_and_draws_nothing() -> None:
    env = make(action_encoding="association")
    trajectory = sample_trajectory(small(), np.random.default_rng(99))

    def play(**reset: Any) -> list[Any]:
        env.action_space.seed(0)
        run: list[Any] = [env.reset(**reset)[0]]
        for _ in range(5):
            run += env.step(env.action_space.sample())[:2]
        return run

    drawn = play(seed=99)
    for options in ({"trajectory": trajectory}, {"trajectory": trajectory}):
        for one, other in zip(play(seed=3, options=options), drawn, strict=True):
            np.testing.assert_array_equal(one, other)
    fresh, _ = env.reset()
    np.testing.assert_array_equal(fresh, env.reset(seed=3)[0])


def test_what_a_trajectory_leaves_out_is_free_and_stands_still() -> None:
    scenario = sample_trajectory(small(), np.random.default_rng(0)).scenario
    bare = dataclasses.replace(
        scenario,
        user_position_m=None,
        server_position_m=None,
        migration_delay_s=None,
        migration_energy_j=None,
    )
    env = make(action_encoding="association")
    observation, _ = env.reset(options={"trajectory": Trajectory(scenario=bare)})
    for server in range(2):
        observation, _, _, _, info = env.step(np.full(4, server))
    assert info["migrations"] == 4
    assert info["migration_delay_s"] == info["migration_energy_j"] == 0
    seen = env.task.observation_codec.read(observation)
    assert not seen.user_velocity_m_per_s.any()
    assert not seen.scenario.user_position_m.any()


@pytest.mark.parametrize("action_encoding", ["box", "association"])
def test_a_solver_acts_from_observations(action_encoding: str) -> None:
    env = make(action_encoding=action_encoding)
    policy = dashf.SolverPolicy(env, "dashf")
    observation, _ = env.reset(seed=1)
    for _ in range(5):
        assert env.scenario is not None
        wanted = dashf.solve(env.scenario).scr
        action, _ = policy.predict(observation)
        observation, _, _, _, info = env.step(action)
        assert info["scr"] == pytest.approx(wanted, rel=1e-3)


def test_bad_resets_are_named_and_change_nothing() -> None:
    env = make()
    env.action_space.seed(0)
    env.reset(seed=3)
    action = env.action_space.sample()
    env.step(action)

    def drawn(**changes: Any) -> Trajectory:
        return sample_trajectory(small(**changes), np.random.default_rng(0))

    scenario = drawn().scenario
    far = np.full((5, 4, 2), 1e5)
    fast = np.full((5, 4, 2), 1e8)
    for options, text in (
        ({"trajectory": drawn(users=3)}, "must have 4 users; got 3.*{'users': 3}"),
        ({"trajectory": drawn(servers=3)}, "2 servers; got 3.*{'servers': 3}"),
        (
            {"trajectory": drawn(**{"mobility.slots": 6})},
            "must have 5 slots; got 6.*{'mobility.slots': 6}",
        ),
        (
            {
                "trajectory": Trajectory(
                    scenario=dataclasses.replace(scenario, user_position_m=far)
                )
            },
            "`user_position_m` must be from -6000 to 6000 m to be observed",
        ),
        (
            {"trajectory": Trajectory(scenario=scenario, user_velocity_m_per_s=fast)},
            "`user_velocity_m_per_s` must be from .* m/s to be observed",
        ),
        (
            {
                "trajectory": Trajectory(
                    scenario=dataclasses.replace(
                        scenario, data_bit=scenario.data_bit * 1e9
                    )
                )
            },
            "`data_bit` must be from .* to be observed",
        ),
        ({"trajectory": scenario}, "must be a mec_llm_env.Trajectory; got Scenario"),
        ({"trajectory": drawn().stack([drawn()] * 2)}, "must be a single trajectory;"),
        ({"scenario": scenario}, "no reset option 'scenario'. Use 'trajectory'"),
        ([drawn()], r"`options` must be a dictionary, such as {'trajectory': traj"),
    ):
        with pytest.raises(ValueError, match=text):
            env.reset(seed=4, options=options)  # type: ignore[arg-type]
    after = env.step(action)
    env.reset(seed=3)
    env.step(action)
    expected = env.step(action)
    np.testing.assert_array_equal(after[0], expected[0])
    assert after[1] == expected[1]


@pytest.mark.parametrize("encoding", [*ACTION_ENCODINGS, "association"])
def test_no_refused_action_changes_anything(encoding: str) -> None:
    rng = np.random.default_rng(0)
    overrides = {"users": 3, "mobility.slots": 1000}
    env, other = (make(action_encoding=encoding, overrides=overrides) for _ in "12")
    env.reset(seed=3)
    other.reset(seed=3)
    env.action_space.seed(0)
    refused = 0
    for _ in range(100):
        action = spoiled_action(rng, env.action_space.sample())
        try:
            reward = env.step(action)[1]
        except ValueError:
            refused += 1
        else:
            assert other.step(action)[1] == reward
    assert 30 < refused < 100
    assert other.np_random.bit_generator.state == env.np_random.bit_generator.state


def test_results_do_not_change_later() -> None:
    env = make()
    observation, _ = env.reset(seed=0)
    observation[:] = 0  # a user may do what it likes with what it got
    env.action_space.seed(0)
    first = env.step(env.action_space.sample())[0]
    kept = first.copy()
    env.step(env.action_space.sample())
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"preset": "mobile"}, "no preset 'mobile'"),
        ({"preset": "paper-10x2"}, "no preset 'paper-10x2'"),
        ({"overrides": {"mobility.slot": 1}}, "no parameter 'mobility.slot'"),
        ({"action_encoding": "x"}, "`action_encoding` must be one of"),
        ({"observation_encoding": "x"}, "`observation_encoding` must be one of"),
        ({"reward": "scr"}, "`reward` must be one of scr_difference, slot, surplus"),
        ({"reward": ["slot"]}, "`reward` must be one of"),
        ({"reward": "surplus"}, "`surplus_ratio` must be a number .*; got None. Take"),
        (
            {"reward": "surplus", "surplus_ratio": 1.0, "surplus_cost": 0},
            "`surplus_cost` must be a number from 1e-12 .*; got 0",
        ),
        ({"surplus_ratio": 3}, "`surplus_ratio` is for reward='surplus'; got 3"),
        ({"render_mode": "x"}, "`render_mode` must be"),
        (
            {"overrides": {"radio.bandwidth_mhz": 5000}},
            r"`bandwidth_max_hz` must be from .* to be observed",
        ),
        (
            {"overrides": {"mobility.slot_s": 1e5}},
            "`mobility.vehicular_speed_m_per_s` must be at most .* m/s to be observed",
        ),
        (
            {"overrides": {"layout.server_ring_ratio": 10}},
            "`layout.server_ring_ratio` must have servers less than 6000 m from",
        ),
        (
            {"overrides": {"servers": 1, "layout.server_position_m": [[0, -6001]]}},
            "`layout.server_position_m` must have servers less than .* got 6001 m",
        ),
        (
            {"overrides": {"workload.split": np.zeros(3)}},
            r"`workload.split` must be one of .*; got array\(\[0., 0., 0.\]\)",
        ),
    ],
)
def test_bad_arguments_are_named(kwargs: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MecLlmMobileEnv(**kwargs)
