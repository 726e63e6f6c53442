from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mec_llm_env import files
from mec_llm_env.files import read_arrays, write_arrays, write_whole
from tests.mec_llm_env.cases import damaged


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(source: str, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.txt", "one")
    assert list(tmp_path.iterdir()) == []


ARRAYS = {
    "a": np.arange(12.0).reshape(3, 4),
    "b": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "c": np.array("text"),
    "d": np.zeros((0, 3), dtype=np.int16),
    "e": np.array(2.5),
}


def npz(arrays: dict[str, Any], compressed: bool = True) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_come_back_as_they_were(compressed: bool) -> None:
    read = read_arrays(io.BytesIO(npz(ARRAYS, compressed)))
    assert set(read) == set(ARRAYS)
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(read[name], value)
        assert (read[name].dtype, read[name].shape) == (value.dtype, value.shape)
        assert read[name].flags.writeable


def test_arrays_are_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_arrays(tmp_path / "a.npz", ARRAYS)
    assert set(read_arrays(tmp_path / "a.npz")) == set(ARRAYS)
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match=r"at most 100 bytes; got 1,000. Save"):
        write_arrays(tmp_path / "b.npz", {"a": np.zeros(125)})
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "b.npz")


def test_a_bomb_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 50 * 10**6)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            with archive.open(f"{i}.npy", "w", force_zip64=True) as member:
                for _ in range(20):
                    member.write(bytes(10**6))
    assert path.stat().st_size < 10**5
    tracemalloc.start()
    with pytest.raises(ValueError, match="claims 60,000,000 bytes of arrays"):
        read_arrays(path)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_what_a_member_claims_is_compared_with_what_it_has() -> None:
    def header(text: str) -> bytes:
        body = text.encode() + b"\n"
        return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body

    for content, text in (
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,)}"), "."),
        (
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (9,), }"),
            "0 bytes",
        ),
        (
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
            "0 bytes",
        ),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "objects"),
        (b"\x93NUMPY\x09\x00", "."),
        (b"pickle", "magic"),
        (b"", "."),
    ):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a.npy", content)
        with pytest.raises(ValueError, match=text):
            read_arrays(buffer)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", b"")
        archive.writestr("a", b"")
    with pytest.raises(ValueError, match="two arrays of one name"):
        read_arrays(buffer)


def test_arrays_that_are_lost_or_changed_are_told(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", ARRAYS)
    with np.load(tmp_path / "a.npz") as archive:
        arrays = dict(archive)
    del arrays["b"]
    with pytest.raises(ValueError, match=r"its contents have the SHA-256 .*, not "):
        read_arrays(io.BytesIO(npz(arrays)))
    del arrays["sha256"]
    assert set(read_arrays(io.BytesIO(npz(arrays)))) == set("acde")
    with pytest.raises(ValueError, match=r"SHA-256 .*, not any"):
        read_arrays(io.BytesIO(npz(arrays)), signed=True)


def test_nothing_is_unpickled() -> None:
    class Canary:
        def __reduce__(self) -> Any:
            return pytest.fail, ("unpickled",)

    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([Canary()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects, which are not read"):
        read_arrays(buffer)


@pytest.mark.parametrize("seed", range(3))
def test_damage_is_told_or_harmless(seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = npz(ARRAYS, compressed=seed != 1)
    told = []
    for _ in range(200):
        try:
            read = read_arrays(io.BytesIO(damaged(rng, content)))
        except ValueError as error:
            told.append(str(error))
        else:  # what is not the arrays', such as the time of a member
            for name, value in ARRAYS.items():
                if name in read:
                    np.testing.assert_array_equal(read[name], value)
    assert len(told) > 100
    assert all(told)
