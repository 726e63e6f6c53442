"""The certificate of a bound: U from above at prices, where it is near 0 along y.

U falls with y and is convex, its slope being minus the cost of what users choose. So
Newton's method, from whatever y the search of prices has ended with, comes to the root
from the left after its first step. Every y on the way has a valid bound, y + U/C_min or
y where U is negative, and the least of them is the answer. All of it is compiled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.pair.backend import in_parallel
from dashf.pair.jit import compiled
from dashf.pair.loops import MOST_HALVED, Asked, certify_user
from dashf.pair.terms import Score
from dashf.pricing.iterates import LARGE
from dashf.pricing.options import Options

_MOST_STEPS = 12  # one is usual
_MANY_STEPS = 10  # for two threads to be worth their start


class Certificate(NamedTuple):
    """Bounds of S scenarios so far, N users, J options, at their prices."""

    asked: Asked  # at the present y
    rent: Array  # [S] Σ cap·π
    floor: Array  # [S] C_min
    slack: Array  # [S] by which U may be above itself, for all users together
    benefit: Array  # [S N, J] of the options at the first y
    highest: Array  # [S N] the best one's at the present y, from above
    cost: Array  # [S N] what it costs
    value: Array  # [S] the least bound
    ratio: Array  # [S] its y
    steps: Indices  # [S] made
    ended: Indices  # [S] 0 or 1


def certify(
    options: Options, ratio: Array, price: Array, k: Score, tolerance: float
) -> Certificate:
    """Certifies a bound for every scenario at its prices.

    Args:
        options: what each user may choose between.
        ratio: [S] a first y, positive.
        price: [S, M, D] π ≥ 0.
        k: `score_constants`.
        tolerance: relative slack of the bound, above the root of U.

    Raises:
        OutOfTime: the options' clock ended it.
    """
    S, N, J = options.allowed.shape
    floor, y = options.cost_floor(), np.array(ratio, np.float64)
    price = np.ascontiguousarray(price)
    v = Certificate(
        asked=Asked(options.table, options.server, options.allowed, y, price, False),
        rent=(options.capacity * price).sum(axis=(1, 2)),
        floor=floor,
        slack=0.5 * tolerance * y * floor,
        benefit=np.empty((S * N, J)),
        highest=np.empty(S * N),
        cost=np.empty(S * N),
        value=np.full(S, np.inf),
        ratio=y.copy(),
        steps=np.zeros(S, np.int64),
        ended=np.zeros(S, np.int64),
    )
    many, clock = N * J > LARGE, options.clock
    while not v.ended.all():
        if many:
            in_parallel(compiled(ask_loop), S * N, v, k, clock=clock, each=J)
        in_parallel(
            compiled(certificate_loop),
            S,
            *(v, k, not many, tolerance),
            clock=clock,
            each=1 if many else _MANY_STEPS * N * J,
        )
    return v


def ask_loop(first: int, last: int, v: Certificate, k: Score) -> None:
    """Asks users for their highest benefit from above and for what it costs."""
    N, J = v.asked.table.shape[1:3]
    answers, out = np.zeros((J, 11)), np.empty(J)
    boxes = np.empty((MOST_HALVED + 1, 6))
    for i in range(first, last):
        s = i // N
        if v.ended[s] == 1:
            continue
        certify_user(v.asked, k, i, v.slack[s] / N, 0.0, answers, boxes, out)
        best, v.highest[i] = 0, -np.inf
        for j in range(J):
            best = j if answers[j, 0] > answers[best, 0] else best
            v.highest[i] = max(v.highest[i], out[j])
            if v.steps[s] == 0:
                v.benefit[i, j] = answers[j, 0]
        v.cost[i] = answers[best, 1]


def certificate_loop(
    first: int, last: int, v: Certificate, k: Score, ask: bool, tolerance: float
) -> None:
    """Makes steps of scenarios until they have ended; one if they are not to `ask`."""
    N = v.asked.table.shape[1]
    for s in range(first, last):
        while v.ended[s] == 0:
            if ask:
                ask_loop(s * N, s * N + N, v, k)
            newton_step(v, s, tolerance)
            if not ask:
                break


def newton_step(v: Certificate, s: int, tolerance: float) -> None:
    """The bound at the present y of a scenario, and the next y."""
    N, y = v.asked.table.shape[1], v.asked.ratio[s]
    cost, surplus, size = 0.0, v.rent[s], v.rent[s]
    for i in range(s * N, s * N + N):
        cost, surplus = cost + v.cost[i], surplus + v.highest[i]
        size += abs(v.highest[i])
    surplus += (1e-12 + 3e-16 * N) * size  # what the sum may have been rounded by
    value = y + max(surplus, 0.0) / v.floor[s]
    if value < v.value[s]:
        v.value[s], v.ratio[s] = value, y
    rise, close = max(surplus / cost, -0.9 * y), 0.3 * tolerance * y
    v.steps[s] += 1
    if (value - y <= close and -rise <= close) or v.steps[s] == _MOST_STEPS:
        v.ended[s] = 1
    v.asked.ratio[s] = y + rise
    v.slack[s] = 0.5 * tolerance * (y + rise) * cost
