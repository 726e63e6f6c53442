"""What agents do with the instances of an environment, and how long it takes them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from agents.base import Agent, Policy
from agents.clairvoyant import Clairvoyant
from agents.problems.episodes import decided_slots, play
from agents.problems.tasks import AnyTask
from mec_llm_env import Scenario, Trajectory, evaluate, violations
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.task import Task

Array = np.ndarray[Any, Any]

#: About how long the decisions of an agent are timed, s.
TIMING_BUDGET_S = 10.0


class Evaluator(ABC):
    """Measures agents on instances [I] of a kind."""

    @abstractmethod
    def figures(self, agent: Any, instances: Any) -> dict[str, Array]:
        """Returns what `Measurement` has of decisions, by name, each [I]."""

    @abstractmethod
    def times(self, agent: Any, instances: Any) -> dict[str, Any]:
        """Times decisions on one thread; returns what `Measurement` has of them."""


class Decisions(Evaluator):
    """One decision on each scenario."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def figures(self, agent: Agent, instances: Scenario) -> dict[str, Array]:
        """Evaluates an agent's decisions."""
        allocation = agent.decide(instances)
        outcome = evaluate(instances, allocation, self.task.config.objective)
        means = {
            name: getattr(outcome, name).mean(axis=-1)
            for name in ("score", "delay_s", "energy_j", "cost")
        }
        excess = violations(instances, allocation).values()
        worst = np.max(np.stack(list(excess)), axis=0)
        return {"scr": outcome.scr, **means, "violation": worst}

    def times(self, agent: Agent, instances: Scenario) -> dict[str, Any]:
        """Times single decisions, then the same scenarios as one batch."""
        with one_thread():
            agent.decide(instances[0])  # compiles and warms up
            times: list[float] = []
            count = instances.batch_shape[0]
            while len(times) < count and sum(times) < TIMING_BUDGET_S:
                times.append(_seconds(agent, instances[len(times)]))
            batch = instances[: len(times)]
            repeats = 5 if sum(times) < 1 else 1
            fastest = min(_seconds(agent, batch) for _ in range(repeats))
        return {
            "single_time_s": np.array(times),
            "batch_time_s": fastest / len(times),
            "batch_size": len(times),
        }


class Episodes(Evaluator):
    """Decisions that follow one another through the slots of each trajectory."""

    def __init__(self, task: MobileTask) -> None:
        self.task = task

    def figures(
        self, agent: Policy | Clairvoyant, instances: Trajectory
    ) -> dict[str, Array]:
        """Plays the episodes, or evaluates the plans of who knows their future."""
        if isinstance(agent, Clairvoyant):
            return agent.figures(instances)
        return play(agent, self._task_of(agent), instances)

    def times(
        self, agent: Policy | Clairvoyant, instances: Trajectory
    ) -> dict[str, Any]:
        """Times decisions of single episodes, then of as many episodes at once.

        A plan is not made of decisions, and has no times.
        """
        if isinstance(agent, Clairvoyant):
            return {
                "single_time_s": np.empty(0),
                "batch_time_s": float("nan"),
                "batch_size": 0,
            }
        count = instances.batch_shape[0]
        with one_thread():
            # The first decision compiles and warms up.
            next(decided_slots(agent, self._task_of(agent), instances[:1]))
            single: list[float] = []
            for i in range(count):
                single += self._timed(agent, instances[i : i + 1], count - len(single))
                if len(single) >= count or sum(single) >= TIMING_BUDGET_S:
                    break
            batch = instances[: len(single)]
            several = self._timed(agent, batch, self.task.episode_length)
        return {
            "single_time_s": np.array(single),
            "batch_time_s": float(np.median(several)) / len(single),
            "batch_size": len(single),
        }

    def _timed(self, agent: Policy, episodes: Trajectory, most: int) -> list[float]:
        """Returns the seconds of some first slots of episodes, at least of one."""
        times: list[float] = []
        for slot in decided_slots(agent, self._task_of(agent), episodes):
            times.append(slot.seconds)
            if len(times) >= most or sum(times) >= TIMING_BUDGET_S:
                break
        return times

    def _task_of(self, agent: Any) -> MobileTask:
        """Returns the task in the encodings of an agent."""
        task = getattr(agent, "task", self.task)
        assert isinstance(task, MobileTask)
        return task


def evaluator_of(task: AnyTask) -> Evaluator:
    """Returns what measures agents on the instances of a task."""
    return Episodes(task) if isinstance(task, MobileTask) else Decisions(task)


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
