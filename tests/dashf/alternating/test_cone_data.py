"""Programs that are given to Clarabel without CVXPY, against CVXPY itself."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

from dashf import solve
from dashf.alternating.cone_data import ConeData, cone_data
from dashf.alternating.convex import ConvexProgram, assign
from dashf.alternating.resource_program import ResourceProgram
from dashf.alternating.sdr import FullRelaxation, SparseRelaxation
from mec_llm_env import evaluate
from tests.dashf.cases import random_allocation
from tests.dashf.extremes import (
    random_configuration,
    random_objective,
    random_scenario,
    with_layers,
    with_serving,
)


def solutions(program):
    """What Clarabel finds by way of CVXPY, and without."""
    found = []
    for direct in (False, True):
        for variable in program.problem.variables():
            variable.save_value(None)
        assert program.solve("CLARABEL", direct=direct)
        points = [np.array(v.value) for v in program.problem.variables()]
        prices = [np.array(c.dual_value) for c in program.problem.constraints[1:4]]
        found.append((program.value, *points, *prices))
    return found


def same(program, tolerance=1e-7):
    assert program._cone_data is not None
    for by_cvxpy, direct in zip(*solutions(program), strict=True):
        np.testing.assert_allclose(direct, by_cvxpy, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("users", [1, 2, 5, 9])
def test_the_program_of_resources(users):
    program = ResourceProgram(users)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        s, objective = random_scenario(rng, users, 3), random_objective(rng)
        z = random_allocation(s, rng)
        outcome = evaluate(s, z, objective, check=False)
        program.expand(s, z, objective, float(outcome.scr), outcome)
        if program.program.solve("CLARABEL", direct=False):
            same(program.program)


@pytest.mark.parametrize(
    ("relaxation", "sizes"),
    [(SparseRelaxation, [(1, 1), (4, 2), (7, 3)]), (FullRelaxation, [(2, 2), (3, 2)])],
)
def test_the_relaxations(relaxation, sizes):
    for n, m in sizes:
        made, rng = relaxation(n, m), np.random.default_rng(n)
        for _ in range(4):
            terms = made.terms
            assign(terms.constant, -rng.random((n, m)))
            assign(terms.linear, rng.normal(size=(n, m)))
            assign(terms.half_curvature, rng.random(n))
            assign(terms.room, np.full(m, float(-(-n // m))))
            same(made.program)


def test_maximum_and_minimum_have_their_values():
    x, a = cp.Variable(2), cp.Parameter(value=3.0)
    least = ConvexProgram(cp.Minimize(cp.sum(x) + a), [x >= a])
    most = ConvexProgram(cp.Maximize(-cp.sum_squares(x - a) + a), [x <= 1])
    for program in (least, most):
        same(program)
    assert least.value == pytest.approx(9)
    assert most.value == pytest.approx(3 - 2 * 4)
    assign(a, 5.0)
    for program in (least, most):
        same(program)


def test_no_answer_depends_on_the_one_before():
    x, a = cp.Variable(2), cp.Parameter(2, nonneg=True, value=np.ones(2))
    program = ConvexProgram(cp.Minimize(cp.sum_squares(x)), [x >= a, cp.sum(x) <= 9])
    first = solutions(program)[1][1]
    assign(a, np.array([4.0, 2.0]))
    assert not np.array_equal(solutions(program)[1][1], first)
    assign(a, np.ones(2))
    assert np.array_equal(solutions(program)[1][1], first)


def test_another_cvxpy_is_asked_for_all_of_it(monkeypatch):
    x = cp.Variable()

    def otherwise(*_):
        raise AttributeError("reduced_A")

    monkeypatch.setattr(ConeData, "_applied", otherwise)
    program = ConvexProgram(cp.Minimize(x), [x >= 2])
    assert cone_data(program.compile("CLARABEL")) is None
    assert program.solve("CLARABEL")
    assert x.value == pytest.approx(2)


def mixed_configuration(number):
    """Any channel in every other; a state to move, whole layers, both in some."""
    s, objective = random_configuration(number, channel=number % 2 == 1)
    rng = np.random.default_rng([17, number])
    s = with_serving(s, rng) if number % 4 > 1 else s
    return (with_layers(s, rng) if number % 8 > 3 else s), objective


@pytest.mark.slow
def test_dashf_has_the_same_scr_through_cvxpy(monkeypatch):
    cases = [mixed_configuration(number) for number in range(200)]
    of_data, without, through, asked = ConeData.solve, [], ConvexProgram.solve, []

    def counted(data, settings):
        without.append(data)
        return of_data(data, settings)

    def modelled(program, solver, time_limit_s=None):
        asked.append(solver)
        return through(program, solver, time_limit_s, direct=False)

    monkeypatch.setattr(ConeData, "solve", counted)
    direct = np.array([solve(s, o).scr for s, o in cases])
    programs = len(without)
    monkeypatch.setattr(ConvexProgram, "solve", modelled)
    by_cvxpy = np.array([solve(s, o).scr for s, o in cases])
    off = np.abs(direct / by_cvxpy - 1)
    print(
        f"\n{programs} programs without CVXPY, {len(asked)} by way of it; of "
        f"{len(off)}: {(off == 0).sum()} equal, {(off > 1e-9).sum()} off by more than "
        f"1e-9; {off.max():.1e} at most, in {off.argmax()}"
    )
    assert programs > len(cases)
    assert len(without) == programs
    assert len(asked) > len(cases)
    assert off.max() < 1e-6
