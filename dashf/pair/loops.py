"""Loops over options, for numba to compile: see `dashf.pair.backend`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dashf.common.arrays import Array, Indices, Mask
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


def full_band_loop(table: Array, wt: float, out: Array) -> None:
    """`kernels.x_of_band` of every row of `table` [pairs, 2] into `out`."""
    for i in range(len(table)):
        out[i] = x_of_band(table[i, 0], wt, table[i, 1], 0.0, 1.0)


def certify_row(
    row: Array, o: Priced, target: float, slack: float, near: Array, boxes: Array
) -> float:
    """Bounds the priced problem of an option.

    Branch and bound over φ and p: the interval with the highest bound is halved until
    that bound is at most the target, or its slack above the best benefit attained in
    any interval. Then, or after `MOST_HALVED`, the highest bound is the answer. `near`
    [11] is its response, where to start; `boxes` is room for the intervals: φ from and
    to, p from and to, bound, slack by p.
    """
    start, narrow, reached, count = near_of(o, near), -np.inf, -np.inf, 1
    boxes[0, 0], boxes[0, 1], boxes[0, 2], boxes[0, 3] = row[0], row[1], 0.0, 1.0
    boxes[0, 4], boxes[0, 5] = np.inf, _UNKNOWN
    while True:
        top = 0
        for i in range(count):
            top = i if boxes[i, 4] > boxes[top, 4] else top
        if boxes[top, 5] == _UNKNOWN:  # at one place: numba would compile it at each
            box = boxes[top]
            answer = interval_bound(box[0], box[1], box[2], box[3], o, start)
            box[4], box[5], attained = answer
            reached = max(reached, attained)
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


class Asked(NamedTuple):
    """Options of S scenarios, and what they are asked for."""

    table: Array  # [S, N, J, 12]
    server: Indices  # [S, N, J]
    allowed: Mask  # [S, N, J]
    ratio: Array  # [S]
    price: Array  # [S, M, D]
    nearby: bool  # whether the answers hold those to prices nearby


def respond_user(
    table: Array,  # [J, 12]
    server: Indices,  # [J]
    allowed: Mask,  # [J]
    y: float,
    price: Array,  # [M, D]
    k: Score,
    nearby: bool,
    out: Array,  # [J, 11]
) -> None:
    """The responses of a user to prices; `nearby`: from those in `out` before."""
    for j in range(len(table)):
        if allowed[j]:
            own = price[server[j]]
            respond_row(table[j], y, own, k, nearby, out[j])
            if len(own) == 3:
                out[j, 0] -= own[2]
        else:
            out[j, 0] = -np.inf


def respond_in(o: Asked, k: Score, i: int, answers: Array) -> tuple[int, int]:
    """`respond_user` of the i-th user of all into `answers` [J, 11]: which that is."""
    s, n = i // o.table.shape[1], i % o.table.shape[1]
    own, y = (o.table[s, n], o.server[s, n], o.allowed[s, n]), o.ratio[s]
    respond_user(own[0], own[1], own[2], y, o.price[s], k, o.nearby, answers)
    return s, n


def respond_loop(first: int, last: int, o: Asked, k: Score, out: Array) -> None:
    """Responses of users into `out` [S N, J, 11]."""
    for i in range(first, last):
        respond_in(o, k, i, out[i])


def certify_user(
    o: Asked,
    k: Score,
    i: int,
    slack: float,
    reach: float,
    answers: Array,
    boxes: Array,
    out: Array,
) -> None:
    """Benefits of the i-th user's options from above into `out` [J].

    `answers` [J, 11] then holds its responses; `boxes` is room for `certify_row`.
    """
    s, n = respond_in(o, k, i, answers)
    enough = -np.inf
    for answer in answers:
        enough = max(enough, answer[0] + slack - reach)
    for j in range(o.table.shape[2]):
        out[j] = -np.inf
        if o.allowed[s, n, j]:
            price = o.price[s, o.server[s, n, j]]
            slot = price[2] if len(price) == 3 else 0.0
            row, goal = o.table[s, n, j], enough + slot
            pair = priced(row, o.ratio[s], price, k)
            out[j] = certify_row(row, pair, goal, slack, answers[j], boxes) - slot


def certify_loop(
    first: int, last: int, o: Asked, k: Score, out: Array, slack: Array, reach: Array
) -> None:
    """Benefits of users' options from above into `out` [S N, J]."""
    answers = np.zeros((o.table.shape[2], 11))
    boxes = np.empty((MOST_HALVED + 1, 6))
    for i in range(first, last):
        certify_user(o, k, i, slack[i], reach[i], answers, boxes, out[i])
