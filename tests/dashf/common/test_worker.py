"""Workers end with their parent, from the first moment, in whatever way it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joblib.externals.loky import get_reusable_executor

from dashf.common import worker
from dashf.common.parallel import completed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="of POSIX")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own signal")

_PR_GET_PDEATHSIG = 2

#: Begins a worker that loads for ever, tells its number, and waits to be killed.
PARENT = """
import subprocess, sys, threading, time
from dashf.common import worker

def begin():
    words = worker.command([sys.executable, "-m", "loading", "--word"])
    child = subprocess.Popen(words, cwd=sys.argv[2], stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    time.sleep(600)

if sys.argv[1] == "main":
    begin()
threading.Thread(target=begin, daemon=True).start()
time.sleep(600)
"""

LOADING = """
import os, sys, time
assert sys.argv == [__file__, "--word"] and __name__ == "__main__" and sys.path[0] == ""
open("at_work", "w").close()
until = time.monotonic() + 100
while time.monotonic() < until:
    %s
"""


def death_signal(item: int) -> int:
    """Returns the signal that this process gets when its parent ends."""
    number = ctypes.c_int()
    assert ctypes.CDLL(None).prctl(_PR_GET_PDEATHSIG, ctypes.byref(number)) == 0
    return number.value


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2][1] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], Any], seconds: float) -> bool:
    """Returns whether something became true."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return bool(condition())


@on_linux
def test_the_kernel_ends_workers_that_the_main_thread_begins() -> None:
    signals = {number for _, number in completed(death_signal, range(4), 2)}
    assert signals == {signal.SIGKILL}


@on_linux
def test_a_thread_that_ends_leaves_the_workers_that_it_began() -> None:
    """Else they would be killed, and what others have them do begun again."""
    get_reusable_executor().shutdown()  # there may be workers of the main thread
    found: list[tuple[int, int]] = []
    thread = threading.Thread(
        target=lambda: found.extend(completed(death_signal, range(4), 2))
    )
    thread.start()
    thread.join()
    assert {number for _, number in found} == {0}


@on_linux
@pytest.mark.parametrize(
    ("thread", "work"), [("main", "pass"), ("main", "sum(range(10**9))"), ("a", "pass")]
)
@pytest.mark.parametrize("wait", [True, False])
def test_a_worker_that_loads_ends_with_its_parent(
    thread: str, work: str, wait: bool, tmp_path: Path
) -> None:
    """Even in compiled code that lets no thread run; waiting for it or at once."""
    (tmp_path / "loading.py").write_text(LOADING % work)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, thread, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.fspath(Path(__file__).parents[3])},
    )
    assert parent.stdout is not None
    number = int(parent.stdout.readline())
    if wait:
        assert wait_for((tmp_path / "at_work").exists, 60)
        assert is_running(number)
    parent.kill()
    parent.communicate()
    assert wait_for(lambda: not is_running(number), 4), os.kill(number, signal.SIGKILL)


def test_a_parent_that_has_ended_before() -> None:
    """The number of one that is not the parent, as Linux gives it to orphans."""
    for by_kernel in "01" if sys.platform == "linux" else "0":
        words = [sys.executable, worker.__file__, "999999999", by_kernel, "-m", "this"]
        done = subprocess.run(words, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
