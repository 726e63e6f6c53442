"""Crashes at the k-th file operation, each in a process of its own.

A crash is `os._exit` just before the operation, as `kill -9` would have it: no
`finally` runs and nothing that is buffered is written. Python's audit events tell of
the operations, so that none has to be known here by name.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

#: What a process ended with: as it should, at the injected crash, by an exception.
DONE, CRASHED, FAILED = 0, 77, 78

# Audit events that change what is on the disk, and where their paths are.
_CHANGES = {
    **{f"os.{name}": 1 for name in ("mkdir", "rmdir", "remove", "truncate", "chmod")},
    **{"os.rename": 2, "os.link": 2, "os.symlink": 2, "shutil.rmtree": 1},
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def operations_under(root: Path, seen: Callable[[str], None]) -> None:
    """Calls back at every operation that is about to change something under `root`."""
    prefix = os.fspath(root.resolve())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and (arguments[2] or 0) & _WRITING:
            paths = arguments[:1]
        elif event in _CHANGES:
            paths = arguments[: _CHANGES[event]]
        else:
            return
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike):
                name = os.path.realpath(os.path.dirname(os.fsdecode(path)))
                if name.startswith(prefix):
                    seen(f"{event} {os.path.basename(os.fsdecode(path))}")
                    return

    sys.addaudithook(hook)


def run_killed(action: Callable[[], None], seconds: float) -> int:
    """Runs an action in a forked process, which is killed after a while.

    Returns:
        −SIGKILL, or what `run_apart` returns if it ended before.
    """
    killer = threading.Timer(seconds, lambda: os.kill(child, signal.SIGKILL))
    child = os.fork()
    if child == 0:
        _end(action)
    killer.start()
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # its number stays its own
    killer.cancel()
    killer.join()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_apart(action: Callable[[], None], root: Path, crash_at: int | None) -> int:
    """Runs an action in a forked process, which crashes at an operation under `root`.

    Args:
        action: what is done.
        root: folder whose operations count.
        crash_at: the how-manieth one, from 0; None: there is no crash.

    Returns:
        DONE, CRASHED or FAILED, whose traceback is printed.
    """
    count = 0

    def seen(operation: str) -> None:
        nonlocal count
        if count == crash_at:
            os._exit(CRASHED)
        count += 1

    return run_watched(action, root, None if crash_at is None else seen)


def run_watched(
    action: Callable[[], None], root: Path, seen: Callable[[str], None] | None
) -> int:
    """Runs an action in a forked process, which calls back before each operation.

    Args:
        action: what is done.
        root: folder whose operations count.
        seen: called there; None: nothing is.

    Returns:
        What it ended with.
    """
    child = os.fork()
    if child == 0:
        if seen is not None:
            operations_under(root, seen)
        _end(action)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _end(action: Callable[[], None]) -> NoReturn:
    """Ends a forked process with what became of an action."""
    status = FAILED
    try:
        action()
        status = DONE
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
