"""Who can decide cases of one's own, and what they decide."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

import dashf
from agents.evaluation.cases.reading import Case
from agents.evaluation.comparison import Measurement
from agents.evaluation.results import AgentResult
from agents.evaluation.selection import Entry, select
from agents.evaluation.timing import one_thread
from agents.learned import RunFiles
from agents.problems.tasks import DEFAULT_ENV, MOBILE_ENV, make_task
from agents.registry import (
    UNTRAINED,
    make_agent,
    pretrained_names,
    run_config,
    run_folder,
)
from agents.work import HERE, Workers
from dashf.registry import RANDOM
from dashf.result import Status
from mec_llm_env import Allocation, Outcome, evaluate, violations

#: Every agent that needs no training of one's own and can decide the cases.
ALL = "all"
#: Users times servers up to which a solver is one of all. Beyond, `exact` often takes
#: its minute without a proof; with 1000 × 50 `gucro` took 94 s and 12 GiB of memory,
#: and the others that solve programs for every user are like it. `dual` took 13 s.
_MOST_PAIRS = {"exact": 60} | dict.fromkeys(
    ("dashf", "gucro", "aauco", "local", "edge"), 10_000
)
_COMPILED_S = 20.0  # a first decision that took less is timed again: it may compile
_REPEATS, _REPEATED_S = 5, 0.2  # how often, and how long at most, one is repeated


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What an agent, or a training run of one, decided on a case."""

    case: Case
    label: str  # the agent's
    run: str  # its folder; "" for an agent without training
    allocation: Allocation
    outcome: Outcome
    explanation: dashf.Explanation
    violation: float  # the largest of a constraint, relative
    time_s: float
    status: Status  # of a solver
    own_bound: float | None = None  # of a solver that certifies what it decides

    @property
    def scr(self) -> float:
        """The service-cost ratio."""
        return float(self.outcome.scr)


class Answer(NamedTuple):
    """What a solver, or a policy, says to a case."""

    allocation: Allocation
    status: Status = Status.CONVERGED
    own_bound: float | None = None


class Deciders:
    """Everyone who may decide the cases: solvers by their ids, policies loaded once.

    Args:
        cases: to decide.
        runs: of policies, where their folders cannot be read.
    """

    def __init__(
        self, cases: Sequence[Case], runs: Mapping[str, RunFiles] | None = None
    ) -> None:
        self.cases, self.runs = cases, runs or {}
        self._policies: dict[Any, Any] = {}
        self._sizes: set[tuple[str, int, int]] = set()  # of what was decided here

    @classmethod
    def sent(cls, runs: Mapping[str, RunFiles]) -> Self:
        """Makes those of another process, which is told the cases one by one."""
        return cls((), runs)

    def __call__(self, work: tuple[str, Case, int]) -> tuple[Answer, float]:
        """Returns a decision, with a seed, and its seconds on one thread.

        The first of a size may compile, and is made again; quick ones are made a few
        times, and the median counts.
        """
        name, case, seed = work
        size = name, case.scenario.n_users, case.scenario.n_servers
        times: list[float] = []
        with one_thread():
            while not times or (len(times) < _REPEATS and sum(times) < _REPEATED_S):
                begun = time.perf_counter()
                answer = self.decide(name, case, seed)
                seconds = time.perf_counter() - begun
                is_new = size not in self._sizes
                self._sizes.add(size)
                if is_new and seconds < _COMPILED_S:
                    continue
                times.append(seconds)
        return answer, float(np.median(times))

    def able(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Returns whom to compare, and a line for each of `all` that cannot decide.

        Args:
            names: agents and run folders, `all` among them or not.

        Raises:
            ValueError: an agent that is named itself cannot decide them all.
        """
        chosen = [name for name in names if name != ALL]
        for name in chosen:
            if trouble := self._trouble(name):
                raise ValueError(trouble)
        skipped: list[str] = []
        for name in (*UNTRAINED, *pretrained_names()) if ALL in names else ():
            if name in chosen:
                continue
            if trouble := _too_long(name, self.cases) or self._trouble(name):
                skipped.append(f"Without {name}: {trouble}")
            else:
                chosen.append(name)
        return chosen, skipped

    def rows(self, names: Sequence[str]) -> list[Entry]:
        """Returns the rows of the comparison, solvers first.

        Raises:
            ValueError: an agent is named twice.
        """
        solvers = [name for name in names if name in UNTRAINED]
        for name in solvers:
            if solvers.count(name) > 1:
                raise ValueError(f"--agents names {name!r} twice; keep one.")
        rows = [Entry(label=n, names=(n,), is_trained=False) for n in solvers]
        policies = [name for name in names if name not in UNTRAINED]
        if policies:
            rows += select(
                policies, make_task(DEFAULT_ENV, overrides=_system_of(self.cases[0]))
            )
        return rows

    def decide(self, name: str, case: Case, seed: int) -> Answer:
        """Returns a decision, and how the search ended if a solver made it."""
        if name not in UNTRAINED:
            return Answer(self._policy(name, case).decide(case.scenario))
        options: dict[str, Any] = {"seed": seed} if name in RANDOM else {}
        found = dashf.solve(case.scenario, case.objective, solver=name, **options)
        own_bound = None if found.bound is None else float(found.bound.value)
        return Answer(found.allocation, found.status, own_bound)

    def _policy(self, name: str, case: Case) -> Any:
        system = _system_of(case)
        key = name, json.dumps(system)
        if key not in self._policies:
            task = make_task(DEFAULT_ENV, overrides=system)
            if name in self.runs:
                with self.runs[name].unpacked() as folder:
                    self._policies[key] = make_agent(folder, task)
            else:
                self._policies[key] = make_agent(name, task)
        return self._policies[key]

    def _trouble(self, name: str) -> str | None:
        """Returns why an agent cannot decide all cases, or None."""
        if name in UNTRAINED:
            return None
        config = run_config(name)
        if config is not None and config.env_id == MOBILE_ENV:
            return f"{name!r} decides in {MOBILE_ENV}, and not single scenarios."
        for case in self.cases:
            try:
                policy = self._policy(name, case)
                policy.task.observation_codec.encode(case.scenario)
            except ValueError as error:
                return f"{error} (case {case.name!r})"
        return None


def decide_all(
    deciders: Deciders,
    rows: Sequence[Entry],
    bounds: Sequence[dashf.Bound] | None,
    *,
    seed: int = 0,
    workers: Workers = HERE,
    advance: Callable[[float, str], None] = lambda done, name: None,
) -> list[list[list[Decision]]]:
    """Lets every run of every agent decide every case, timed.

    Decisions are the same wherever they are made. Their times are those of where they
    were made, beside the others that were made at once.

    Args:
        deciders: they, and the cases.
        rows: of the comparison.
        bounds: certified, of each case, if there are any.
        seed: of agents that draw at random.
        workers: where decisions are made.
        advance: called with the number of decisions that are made, and an agent's name.

    Returns:
        Decisions by row, run and case.

    Raises:
        dashf.common.parallel.WorkersLostError: workers were killed again and again.
    """
    cases = deciders.cases
    trained = [name for row in rows if row.is_trained for name in row.names]
    work = [
        (name, case, seed * len(cases) + i)
        for row in rows
        for name in row.names
        for i, case in enumerate(cases)
    ]
    labels = [row.label for row in rows for _ in row.names for _ in cases]
    found: list[Any] = [None] * len(work)
    runs = {name: RunFiles.of(run_folder(name)) for name in trained}
    with workers.prepared(Deciders.sent, runs, deciders) as decide:
        for done, (k, decision) in enumerate(workers.completed(decide, work), 1):
            found[k] = decision
            advance(done, labels[k])
    made = iter(found)
    limits = [None] * len(cases) if bounds is None else bounds
    return [
        [
            [
                _judged(
                    *(case, row.label, name if row.is_trained else "", bound),
                    *next(made),
                )
                for case, bound in zip(cases, limits, strict=True)
            ]
            for name in row.names
        ]
        for row in rows
    ]


def _judged(
    case: Case,
    label: str,
    run: str,
    bound: dashf.Bound | None,
    answer: Answer,
    seconds: float,
) -> Decision:
    s, o, allocation = case.scenario, case.objective, answer.allocation
    return Decision(
        case=case,
        label=label,
        run=run,
        allocation=allocation,
        outcome=evaluate(s, allocation, o),
        explanation=dashf.explain(s, allocation, o, bound=bound),
        violation=max(map(float, violations(s, allocation).values())),
        time_s=seconds,
        status=answer.status,
        own_bound=answer.own_bound,
    )


def results_of(
    rows: Sequence[Entry],
    decided: Sequence[Sequence[Sequence[Decision]]],
    bounds: Sequence[dashf.Bound] | None,
    seed: int,
) -> list[AgentResult]:
    """Returns the decisions as results of a comparison, the cases as its instances."""
    value = None if bounds is None else np.array([float(b.value) for b in bounds])
    return [
        AgentResult(
            label=row.label,
            runs=row.names if row.is_trained else ("",),
            measurements=tuple(_measurement(run) for run in runs),
            bound=value,
            seed=seed,
        )
        for row, runs in zip(rows, decided, strict=True)
    ]


def _measurement(run: Sequence[Decision]) -> Measurement:
    def means(name: str) -> Any:
        return np.array([getattr(d.outcome, name).mean() for d in run])

    times = np.array([decision.time_s for decision in run])
    return Measurement(
        scr=np.array([decision.scr for decision in run]),
        score=means("score"),
        delay_s=means("delay_s"),
        energy_j=means("energy_j"),
        cost=means("cost"),
        violation=np.array([decision.violation for decision in run]),
        single_time_s=times,
        batch_time_s=float(times.mean()),
        batch_size=1,
    )


def _system_of(case: Case) -> dict[str, Any]:
    """Returns the parameters that a policy's task needs: those not observed, and sizes.

    Where users differ in the number of their layers, no configuration has them all.
    """
    s = case.scenario
    system: dict[str, Any] = {"users": s.n_users, "servers": s.n_servers}
    for name, value in dataclasses.asdict(case.objective).items():
        system[f"objective.{name}"] = value
    if s.noise_rise is not None:
        system["server.noise_rise_db"] = (10 * np.log10(s.noise_rise)).tolist()
    if s.layers is not None:
        system["workload.layers"] = int(s.layers[0])
        system["workload.split"] = "whole_layers"
    return system


def _too_long(name: str, cases: Sequence[Case]) -> str | None:
    largest = max(cases, key=lambda c: c.scenario.n_users * c.scenario.n_servers)
    pairs = largest.scenario.n_users * largest.scenario.n_servers
    if pairs <= _MOST_PAIRS.get(name, pairs):
        return None
    return (
        f"it takes long for {largest.size} users and servers (case {largest.name!r}); "
        f"name it beside {ALL!r} to have it try."
    )
