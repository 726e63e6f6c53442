"""Whole episodes of `MecLlmMobile-v0`, decided by a policy, all in one batch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from agents.base import Policy
from mec_llm_env import Allocation, Outcome, Scenario, Trajectory, violations
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.vector_env import DecisionVectorEnv

Array = np.ndarray[Any, Any]

#: Figures that are means over users, and over slots.
MEANS = ("score", "delay_s", "energy_j", "cost")


class Slot(NamedTuple):
    """A slot of I episodes that a policy has decided."""

    observation: Any  # before the decision, [I, …]
    scenario: Scenario  # [I]
    allocation: Allocation  # [I]
    outcome: Outcome  # [I]
    reward: Array  # [I]
    infos: dict[str, Any]  # of the environment, [I] each
    seconds: float  # that the policy took


def decided_slots(
    policy: Policy,
    task: MobileTask,
    trajectory: Trajectory,  # [I]
) -> Iterator[Slot]:
    """Yields the slots of episodes one after another, as a policy decides them.

    The policy acts on observations alone, and keeps what state it has; its decisions
    are deterministic where it has the choice.

    Args:
        policy: in the encodings of `task`.
        task: of the environment.
        trajectory: a batch of them; each is an episode.
    """
    count = trajectory.batch_shape[0]
    envs = _GivenTask(task, count)
    observation, _ = envs.reset(options={"trajectory": trajectory})
    state, begins = None, np.ones(count, dtype=np.bool_)
    for _ in range(task.episode_length):
        begun = time.perf_counter()
        action, state = policy.predict(observation, state, begins, deterministic=True)
        seconds = time.perf_counter() - begun
        seen = observation
        observation, reward, _, _, infos = envs.step(action)
        begins = np.zeros(count, dtype=np.bool_)
        assert envs.decided_scenario is not None
        assert envs.allocation is not None
        assert envs.outcome is not None
        yield Slot(
            *(seen, envs.decided_scenario, envs.allocation, envs.outcome),
            *(reward, infos, seconds),
        )


def play(policy: Policy, task: MobileTask, trajectory: Trajectory) -> dict[str, Array]:
    """Returns the figures of the episodes that a policy decides, [I] each.

    `scr` is that of an episode, `migrations` the number of them in it, `violation` the
    largest relative one of a constraint; the rest are means over users and slots.
    """
    slots = list(decided_slots(policy, task, trajectory))
    excess = [
        value for s in slots for value in violations(s.scenario, s.allocation).values()
    ]
    return {
        "scr": slots[-1].infos["episode_scr"],
        **{name: np.mean([s.infos[name] for s in slots], axis=0) for name in MEANS},
        "violation": np.max(excess, axis=0),
        "migrations": np.sum([s.infos["migrations"] for s in slots], axis=0),
    }


class _GivenTask(DecisionVectorEnv):
    """The batched environment of a task that is there already."""

    def __init__(self, task: MobileTask, num_envs: int) -> None:
        self.task_type = lambda: task
        super().__init__(num_envs, autoreset_mode="Disabled")
