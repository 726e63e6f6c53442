"""The search of `dual`: the prices of the bound, then what rounds and improves them.

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
from dashf.common.checks import check_tolerance
from dashf.common.clock import Clock, OutOfTime
from dashf.pricing.bound import Problem
from dashf.pricing.branch_and_bound import Search
from dashf.pricing.options import PriceSolution
from dashf.pricing.rounding import Best, best_moves, likely_choices
from dashf.pricing.whole_layers import with_whole_layers
from dashf.result import NEAR, Iteration, Status
from mec_llm_env import ObjectiveConfig, Scenario

_GAIN = 1e-6  # relative gain of SCR below which moves end
_NODES_TIMES_OPTIONS = 100_000  # where there are more options there are fewer nodes
_POWER_FACTOR = 2  # fewer nodes where the score counts power, as options take longer


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
        self.bound, found = self.problem.bound(self.tolerance, self.best.scr)
        self.prices: PriceSolution | None = None
        if found is not None:
            self.prices, self.benefit = found  # [S, N, J] of options at the prices
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
            problem.options.clock.check()
            rows, option = best_moves(
                problem.options, self.benefit, best, open_rows, candidates, tried
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
