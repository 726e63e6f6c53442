"""Runs agents on the same instances; measures quality and speed of their decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from agents.evaluation.timing import decision_times
from agents.learned import RunFiles
from agents.problems.instances import Instances, figures_of
from agents.problems.tasks import AnyTask
from agents.registry import UNTRAINED, make_agent, run_config, run_folder
from agents.work import HERE, Workers

Array = np.ndarray[Any, Any]

#: Instances decided at once. Fixed, so that nothing depends on the number of jobs.
CHUNK = 25


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
    workers: Workers = HERE,
    advance: Callable[[float, str], None] = lambda done, name: None,
) -> list[Measurement]:
    """Measures every agent on the same instances.

    Decisions may be made by several processes, here or on a cluster, each of which
    loads a trained agent once; the figures are the same. Times are measured here,
    serially, on one thread, afterwards.

    Args:
        names: as `make_agent` takes them.
        task: what the agents decide.
        instances: scenarios, or trajectories where the task has them.
        seed: of the agents' own randomness.
        workers: where decisions are made.
        advance: called with the share of all the work that is done, and the name of an
            agent.

    Raises:
        dashf.common.parallel.WorkersLostError: workers were killed again and again.
    """
    count = instances.batch_shape[0]
    chunks = [slice(i, min(i + CHUNK, count)) for i in range(0, count, CHUNK)]
    work = [
        (name, instances[chunk], seed * len(chunks) + k)
        for name in names
        for k, chunk in enumerate(chunks)
    ]
    trained = {name for name in names if run_config(name) is not None}
    runs = {name: RunFiles.of(run_folder(name)) for name in trained}
    decider = _Decider(task)
    pieces: list[Any] = [None] * len(work)
    with workers.prepared(_Decider.sent, (task, runs), decider) as decide:
        for done, (i, piece) in enumerate(workers.completed(decide, work), 1):
            pieces[i] = piece
            advance(0.5 * done / len(work), work[i][0])
    measurements = []
    for i, name in enumerate(names):
        own = pieces[i * len(chunks) : (i + 1) * len(chunks)]
        figures: dict[str, Any] = {
            k: np.concatenate([piece[k] for piece in own]) for k in own[0]
        }
        times = decision_times(decider.agent(name, seed), task, instances)
        measurements.append(Measurement(**figures, **times))
        advance(0.5 + 0.5 * (i + 1) / len(names), name)
    return measurements


class _Decider:
    """Makes agents and evaluates their decisions on chunks of the instances.

    A trained agent is loaded once. The others are created for each chunk, whose seed
    determines their random numbers.

    Args:
        task: what the agents decide.
        runs: of trained agents, where their folders cannot be read.
    """

    def __init__(
        self, task: AnyTask, runs: Mapping[str, RunFiles] | None = None
    ) -> None:
        self.task, self._runs = task, runs or {}
        self._trained: dict[str, Any] = {}

    @classmethod
    def sent(cls, about: tuple[AnyTask, Mapping[str, RunFiles]]) -> Self:
        """Makes that of another process."""
        return cls(*about)

    def agent(self, name: str, seed: int) -> Any:
        """Returns an agent; the seed is for agents that draw random numbers."""
        if name in UNTRAINED:
            return make_agent(name, self.task, seed=seed)
        if name not in self._trained:
            self._trained[name] = self._loaded(name, seed)
        return self._trained[name]

    def __call__(self, work: tuple[str, Instances, int]) -> dict[str, Array]:
        """Evaluates an agent on a chunk, with a seed."""
        name, instances, seed = work
        return figures_of(self.agent(name, seed), self.task, instances)

    def _loaded(self, name: str, seed: int) -> Any:
        if name not in self._runs:
            return make_agent(name, self.task, seed=seed)
        with self._runs[name].unpacked() as folder:
            return make_agent(folder, self.task, seed=seed)
