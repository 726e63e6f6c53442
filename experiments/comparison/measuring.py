"""Measurements of runs, solvers and rules on the test scenarios, with a cache.

A measurement's file is named by its agent and by the fingerprint of what determines
it: model, test scenarios, and the source that decides.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.console.display import Display
from agents.evaluation.comparison import Measurement, compare
from agents.evaluation.results import AgentResult
from agents.learned import find_model
from agents.problems.bounds import certified_bounds
from agents.problems.instances import held_out_instances
from agents.storage.cache import cached_arrays, source_hash
from agents.work import HERE, Workers
from experiments.comparison.plan import UNTRAINED
from experiments.comparison.runs import Run
from mec_llm_env import Scenario
from mec_llm_env.files import Arrays
from mec_llm_env.task import Task

SEED = 0  # of random agents and of the bootstrap
MEASUREMENTS = "measurements"  # the folder of their files


@dataclass(frozen=True, kw_only=True, slots=True)
class _Subject:
    """An agent to measure."""

    label: str
    agent: str  # as `make_agent` takes it
    file: str  # of the measurement
    model: Path | None  # None: an agent without training


def measure_all(
    runs: Sequence[Run],
    output: Path,
    task: Task,
    instances: int,
    display: Display,
    workers: Workers = HERE,
) -> list[AgentResult]:
    """Measures all runs, solvers and rules, one after another.

    Args:
        runs: trained ones.
        output: folder of the comparison.
        task: what they decide.
        instances: test scenarios.
        display: shows how far it is.
        workers: where decisions are made; they are timed here, on one thread.

    Returns:
        A result for each entry, solver and rule, in shares of the certified bound.
    """
    arguments = runs[0].config.env_kwargs
    scenario = held_out_instances(task.config, instances)
    bound = certified_bounds(
        scenario, task.config.objective, arguments.get("preset"), workers=workers
    ).value
    subjects = _subjects(runs)
    folder = output / MEASUREMENTS
    measured: dict[str, list[tuple[str, Measurement]]] = {}
    for i, subject in enumerate(subjects):
        path = folder / f"{subject.file}_{_fingerprint(subject, task, instances)}.npz"
        measurement = _measured(path, subject.agent, task, scenario, workers)
        name = "" if subject.model is None else subject.agent
        measured.setdefault(subject.label, []).append((name, measurement))
        display.update(i + 1)
    return [
        AgentResult(
            label=label,
            runs=tuple(name for name, _ in parts),
            measurements=tuple(measurement for _, measurement in parts),
            bound=bound,
            seed=SEED,
        )
        for label, parts in measured.items()
    ]


def _subjects(runs: Sequence[Run]) -> list[_Subject]:
    subjects = []
    for run in sorted(runs, key=lambda run: run.seed):
        assert run.folder is not None
        subjects.append(
            _Subject(
                label=run.entry.label,
                agent=os.fspath(run.folder),
                file=f"{run.entry.folder}_{run.seed}",
                model=find_model(run.folder, run.config),
            )
        )
    for name in UNTRAINED:
        subjects.append(_Subject(label=name, agent=name, file=name, model=None))
    return subjects


def _fingerprint(subject: _Subject, task: Task, instances: int) -> str:
    digest = hashlib.sha256(_source().encode())
    digest.update(repr((subject.label, task.config, instances, SEED)).encode())
    if subject.model is not None:
        digest.update(subject.model.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _source() -> str:
    import agents
    import dashf
    import mec_llm_env

    return source_hash(agents, dashf, mec_llm_env)


def _measured(
    path: Path, agent: str, task: Task, scenario: Scenario, workers: Workers
) -> Measurement:
    """Returns the measurement of a file, which is made where there is none."""

    def measure() -> Arrays:
        (measurement,) = compare([agent], task, scenario, seed=SEED, workers=workers)
        fields = dataclasses.asdict(measurement)
        return {k: np.asarray(v) for k, v in fields.items() if v is not None}

    fields: dict[str, Any] = cached_arrays(path, measure)
    for name, kind in (("batch_time_s", float), ("batch_size", int)):
        fields[name] = kind(fields[name])
    return Measurement(**fields)
