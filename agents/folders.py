"""Folders that belong to one process at a time, and that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

#: An empty file that the operating system holds for whoever has locked its folder.
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
    """Makes the next free folder `<parent>/<name>_<k>`, with all that is to be in it.

    It is filled under a hidden name and then renamed, so that a process killed at any
    moment leaves no half of it to be seen; what such a process has left is removed.

    Args:
        parent: made if it is not there.
        name: of the folder, without its number.
        fill: writes its content into the folder that it gets.

    Raises:
        OSError: it cannot be written.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with lock_folder(parent, seconds=60):  # so that what is unfinished is nobody's
        for path in parent.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(path)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
        try:
            unfinished.chmod(0o777 & ~_umask())
            fill(unfinished)
            sync(unfinished)
            number = 1
            while os.path.lexists(folder := parent / f"{name}_{number}"):
                number += 1
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    sync(parent)
    return folder


def check_writable(parent: Path) -> None:
    """Sees to it that `new_folder` will be able to write, before long work begins.

    Raises:
        OSError: it would not.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=parent):
        pass


def remove_hidden(folder: Path) -> None:
    """Removes what a killed process has left; for whoever has locked the folder."""
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
