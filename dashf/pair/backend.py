"""The kernels over all pairs: compiled by numba where it is installed, else NumPy.

Both run the same source, `dashf.pair.kernels`, and give the same numbers to rounding.
`use_backend` chooses one.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dashf.common.clock import ENDLESS, Clock
from dashf.pair import kernels, loops
from dashf.pair.jit import compile_function

Array = Any  # NumPy only

_BACKENDS = ("auto", "numba", "numpy")
_chosen = "auto"
_COMPILING = threading.Lock()
_MANY_ROWS = 500  # from here two threads are worth their start
_ROWS_A_LOOK = 2_000  # rows between two looks at the clock, some 20 ms


def use_backend(name: str) -> None:
    """Chooses what runs the kernels: "numba", "numpy", or "auto", numba if installed.

    Raises:
        ValueError: there is no such backend.
    """
    global _chosen
    if name not in _BACKENDS:
        raise ValueError(
            f"The backend must be one of {', '.join(_BACKENDS)}; got {name!r}."
        )
    _chosen = name


def backend() -> str:
    """Returns "numba" or "numpy": what runs the kernels now."""
    if _chosen == "auto":
        return "numba" if importlib.util.find_spec("numba") else "numpy"
    return _chosen


class Response(NamedTuple):
    """The priced maximum of every option, all of one shape `[...]`."""

    benefit: Array
    cost: Array
    fraction: Array
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
    if backend() == "numba":
        shape = arrays[0].shape
        table = np.stack([a.reshape(-1) for a in arrays], axis=-1)
        out = np.empty((len(table), len(Response._fields)))
        in_parallel(compiled("respond_loop"), (table,), k, out, clock)
        return Response(*np.moveaxis(out.reshape(*shape, -1), -1, 0))
    with np.errstate(all="ignore"):  # in branches that `select` leaves out
        return Response(
            *kernels.solve_option(
                *(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4]),
                tuple(arrays[5:]),
                k,
            )
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
    arrays = [low, high, y, price_b, price_f, *c]
    if backend() == "numba":
        out = np.empty(len(low))
        table = np.stack(arrays, axis=-1)
        in_parallel(compiled("certify_loop"), (table, target, slack), k, out, clock)
        return out
    out = np.full(len(low), -np.inf)
    reached = np.full(len(low), -np.inf)
    row, p_min, p_max = np.arange(len(low)), np.zeros(len(low)), np.ones(len(low))
    while len(row):
        clock.check()
        with np.errstate(all="ignore"):
            value, by_power, attained = kernels.interval_bound(
                low,
                high,
                p_min,
                p_max,
                y[row],
                price_b[row],
                price_f[row],
                tuple(value[row] for value in c),
                k,
            )
        np.maximum.at(reached, row, attained)
        enough = np.maximum(target[row], reached[row] + slack[row])
        by_power = by_power > 0.5 * (value - enough)
        wide = np.where(by_power, p_max - p_min > 1e-9, high - low > 1e-7)
        few = np.bincount(row, minlength=len(out))[row] <= loops.MOST_HALVED
        split = (value > enough) & wide & few
        np.maximum.at(out, row[~split], value[~split])
        row, low, high = row[split], low[split], high[split]
        p_min, p_max, by_power = p_min[split], p_max[split], by_power[split]
        middle, p_middle = (low + high) / 2, (p_min + p_max) / 2
        row = np.concatenate([row, row])
        low, high = (
            np.concatenate([low, np.where(by_power, low, middle)]),
            np.concatenate([np.where(by_power, high, middle), high]),
        )
        p_min, p_max = (
            np.concatenate([p_min, np.where(by_power, p_middle, p_min)]),
            np.concatenate([np.where(by_power, p_middle, p_max), p_max]),
        )
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
    """Tells numba what the kernels are; `select` and `every` become plain choices."""
    from numba.extending import overload, register_jitable

    choice = overload(kernels.select)
    choice(
        lambda condition, yes, no: lambda condition, yes, no: yes if condition else no
    )
    overload(kernels.every)(lambda condition: lambda condition: condition)
    for function in kernels.SCALAR:
        register_jitable(function)
