"""Runs agents on the same instances; measures quality and speed of their decisions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from agents.evaluation.evaluators import evaluator_of
from agents.instances import Instances
from agents.registry import UNTRAINED, make_agent
from agents.tasks import AnyTask

Array = np.ndarray[Any, Any]

#: Instances decided at once. Fixed, so that nothing depends on the number of jobs.
CHUNK = 25

_JOBS_A_PROCESSOR = 2  # more would only take memory


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """Measurements of one agent, or one training run, on I instances.

    An instance is a scenario, or an episode, whose means are over its slots too.
    """

    scr: Array  # [I]
    score: Array  # [I] in [0, 100], mean over users
    delay_s: Array  # [I] s, mean over users
    energy_j: Array  # [I] J, mean over users
    cost: Array  # [I], mean over users
    violation: Array  # [I] largest relative violation of a constraint
    migrations: Array | None = None  # [I] changes of servers in an episode
    single_time_s: Array  # [K] s per decision, one at a time; none of whole plans
    batch_time_s: float  # s per decision, `batch_size` of them at once
    batch_size: int


def compare(
    names: Sequence[str],
    task: AnyTask,
    instances: Instances,  # [I]
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
        instances: scenarios, or trajectories where the task has them.
        seed: of the agents' own randomness.
        jobs: processes, at most.
        advance: called with the share of all the work that is done, and the name of an
            agent.
    """
    count = instances.batch_shape[0]
    chunks = [slice(i, min(i + CHUNK, count)) for i in range(0, count, CHUNK)]
    work = [
        (name, instances[chunk], seed * len(chunks) + k)
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
        times = decider.evaluator.times(decider.agent(name, seed), instances)
        measurements.append(Measurement(**figures, **times))  # type: ignore[arg-type]
        advance(0.5 + 0.5 * (i + 1) / len(names), name)
    return measurements


class _Decider:
    """Makes agents and evaluates their decisions on chunks of the instances.

    A trained agent is loaded once. The others are created for each chunk, whose seed
    determines their random numbers.

    Args:
        task: what the agents decide.
    """

    def __init__(self, task: AnyTask) -> None:
        self.task = task
        self.evaluator = evaluator_of(task)
        self._trained: dict[str, Any] = {}

    def agent(self, name: str, seed: int) -> Any:
        """Returns an agent; the seed is for agents that draw random numbers."""
        if name in UNTRAINED:
            return make_agent(name, self.task, seed=seed)
        if name not in self._trained:
            self._trained[name] = make_agent(name, self.task, seed=seed)
        return self._trained[name]

    def decide(self, name: str, instances: Instances, seed: int) -> dict[str, Array]:
        """Evaluates an agent on a chunk, on one thread."""
        with threadpool_limits(1):
            return self.evaluator.figures(self.agent(name, seed), instances)


_worker: _Decider  # in a worker process of `compare`


def _start_worker(task: AnyTask) -> None:
    """Initialises a worker process, which exits when its parent has ended."""
    global _worker
    _worker = _Decider(task)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _decide_in_worker(name: str, instances: Instances, seed: int) -> dict[str, Array]:
    return _worker.decide(name, instances, seed)
