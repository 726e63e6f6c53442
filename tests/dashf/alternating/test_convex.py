import threading
import warnings

import cvxpy as cp
import numpy as np
import pytest

from dashf.alternating.convex import CONVEX_SOLVERS, ConvexProgram, ProgramPool, assign
from tests.dashf.cases import failing_solver


def program(*extra):
    x = cp.Variable(2)
    return ConvexProgram(cp.Minimize(cp.sum_squares(x - 1)), [x >= 2, *extra]), x


@pytest.mark.parametrize("solver", CONVEX_SOLVERS)
def test_solves(solver):
    p, x = program()
    assert p.solve(solver)
    assert x.value == pytest.approx([2, 2], abs=1e-5)
    assert p.value == pytest.approx(2, abs=1e-5)  # (2 − 1)² twice


def test_infeasible_and_unbounded_programs_are_not_solved():
    x = cp.Variable()
    assert not ConvexProgram(cp.Minimize(x), [x >= 1, x <= 0]).solve("CLARABEL")
    assert not ConvexProgram(cp.Minimize(x), []).solve("CLARABEL")


def test_an_exception_of_the_solver_is_an_answer(monkeypatch):
    failing_solver(monkeypatch, "CLARABEL")
    assert not program()[0].solve("CLARABEL")
    assert program()[0].solve("SCS")


def test_an_inaccurate_solution_counts_without_a_warning(monkeypatch):
    monkeypatch.setitem(
        ConvexProgram.solve.__globals__["_SETTINGS"],
        "SCS",
        {"max_iters": 2, "eps_abs": 1e-12},
    )
    p, x = program()
    reference = cp.Problem(p.problem.objective, p.problem.constraints)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference.solve("SCS", max_iters=2, eps_abs=1e-12)
    assert reference.status == cp.OPTIMAL_INACCURATE
    expected = x.value.copy()
    assert p.solve("SCS")
    assert np.array_equal(x.value, expected)


def test_what_is_not_finite_is_not_given_to_a_solver(monkeypatch):
    log = failing_solver(monkeypatch)
    x, a = cp.Variable(), cp.Parameter(nonneg=True, value=1.0)
    p = ConvexProgram(cp.Minimize(x), [x >= a])
    assign(a, np.inf)
    assert not p.solve("CLARABEL")
    assert log == []
    assign(a, 3.0)
    assert p.solve("CLARABEL")
    assert x.value == pytest.approx(3)


def test_each_solver_keeps_what_was_compiled_for_it():
    p, _ = program()
    first = p.compile("CLARABEL")
    p.solve("SCS")
    assert p.compile("CLARABEL") is first
    assert p.compile("SCS") is p.compile("SCS") is not first


def test_a_time_limit_ends_a_program():
    a = np.random.default_rng(0).normal(size=(25, 25))
    x = cp.Variable((25, 25), symmetric=True)
    p = ConvexProgram(cp.Minimize(cp.normNuc(x - a - a.T)), [cp.sum(x) == 1])
    assert not p.solve("CLARABEL", time_limit_s=1e-3)
    assert p.solve("SCS", time_limit_s=1e-3)  # which returns what it has
    early = p.value
    assert p.solve("SCS")
    assert abs(early - p.value) > 1e-5 * p.value


def test_a_program_that_cannot_be_compiled_once_is_a_mistake():
    a, b = cp.Parameter(value=1.0), cp.Parameter(value=2.0)
    x = cp.Variable()
    with pytest.raises(AssertionError, match="DPP"):
        ConvexProgram(cp.Minimize(a * b * x), [x >= 0])


def test_a_pool_compiles_once_and_lends_to_one_at_a_time():
    built: list[tuple[int, ...]] = []
    pool = ProgramPool(lambda *shape: built.append(shape) or object(), shapes=2)
    with pool.lend(3) as first, pool.lend(3) as second:
        assert first is not second
    assert pool.prepare(3) == 0.0
    with pool.lend(3), pool.lend(3):
        assert built == [(3,), (3,)]
    assert pool.prepare(4) > 0
    assert pool.prepare(5) > 0  # the third shape: that of 3 goes
    with pool.lend(4), pool.lend(5):
        assert built == [(3,), (3,), (4,), (5,)]
    with pool.lend(3):
        assert built[4:] == [(3,)]


def test_a_pool_gives_threads_different_programs():
    pool = ProgramPool(lambda: {"users": 0}, shapes=1)
    most = []

    def use():
        for _ in range(300):
            with pool.lend() as held:
                held["users"] += 1
                most.append(held["users"])
                held["users"] -= 1

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 2400
    assert max(most) == 1
