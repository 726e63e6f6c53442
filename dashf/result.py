"""What every solver returns, and how it ended."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mec_llm_env import Allocation


class Status(enum.Enum):
    """How a solver ended; `remedy` says what the caller can do about it."""

    CONVERGED = "converged"
    ITERATION_LIMIT = "iteration_limit"
    TIME_LIMIT = "time_limit"
    SOLVER_FAILED = "solver_failed"

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

    @property
    def time_s(self) -> float:
        """Build and solve time, s."""
        return self.build_time_s + self.solve_time_s
