"""The kernels over arrays of options, in loops that numba compiles once per machine."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dashf.common.arrays import Array
from dashf.common.clock import ENDLESS, Clock
from dashf.pair import kernels, loops
from dashf.pair.jit import compile_function

_COMPILING = threading.Lock()
_MANY_ROWS = 500  # from here two threads are worth their start
_ROWS_A_LOOK = 2_000  # rows between two looks at the clock, some 20 ms


class Response(NamedTuple):
    """The priced maximum of every option, all of one shape `[...]`."""

    benefit: Array
    cost: Array
    phi: Array
    power: Array  # share of the user's maximum
    band: Array  # share of the server's band
    compute: Array  # share of the server's frequency
    # Second derivatives of the benefit, by λ and λ, λ and μ, μ and μ, λ and y, μ and y.
    bend_bb: Array
    bend_bf: Array
    bend_ff: Array
    bend_by: Array
    bend_fy: Array


def respond(
    low: Array,
    high: Array,
    y: Array,
    price_b: Array,
    price_f: Array,
    c: tuple[Array, ...],
    k: tuple[float, ...],
    clock: Clock = ENDLESS,
) -> Response:
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
    """
    first, *rest = (low, high, y, price_b, price_f, *c)
    arrays = np.broadcast_arrays(first, *rest)
    shape, migration = arrays[0].shape, arrays[-1]
    table = np.stack([a.reshape(-1) for a in arrays[:-1]], axis=-1)
    out = np.empty((len(table), len(Response._fields)))
    in_parallel(compiled("respond_loop"), (table,), k, out, clock)
    answer = Response(*np.moveaxis(out.reshape(*shape, -1), -1, 0))
    if not migration.any():
        return answer
    # It is paid whatever the shares are, so it moves no maximum.
    return answer._replace(
        benefit=answer.benefit - y * migration, cost=answer.cost + migration
    )


def certify(
    low: Array,
    high: Array,
    y: Array,
    price_b: Array,
    price_f: Array,
    c: tuple[Array, ...],
    k: tuple[float, ...],
    target: Array,
    slack: Array,
    clock: Clock = ENDLESS,
) -> Array:
    """Returns upper bounds of the priced maximum of every option, [options].

    Intervals are halved while their bound is above the option's target and more than
    its slack above what has been attained; so a bound is at most the higher of its
    target and the maximum plus slack, or that of `loops.MOST_HALVED` intervals.
    """
    *shared, migration = c
    paid = y * migration
    out = np.empty(len(low))
    table = np.stack([low, high, y, price_b, price_f, *shared], axis=-1)
    rows = (table, target + paid, slack)
    in_parallel(compiled("certify_loop"), rows, k, out, clock)
    return out - paid + 1e-14 * paid  # more than rounding can take away


def snr_at_full_band(snr: Array, delay_cost: float, power_cost: Array) -> Array:
    """Returns the x = snr p/b at which the cheapest power takes the whole band.

    Args:
        snr: [...] with full power over the whole band.
        delay_cost: ω_t'.
        power_cost: [...] ω_e' p^max.
    """
    out = np.empty(snr.shape)
    table = np.stack([snr.reshape(-1), power_cost.reshape(-1)], axis=-1)
    compiled("full_band_loop")(table, delay_cost, out.reshape(-1))
    return out


def compiled(name: str) -> Callable[..., Any]:
    """Returns a loop of `dashf.pair.loops`, compiled with the kernels that it calls.

    Threads that ask for the first time wait for one another: numba is told once.
    """
    with _COMPILING:
        return _compiled(name)


@functools.cache
def _compiled(name: str) -> Callable[..., Any]:
    _register_kernels()
    # numba keeps what it compiled on disk by the name and the file of a function. The
    # name tells it of the kernels' file too, so that a change there is not overlooked.
    source = Path(kernels.__file__).read_bytes()
    function = getattr(loops, name)
    function.__qualname__ = f"{name}_{hashlib.sha256(source).hexdigest()[:16]}"
    return compile_function(function, nogil=True, error_model="numpy")


def in_parallel(
    loop: Callable[..., Any],
    rows: tuple[Array, ...],
    k: tuple[float, ...],
    out: Array,
    clock: Clock = ENDLESS,
) -> None:
    """Runs a compiled loop over rows, in two threads where there are many.

    Rows do not know of one another, so the numbers are the same.
    """
    if clock.limits and len(out) > _ROWS_A_LOOK:
        for i in range(0, len(out), _ROWS_A_LOOK):
            clock.check()
            here = slice(i, i + _ROWS_A_LOOK)
            in_parallel(loop, tuple(a[here] for a in rows), k, out[here])
        return
    clock.check()
    half = len(out) // 2
    if len(out) < _MANY_ROWS or os.environ.get("OMP_NUM_THREADS") == "1":
        loop(*rows, k, out)
        return
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(loop, *(a[:half] for a in rows), k, out[:half])
        loop(*(a[half:] for a in rows), k, out[half:])
        other.result()


@functools.cache
def _register_kernels() -> None:
    """Tells numba what the kernels are."""
    from numba.extending import register_jitable

    for function in kernels.SCALAR:
        register_jitable(function)
