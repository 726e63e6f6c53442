"""Prices at which users with one option each ask for what the servers have.

Here the bound of `interior_point` has no choice left and is smooth but for kinks, where
a share reaches a whole server: there its curvature vanishes, so Newton steps in the
prices may run away, and halving them does not help against cycles of y and prices. What
does: steps in the logarithms of prices, in which demand is nearly a power of the price,
with a least slope, and a longest step for each price, halved whenever its server's
demand turns from too much to too little or back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.pair.backend import in_parallel, response_of
from dashf.pair.jit import compiled
from dashf.pair.terms import Response, Score
from dashf.pricing.options import Options, Prices
from dashf.pricing.price_step import ask_users, price_step

_MAX_ROUNDS = 200  # all but a few of a thousand take 5 to 15
_CLOSE = 1e-7  # surplus and value of what is not shared out, over total score
_FIRST_PRICE = 10.0  # score for all of a server, for each of its users
_LEAST_PRICE = 1e-9  # score; no different from nothing
_LEAST_DETERMINANT = 0.02  # of the slopes, over the product of the diagonal ones
_LONGEST_STEP = 2.0  # nepers, of a price in a round
_LONGER = 1.4  # the longest step over the one before, where demand has not turned
_LONGER_LATE = 1.05  # the same after so many rounds that prices must be cycling:
_LATE = 30
_STALL = 6  # rounds without much gain that end it where φ is free, so demand may jump
_TURNED = 1e-3  # of a share above or below all there is


def clear(
    options: Options,
    k: Score,
    rows: Indices,
    option: Indices,
    ratio: Array,
    *,
    phi: Array | None = None,
    price: Array | None = None,
    max_rounds: int = _MAX_ROUNDS,
) -> tuple[Prices, Any]:
    """Finds the prices that minimise the bound where users have one option each.

    Args:
        options: of scenarios, for users to have one of.
        k: `score_constants`.
        rows: [C] the scenario of each candidate.
        option: [C, N] the option of each user.
        ratio: [C] a first y, such as the SCR of an allocation.
        phi: [C, N] φ, instead of the option's range.
        price: [C, M, 2] to start from.
        max_rounds: at most; then the prices of the round that was closest.

    Returns:
        prices, and the `Response` [C, N] to them.
    """
    C, N = option.shape
    if price is None:
        price = np.full((C, options.capacity.shape[1], 2), np.nan)
    found = Prices(
        ratio=np.array(ratio, dtype=np.float64),
        price=np.array(price, order="C"),
        iterations=np.zeros(C, dtype=np.int64),
    )
    answers = np.empty((C, N, len(Response._fields)))
    given = np.empty((0, N)) if phi is None else np.ascontiguousarray(phi)
    in_parallel(
        compiled(clear_loop),
        C,
        *(options.table, options.server, rows, option, given, k, max_rounds),
        *(found.ratio, found.price, found.iterations, answers),
        clock=options.clock,
        each=20 * N,
    )
    return found, response_of(answers)


def clear_loop(
    first: int,
    last: int,
    table: Array,  # [S, N, J, 12]
    server: Indices,  # [S, N, J]
    rows: Indices,  # [C]
    option: Indices,  # [C, N]
    phi: Array,  # [C, N], or [0, N] for that of the options
    k: Score,
    max_rounds: int,
    ratio: Array,  # [C] where to start, then the answer
    price: Array,  # [C, M, 2] likewise; not a number: anywhere
    rounds: Indices,  # [C] the answer
    answers: Array,  # [C, N, 11] the responses to it
) -> None:
    """Clears candidates from one to another."""
    N = option.shape[1]
    own, at = np.empty((N, table.shape[3])), np.empty(N, np.int64)
    for c in range(first, last):
        for n in range(N):
            for i in range(own.shape[1]):  # numba takes seconds to compile it in one
                own[n, i] = table[rows[c], n, option[c, n], i]
            at[n] = server[rows[c], n, option[c, n]]
            if len(phi) > 0:
                own[n, 0] = own[n, 1] = phi[c, n]
        ratio[c], rounds[c], latest = clear_one(
            own, at, k, max_rounds, ratio[c], price[c], answers[c]
        )
        if not latest:
            ask_users(own, at, ratio[c], price[c], k, False, answers[c])


def clear_one(
    table: Array,
    server: Indices,
    k: Score,
    max_rounds: int,
    y: float,
    best: Array,
    answers: Array,
) -> tuple[float, int, bool]:
    """Clears a scenario; `best` [M, 2] holds the prices to start from, then the best.

    Returns:
        the ratio, after how many rounds, and whether `answers` are to the best.
    """
    price, load = best.copy(), np.zeros(len(best))
    for m in server:
        load[m] += 1
    for m in range(len(price)):
        for i in range(2):
            if np.isnan(price[m, i]):
                price[m, i] = _FIRST_PRICE * load[m]
            # A server that serves nobody charges no rent and sets no price.
            price[m, i] = max(price[m, i], _LEAST_PRICE) if load[m] > 0 else 0.0
            best[m, i] = price[m, i]
    longest, change = np.full(price.shape, _LONGEST_STEP), np.zeros(price.shape)
    excess, free = np.zeros(price.shape), False
    for row in table:
        free = free or row[1] > row[0]
    least, best_y, stalled, follow = np.inf, y, 0, True
    for i in range(max_rounds):
        total = ask_users(table, server, y, price, k, follow and i > 0, answers)
        surplus, idle = total.benefit, 0.0
        for m in range(len(price)):
            for j in range(2):
                surplus += price[m, j]
                idle += price[m, j] * abs(total.share[m, j] - 1)
        error = (abs(surplus) + idle) / (y * total.cost)
        stalled = 0 if error < 0.9 * least else stalled + 1
        last = error < least
        if last:
            least, best_y = error, y
            for m in range(len(price)):
                best[m, 0], best[m, 1] = price[m, 0], price[m, 1]
        if error < _CLOSE or (free and stalled >= _STALL):
            if not (free and follow and i > 0):
                return best_y, i + 1, last
            # Has another φ become better than the one that was followed?
            follow, least, stalled = False, np.inf, 0
            continue
        rate = _LONGER if i < _LATE else _LONGER_LATE
        rise = min(max(surplus / total.cost, -0.7 * y), 2.0 * y)
        for m in range(len(price)):
            if load[m] == 0:
                continue
            step = price_step(price, total, m, rise, np.inf, _LEAST_DETERMINANT)
            for j in range(2):
                over = total.share[m, j] - 1
                over = over if abs(over) > _TURNED else 0.0
                longest[m, j] = min(_LONGEST_STEP, rate * longest[m, j])
                if over * excess[m, j] < 0:
                    longest[m, j] = 0.5 * abs(change[m, j])
                excess[m, j] = over
                change[m, j] = min(max(step[j], -longest[m, j]), longest[m, j])
                price[m, j] = max(price[m, j] * np.exp(change[m, j]), _LEAST_PRICE)
        y = y + rise
    return best_y, max_rounds, False
