"""Runs agents on the same instances; measures quality and speed of their decisions."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from agents.base import Agent
from agents.registry import UNTRAINED, make_agent
from mec_llm_env import ObjectiveConfig, Scenario, evaluate, violations
from mec_llm_env.task import Task

Array = np.ndarray[Any, Any]

#: Instances decided at once. Fixed, so that nothing depends on the number of jobs.
CHUNK = 25

_JOBS_A_PROCESSOR = 2  # more would only take memory

#: About how long the decisions of an agent are timed, s.
TIMING_BUDGET_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """Measurements of one agent, or one training run, on I instances."""

    scr: Array  # [I]
    score: Array  # [I] in [0, 100], mean over users
    delay_s: Array  # [I] s, mean over users
    energy_j: Array  # [I] J, mean over users
    cost: Array  # [I], mean over users
    violation: Array  # [I] largest relative violation of a constraint
    single_time_s: Array  # [K] s per decision, one scenario at a time
    batch_time_s: float  # s per scenario, `batch_size` of them at once
    batch_size: int


def compare(
    names: Sequence[str],
    task: Task,
    scenario: Scenario,  # [I]
    *,
    seed: int = 0,
    jobs: int = 1,
    advance: Callable[[float, str], None] = lambda done, name: None,
) -> list[Measurement]:
    """Measures every agent on the same instances.

    Decisions may be made by several processes, each of which loads a trained agent
    once; times are measured serially, on one thread, afterwards.

    Args:
        names: as `make_agent` takes them.
        task: what the agents decide.
        scenario: the instances.
        seed: of the agents' own randomness.
        jobs: processes, at most.
        advance: called with the share of all the work that is done, and the name of an
            agent.
    """
    count = scenario.batch_shape[0]
    chunks = [slice(i, min(i + CHUNK, count)) for i in range(0, count, CHUNK)]
    work = [
        (name, scenario[chunk], seed * len(chunks) + k)
        for name in names
        for k, chunk in enumerate(chunks)
    ]
    decider = _Decider(task)
    with ExitStack() as stack:
        if jobs > 1:
            # Spawned, because a fork of PyTorch's threads may hang.
            jobs = min(jobs, len(work), _JOBS_A_PROCESSOR * (os.cpu_count() or 1))
            pool = stack.enter_context(
                ProcessPoolExecutor(
                    jobs, get_context("spawn"), _start_worker, initargs=(task,)
                )
            )
            parts = pool.map(_decide_in_worker, *zip(*work, strict=True))
        else:
            parts = map(decider.decide, *zip(*work, strict=True))
        decided: list[dict[str, Array]] = []
        for i, name in enumerate(names):
            pieces = []
            for k in range(len(chunks)):
                pieces.append(next(parts))
                advance(0.5 * (i * len(chunks) + k + 1) / len(work), name)
            decided.append(
                {k: np.concatenate([piece[k] for piece in pieces]) for k in pieces[0]}
            )
    measurements = []
    for i, (name, figures) in enumerate(zip(names, decided, strict=True)):
        times = _time(decider.agent(name, seed), scenario)
        measurements.append(Measurement(**figures, **times))  # type: ignore[arg-type]
        advance(0.5 + 0.5 * (i + 1) / len(names), name)
    return measurements


def figures_of(
    agent: Agent, scenario: Scenario, objective: ObjectiveConfig
) -> dict[str, Array]:
    """Evaluates an agent's decisions on scenarios [I]; each figure is [I]."""
    allocation = agent.decide(scenario)
    outcome = evaluate(scenario, allocation, objective)
    means = {
        name: getattr(outcome, name).mean(axis=-1)
        for name in ("score", "delay_s", "energy_j", "cost")
    }
    excess = violations(scenario, allocation).values()
    worst = np.max(np.stack(list(excess)), axis=0)
    return {"scr": outcome.scr, **means, "violation": worst}


class _Decider:
    """Makes agents and evaluates their decisions on chunks of the instances.

    A trained agent is loaded once. The others are created for each chunk, whose seed
    determines their random numbers.

    Args:
        task: what the agents decide.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._trained: dict[str, Agent] = {}

    def agent(self, name: str, seed: int) -> Agent:
        """Returns an agent; the seed is for agents that draw random numbers."""
        if name in UNTRAINED:
            return make_agent(name, self.task, seed=seed)
        if name not in self._trained:
            self._trained[name] = make_agent(name, self.task, seed=seed)
        return self._trained[name]

    def decide(self, name: str, scenario: Scenario, seed: int) -> dict[str, Array]:
        """Evaluates an agent on a chunk, on one thread."""
        with threadpool_limits(1):
            agent = self.agent(name, seed)
            return figures_of(agent, scenario, self.task.config.objective)


_worker: _Decider  # in a worker process of `compare`


def _start_worker(task: Task) -> None:
    """Initialises a worker process, which exits when its parent has ended."""
    global _worker
    _worker = _Decider(task)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _decide_in_worker(name: str, scenario: Scenario, seed: int) -> dict[str, Array]:
    return _worker.decide(name, scenario, seed)


def _time(agent: Agent, scenario: Scenario) -> dict[str, Any]:
    """Times single decisions, then the same scenarios as one batch."""
    with one_thread():
        agent.decide(scenario[0])  # compiles and warms up
        times: list[float] = []
        while len(times) < scenario.batch_shape[0] and sum(times) < TIMING_BUDGET_S:
            times.append(_seconds(agent, scenario[len(times)]))
        batch = scenario[: len(times)]
        repeats = 5 if sum(times) < 1 else 1
        batch_time_s = min(_seconds(agent, batch) for _ in range(repeats)) / len(times)
    return {
        "single_time_s": np.array(times),
        "batch_time_s": batch_time_s,
        "batch_size": len(times),
    }


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
