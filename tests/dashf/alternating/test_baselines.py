import numpy as np
import pytest

from dashf.alternating.baselines import (
    solve_aauco,
    solve_edge,
    solve_gucro,
    solve_local,
)
from dashf.result import Status
from dashf.rules import average_allocation, strongest_channel
from mec_llm_env import evaluate
from tests.dashf.cases import (
    OBJECTIVE,
    assert_climbs,
    assert_feasible,
    benchmark_scenario,
)

SOLVERS = [solve_aauco, solve_edge, solve_gucro, solve_local]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "overrides", [{}, {"users": 1, "servers": 4}, {"server.max_users": 5}]
)
def test_optimising_baselines_climb(solver, overrides):
    s = benchmark_scenario(1, **overrides)
    result = solver(s, OBJECTIVE)
    assert result.status == Status.CONVERGED
    assert_feasible(s, result.allocation)
    assert_climbs(result.history)
    assert result.scr == float(evaluate(s, result.allocation, OBJECTIVE).scr)


def test_greedy_baselines_keep_the_strongest_channel():
    s = benchmark_scenario(5)
    for solver in (solve_edge, solve_gucro, solve_local):
        z = solver(s, OBJECTIVE).allocation
        assert np.array_equal(z.association, strongest_channel(s))
    assert np.array_equal(
        solve_local(s, OBJECTIVE).allocation.local_fraction, s.local_fraction_max
    )
    assert np.array_equal(
        solve_edge(s, OBJECTIVE).allocation.local_fraction, s.local_fraction_min
    )
    free = solve_gucro(s, OBJECTIVE)
    assert free.scr >= solve_edge(s, OBJECTIVE).scr * (1 - 1e-6)
    assert free.scr >= solve_local(s, OBJECTIVE).scr * (1 - 1e-6)


def test_aauco_moves_users_and_nothing_else():
    s = benchmark_scenario(5)
    result = solve_aauco(s, OBJECTIVE)
    z = result.allocation
    average = average_allocation(s, z.association)
    for name in z.field_names():
        assert np.array_equal(getattr(z, name), getattr(average, name))
    assert result.scr > 1.1 * result.history[0].scr
    assert sum(row.moves for row in result.history) > 0
    # No single move is better.
    for n, m in np.ndindex(s.n_users, s.n_servers):
        x = z.association.copy()
        x[n] = np.eye(s.n_servers)[m]
        assert evaluate(s, average_allocation(s, x), OBJECTIVE).scr <= result.scr


def test_aauco_tries_moves_in_batches(monkeypatch):
    s = benchmark_scenario(5)
    whole = solve_aauco(s, OBJECTIVE)
    monkeypatch.setitem(solve_aauco.__globals__, "_AT_ONCE", 60)  # three at a time
    in_parts = solve_aauco(s, OBJECTIVE)
    assert in_parts.scr == whole.scr
