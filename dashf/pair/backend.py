"""The kernels over arrays of options, in loops that numba compiles once per machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from dashf.common.arrays import Array
from dashf.common.clock import ENDLESS, Clock
from dashf.pair.jit import compiled
from dashf.pair.loops import Asked, full_band_loop, respond_loop
from dashf.pair.terms import Response, Score

_MANY = 500  # options: from here two threads are worth their start
_A_LOOK = 2_000  # options between two looks at the clock, some 10 ms


def respond(
    low: Array,
    high: Array,
    y: Array,
    price_b: Array,
    price_f: Array,
    c: tuple[Array, ...],
    k: Score,
    clock: Clock = ENDLESS,
) -> Any:
    """Solves the priced problem of every option, φ in [low, high].

    Args:
        low: of a shape that broadcasts to the options', like all but `k`.
        high: φ's upper end.
        y: the ratio.
        price_b: λ, for the whole band.
        price_f: μ, for the whole frequency.
        c: the coefficients, `Pairs.arrays`.
        k: `score_constants`.
        clock: `OutOfTime` is raised when its time is over.

    Returns:
        `Response` of arrays.
    """
    table = np.stack(np.broadcast_arrays(low, high, *c, y, price_b, price_f), axis=-1)
    rows = table.reshape(-1, 1, 1, table.shape[-1])  # each of a scenario of its own
    asked = Asked(
        table=np.ascontiguousarray(rows[..., :12]),
        server=np.zeros(rows.shape[:3], np.int64),
        allowed=np.ones(rows.shape[:3], np.bool_),
        ratio=np.ascontiguousarray(rows[:, 0, 0, 12]),
        price=np.ascontiguousarray(rows[:, 0, :, 13:]),
        nearby=False,
    )
    out = np.empty((len(rows), 1, len(Response._fields)))
    in_parallel(compiled(respond_loop), len(rows), asked, k, out, clock=clock)
    return response_of(out.reshape(*table.shape[:-1], -1))


def response_of(answers: Array) -> Any:
    """Returns the `Response` of arrays [...] that answers [..., 11] hold."""
    fields: list[Any] = [answers[..., i] for i in range(answers.shape[-1])]
    return Response(*fields)


def snr_at_full_band(snr: Array, delay_cost: float, power_cost: Array) -> Array:
    """Returns the x = snr p/b at which the cheapest power takes the whole band.

    Args:
        snr: [...] with full power over the whole band.
        delay_cost: ω_t'.
        power_cost: [...] ω_e' p^max.
    """
    out = np.empty(snr.shape)
    table = np.stack([snr.reshape(-1), power_cost.reshape(-1)], axis=-1)
    loop = compiled(full_band_loop, nogil=len(table) > _MANY)
    loop(table, delay_cost, out.reshape(-1))
    return out


def in_parallel(
    loop: Callable[..., None],
    count: int,
    *arguments: Any,
    clock: Clock = ENDLESS,
    each: int = 1,
) -> None:
    """Runs `loop(first, last, *arguments)` over a count, in two threads if it is long.

    What is done for one of them does not know of the others, so the numbers are the
    same.

    Args:
        loop: compiled.
        count: of what there is to do.
        arguments: of the loop.
        clock: `OutOfTime` is raised when its time is over.
        each: how many options there are in one of them.
    """
    step = max(1, _A_LOOK // each) if clock.limits else count
    for first in range(0, count, max(step, 1)):
        clock.check()
        last = min(first + step, count)
        half = (first + last) // 2
        few = (last - first) * each < _MANY or first == half
        if few or os.environ.get("OMP_NUM_THREADS") == "1":
            loop(first, last, *arguments)
            continue
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(loop, first, half, *arguments)
            loop(half, last, *arguments)
            other.result()
