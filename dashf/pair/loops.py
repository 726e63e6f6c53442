"""Loops over options, for numba to compile: see `dashf.pair.backend`."""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array
from dashf.pair.kernels import interval_bound, snr_at_full_band, solve_option

MOST_HALVED = 500  # intervals of an option, then its bound is left as it is


def respond_loop(table: Array, k: tuple[float, ...], out: Array) -> None:
    """`kernels.solve_option` of every row of `table` [options, 14] into `out`."""
    for i in range(table.shape[0]):
        r = table[i]
        c = (r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13])
        answer = solve_option(r[0], r[1], r[2], r[3], r[4], c, k)
        for j in range(out.shape[1]):
            out[i, j] = answer[j]


def full_band_loop(table: Array, wt: float, out: Array) -> None:
    """`kernels.snr_at_full_band` of every row of `table` [pairs, 2] into `out`."""
    for i in range(table.shape[0]):
        out[i] = snr_at_full_band(table[i, 0], wt, table[i, 1], 0.0, 1.0)


def certify_loop(
    table: Array, target: Array, slack: Array, k: tuple[float, ...], out: Array
) -> None:
    """Bounds the priced problem of every row of `table` [options, 14] into `out`.

    Branch and bound over φ and p: the interval with the highest bound is halved until
    that bound is at most the row's target, or its slack above the best benefit attained
    in any interval. Then, or after `MOST_HALVED`, the highest bound is the answer.
    """
    box = np.empty((2 * MOST_HALVED + 4, 6))  # φ and p from, to; bound; part of p
    for i in range(table.shape[0]):
        r = table[i]
        c = (r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13])
        box[0, 0], box[0, 1], box[0, 2], box[0, 3] = r[0], r[1], 0.0, 1.0
        count, new, halved = 0, 1, 0  # intervals with a bound; others after them
        reached, narrow = -np.inf, -np.inf
        while True:
            for j in range(count, count + new):
                phi_low, phi_high = box[j, 0], box[j, 1]
                p_low, p_high = box[j, 2], box[j, 3]
                value, by_power, attained = interval_bound(
                    phi_low, phi_high, p_low, p_high, r[2], r[3], r[4], c, k
                )
                box[j, 4], box[j, 5] = value, by_power
                reached = max(reached, attained)
            count, new = count + new, 0
            if count == 0:
                break
            top = 0
            for j in range(1, count):
                if box[j, 4] > box[top, 4]:
                    top = j
            value, enough = box[top, 4], max(target[i], reached + slack[i])
            if value <= max(enough, narrow) or halved == MOST_HALVED:
                narrow = max(narrow, value)
                break
            # Halve φ or p, whichever the slack is due to; too narrow ones are done.
            by_power = box[top, 5] > 0.5 * (value - enough)
            axis = 2 if by_power else 0
            low, high = box[top, axis], box[top, axis + 1]
            count -= 1
            if high - low <= (1e-9 if by_power else 1e-7):
                narrow = max(narrow, value)
                box[top] = box[count]
                continue
            for side in range(2):  # the last one takes the place of the halved
                box[count + 1 + side] = box[top]
                box[count + 1 + side, axis + 1 - side] = (low + high) / 2
            box[top] = box[count]
            box[count], box[count + 1] = box[count + 1], box[count + 2]
            new, halved = 2, halved + 1
        out[i] = narrow
