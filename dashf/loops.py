"""Loops over options, for numba to compile: see `dashf.compiled`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashf.kernels import interval_bound, solve_option

Array = Any


def respond_loop(table: Array, k: tuple[float, ...], out: Array) -> None:
    """`kernels.solve_option` of every row of `table` [options, 14] into `out`."""
    for i in range(table.shape[0]):
        r = table[i]
        c = (r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13])
        answer = solve_option(r[0], r[1], r[2], r[3], r[4], c, k)
        for j in range(out.shape[1]):
            out[i, j] = answer[j]


def certify_loop(
    table: Array, target: Array, slack: Array, k: tuple[float, ...], out: Array
) -> None:
    """Bounds the priced problem of every row of `table` [options, 14] into `out`.

    Intervals of φ (and p) are halved while their bound is above the row's target, and
    more than its slack above what they attain.
    """
    stack = np.empty((200, 4))
    for i in range(table.shape[0]):
        r = table[i]
        c = (r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13])
        highest = -np.inf
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = r[0], r[1], 0.0, 1.0
        depth = 1
        while depth > 0:
            depth -= 1
            low, high = stack[depth, 0], stack[depth, 1]
            p_min, p_max = stack[depth, 2], stack[depth, 3]
            value, by_power, attained = interval_bound(
                low, high, p_min, p_max, r[2], r[3], r[4], c, k
            )
            enough = max(target[i], attained + slack[i])
            wide_p = by_power > 0.5 * (value - enough)
            wide = (high - low > 1e-7) if not wide_p else (p_max - p_min > 1e-9)
            if value <= enough or not wide or depth > 190:
                highest = max(highest, value)
                continue
            for half in range(2):
                stack[depth, 0], stack[depth, 1] = low, high
                stack[depth, 2], stack[depth, 3] = p_min, p_max
                if wide_p:
                    stack[depth, 2 + (1 - half)] = (p_min + p_max) / 2
                else:
                    stack[depth, 1 - half] = (low + high) / 2
                depth += 1
        out[i] = highest
