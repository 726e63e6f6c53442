"""`dual`: near-optimal allocations with a certificate, from the prices of the bound.

The prices leave a few users (about as many as there are prices) split between servers
or values of φ. Rounding them in the most likely ways, then single moves in the order of
their priced gain, gives the allocation; the bound is valid whatever that finds. Where
the two are still apart, a limited branch and bound brings them together.
"""

from __future__ import annotations

import dataclasses
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
    check_tolerance,
)
from dashf.common.clock import Clock, OutOfTime
from dashf.pricing.bound import Problem
from dashf.pricing.branch_and_bound import Search
from dashf.pricing.rounding import Best, best_moves, likely_choices
from dashf.pricing.whole_layers import with_whole_layers
from dashf.result import NEAR, BatchResult, Bound, Iteration, SolveResult, Status
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

_ROUNDING = 1e-6  # relative, by which an SCR may exceed its bound
_GAIN = 1e-6  # relative gain of SCR below which moves end
#: Nodes of branch and bound for small scenarios, where bound and allocation are apart.
_NODES_FOR_BOUND, _NODES_FOR_DECISION = 400, 100
_NODES_TIMES_OPTIONS = 100_000  # where there are more options there are fewer nodes
_POWER_FACTOR = 2  # fewer nodes where the score counts power, as options take longer


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


class PricedSearch:
    """Bounds of a batch, the best allocations so far, and what makes both better."""

    def __init__(
        self,
        scenario: Scenario,
        objective: ObjectiveConfig,
        clock: Clock,
        *,
        tolerance: float,
    ) -> None:
        self.tolerance, self.clock = check_tolerance(tolerance), clock
        self.problem = Problem.of(scenario, objective, clock)
        self.best = Best(self.problem)
        self.bound, self.prices = self.problem.bound(self.tolerance, self.best.scr)
        self.history: list[Iteration] = []  # of the first scenario
        self._ratio = float(np.ravel(self.bound.ratio)[0])
        self.limited = np.zeros(len(self.best.scr), dtype=bool)  # by `rounds`
        self._record("start")

    def _record(self, block: str, moves: int = 0) -> None:
        scr, ratio = float(self.best.scr[0]), self._ratio
        self.history.append(
            Iteration(
                block=block,
                scr=scr,
                ratio=ratio,
                surplus=(scr - ratio) * self.best.cost(0),
                moves=moves,
                time_s=self.clock.passed_s,
            )
        )

    def improve(self, clock: Clock, *, rounds: int = 4, candidates: int = 6) -> None:
        """Rounds the fractional choice, then makes single moves and polishes."""
        if self.prices is None:
            return
        problem = self.problem
        self.problem = self.best.problem = problem.until(clock)
        try:
            self._improve(rounds, candidates)
        except OutOfTime:
            self.limited[:] = True
        self.problem = self.best.problem = problem
        if problem.scenario.layers is not None:
            self._round(clock)

    def _improve(self, rounds: int, candidates: int) -> None:
        problem, best, prices = self.problem, self.best, self.prices
        assert prices is not None
        best.offer(*likely_choices(problem.options, prices, candidates), prices)
        self._record("rounding")
        value = np.reshape(self.bound.value, -1)
        open_rows = np.flatnonzero(value > best.scr * (1 + self.tolerance))
        tried: set[tuple[int, bytes]] = set()
        for _ in range(rounds):
            if not len(open_rows):
                break
            before = best.scr.copy()
            rows, option = best_moves(
                problem, prices, best, open_rows, candidates, tried
            )
            if not len(rows):
                open_rows = rows
                break
            best.offer(rows, option, prices)
            gained = best.scr > before * (1 + _GAIN)
            self._record("move", int(gained[0]))
            closed = value <= best.scr * (1 + self.tolerance)
            open_rows = np.flatnonzero(gained & ~closed)
        self.limited[open_rows] = True
        best.polish(prices)
        self._record("polish")

    def _round(self, clock: Clock) -> None:
        """Makes the best allocations ones of whole layers."""
        s, before = self.problem.scenario, self.best.allocation()
        z, scr = with_whole_layers(s, self.problem.objective, before, clock=clock)
        for row in range(len(scr)):
            self.best.put(row, z[row], float(scr[row]))
        moved = (z.association[0] != before.association[0]).any(axis=-1).sum()
        self._record("layers", int(moved))

    def whole(self) -> Problem:
        """Returns the problem with ranges of φ cut between whole layers, if any."""
        p = self.problem
        if p.scenario.layers is None:
            return p
        whole = Problem.of(p.scenario, p.objective, p.options.clock, whole=True)
        return dataclasses.replace(whole, batch_shape=p.batch_shape)

    def branch(self, nodes: int | None, most: int) -> None:
        """Lowers bounds that are more than `bounds.NEAR` above their allocation.

        Args:
            nodes: for each of them, at most.
            most: where `nodes` is None, so many or fewer, by size.
        """
        if nodes is None:
            power = self.problem.objective.score_weight_power > 0
            size = self.problem.options.low[0].size * (_POWER_FACTOR if power else 1)
            nodes = min(most, _NODES_TIMES_OPTIONS // size)
        value = np.array(np.reshape(self.bound.value, -1))
        apart = np.flatnonzero(value > self.best.scr * (1 + NEAR))
        if self.prices is None or nodes == 0 or not len(apart):
            self._settle(value)
            return
        problem = self.whole()
        for row in map(int, apart):
            search = Search(
                problem.row(row),
                self.best.allocation()[row],
                *(float(self.best.scr[row]), float(value[row])),
                gap=NEAR,
            )
            search.combine(self.prices.row(row))
            search.run(nodes)
            value[row] = search.value
            self.best.put(row, search.allocation, search.scr)
        self._record("branch")
        self._settle(value)

    def _settle(self, value: Array) -> None:
        """Puts the values into the bound: it is no looser than its gap is wide."""
        shaped = self.problem.shaped
        gap = np.maximum(value / self.best.scr - 1, 0)
        looseness = np.minimum(np.reshape(self.bound.looseness, -1), gap)
        self.bound = dataclasses.replace(
            self.bound,
            value=shaped(value),
            gap=shaped(gap),
            looseness=shaped(looseness),
            time_s=self.clock.passed_s,
            out_of_time=self.bound.out_of_time or self.clock.left_s <= 0,
        )

    def statuses(self) -> Any:
        """Returns how it ended, [...] of `Status`."""
        status = np.full(np.shape(self.bound.value), Status.CONVERGED)
        over = self.clock.left_s < 0
        limited = Status.TIME_LIMIT if over else Status.ITERATION_LIMIT
        status[self.problem.shaped(self.limited)] = limited
        loose = Status.TIME_LIMIT if self.bound.out_of_time else Status.LOOSE_BOUND
        status[~self.bound.tight] = loose
        return status
