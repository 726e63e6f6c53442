"""numba's compiler, with a cache on the disk that costs time at worst.

numba refuses to compile where it finds no place for its cache, and ends with whatever
pickle or the operating system raise where the cache is damaged or the disk is full.
Machine code that has changed could do worse, so it is used only as it was written.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
from collections.abc import Callable
from typing import Any


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
