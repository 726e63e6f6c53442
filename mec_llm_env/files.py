"""Files that appear whole or not at all, and files of arrays that may be damaged."""

from __future__ import annotations

import hashlib
import io
import math
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mec_llm_env.ranges import shorten

Arrays = dict[str, np.ndarray[Any, Any]]

#: What the arrays of a file may take in memory. A file that claims more is refused
#: before it is unpacked: a few kilobytes can unpack to anything.
MOST_BYTES = 2**30

_SUM = "sha256"  # name of the array that holds it


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Writes a file through a temporary one beside it that is renamed into place.

    A reader, or a process killed at any moment, sees the old file or the new one.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        descriptor, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}."
        )
    except OSError as error:  # told of the file, not of the temporary one
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray[Any, Any]]
) -> None:
    """Writes arrays to an `.npz` file, whole or not at all, with their SHA-256.

    Raises:
        ValueError: they take more than 1 GiB, or one holds Python objects.
    """
    total = sum(np.asarray(array).nbytes for array in arrays.values())
    if total > MOST_BYTES:
        raise ValueError(
            f"A file holds arrays of at most {MOST_BYTES:,} bytes; got {total:,}. Save "
            "parts of the batch."
        )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **with_sum(arrays))
    write_whole(path, buffer.getvalue())


def with_sum(arrays: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
    """Returns arrays with their SHA-256, for `read_arrays` to check."""
    # The sum comes first: damage to a zip's directory loses what follows.
    return {_SUM: np.array(digest(arrays)), **arrays}


def read_arrays(
    source: str | os.PathLike[str] | BinaryIO, *, signed: bool = False
) -> Arrays:
    """Reads the arrays of an `.npz` file; checks their sizes before, their sums after.

    Nothing is unpickled.

    Args:
        source: a path or an open file.
        signed: insist on the SHA-256 that `write_arrays` adds; else a file of NumPy's
            own, without one, is read too.

    Raises:
        ValueError: it is no such file, damaged or too large; the text says which.
        OSError: the file cannot be opened.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return read_arrays(file, signed=signed)
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > MOST_BYTES:
                raise ValueError(
                    f"it claims {total:,} bytes of arrays, of which there may be "
                    f"{MOST_BYTES:,}"
                )
            names = [member.filename.removesuffix(".npy") for member in members]
            if len(set(names)) < len(names):
                raise ValueError("it holds two arrays of one name")
            contents = [archive.read(member) for member in members]
        arrays = dict(zip(names, map(_array, contents), strict=True))
        stored = str(arrays.pop(_SUM, ""))
        if (stored or signed) and digest(arrays) != stored:
            raise ValueError(
                f"its contents have the SHA-256 {digest(arrays)}, not "
                f"{shorten(stored, 80) if stored else 'any'}"
            )
        return arrays
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds
        raise ValueError(str(error) or type(error).__name__) from error


def digest(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Returns the SHA-256 of arrays: names, types, shapes and bytes, by name."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        value = np.asarray(arrays[name])
        value = np.ascontiguousarray(value).reshape(value.shape)
        value = value.astype(value.dtype.newbyteorder("<"), copy=False)
        state.update(f"{name} {value.dtype.str} {value.shape};".encode())
        state.update(value.tobytes())
    return state.hexdigest()


def _array(content: bytes) -> np.ndarray[Any, Any]:
    """Returns the array of an `.npy` file; all of it must be there, and no more."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, fortran_order, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not read")
    data = content[stream.tell() :]
    if math.prod(shape) * dtype.itemsize != len(data) or min(shape, default=0) < 0:
        raise ValueError(f"{len(data)} bytes are no {dtype} array of shape {shape}")
    array = np.frombuffer(data, dtype)
    if fortran_order:
        return array.reshape(shape, order="F").copy(order="F")
    return array.reshape(shape).copy()
