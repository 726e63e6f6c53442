"""What every solver returns, and how it ended."""

from __future__ import annotations

import contextlib
import enum
import time
from collections.abc import Iterator
from dataclasses import dataclass

from dashf.common.budget import Budget
from dashf.common.checks import check_single
from mec_llm_env import Allocation, Outcome, Scenario


class Status(enum.Enum):
    """How a solver ended; `remedy` says what the caller can do about it."""

    CONVERGED = "converged"
    ITERATION_LIMIT = "iteration_limit"
    TIME_LIMIT = "time_limit"
    SOLVER_FAILED = "solver_failed"
    LOOSE_BOUND = "loose_bound"

    @property
    def remedy(self) -> str:
        """One sentence for the user."""
        return _REMEDIES[self]


_REMEDIES = {
    Status.CONVERGED: "Nothing to do: the gain fell below the tolerance.",
    Status.ITERATION_LIMIT: "The allocation is feasible and the best found; raise the "
    "iteration limit or the tolerance to let it converge.",
    Status.TIME_LIMIT: "The allocation is feasible and the best found; raise the time "
    "limit to let it converge.",
    Status.SOLVER_FAILED: "The convex solver failed and the allocation is the best "
    "feasible point known; check the scenario for extreme magnitudes, or choose "
    "another solver.",
    Status.LOOSE_BOUND: "The bound is valid but may be above the optimum by as much as "
    "its `gap`; more `nodes`, or `solve_exact`, make it tighter.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Iteration:
    """One row of a solver's history: the state after one pass of one block."""

    block: str  # "start", "association", "resources", …
    scr: float  # SCR of the allocation after the pass, from `evaluate`
    ratio: float  # y, Dinkelbach's ratio during the pass
    surplus: float  # G = Σ score − y Σ cost after the pass
    moves: int  # users that changed server in the pass
    time_s: float  # since the solver was called
    programs: int = 0  # convex programs solved by then, also in vain


@dataclass(frozen=True, kw_only=True, slots=True)
class SolveResult:
    """A solver's answer to one scenario."""

    status: Status
    allocation: Allocation  # feasible, batch shape ()
    scr: float  # from `evaluate`
    history: tuple[Iteration, ...]  # one row an iteration
    iterations: int
    build_time_s: float  # construction of optimisation problems
    solve_time_s: float  # everything else
    programs: int = 0  # convex programs solved, also in vain

    @property
    def time_s(self) -> float:
        """Build and solve time, s."""
        return self.build_time_s + self.solve_time_s


class Recorder:
    """Keeps a solver's history, its time and its programs, from its construction on."""

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._build_time_s = 0.0
        self._rows: list[Iteration] = []

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Counts the time inside as construction."""
        begin = time.perf_counter()
        yield
        self._build_time_s += time.perf_counter() - begin

    def start(self, point: tuple[Allocation, Outcome]) -> None:
        """Records where the solver starts."""
        self.row("start", point, float(point[1].scr), 0)

    def row(
        self, block: str, point: tuple[Allocation, Outcome], ratio: float, moves: int
    ) -> None:
        """Records a point and the y that it was found with."""
        outcome = point[1]
        self._rows.append(
            Iteration(
                block=block,
                scr=float(outcome.scr),
                ratio=ratio,
                surplus=float(outcome.score.sum() - ratio * outcome.cost.sum()),
                moves=moves,
                time_s=self.budget.clock.passed_s,
                programs=self.budget.programs,
            )
        )

    def result(
        self, status: Status, allocation: Allocation, outcome: Outcome
    ) -> SolveResult:
        """Returns the answer; every row but the start is an iteration."""
        total = self.budget.clock.passed_s
        return SolveResult(
            status=status,
            allocation=allocation,
            scr=float(outcome.scr),
            history=tuple(self._rows),
            iterations=sum(row.block != "start" for row in self._rows),
            build_time_s=self._build_time_s,
            solve_time_s=total - self._build_time_s,
            programs=self.budget.programs,
        )


def single(scenario: Scenario) -> Scenario:
    """Returns a NumPy scenario that is not a batch.

    Raises:
        ValueError: it is a batch, or no scenario.
    """
    return check_single(scenario)
