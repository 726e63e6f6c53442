"""Convex programs that are compiled once and solved many times, and what can go wrong.

CVXPY raises, warns or returns nothing according to how a solver failed; here each of
these is one answer, `False`, and the caller decides what to try next.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import cvxpy as cp
import numpy as np

#: Tried in this order; the second is slower and less exact, and seldom fails.
SOLVERS = ("CLARABEL", "SCS")

_SETTINGS: dict[str, dict[str, Any]] = {
    "SCS": {"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 5_000},
}


def compiled(problem: cp.Problem) -> cp.Problem:
    """Returns the problem, compiled for all values of its parameters.

    They need values of the right sign by now; any will do.
    """
    assert problem.is_dpp(), "the program must follow CVXPY's DPP rules"
    problem.get_problem_data(SOLVERS[0])
    return problem


def solve_convex(problem: cp.Problem, solver: str) -> bool:
    """Solves in place; whether every variable now has a finite value.

    An inaccurate solution counts: callers project it to feasibility and judge it by
    `evaluate`, never by the solver's own word. For the same reason CVXPY's warning
    that it may be inaccurate is not passed on.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate", UserWarning)
        try:
            # No warm start: an answer must not depend on what was solved before.
            problem.solve(solver=solver, warm_start=False, **_SETTINGS.get(solver, {}))
        except (cp.SolverError, ArithmeticError):
            return False
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        return False
    return _all_finite(variable.value for variable in problem.variables())


def _all_finite(values: Iterable[Any]) -> bool:
    return all(value is not None and np.isfinite(value).all() for value in values)
