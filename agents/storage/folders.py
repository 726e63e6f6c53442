"""Folders that one process at a time may change, and that are created atomically."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from mec_llm_env.files import write_whole

#: The file whose lock, held by the operating system, is the lock of its folder.
LOCK = ".lock"
_UNFINISHED = ".unfinished-"


def lock_folder(folder: Path, seconds: float = 0.0) -> FileLock:
    """Locks a folder until `release` is called or the process ends, however it ends.

    Args:
        folder: to lock.
        seconds: to wait for another process to let it go.

    Raises:
        ValueError: another process has it.
        OSError: the folder cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{os.fspath(folder)!r} is in use by another process, which has to end "
            "first."
        ) from None
    return lock


def new_folder(parent: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """Creates the next free folder `<parent>/<name>_<k>` with its content.

    Args:
        parent: made if it is not there.
        name: of the folder, without its number.
        fill: writes its content into the folder that it gets.

    Raises:
        OSError: it cannot be written.
    """
    names = (f"{name}_{k}" for k in itertools.count(1))
    return filled_folder(parent, fill, lambda: free_path(parent, names))


def filled_folder(
    parent: Path, fill: Callable[[Path], None], choose: Callable[[], Path]
) -> Path:
    """Creates a folder with its content.

    It is filled under a hidden name and then renamed, so that a process killed at any
    moment leaves no incomplete folder; what such a process has left is removed.

    Args:
        parent: made if it is not there.
        fill: writes the content into the folder that it gets.
        choose: returns the path in `parent`, which is free or an empty folder.

    Raises:
        OSError: it cannot be written.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with lock_folder(parent, seconds=60):  # so that no other process is filling one
        for path in parent.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(path)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
        try:
            unfinished.chmod(0o777 & ~_umask())
            fill(unfinished)
            sync(unfinished)
            folder = choose()
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    sync(parent)
    return folder


def free_path(parent: Path, names: Iterable[str]) -> Path:
    """Returns the path of the first name that does not exist in a folder."""
    return next(path for name in names if not os.path.lexists(path := parent / name))


def check_writable(parent: Path) -> None:
    """Checks, before long work begins, that a folder can be written; leaves nothing.

    Raises:
        OSError: it cannot be; it names the folder.
    """
    there = next(path for path in (parent, *parent.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(parent)) from None


def write_all(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes files, by their paths in a folder, each of them whole."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)


def remove_hidden(folder: Path) -> None:
    """Removes what a killed process has left; the caller has locked the folder."""
    for path in folder.glob(".*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def sync(path: Path) -> None:
    """Lets the content of a file, or the names in a folder, outlast a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
