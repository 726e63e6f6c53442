"""A cache of compiled functions that is absent, damaged or full costs time alone."""

from __future__ import annotations

import errno
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core import caching, config

from dashf.pair.jit import compile_function
from dashf.pair.jit import compiled as with_kernels

SOURCE = """
def weighted(values, k):
    total = 0.0
    for i in range(len(values)):
        total += k * i * values[i]
    return total
"""
VALUES = np.array([3.0, 5.0, 7.0])  # 2·(0·3 + 1·5 + 2·7) = 38


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Returns what compiles the function anew, as another process would."""
    (tmp_path / "source.py").write_text(SOURCE)
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))

    def make() -> Any:
        spec = importlib.util.spec_from_file_location("source", tmp_path / "source.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return compile_function(module.weighted, nogil=True)

    return make


def hits(dispatcher: Any) -> int:
    return sum(dispatcher.stats.cache_hits.values())


def test_it_is_compiled_once(compiled: Callable[[], Any]) -> None:
    first, second = compiled(), compiled()
    assert first(VALUES, 2) == 38
    assert hits(first) == 0
    assert second(VALUES, 2) == 38
    assert hits(second) == 1


def test_no_place_for_a_cache() -> None:
    names: dict[str, Any] = {}
    exec(SOURCE, names)  # from no file, so that numba finds no place beside it
    assert compile_function(names["weighted"])(VALUES, 2) == 38


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_damaged_cache(
    suffix: str, compiled: Callable[[], Any], tmp_path: Path
) -> None:
    compiled()(VALUES, 2)
    (path,) = (tmp_path / "cache").rglob(f"*.{suffix}")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [b"", whole[:-1], whole[: len(whole) // 2], b"\x80\x04garbage"]
    for place in rng.integers(len(whole), size=8):
        damaged.append(
            whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :]
        )
    for content in damaged:
        path.write_bytes(content)
        again = compiled()
        assert again(VALUES, 2) == 38
        mended = compiled()
        assert mended(VALUES, 2) == 38
        assert hits(again) + hits(mended) > 0  # unharmed, or written anew


def test_a_full_disk(
    compiled: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, path: str) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_open_for_write", full)
    assert compiled()(VALUES, 2) == 38
    assert hits(compiled()) == 0


def plus_one(x: float) -> float:
    return x + 1


def twice_that(x: float) -> float:
    return 2 * plus_one(x)


def loop(first: int, last: int, out: Any) -> None:
    for i in range(first, last):
        out[i] = twice_that(i)


@pytest.mark.parametrize("nogil", [True, False])
def test_what_a_loop_calls_is_compiled_with_it(nogil: bool) -> None:
    out = np.zeros(4)
    with_kernels(loop, nogil=nogil)(1, 4, out)
    assert out.tolist() == [0, 4, 6, 8]


def test_what_keeps_the_gil_is_another_function() -> None:
    """Also on the disk, where numba tells them apart by name."""
    free, held = (with_kernels(loop, nogil=nogil) for nogil in (True, False))
    assert free is with_kernels(loop)
    assert free.targetoptions["nogil"]
    assert not held.targetoptions["nogil"]
    assert free._cache.cache_path == held._cache.cache_path
    names = {one._cache._impl.filename_base for one in (free, held)}
    assert len(names) == 2
