"""Convex programs that are compiled once and solved many times, also from threads.

A CVXPY program holds the values of its parameters and its solution, so it can serve one
caller at a time. `ProgramPool` lends each to one, compiles another where all are lent
out, and keeps them. CVXPY is imported when the first is compiled: it takes longer to
load than all the rest. Solving sets nothing that threads share: the filters of
`warnings` are the interpreter's, so CVXPY's step that warns is left out instead of
silenced.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from dashf.alternating.cone_data import cone_data

if TYPE_CHECKING:
    import cvxpy as cp

Program = TypeVar("Program")

#: Tried in this order; the second is slower and less exact, and seldom fails.
CONVEX_SOLVERS = ("CLARABEL", "SCS")

_SETTINGS: dict[str, dict[str, Any]] = {
    "SCS": {"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 5_000},
}
_TIME_LIMIT = {"CLARABEL": "time_limit", "SCS": "time_limit_secs"}

#: CVXPY numbers its variables with a counter that is not safe in threads.
_COMPILING = threading.RLock()


class ConvexProgram:
    """A program that follows CVXPY's DPP rules, compiled once for each solver.

    Its parameters need values of the right sign by now; any will do.
    """

    def __init__(self, objective: Any, constraints: list[Any]) -> None:
        import cvxpy as cp

        self.problem = cp.Problem(objective, constraints)
        assert self.problem.is_dpp(), "the program must follow CVXPY's DPP rules"
        self.value = np.nan  # of the last solution
        self._variables = self.problem.variables()
        self._parameters = self.problem.parameters()
        # One a solver: CVXPY keeps what it compiled for the last solver only.
        self._compiled: dict[str, cp.Problem] = {}
        compiled = self.compile(CONVEX_SOLVERS[0])
        with _COMPILING:
            self._cone_data = cone_data(compiled) if constraints else None

    def compile(self, solver: str) -> cp.Problem:
        """Returns the program as compiled for a solver, now if it is not yet."""
        import cvxpy as cp

        if solver not in self._compiled:
            with _COMPILING:
                problem = cp.Problem(self.problem.objective, self.problem.constraints)
                problem.get_problem_data(solver, solver_opts={})
            self._compiled[solver] = problem
        return self._compiled[solver]

    def solve(
        self, solver: str, time_limit_s: float | None = None, *, direct: bool = True
    ) -> bool:
        """Solves in place; whether every variable now has a finite value.

        An inaccurate solution counts: callers project it to feasibility and judge it by
        `evaluate`, never by the solver's own word. CVXPY raises, warns or returns
        nothing according to how a solver failed; here each of these is `False`, and the
        caller decides what to try next.

        Args:
            solver: one of `CONVEX_SOLVERS`.
            time_limit_s: for the solver, s.
            direct: give Clarabel its data without CVXPY where that is possible.
        """
        import cvxpy as cp

        if not all(np.isfinite(p.value).all() for p in self._parameters):
            return False
        settings = dict(_SETTINGS.get(solver, {}))
        if time_limit_s is not None:
            settings[_TIME_LIMIT[solver]] = max(time_limit_s, 1e-3)
        problem = self.compile(solver)
        try:
            if direct and solver == "CLARABEL" and self._cone_data is not None:
                value = self._cone_data.solve(settings)
                self.value = np.nan if value is None else value
                return value is not None and self._finite()
            data, chain, inverse = problem.get_problem_data(
                solver, solver_opts=settings
            )
            # No warm start: an answer must not depend on what was solved before.
            raw = chain.solve_via_data(problem, data, False, False, settings)
            solution = chain.invert(raw, inverse)
        except (cp.SolverError, ArithmeticError):
            return False
        if solution.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
            return False
        for variable in self._variables:
            variable.save_value(solution.primal_vars[variable.id])
        for constraint in self.problem.constraints:
            if constraint.id in solution.dual_vars:
                constraint.save_dual_value(solution.dual_vars[constraint.id])
        self.value = float(solution.opt_val)
        return self._finite()

    def _finite(self) -> bool:
        return all(np.isfinite(np.asarray(v.value)).all() for v in self._variables)


def assign(parameter: cp.Parameter, value: Any) -> None:
    """Sets a parameter without CVXPY's checks, which take as long as a solver."""
    parameter.save_value(np.asarray(value, dtype=np.float64))


class ProgramPool(Generic[Program]):
    """Compiled programs by shape, each in the hands of one thread at a time.

    Args:
        build: makes the program of a shape, given as positional arguments.
        shapes: kept at most; the one that was not used for longest is dropped.
    """

    def __init__(self, build: Callable[..., Program], shapes: int) -> None:
        self._build, self._shapes = build, shapes
        self._idle: OrderedDict[tuple[Any, ...], list[Program]] = OrderedDict()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def lend(self, *shape: Any) -> Iterator[Program]:
        """Lends a program of a shape, compiled now if none is idle."""
        program = self._take(shape)
        try:
            yield program
        finally:
            with self._lock:
                self._idle.setdefault(shape, []).append(program)
                self._idle.move_to_end(shape)
                while len(self._idle) > self._shapes:
                    self._idle.popitem(last=False)

    def ready(self, *shape: Any) -> bool:
        """Returns whether a program of a shape is compiled and idle."""
        with self._lock:
            return bool(self._idle.get(shape))

    def prepare(self, *shape: Any) -> float:
        """Compiles a program of a shape unless one is idle; the time that took, s."""
        begin = time.perf_counter()
        if self.ready(*shape):
            return 0.0
        with self.lend(*shape):
            return time.perf_counter() - begin

    def _take(self, shape: tuple[Any, ...]) -> Program:
        with self._lock:
            idle = self._idle.get(shape)
            if idle:
                return idle.pop()
        with _COMPILING:
            return self._build(*shape)
