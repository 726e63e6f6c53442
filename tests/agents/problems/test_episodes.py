"""Episodes played in a batch, against a loop over the scalar environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents.problems.episodes import decided_slots, play
from agents.problems.instances import TEST_SEED, held_out_instances
from agents.problems.tasks import MOBILE_ENV, make_task
from agents.registry import make_agent
from mec_llm_env.mobile.task import MobileTask


def sizes(seed: int) -> dict[str, Any]:
    """Returns arguments of the environment: any small size, both encodings."""
    rng = np.random.default_rng([seed, 14])
    users, servers = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    overrides: dict[str, Any] = {
        "users": users,
        "servers": servers,
        "mobility.slots": int(rng.integers(1, 6)),
        "mobility.job_end_probability": float(rng.choice([0.03, 0.5])),
    }
    if rng.random() < 0.3:
        overrides["server.max_users"] = -(-users // servers)
    return {
        "overrides": overrides,
        "action_encoding": str(rng.choice(["box", "multi_discrete", "dict"])),
        "observation_encoding": str(rng.choice(["flat", "tokens"])),
    }


def mobile_task(**kwargs: Any) -> MobileTask:
    task = make_task(MOBILE_ENV, **kwargs)
    assert isinstance(task, MobileTask)
    return task


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["hysteresis", "lookahead", "gucro"])
def test_as_a_loop_over_the_scalar_environment(name: str, seed: int) -> None:
    kwargs, count = sizes(seed), 3
    task = mobile_task(**kwargs)
    played = play(make_agent(name, task), task, held_out_instances(task.config, count))
    env = gym.make(MOBILE_ENV, **kwargs)
    for i in range(count):
        agent = make_agent(name, task)
        observation, _ = env.reset(seed=TEST_SEED + i)
        infos, rewards, ended = [], [], False
        while not ended:
            action, _ = agent.predict(observation)
            observation, reward, ended, _, info = env.step(action)
            infos.append(info)
            rewards.append(reward)
        assert len(infos) == task.episode_length
        assert played["scr"][i] == pytest.approx(sum(rewards), rel=1e-9)
        assert played["scr"][i] == infos[-1]["episode_scr"]
        assert played["migrations"][i] == sum(info["migrations"] for info in infos)
        for figure in ("score", "delay_s", "energy_j", "cost"):
            mean = np.mean([info[figure] for info in infos])
            assert played[figure][i] == pytest.approx(mean, rel=1e-12)
        assert played["violation"][i] < 1e-9


class Counting:
    """A policy with a state: it counts its decisions since an episode has begun."""

    name = "counting"

    def __init__(self, task: MobileTask) -> None:
        self.task, self.seen = task, []

    def predict(
        self, observation: Any, state: Any, episode_start: Any, deterministic: bool
    ) -> tuple[Any, Any]:
        assert deterministic
        count = np.zeros(len(episode_start)) if state is None else state[0]
        count = np.where(episode_start, 0, count) + 1
        self.seen.append(count.tolist())
        shape = (len(count), *self.task.action_codec.space.shape)
        return np.zeros(shape, np.float32), (count,)


def test_a_policy_keeps_its_state_within_an_episode() -> None:
    task = mobile_task(overrides={"users": 3, "mobility.slots": 3})
    policy = Counting(task)
    for _ in range(2):
        list(decided_slots(policy, task, held_out_instances(task.config, 2)))
    assert policy.seen == 2 * [[1, 1], [2, 2], [3, 3]]
