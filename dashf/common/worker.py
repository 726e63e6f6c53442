"""What a worker process runs first: it ends when its parent does, however that ends.

joblib's processes load libraries before they run any code of ours, for seconds on a
busy machine. So they are begun by this file, which imports none, as a script:

    python worker.py PARENT KERNEL -m MODULE ARGUMENT ...

PARENT is a process number. With KERNEL 1, Linux itself kills the worker (`man 2
PR_SET_PDEATHSIG`), even while it is stuck in compiled code. That is at the end of the
*thread* that began it, so it has to be the main one. Else a thread looks for the parent
five times a second.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LOOK_S = 0.2


def end_with(parent: int, by_kernel: bool) -> None:
    """Ends this process at once when its parent has ended, from now on.

    Args:
        parent: number of the process that began this one.
        by_kernel: Linux is to see to it; it began this process in its main thread.
    """
    if by_kernel:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        import threading

        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it had ended before
        os._exit(1)


def _watch(parent: int) -> None:
    import time

    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def command(words: list[str]) -> list[str]:
    """Returns the command that begins a worker by way of this file, from here.

    Args:
        words: what would begin it, `python -m MODULE ARGUMENT ...`.
    """
    import threading

    in_main = threading.current_thread() is threading.main_thread()
    by_kernel = sys.platform == "linux" and in_main
    own = [__file__, str(os.getpid()), str(int(by_kernel))]
    return [words[0], *own, *words[1:]]


def main() -> None:
    """Runs a module as `python -m` would."""
    parent, by_kernel, _, module, *arguments = sys.argv[1:]
    end_with(int(parent), by_kernel == "1")
    import runpy

    if not sys.flags.safe_path:
        sys.path[0] = ""  # the current folder, not that of this file
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
