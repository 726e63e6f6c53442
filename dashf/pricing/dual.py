"""`dual`: near-optimal allocations with a certificate, from the prices of the bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashf.common.arrays import Array
from dashf.common.checks import (
    check_allocation,
    check_count,
    check_kind,
    check_objective,
    check_scenario,
    check_single,
)
from dashf.common.clock import Clock
from dashf.pricing.priced_search import PricedSearch
from dashf.result import BatchResult, Bound, SolveResult
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

_ROUNDING = 1e-6  # relative, by which an SCR may exceed its bound
#: Nodes of branch and bound for small scenarios, where bound and allocation are apart.
_NODES_FOR_BOUND, _NODES_FOR_DECISION = 400, 100


def solve_dual(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-5,
    rounds: int = 4,
    candidates: int = 6,
    nodes: int | None = None,
    time_limit_s: float | None = None,
) -> SolveResult:
    """Finds a near-optimal allocation of one scenario, with its certified bound.

    The status is `TIME_LIMIT` where time ended the search, `LOOSE_BOUND` where the
    bound's prices did not converge, `ITERATION_LIMIT` where `rounds` ended moves that
    still gained.

    Args:
        scenario: a single one, batch shape ().
        objective: weights and references; the default ones if None.
        tolerance: relative slack of the bound's certificate.
        rounds: of moves, at most.
        candidates: allocations that are tried in a round.
        nodes: of branch and bound, at most, where bound and SCR are more than 1 %
            apart; 0 for the bound of prices alone. None: up to 100, by size.
        time_limit_s: when to stop, s; then the best allocation and a valid bound.

    Raises:
        ValueError: the scenario is a batch (`solve_dual_batch` takes them), or an
            option is out of range.
    """
    s, clock = check_single(scenario), Clock.limited(time_limit_s)
    _check_effort(rounds, candidates, nodes)
    search = PricedSearch(s, check_objective(objective), clock, tolerance=tolerance)
    search.improve(clock, rounds=rounds, candidates=candidates)
    search.branch(nodes, _NODES_FOR_DECISION)
    return SolveResult(
        status=search.statuses()[()],
        scenario=s,
        allocation=search.best.row(0).map(np.copy),
        scr=float(search.best.scr[0]),
        history=tuple(search.history),
        iterations=len(search.history) - 1,
        build_time_s=0.0,
        solve_time_s=clock.passed_s,
        bound=search.bound,
    )


def solve_dual_batch(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-5,
    rounds: int = 4,
    candidates: int = 6,
    nodes: int | None = None,
    time_limit_s: float | None = None,
) -> BatchResult:
    """Finds near-optimal allocations of a batch `[...]`, with certified bounds.

    Arguments and errors are those of `solve_dual`; the time limit is the whole batch's.
    """
    s, clock = check_scenario(scenario), Clock.limited(time_limit_s)
    _check_effort(rounds, candidates, nodes)
    search = PricedSearch(s, check_objective(objective), clock, tolerance=tolerance)
    search.improve(clock, rounds=rounds, candidates=candidates)
    search.branch(nodes, _NODES_FOR_DECISION)
    shaped = search.problem.shaped
    return BatchResult(
        status=search.statuses(),
        scenario=s,
        allocation=search.best.allocation().unflatten(s.batch_shape),
        scr=shaped(search.best.scr),
        time_s=clock.passed_s,
        bound=search.bound,
    )


def upper_bound(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-5,
    nodes: int | None = None,
    time_limit_s: float | None = None,
) -> Bound:
    """Returns a certified upper bound on the SCR of every feasible allocation.

    It is `solve_dual_batch`'s: an allocation is found on the way, because only beside
    one can be seen where the bound of prices is not enough.

    Args:
        scenario: batch shape `[...]`.
        objective: weights and references; the default ones if None.
        tolerance: relative slack that the certificate of the inner maximum may add.
        nodes: of branch and bound for a scenario, at most, where bound and allocation
            are more than 1 % apart; 0 for the bound of prices alone. None: up to 400,
            by size.
        time_limit_s: when to stop, s; then the bound is valid, but `status` tells that
            it may be loose.

    Raises:
        ValueError: an option is out of range.
    """
    s, clock = check_scenario(scenario), Clock.limited(time_limit_s)
    _check_effort(0, 1, nodes)
    search = PricedSearch(s, check_objective(objective), clock, tolerance=tolerance)
    if nodes != 0:
        search.improve(clock)
        search.branch(nodes, _NODES_FOR_BOUND)
    return search.bound


def _check_effort(rounds: Any, candidates: Any, nodes: Any) -> None:
    check_count("rounds", rounds, 0)
    check_count("candidates", candidates, 1)
    if nodes is not None:
        check_count("nodes", nodes, 0)


def gap(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig | None = None,
    *,
    bound: Bound | None = None,
) -> Array:
    """Returns upper bound over SCR, less one, [...]: the most that is missing.

    Args:
        scenario: batch shape `[...]`.
        allocation: feasible, of the same batch shape.
        objective: weights and references; the default ones if None.
        bound: of this scenario and objective; computed if None.

    Raises:
        ValueError: an argument has the wrong type or does not fit the scenario, or
            the bound is below the SCR, so of another scenario or objective.
    """
    s, objective = check_scenario(scenario), check_objective(objective)
    scr = evaluate(s, check_allocation(s, allocation), objective).scr
    if bound is None:
        bound = upper_bound(s, objective)
    if np.shape(check_kind("bound", bound, Bound).value) != s.batch_shape:
        raise ValueError(
            f"`bound` must be of the scenario's batch shape {s.batch_shape}; got "
            f"{np.shape(bound.value)}."
        )
    if np.any(bound.value < scr * (1 - _ROUNDING)):
        raise ValueError(
            "`bound` must be of this scenario and objective, `allocation` feasible; "
            f"got a bound as low as {np.min(bound.value / scr):.6g} of the SCR."
        )
    return bound.value / scr - 1
