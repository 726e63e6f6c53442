"""What every solver returns, and how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dashf.common.arrays import Array, Mask
from dashf.common.budget import Budget
from mec_llm_env import Allocation, Outcome, Scenario, violations

#: Estimated looseness of prices, and distance to an allocation, of a tight bound.
TIGHT, NEAR = 1e-3, 0.01


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
    Status.CONVERGED: "Nothing to do: the search came to its end.",
    Status.ITERATION_LIMIT: "The allocation is feasible and the best found; raise the "
    "iteration limit or the tolerance to let it converge.",
    Status.TIME_LIMIT: "The allocation is feasible and the best found; raise the time "
    "limit to let it converge.",
    Status.SOLVER_FAILED: "The convex solver failed and the allocation is the best "
    "feasible point known; check the scenario for extreme magnitudes, or choose "
    "another solver.",
    Status.LOOSE_BOUND: "The bound is valid but may be above the optimum by as much as "
    "its `gap`; more `nodes`, or the solver `exact`, make it tighter.",
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
    programs: int = 0  # convex programs solved by then, failed ones included


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """An upper bound on the SCR of every allocation. Shapes: `...` batch, M servers.

    It is valid whatever its status is; the status says whether it is tight. How far the
    optimum may be below it is its `gap`; the solver `exact` closes that.
    """

    value: Array  # [...] the bound: no feasible allocation has a higher SCR
    ratio: Array  # [...] y of the certificate
    bandwidth_price: Array  # [..., M] score for the whole band of a server
    compute_price: Array  # [..., M] score for the whole frequency of a server
    slot_price: Array  # [..., M] score for a slot; 0 without finite `max_users`
    gap: Array  # [...] value over the best SCR found, less one; inf if none was sought
    residual: Array  # [...] primal-dual residual of the price search, relative
    looseness: Array  # [...] estimate of value over the least bound of prices, less one
    tolerance: float  # relative, of the inner maximum's certificate
    time_s: float  # for the whole batch
    out_of_time: bool = False  # whether a time limit ended the search

    @property
    def tight(self) -> Mask:
        """[...] whether the prices converged, and an allocation is near, if sought."""
        converged = self.looseness <= TIGHT + 2 * self.tolerance
        return converged & ((self.gap <= NEAR) | np.isinf(self.gap))

    @property
    def status(self) -> Status:
        """How the search ended: `LOOSE_BOUND` if any bound of the batch is not tight.

        A time limit that was reached after the bounds were tight does not count.
        """
        if np.all(self.tight):
            return Status.CONVERGED
        return Status.TIME_LIMIT if self.out_of_time else Status.LOOSE_BOUND

    @classmethod
    def joined(cls, bounds: Sequence[Self], batch_shape: tuple[int, ...]) -> Self:
        """Returns single bounds, in order, as that of a batch."""

        def shaped(name: str) -> Any:
            values = [getattr(bound, name) for bound in bounds]
            return np.reshape(values, (*batch_shape, *np.shape(values)[1:]))[()]

        fields = {field.name: shaped(field.name) for field in dataclasses.fields(cls)}
        fields["tolerance"] = max(bound.tolerance for bound in bounds)
        fields["time_s"] = sum(bound.time_s for bound in bounds)
        fields["out_of_time"] = any(bound.out_of_time for bound in bounds)
        return cls(**fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class SolveResult:
    """A solver's answer to one scenario."""

    status: Status  # how the search ended
    scenario: Scenario  # that was solved, batch shape ()
    allocation: Allocation  # feasible, batch shape ()
    scr: float  # from `evaluate`
    history: tuple[Iteration, ...]  # one row for each iteration
    iterations: int  # rows of the history but the start; nodes of `exact`
    build_time_s: float  # construction of optimisation problems
    solve_time_s: float  # everything else
    programs: int = 0  # convex programs solved, failed ones included
    bound: Bound | None = None  # certified, where it was asked for or came by itself

    @property
    def time_s(self) -> float:
        """Build and solve time, s; without that of a bound that was asked for."""
        return self.build_time_s + self.solve_time_s

    @property
    def gap(self) -> float | None:
        """Bound over SCR, less one: the most that is missing; None without a bound."""
        return None if self.bound is None else float(self.bound.value) / self.scr - 1

    def max_violation(self) -> float:
        """Returns the largest relative violation of a constraint, by `violations`.

        Solvers keep it below 1e-6.
        """
        return float(_worst(self.scenario, self.allocation))


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchResult:
    """A solver's answers to a batch of scenarios, of shape `[...]`."""

    status: Any  # [...] of `Status`
    scenario: Scenario  # that were solved, [...]
    allocation: Allocation  # feasible, [...]
    scr: Array  # [...] from `evaluate`
    time_s: float  # for the whole batch; without that of bounds that were asked for
    bound: Bound | None = None  # [...] where they were asked for or came by themselves

    @property
    def gap(self) -> Array | None:
        """[...] bound over SCR, less one; None without bounds."""
        return None if self.bound is None else self.bound.value / self.scr - 1

    def max_violation(self) -> Array:
        """Returns the largest relative violation of a constraint, [...]."""
        return _worst(self.scenario, self.allocation)


def _worst(scenario: Scenario, allocation: Allocation) -> Array:
    return np.max(list(violations(scenario, allocation).values()), axis=0)


class Recorder:
    """Keeps a solver's history, its time and its programs, from its construction on."""

    def __init__(self, scenario: Scenario, budget: Budget) -> None:
        self.scenario, self.budget = scenario, budget
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
            scenario=self.scenario,
            allocation=allocation,
            scr=float(outcome.scr),
            history=tuple(self._rows),
            iterations=sum(row.block != "start" for row in self._rows),
            build_time_s=self._build_time_s,
            solve_time_s=total - self._build_time_s,
            programs=self.budget.programs,
        )
