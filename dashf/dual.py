"""`dual`: near-optimal allocations with a certificate, from the prices of the bound.

The prices leave a few users (about as many as there are prices) split between servers
or values of φ. Rounding them in the most likely ways, then single moves in the order of
their priced gain, gives the allocation; the bound is valid whatever that finds.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dashf.bounds import Bound, Problem
from dashf.checks import (
    check_count,
    check_objective,
    check_scenario,
    check_tolerance,
)
from dashf.interior_point import find_prices
from dashf.result import Iteration, SolveResult, Status, single
from dashf.rounding import Best, best_moves, likely_choices
from mec_llm_env import Allocation, ObjectiveConfig, Scenario

Array = Any  # NumPy only

_GAIN = 1e-6  # relative gain of SCR below which moves end


def solve_dual(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-5,
    rounds: int = 4,
    candidates: int = 6,
) -> tuple[SolveResult, Bound]:
    """Returns a near-optimal allocation of one scenario and its certified bound.

    The status is `ITERATION_LIMIT` where `rounds` ended moves that still gained.

    Args:
        scenario: a single one, batch shape ().
        objective: weights and references; the default ones if None.
        tolerance: relative slack of the bound's certificate.
        rounds: of moves, at most.
        candidates: allocations that are tried in a round.

    Raises:
        ValueError: the scenario is a batch (`solve_dual_batch` takes them), or an
            option is out of range.
    """
    start = time.perf_counter()
    scenario, objective = single(scenario), check_objective(objective)
    allocation, history, bound, limited = _solve(
        scenario, objective, tolerance, rounds, candidates
    )
    rows = tuple(
        Iteration(
            block=block,
            scr=float(scr[0]),
            ratio=float(bound.ratio),
            surplus=float((scr[0] - bound.ratio) * cost[0]),
            moves=int(moves[0]),
            time_s=at_s - start,
        )
        for block, scr, cost, moves, at_s in history
    )
    result = SolveResult(
        status=Status.ITERATION_LIMIT if limited[0] else Status.CONVERGED,
        allocation=allocation,
        scr=float(history[-1][1][0]),
        history=rows,
        iterations=len(rows),
        build_time_s=0.0,
        solve_time_s=time.perf_counter() - start,
    )
    return result, bound


def solve_dual_batch(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-5,
    rounds: int = 4,
    candidates: int = 6,
) -> tuple[Allocation, Array, Bound]:
    """Returns allocations, their SCR `[...]` and certified bounds of a batch.

    Arguments and errors are those of `solve_dual`.
    """
    allocation, history, bound, _ = _solve(
        scenario, check_objective(objective), tolerance, rounds, candidates
    )
    return allocation, history[-1][1].reshape(scenario.batch_shape), bound


def _solve(
    scenario: Scenario,
    objective: ObjectiveConfig,
    tolerance: float,
    rounds: int,
    candidates: int,
) -> tuple[Allocation, list[tuple[str, Array, Array, Array, float]], Bound, Array]:
    """Returns allocations, history, bound, and [S] whether `rounds` ended the moves."""
    start = time.perf_counter()
    scenario, tolerance = check_scenario(scenario), check_tolerance(tolerance)
    rounds = check_count("rounds", rounds, 0)
    candidates = check_count("candidates", candidates, 1)

    # The bound, and with it the prices.
    problem = Problem.of(scenario, objective)
    prices = find_prices(problem.options, problem.constants, problem.first_ratio())
    value, ratio = problem.certify(prices, tolerance)
    bound = problem.bound(prices, value, ratio, tolerance, time.perf_counter() - start)

    # The likeliest roundings, then single moves.
    rows, option = likely_choices(problem.options, prices, candidates)
    best = Best(problem, prices)
    best.offer(rows, option)
    none = np.zeros(len(value), dtype=int)
    history = [("rounding", *best.state(), none, time.perf_counter())]
    open_rows = np.flatnonzero(value > best.scr * (1 + tolerance))
    tried: set[bytes] = set()
    for _ in range(rounds):
        if not len(open_rows):
            break
        before = best.scr.copy()
        rows, option = best_moves(problem, prices, best, open_rows, candidates, tried)
        if not len(rows):
            open_rows = rows
            break
        best.offer(rows, option)
        gained = best.scr > before * (1 + _GAIN)
        history.append(("move", *best.state(), gained.astype(int), time.perf_counter()))
        closed = value <= best.scr * (1 + tolerance)
        open_rows = np.flatnonzero(gained & ~closed)
    best.polish()
    history.append(("polish", *best.state(), none, time.perf_counter()))
    batch = problem.batch_shape
    allocation = best.allocation().map(lambda a: a.reshape((*batch, *a.shape[1:])))
    limited = np.isin(np.arange(len(value)), open_rows)
    return allocation, history, bound, limited
