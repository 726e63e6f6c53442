"""Loops over options, for numba to compile: see `dashf.pair.backend`."""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array
from dashf.pair.jit import kernel
from dashf.pair.kernels import (
    At,
    Near,
    Pair,
    Score,
    interval_bound,
    respond_to,
    x_of_band,
)

MOST_HALVED = 500  # intervals of an option, then its bound is left as it is


@kernel
def pair_of(row: Array) -> Pair:
    """The coefficients in a row of a table of options, after φ from and to."""
    return Pair(
        row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10], row[11]
    )


@kernel
def near_of(row: Array, answer: Array) -> Near:
    """φ, x and F of a response."""
    return answer[2], row[5] * answer[3] / answer[4], answer[5]


@kernel
def respond_row(row: Array, at: At, k: Score, nearby: bool, out: Array) -> None:
    """`kernels.respond_to` of an option into `out`; `nearby`: near what is there."""
    near = near_of(row, out) if nearby else (0.0, 1.0, 1.0)
    answer = respond_to(row[0], row[1], at, pair_of(row), k, near, nearby)
    for i in range(len(answer)):
        out[i] = answer[i]


def respond_loop(first: int, last: int, rows: Array, k: Score, out: Array) -> None:
    """Responses of options [options, 15]: as in a table, then y, λ and μ."""
    for i in range(first, last):
        at = At(rows[i, 12], rows[i, 13], rows[i, 14])
        respond_row(rows[i], at, k, False, out[i])


def full_band_loop(table: Array, wt: float, out: Array) -> None:
    """`kernels.x_of_band` of every row of `table` [pairs, 2] into `out`."""
    for i in range(table.shape[0]):
        out[i] = x_of_band(table[i, 0], wt, table[i, 1], 0.0, 1.0)


@kernel
def certify_row(
    row: Array, at: At, k: Score, target: float, slack: float, near: Array, box: Array
) -> float:
    """Bounds the priced problem of an option of `table` [options, 12].

    Branch and bound over φ and p: the interval with the highest bound is halved until
    that bound is at most the target, or its slack above the best benefit attained in
    any interval. Then, or after `MOST_HALVED`, the highest bound is the answer. `near`
    [11] is its response, where to start.
    """
    c, start = pair_of(row), near_of(row, near)
    box[0, 0], box[0, 1], box[0, 2], box[0, 3] = row[0], row[1], 0.0, 1.0
    count, new, halved = 0, 1, 0  # intervals with a bound; others after them
    reached, narrow = -np.inf, -np.inf
    while True:
        for j in range(count, count + new):
            phi, p = (box[j, 0], box[j, 1]), (box[j, 2], box[j, 3])
            value, by_power, attained = interval_bound(phi, p, at, c, k, start)
            box[j, 4], box[j, 5] = value, by_power
            reached = max(reached, attained)
        count, new = count + new, 0
        if count == 0:
            return narrow
        top = 0
        for j in range(1, count):
            if box[j, 4] > box[top, 4]:
                top = j
        value, enough = box[top, 4], max(target, reached + slack)
        if value <= max(enough, narrow) or halved == MOST_HALVED:
            return max(narrow, value)
        # Halve φ or p, whichever the slack is due to; too narrow ones are done.
        by_p = box[top, 5] > 0.5 * (value - enough)
        axis = 2 if by_p else 0
        low, high = box[top, axis], box[top, axis + 1]
        count -= 1
        if high - low <= (1e-9 if by_p else 1e-7):
            narrow = max(narrow, value)
            for i in range(6):
                box[top, i] = box[count, i]
            continue
        for i in range(4):  # the last one takes the place of the halved
            whole, last = box[top, i], box[count, i]
            box[top, i], box[count, i], box[count + 1, i] = last, whole, whole
        box[top, 4], box[top, 5] = box[count, 4], box[count, 5]
        box[count, axis + 1] = box[count + 1, axis] = (low + high) / 2
        new, halved = 2, halved + 1
