"""Loops over options, for numba to compile: see `dashf.pair.backend`."""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array
from dashf.pair.kernels import interval_bound, respond_to
from dashf.pair.shares import x_of_band
from dashf.pair.terms import Near, Priced, Score

MOST_HALVED = 500  # intervals of an option, then its bound is left as it is
_UNKNOWN = -1.0  # slack by p of an interval without a bound


def priced(row: Array, y: float, price: Array, k: Score) -> Priced:
    """The problem of an option [12], φ from and to and ten coefficients, at λ and μ."""
    cost = row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10]
    score = k.wt, k.w1, k.w2, k.wp, k.wb, k.wc, k.wo
    return Priced(y, price[0], price[1], *cost, row[11], *score)


def near_of(o: Priced, answer: Array) -> Near:
    """φ, x and F of a response."""
    return answer[2], o.snr * answer[3] / answer[4], answer[5]


def respond_row(
    row: Array, y: float, price: Array, k: Score, nearby: bool, out: Array
) -> None:
    """`kernels.respond_to` of an option into `out`; `nearby`: near what is there."""
    o = priced(row, y, price, k)
    near = near_of(o, out) if nearby else (0.0, 1.0, 1.0)
    answer = respond_to(row[0], row[1], o, near, nearby)
    for i in range(len(answer)):
        out[i] = answer[i]


def respond_loop(first: int, last: int, rows: Array, k: Score, out: Array) -> None:
    """Responses of options [options, 15]: as in a table, then y, λ and μ."""
    for i in range(first, last):
        respond_row(rows[i], rows[i, 12], rows[i, 13:], k, False, out[i])


def full_band_loop(table: Array, wt: float, out: Array) -> None:
    """`kernels.x_of_band` of every row of `table` [pairs, 2] into `out`."""
    for i in range(len(table)):
        out[i] = x_of_band(table[i, 0], wt, table[i, 1], 0.0, 1.0)


def bound_box(box: Array, o: Priced, near: Near) -> float:
    """Bounds an interval: φ from and to, p from and to, then bound and slack by p.

    Returns:
        the benefit that it attains.
    """
    answer = interval_bound(box[0], box[1], box[2], box[3], o, near)
    box[4], box[5], attained = answer
    return attained


def certify_row(
    row: Array, o: Priced, target: float, slack: float, near: Array, boxes: Array
) -> float:
    """Bounds the priced problem of an option.

    Branch and bound over φ and p: the interval with the highest bound is halved until
    that bound is at most the target, or its slack above the best benefit attained in
    any interval. Then, or after `MOST_HALVED`, the highest bound is the answer. `near`
    [11] is its response, where to start; `boxes` is room for the intervals.
    """
    start, narrow, reached, count = near_of(o, near), -np.inf, -np.inf, 1
    boxes[0, 0], boxes[0, 1], boxes[0, 2], boxes[0, 3] = row[0], row[1], 0.0, 1.0
    boxes[0, 4], boxes[0, 5] = np.inf, _UNKNOWN
    while True:
        top = 0
        for i in range(count):
            top = i if boxes[i, 4] > boxes[top, 4] else top
        if boxes[top, 5] == _UNKNOWN:  # at one place: numba would compile it at each
            reached = max(reached, bound_box(boxes[top], o, start))
            continue
        value, enough = boxes[top, 4], max(target, reached + slack)
        if value <= max(enough, narrow) or count > MOST_HALVED:
            return max(narrow, value)
        # Halve φ or p, whichever the slack is due to; too narrow ones are done.
        by_p = boxes[top, 5] > 0.5 * (value - enough)
        axis, least = (2, 1e-9) if by_p else (0, 1e-7)
        low, high = boxes[top, axis], boxes[top, axis + 1]
        if high - low <= least:
            narrow, boxes[top, 4] = max(narrow, value), -np.inf
            continue
        boxes[top, 4], boxes[top, 5] = np.inf, _UNKNOWN
        for i in range(6):
            boxes[count, i] = boxes[top, i]
        boxes[top, axis + 1] = boxes[count, axis] = (low + high) / 2
        count += 1
