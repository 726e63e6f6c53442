r"""DASHF: Dinkelbach, alternating optimisation, SDR, Hungarian, fractional programming.

    start: an association, φ = 0.3, equal shares
    optimise everything else for it                       `optimise_continuous`
    repeat
        block 1 proposes associations, or another split   `propose`, `moves`
        the first that block 2 makes better is taken      `optimise_continuous`
    until none is

y is the SCR of the current point throughout. As the starting association is optimised
before any other is tried, and another is taken only for a higher SCR, the result is at
least as good as the start's with optimal resources, and the history climbs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashf.association import (
    CANDIDATES,
    FORMULATIONS,
    candidates,
    moves,
    other_split,
    propose,
)
from dashf.baselines import (
    balanced_association,
    compute_greedy,
    random_association,
    starting_allocation,
    strongest_channel,
)
from dashf.continuous import (
    ContinuousResult,
    Point,
    evaluated,
    optimise_continuous,
)
from dashf.convex import SOLVERS
from dashf.resource_program import PROGRAMS
from dashf.result import Recorder, SolveResult, Status, single
from dashf.sdr import RELAXATIONS
from mec_llm_env import Allocation, ObjectiveConfig, Scenario

Array = Any

STARTS = ("strongest", "balanced", "compute", "random")


@dataclass(frozen=True, kw_only=True, slots=True)
class DashfConfig:
    """How DASHF is run. All of it is our choice.

    Raises:
        ValueError: a field is not valid; the text names it and what is.
    """

    tolerance: float = 1e-5  # relative gain of the SCR at which a block stops
    final_tolerance: float = 1e-7  # the same, for the association that is returned
    max_iterations: int = 100  # associations taken at most
    max_passes: int = 50  # convex programs an association at most
    sdr: str = "auto"  # "sparse", "full", "closed_form"; "auto": sparse to N·M = 100
    candidates: str = "price"  # "price" or "equal_share", resources of a move
    move_trials: int = 8  # single moves and swaps tried before giving up
    start: str = "strongest"  # first association: one of `STARTS`
    restarts: int = 0  # further starts, from the rest of `STARTS`, then random ones
    seed: int = 0  # of the random starts
    solver: str = "CLARABEL"  # CVXPY solver of block 2 and SDR; SCS is the fallback

    def __post_init__(self) -> None:
        for name in ("tolerance", "final_tolerance"):
            value = getattr(self, name)
            if not (isinstance(value, float | int) and 0 < value < 1):
                raise ValueError(f"`{name}` must lie between 0 and 1; got {value!r}.")
        for name, lowest in _INTEGERS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
                raise ValueError(
                    f"`{name}` must be an integer of at least {lowest}; got {value!r}."
                )
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(choices)}; got "
                    f"{getattr(self, name)!r}."
                )

    @property
    def solvers(self) -> tuple[str, ...]:
        """The solver and the ones that take over when it fails."""
        return (self.solver, *(name for name in SOLVERS if name != self.solver))

    def formulation(self, scenario: Scenario) -> str:
        """Returns the formulation of the SDR for a scenario's size."""
        if self.sdr != "auto":
            return self.sdr
        small = scenario.n_users * scenario.n_servers <= _LARGEST_SDR
        return "sparse" if small else "closed_form"


_INTEGERS = {
    "max_iterations": 0,
    "max_passes": 1,
    "move_trials": 0,
    "restarts": 0,
    "seed": 0,
}
_CHOICES = {
    "sdr": ("auto", *FORMULATIONS),
    "candidates": CANDIDATES,
    "start": STARTS,
    "solver": SOLVERS,
}
_LARGEST_SDR = 100  # N·M


def solve(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    config: DashfConfig | None = None,
) -> SolveResult:
    """Maximises the SCR of a scenario by DASHF.

    Args:
        scenario: a single one, batch shape (). For a batch see `dashf.decide`.
        objective: weights and references; the default ones if None.
        config: tolerances, limits and options; the default ones if None.

    Returns:
        A feasible allocation with the history of the SCR, which never decreases. Its
        status is `SOLVER_FAILED` only if no convex program could be solved.

    Raises:
        ValueError: the scenario is a batch.
    """
    s = single(scenario)
    o, c = objective or ObjectiveConfig(), config or DashfConfig()
    recorder = Recorder()
    with recorder.building():
        PROGRAMS.prepare(s.n_users)
        if c.formulation(s) != "closed_form" and s.n_servers > 1:
            RELAXATIONS.prepare(c.formulation(s), s.n_users, s.n_servers)
    first, *others = _starts(s, c)
    status, best = _climb(s, o, c, first, recorder)
    for association in others:
        other_status, other = _climb(s, o, c, association, Recorder())
        if other[1].scr > best[1].scr:
            moved = _moves(best[0].association, other[0].association)
            recorder.row("restart", other, float(best[1].scr), moved)
            status, best = other_status, other
    return recorder.result(status, *best)


def _climb(
    s: Scenario,
    o: ObjectiveConfig,
    c: DashfConfig,
    association: Array,
    recorder: Recorder,
) -> tuple[Status, Point]:
    """Alternates the blocks from one association until no proposal is better."""

    def optimise(
        start: Allocation, tolerance: float, **options: Any
    ) -> ContinuousResult:
        return optimise_continuous(
            s,
            start,
            o,
            tolerance=tolerance,
            max_passes=c.max_passes,
            solvers=c.solvers,
            **options,
        )

    def record(point: Point, ratio: float) -> None:
        recorder.row("resources", point, ratio, 0)

    # Start: its association, optimised, is what every proposal has to beat.
    start = starting_allocation(s, association, o)
    recorder.start(evaluated(s, start, o))
    best = optimise(start, c.tolerance, on_pass=record)
    status = Status.ITERATION_LIMIT

    for _ in range(c.max_iterations):
        # Block 1 proposes; block 2 judges, until something is better.
        wanted, better = best.scr * (1 + c.tolerance), None
        for proposal in _proposals(s, o, c, best.point[0], best.scr):
            trial = optimise(proposal, c.tolerance, hopeless_below=wanted)
            if trial.scr > wanted:
                better = trial
                break
        if better is None:
            status = Status.CONVERGED
            break
        moved = _moves(best.point[0].association, better.point[0].association)
        block = "association" if moved else "split"
        recorder.row(block, better.point, best.scr, moved)
        best = better

    final = optimise(best.point[0], c.final_tolerance, on_pass=record)
    if final.status != Status.CONVERGED and best.status != Status.CONVERGED:
        status = final.status
    return status, final.point


def _proposals(
    s: Scenario, o: ObjectiveConfig, c: DashfConfig, z: Allocation, ratio: float
) -> Iterator[Allocation]:
    """Yields block 1's proposal, its neighbours by priced gain, then another split."""
    if s.n_servers > 1:
        yield from _associations(s, o, c, z, ratio)
    if c.candidates == "price":
        other = other_split(s, z, o, ratio)
        if other is not None:
            yield other


def _associations(
    s: Scenario, o: ObjectiveConfig, c: DashfConfig, z: Allocation, ratio: float
) -> Iterator[Allocation]:
    options = candidates(s, z, o, ratio, kind=c.candidates)
    sdr = c.formulation(s)
    proposal = propose(s, z, o, ratio, options, sdr=sdr, solvers=c.solvers)
    if _moves(proposal.association, z.association):
        yield proposal.realise(s, proposal.association)
    for neighbour in moves(z.association, proposal.gain, s.max_users, c.move_trials):
        if _moves(neighbour, proposal.association):
            yield proposal.realise(s, neighbour)


def _starts(scenario: Scenario, config: DashfConfig) -> list[Array]:
    """Returns the first association and those of the restarts."""
    rng = np.random.default_rng(config.seed)
    rules: dict[str, Callable[[], Array]] = {
        "strongest": lambda: strongest_channel(scenario),
        "balanced": lambda: balanced_association(scenario),
        "compute": lambda: compute_greedy(scenario),
        "random": lambda: random_association(scenario, rng),
    }
    names = [config.start, *(name for name in STARTS if name != config.start)]
    names += ["random"] * max(0, config.restarts + 1 - len(names))
    return [rules[name]() for name in names[: config.restarts + 1]]


def _moves(before: Array, after: Array) -> int:
    return int((before != after).any(axis=-1).sum())
