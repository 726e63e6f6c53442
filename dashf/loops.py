"""Loops over options, for numba to compile: see `dashf.compiled`."""

from __future__ import annotations

from typing import Any

from dashf.kernels import solve_option

Array = Any


def respond_loop(table: Array, k: tuple[float, ...], out: Array) -> None:
    """`kernels.solve_option` of every row of `table` [options, 14] into `out`."""
    for i in range(table.shape[0]):
        r = table[i]
        c = (r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13])
        answer = solve_option(r[0], r[1], r[2], r[3], r[4], c, k)
        for j in range(out.shape[1]):
            out[i, j] = answer[j]
