"""How long the decisions of agents take, one at a time and many at once."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from agents.base import Agent, Policy
from agents.clairvoyant import Clairvoyant
from agents.problems.episodes import decided_slots
from agents.problems.instances import Instances
from agents.problems.tasks import AnyTask
from mec_llm_env import Scenario, Trajectory
from mec_llm_env.mobile.task import MobileTask

#: About how long the decisions of an agent are timed, s.
TIMING_BUDGET_S = 10.0


def decision_times(agent: Any, task: AnyTask, instances: Instances) -> dict[str, Any]:
    """Times decisions on one thread; returns what `Measurement` has of them.

    Single decisions are timed, then as many scenarios, or episodes, at once. A plan is
    not made of decisions, and has no times.
    """
    if isinstance(agent, Clairvoyant):
        return _times([], float("nan"))
    if isinstance(instances, Trajectory):
        own = getattr(agent, "task", task)  # in the encodings of the agent
        assert isinstance(own, MobileTask)
        return _in_episodes(agent, own, instances)
    return _on_scenarios(agent, instances)


def _times(single: list[float], batch: float) -> dict[str, Any]:
    return {
        "single_time_s": np.array(single),
        "batch_time_s": batch / max(len(single), 1),
        "batch_size": len(single),
    }


def _on_scenarios(agent: Agent, scenario: Scenario) -> dict[str, Any]:
    with one_thread():
        agent.decide(scenario[0])  # compiles and warms up
        times: list[float] = []
        count = scenario.batch_shape[0]
        while len(times) < count and sum(times) < TIMING_BUDGET_S:
            times.append(_seconds(agent, scenario[len(times)]))
        batch = scenario[: len(times)]
        repeats = 5 if sum(times) < 1 else 1
        return _times(times, min(_seconds(agent, batch) for _ in range(repeats)))


def _in_episodes(
    agent: Policy, task: MobileTask, episodes: Trajectory
) -> dict[str, Any]:
    count = episodes.batch_shape[0]

    def first_times(some: Trajectory, most: int) -> list[float]:
        """Returns the seconds of some first slots of episodes, at least of one."""
        times: list[float] = []
        for slot in decided_slots(agent, task, some):
            times.append(slot.seconds)
            if len(times) >= most or sum(times) >= TIMING_BUDGET_S:
                break
        return times

    with one_thread():
        # The first decision compiles and warms up.
        next(decided_slots(agent, task, episodes[:1]))
        single: list[float] = []
        for i in range(count):
            single += first_times(episodes[i : i + 1], count - len(single))
            if len(single) >= count or sum(single) >= TIMING_BUDGET_S:
                break
        several = first_times(episodes[: len(single)], task.episode_length)
    return _times(single, float(np.median(several)))


def one_thread() -> Any:
    """Returns a context in which BLAS, OpenMP and PyTorch use one thread."""
    import torch

    stack = ExitStack()
    stack.enter_context(threadpool_limits(1))
    stack.callback(torch.set_num_threads, torch.get_num_threads())
    torch.set_num_threads(1)
    return stack


def _seconds(agent: Agent, scenario: Scenario) -> float:
    begun = time.perf_counter()
    agent.decide(scenario)
    return time.perf_counter() - begun
