"""numba's compiler, with a cache on the disk that costs time at worst.

Kernels are plain functions of numbers; `compiled` turns a loop that calls them into
machine code when it is first asked for, as numba takes long to import.

numba refuses to compile where it finds no place for its cache, and ends with whatever
pickle or the operating system raise where the cache is damaged or the disk is full.
Machine code that has changed could do worse, so it is used only as it was written.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_COMPILING = threading.Lock()
_REGISTERED: set[Callable[..., Any]] = set()


def compiled(function: Function, *, nogil: bool = True) -> Function:
    """Returns a function compiled, with the kernels that it calls.

    Threads that ask for the first time wait for one another: numba is told once.

    Args:
        function: of arrays and tuples of them.
        nogil: whether it lets go of the GIL. To come by it again where other threads
            want it takes some 100 µs, so what takes a few had better keep it.
    """
    with _COMPILING:
        return _compiled(function, nogil)


@functools.cache
def _compiled(function: Callable[..., Any], nogil: bool) -> Any:
    _register_callees(function)
    # numba keeps what it compiled on disk by the name and the file of a function. The
    # name tells it of the kernels' files too, so that a change there is not overlooked.
    kind = "" if nogil else "_gil"
    function.__qualname__ = f"{function.__name__}{kind}_{_sources()}"
    options = {"nogil": nogil, "error_model": "numpy", "no_cfunc_wrapper": True}
    return compile_function(function, **options)


def _register_callees(function: Callable[..., Any]) -> None:
    """Tells numba of the functions that a function names, and of those they name."""
    from numba.extending import register_jitable

    # Nobody calls them from Python or C, so that nothing is made for that.
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    for name in function.__code__.co_names:
        callee = function.__globals__.get(name)
        if isinstance(callee, FunctionType) and callee not in _REGISTERED:
            _REGISTERED.add(register_jitable(**options)(callee))
            _register_callees(callee)


@functools.cache
def _sources() -> str:
    rooms = Path(__file__).parent, Path(__file__).parents[1] / "pricing"
    files = sorted(file for room in rooms for file in room.glob("*.py"))
    content = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()[:16]


def compile_function(function: Callable[..., Any], **options: Any) -> Any:
    """Returns `numba.njit(**options)(function)`, cached where that is possible."""
    import numba

    try:
        dispatcher = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # "no locator available": there is no place for a cache
        return numba.njit(**options)(function)
    dispatcher._cache = _ForgivingCache(dispatcher._cache)
    return dispatcher


class _ForgivingCache:
    """A cache of numba that is without what it cannot read or write."""

    def __init__(self, cache: Any) -> None:
        cache._impl = _Checked(cache._impl)
        self._cache = cache

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Returns what was compiled before; None if there is none that can be read."""
        try:
            return self._cache.load_overload(sig, target_context)
        except Exception:  # whatever pickle makes of a damaged file
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keeps what was compiled, if it can be written."""
        try:
            self._cache.save_overload(sig, data)
        except Exception:  # a full disk, or an index that cannot be read
            with contextlib.suppress(OSError):
                self._cache.flush()  # an empty index
                self._cache.save_overload(sig, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)


class _Checked:
    """What turns compiled functions into data and back, with a check sum."""

    def __init__(self, implementation: Any) -> None:
        self._implementation = implementation

    def reduce(self, compiled: Any) -> tuple[bytes, bytes]:
        """Returns check sum and data of a compiled function."""
        from numba.core.serialize import dumps

        data = dumps(self._implementation.reduce(compiled))
        return hashlib.sha256(data).digest(), data

    def rebuild(self, target_context: Any, payload: tuple[bytes, bytes]) -> Any:
        """Inverse of `reduce`.

        Raises:
            ValueError: the data is not as it was written.
        """
        check_sum, data = payload
        if hashlib.sha256(data).digest() != check_sum:
            raise ValueError("The compiled function is damaged.")
        return self._implementation.rebuild(target_context, pickle.loads(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._implementation, name)
