import cvxpy as cp
import numpy as np
import pytest

from dashf.convex import SOLVERS, compiled, solve_convex
from tests.dashf.cases import failing_solver


def problem(*extra):
    x = cp.Variable(2)
    return cp.Problem(cp.Minimize(cp.sum_squares(x - 1)), [x >= 2, *extra]), x


@pytest.mark.parametrize("solver", SOLVERS)
def test_solves(solver):
    p, x = problem()
    assert solve_convex(p, solver)
    assert x.value == pytest.approx([2, 2], abs=1e-5)


def test_infeasible_and_unbounded_programs_are_not_solved():
    x = cp.Variable()
    assert not solve_convex(cp.Problem(cp.Minimize(x), [x >= 1, x <= 0]), "CLARABEL")
    assert not solve_convex(cp.Problem(cp.Minimize(x)), "CLARABEL")


def test_an_exception_of_the_solver_is_an_answer(monkeypatch):
    failing_solver(monkeypatch, "CLARABEL")
    assert not solve_convex(problem()[0], "CLARABEL")
    assert solve_convex(problem()[0], "SCS")


def test_an_inaccurate_solution_counts_without_a_warning(monkeypatch):
    monkeypatch.setitem(
        solve_convex.__globals__["_SETTINGS"], "SCS", {"max_iters": 2, "eps_abs": 1e-12}
    )
    p, x = problem()
    assert solve_convex(p, "SCS") == (p.status == cp.OPTIMAL_INACCURATE)
    assert p.status == cp.OPTIMAL_INACCURATE
    assert np.isfinite(x.value).all()


def test_a_program_that_cannot_be_compiled_once_is_a_mistake():
    a, b = cp.Parameter(value=1.0), cp.Parameter(value=2.0)
    x = cp.Variable()
    with pytest.raises(AssertionError, match="DPP"):
        compiled(cp.Problem(cp.Minimize(a * b * x), [x >= 0]))
