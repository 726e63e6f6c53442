r"""Everything but the association: block 2 and the split in turn, under Dinkelbach.

At y the SCR of the current point, one pass of fractional programming improves p, b and
F, then every φ_n takes its closed-form optimum; both raise G(·; y) from 0, so the SCR
never falls. The users' own frequencies are optimal from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dashf.alternating.convex import CONVEX_SOLVERS
from dashf.alternating.dinkelbach import dinkelbach
from dashf.alternating.resources import improve_once, surplus
from dashf.common.budget import Budget
from dashf.pair.coefficients import local_frequency
from dashf.pair.split import optimal_split
from dashf.result import Status
from mec_llm_env import Allocation, ObjectiveConfig, Outcome, Scenario, evaluate

Point = tuple[Allocation, Outcome]


@dataclass(frozen=True, kw_only=True, slots=True)
class ContinuousResult:
    """The best point for an association."""

    status: Status  # SOLVER_FAILED: no convex program could be solved, for all the time
    point: Point
    scr: float
    passes: int


def evaluated(
    scenario: Scenario, allocation: Allocation, objective: ObjectiveConfig
) -> Point:
    """Returns an allocation with its outcome."""
    return allocation, evaluate(scenario, allocation, objective)


def optimise_continuous(
    scenario: Scenario,
    start: Allocation,
    objective: ObjectiveConfig,
    *,
    fixed_split: bool = False,
    tolerance: float = 1e-5,
    max_passes: int = 50,
    solvers: tuple[str, ...] = CONVEX_SOLVERS,
    hopeless_below: float | None = None,
    on_pass: Callable[[Point, float], None] | None = None,
    budget: Budget | None = None,
) -> ContinuousResult:
    """Optimises split, power, bandwidth and frequencies for the start's association.

    Args:
        scenario: a single one.
        start: a feasible allocation; the users' frequencies are set to their optimum.
        objective: weights and references.
        fixed_split: keep the start's φ.
        tolerance: relative gain of the SCR in one pass at which to stop.
        max_passes: convex programs to solve at most.
        solvers: CVXPY solvers, tried in turn.
        hopeless_below: gives up where the SCR would stay below this if all further
            passes together gained as much as the last one. Gains shrink by a factor
            of 3 to 10 a pass, so that is generous.
        on_pass: called with the point after each pass and the y it was found with.
        budget: of the call; no pass begins without time.
    """
    s, o, budget = scenario, objective, budget or Budget()
    solved, known = 0, [-np.inf, -np.inf]  # passes solved, the last two ratios

    def terms(point: Point) -> tuple[float, float]:
        return float(point[1].score.sum()), float(point[1].cost.sum())

    def improve(point: Point, ratio: float) -> Point | None:
        nonlocal solved
        if budget.spent():
            return None
        known[:] = known[1], ratio
        limit = 2 * known[1] - known[0]
        if hopeless_below is not None and np.isfinite(limit) and limit < hopeless_below:
            return point
        found = improve_once(s, *point, o, ratio, solvers, budget)
        if found is not None:
            solved, point = solved + 1, found
        if fixed_split:
            return point
        split = evaluated(s, optimal_split(s, point[0], o, ratio), o)
        return split if surplus(split[1], ratio) >= surplus(point[1], ratio) else point

    frequency = local_frequency(s, o)
    result = dinkelbach(
        terms,
        improve,
        evaluated(s, start.changed(user_frequency_hz=frequency), o),
        tolerance=tolerance,
        max_iterations=max_passes,
        on_iteration=on_pass,
    )
    status = result.status if solved else Status.SOLVER_FAILED
    if budget.spent() and result.status != Status.CONVERGED:
        status = Status.TIME_LIMIT
    return ContinuousResult(
        status=status,
        point=result.point,
        scr=result.ratio,
        passes=result.iterations,
    )


def split_alone(scenario: Scenario, point: Point, objective: ObjectiveConfig) -> Point:
    """Returns a point with the splits that are best for its resources.

    By Dinkelbach's method with the closed form, so this is the best of all splits.
    """
    s, o = scenario, objective
    result = dinkelbach(
        lambda z: (float(z[1].score.sum()), float(z[1].cost.sum())),
        lambda z, ratio: evaluated(s, optimal_split(s, z[0], o, ratio), o),
        point,
    )
    return result.point
