r"""DASHF: Dinkelbach, alternating optimisation, SDR, Hungarian, fractional programming.

    start: an association, equal shares, the best split for them
    block 1 climbs from it on quick judgements            `climb`
    block 1 explores from elsewhere                       `explore`
    repeat
        block 1 proposes: SDR, Hungarian; and the judged
        neighbours of what it proposes and of the point   `propose`, `climb`
    until nothing judged is better
    another split, block 2 to the end                     `other_split`

After each of these block 2 confirms the best by a convex program.

y is the SCR of the current point throughout. What block 1 finds is taken only if block
2 finds its SCR, from `evaluate`, to be higher, so the history climbs. And the first
association is optimised to the end from its own start, as `gucro` does, unless a
certificate shows that it could not win (`reach`): so DASHF is never below `gucro`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dashf.alternating.association import (
    offers,
    other_split,
    propose,
)
from dashf.alternating.config import LARGEST_RESTART, DashfConfig, Start
from dashf.alternating.continuous import (
    ContinuousResult,
    Point,
    evaluated,
    optimise_continuous,
    split_alone,
)
from dashf.alternating.neighbours import Choice
from dashf.alternating.reach import reach
from dashf.alternating.resource_program import prepare
from dashf.alternating.sdr import prepare_relaxation
from dashf.alternating.search import Judge, Judged, climb, explore, likely, promising
from dashf.common.arrays import Array
from dashf.common.budget import Budget
from dashf.common.checks import (
    check_kind,
    check_objective,
    check_single,
)
from dashf.common.clock import Clock
from dashf.pricing.whole_layers import relaxed, whole_result
from dashf.result import Recorder, SolveResult, Status
from dashf.rules import (
    starting_allocation,
    strongest_channel,
)
from mec_llm_env import Allocation, ObjectiveConfig, Scenario

#: Relative difference below which two SCR are as good as each other, certified ones
#: and judged ones.
_AS_GOOD, _ALIKE = 1e-6, 1e-5


def solve_dashf(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    config: DashfConfig | None = None,
    time_limit_s: float | None = None,
) -> SolveResult:
    """Maximises the SCR of a scenario by DASHF.

    Args:
        scenario: a single one, batch shape ().
        objective: weights and references; the default ones if None.
        config: tolerances, limits and options; the default ones if None.
        time_limit_s: when to stop, s; None for no limit.

    Returns:
        A feasible allocation with the history of the SCR, which never decreases but
        where the scenario has `layers`: then the split is continuous up to the last
        row, which rounds it. Its status is `TIME_LIMIT` where time ended the search,
        `SOLVER_FAILED` only if no convex program could be solved.

    Raises:
        ValueError: the scenario is a batch, or an argument is of another kind.
    """
    s, o = check_single(scenario), check_objective(objective)
    c = DashfConfig() if config is None else check_kind("config", config, DashfConfig)
    if s.layers is not None:
        clock = Clock.limited(time_limit_s)
        found = solve_dashf(relaxed(s), o, config=c, time_limit_s=time_limit_s)
        return whole_result(s, o, found, clock)
    return _Run(s, o, c, Recorder(s, Budget(time_limit_s))).result()


class _Run:
    """One call of `solve_dashf`."""

    def __init__(
        self, s: Scenario, o: ObjectiveConfig, c: DashfConfig, recorder: Recorder
    ) -> None:
        self.s, self.o, self.c, self.recorder = s, o, c, recorder
        self.budget = recorder.budget
        self.judge = Judge(s, o, self.budget)
        first, *self.others = c.starts(s)
        self.first = first(s)
        self.searches = [self._climb_from_the_first, self._explore]
        self.first_end: Judged | None = None
        if c.restarts is None and s.channel_gain.size > LARGEST_RESTART:
            self.searches.pop(0)
        self.origin = starting_allocation(s, self.first, o)
        self.best = evaluated(s, self.origin, o)
        self.sdr = c.formulation(s)
        self.iterations = 0  # rounds of both blocks
        self.solved = False  # any convex program
        self.recorder.start(self.best)
        self._take(split_alone(s, self.best, o))
        with self.recorder.building():
            self.can_solve = prepare(s.n_users, self.budget)
            if self.can_solve:
                prepare_relaxation(self.sdr, s.n_users, s.n_servers, self.budget)

    def result(self) -> SolveResult:
        status = self._alternate()
        self._try_another_split()
        ended = self._optimise(self.best[0], self.c.final_tolerance, record=True)
        if self._reconsider_the_first():
            status = self._alternate()
            ended = self._optimise(self.best[0], self.c.final_tolerance, record=True)
        if ended != Status.CONVERGED:
            status = ended
        if not self.solved:
            status = Status.SOLVER_FAILED
        if not self._may_solve:
            status = Status.TIME_LIMIT
        return self.recorder.result(status, *self.best)

    @property
    def ratio(self) -> float:
        """y: the SCR of the current point."""
        return float(self.best[1].scr)

    @property
    def _may_solve(self) -> bool:
        """Whether there is time for a convex program."""
        return self.can_solve and not self.budget.spent()

    @property
    def _wanted(self) -> float:
        """The SCR above which another point is better."""
        return self.ratio * (1 + self.c.tolerance)

    def _alternate(self) -> Status:
        """Searches and confirms until nothing judged is better."""
        while self.iterations < self.c.max_iterations:
            self.iterations += 1
            last = not self.searches
            found = self._neighbourhood() if last else self.searches.pop(0)()
            if found is not None and found.scr > self._wanted:
                self._confirm(found)
            elif last and not self._try_promising():
                return Status.CONVERGED
            elif not last and found is not None and _moves(self.best[0], found.choice):
                self._try(likely(self.judge, [found], self._wanted))
        return Status.ITERATION_LIMIT

    def _explore_from(self, starts: Sequence[Start]) -> Judged | None:
        """Returns the best end of climbs under rising limits on users per server."""

        def begins(room: Array) -> list[Array]:
            return [start(self.s.changed(max_users=room)) for start in starts]

        return explore(self.judge, begins, self.c.neighbours)

    def _climb(self, begins: Sequence[Judged]) -> Judged | None:
        room = np.minimum(self.s.max_users, self.s.n_users)
        return climb(self.judge, begins, room, self.c.neighbours)

    def _climb_from_the_first(self) -> Judged | None:
        begin = self.judge.best(self.judge.either(self.first))
        self.first_end = None if begin is None else self._climb([begin])
        return self.first_end

    def _explore(self) -> Judged | None:
        """Returns the best end of climbs from elsewhere.

        Where climbs from the first association and from near-equal numbers of users end
        alike, and there are two servers, no others are begun unless they are asked for:
        with more servers both may well have ended in the same local optimum.
        """
        first, ends = self.first_end, [self._explore_from([strongest_channel])]
        alike = (
            first is not None
            and ends[0] is not None
            and abs(ends[0].scr - first.scr) <= _ALIKE * first.scr
        )
        if self.c.restarts is not None or not alike or self.s.n_servers > 2:
            ends.append(self._explore_from(self.others))
        known = [end for end in ends if end is not None]
        return max(known, key=lambda judged: judged.scr, default=None)

    def _neighbourhood(self) -> Judged | None:
        """Returns the best judged of block 1's proposal and the climbs from it on."""
        z = self.best[0]
        here = Judged(choice=self.judge.choice_of(z), allocation=z, scr=self.ratio)
        found = self._climb([here]) or here
        if self.s.n_servers > 1 and not self.budget.spent():
            proposed = self.judge.best([self._proposal()])
            if proposed is not None and proposed.scr > found.scr:
                found = self._climb([proposed]) or proposed
        return found

    def _proposal(self) -> Choice:
        """Returns the association that block 1 proposes, with the splits it has."""
        s, o, c, z = self.s, self.o, self.c, self.best[0]
        options = offers(s, z, o, self.ratio)
        proposed = propose(
            *(s, z, o, self.ratio, options),
            sdr=self.sdr,
            solvers=c.solvers,
            budget=self.budget,
        )
        return self.judge.choice_of(proposed)

    def _confirm(self, found: Judged) -> None:
        """Takes what was found if it is better after a convex program."""
        assert found.allocation is not None
        if self.can_solve:
            trial = self._pass(found.allocation, self.c.tolerance, max_passes=1)
            point = trial.point
        else:
            point = evaluated(self.s, found.allocation, self.o)
        self._take(point)

    def _try_promising(self) -> bool:
        """Has block 2 try neighbours that were judged lower, but could be better.

        Returns whether one was.
        """
        if not self._may_solve:
            return False
        width = self.c.neighbours
        return self._try(promising(self.judge, self.best[0], self._wanted, width))

    def _try(self, found: Sequence[Judged]) -> bool:
        """Has block 2 optimise what was judged lower, and takes the first that wins."""
        if not self._may_solve:
            return False
        wanted = self._wanted
        for judged in found[: self.c.trials]:
            assert judged.allocation is not None
            trial = self._pass(
                judged.allocation, self.c.tolerance, hopeless_below=wanted
            )
            if trial.scr > wanted:
                self._take(trial.point)
                return True
        return False

    def _try_another_split(self) -> None:
        """Lets users respond to their own server's prices, and optimises that."""
        if not self._may_solve:
            return
        other = other_split(self.s, self.best[0], self.o, self.ratio)
        if other is not None:
            trial = self._pass(other, self.c.tolerance, hopeless_below=self._wanted)
            self._take(trial.point)

    def _reconsider_the_first(self) -> bool:
        """Optimises the first association from its start, unless it cannot win.

        Returns whether it has won.
        """
        if not self._may_solve:
            return False
        judged = self.judge.best(self.judge.either(self.first))
        near = self.best[0]
        if (near.association != self.first).any():
            near = (judged and judged.allocation) or self.origin
        highest = reach(self.s, near, self.o, self.ratio, clock=self.budget.clock)
        if highest <= self.ratio * (1 + _AS_GOOD):
            return False
        trial = self._pass(self.origin, self.c.final_tolerance)
        won = trial.scr > self.ratio * (1 + self.c.final_tolerance)
        self._take(trial.point)
        return won

    def _optimise(self, start: Allocation, tolerance: float, *, record: bool) -> Status:
        """Optimises the current association to the end, a row of history each pass."""
        if not self.can_solve:
            return Status.TIME_LIMIT

        def on_pass(point: Point, ratio: float) -> None:
            self.recorder.row("resources", point, ratio, 0)

        trial = self._pass(start, tolerance, on_pass=on_pass)
        self.best = trial.point
        return trial.status

    def _pass(
        self, start: Allocation, tolerance: float, **options: Any
    ) -> ContinuousResult:
        options.setdefault("max_passes", self.c.max_passes)
        trial = optimise_continuous(
            self.s,
            start,
            self.o,
            tolerance=tolerance,
            solvers=self.c.solvers,
            budget=self.budget,
            **options,
        )
        self.solved |= trial.status != Status.SOLVER_FAILED
        return trial

    def _take(self, point: Point) -> None:
        """Makes a better point the current one, with a row of history."""
        if not float(point[1].scr) > self.ratio:
            return
        moved = _moves(self.best[0], point[0])
        block = "association" if moved else "split"
        self.recorder.row(block, point, self.ratio, moved)
        self.best = point


def _moves(before: Allocation | Choice, after: Allocation | Choice) -> int:
    """Returns how many users are at another server."""
    return int((before.association != after.association).any(axis=-1).sum())
