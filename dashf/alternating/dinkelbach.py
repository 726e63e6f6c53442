r"""Dinkelbach's method for the maximum of a ratio, by itself.

To maximise N(z)/D(z) with D > 0, solve a sequence of problems without a ratio:
with y_k = N(z_k)/D(z_k), let z_{k+1} maximise the surplus G(z; y_k) = N(z) − y_k D(z).
G(z_k; y_k) = 0, so the maximum is at least 0, and where it is positive
y_{k+1} = y_k + G(z_{k+1}; y_k)/D(z_{k+1}) > y_k. It is 0 exactly if no z has a ratio
above y_k, that is at an optimum [Dinkelbach 1967].

The maximum need not be exact for this to climb: any z_{k+1} with G ≥ 0 will do, which
is how DASHF uses it, one pass of a block at a time. Then the limit is what the passes
cannot improve, not always an optimum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from dashf.result import Status

Point = TypeVar("Point")


@dataclass(frozen=True, kw_only=True, slots=True)
class DinkelbachResult(Generic[Point]):
    """Where the loop ended."""

    status: Status  # CONVERGED, ITERATION_LIMIT or SOLVER_FAILED
    point: Point  # of the highest ratio met
    ratio: float  # N/D of `point`
    iterations: int  # calls of `improve`


def dinkelbach(
    terms: Callable[[Point], tuple[float, float]],
    improve: Callable[[Point, float], Point | None],
    start: Point,
    *,
    tolerance: float = 1e-9,
    max_iterations: int = 100,
    on_iteration: Callable[[Point, float], None] | None = None,
) -> DinkelbachResult[Point]:
    """Raises the ratio N/D until a step gains less than `tolerance` relative.

    Args:
        terms: N and D of a point; D must be positive.
        improve: a point whose G(·; y) is no lower than that of the given point, best
            a maximiser; None if it could not find one.
        start: the first point.
        tolerance: relative gain of the ratio at which to stop.
        max_iterations: calls of `improve` at most.
        on_iteration: called after each accepted step with the point and the y it was
            found with.

    Returns:
        The best point; a step that lowers G is not taken, and ends the loop.

    Raises:
        ValueError: D is not positive at some point.
    """
    point, status, iterations = start, Status.ITERATION_LIMIT, 0
    ratio = _ratio(*terms(point))
    for _ in range(max_iterations):
        iterations += 1
        proposal = improve(point, ratio)
        if proposal is None:
            status = Status.SOLVER_FAILED
            break
        numerator, denominator = terms(proposal)
        gained = _ratio(numerator, denominator)
        surplus = numerator - ratio * denominator
        if surplus < 0:
            status = Status.CONVERGED
            break
        before, point, ratio = ratio, proposal, max(gained, ratio)
        if on_iteration is not None:
            on_iteration(point, before)
        if ratio - before <= tolerance * abs(before):
            status = Status.CONVERGED
            break
    return DinkelbachResult(
        status=status, point=point, ratio=ratio, iterations=iterations
    )


def _ratio(numerator: float, denominator: float) -> float:
    if not denominator > 0:
        raise ValueError(
            f"The denominator of the ratio must be positive; got {denominator}. "
            "Restrict the points to where it is."
        )
    return numerator / denominator
