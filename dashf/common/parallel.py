"""Independent work in several processes, on joblib.

Every loop over independent work goes through `completed`. A function's results are the
same whatever process it runs in, and so are those of the loop, whatever joblib's
backend and the number of workers; only their order of completion is not.
"""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from dashf.common import worker

#: How often in a row work is begun again after the loss of a worker, with no result in
#: between. What kills each worker that it meets ends with an error, then.
ATTEMPTS = 3


class WorkersLostError(RuntimeError):
    """Worker processes were killed again and again, with no result in between."""


def completed(
    function: Callable[[Any], Any], items: Sequence[Any], jobs: int = 1
) -> Iterator[tuple[int, Any]]:
    """Yields `(i, function(items[i]))`, one after another as they are done.

    The processes are those of joblib's active backend: local ones, or those of
    `joblib.parallel_config`. One job is done here, in order. Function, items and
    results are pickled, by joblib, which takes functions of a script too.

    If a worker is killed, what was yielded stays and the rest is begun again. Local
    processes all end then; a Ray cluster (`agents.work`) repeats the task alone.

    Args:
        function: of one item.
        items: what it is called with.
        jobs: processes, at most; −1: as many as the backend has.

    Raises:
        WorkersLostError: workers were lost `ATTEMPTS` times and once more, with no
            result in between.
        Exception: the function's own, of the first item that failed. What is not done
            by then is given up.
    """
    jobs = min(jobs, len(items))
    if jobs == 1 or len(items) == 1:
        yield from ((i, function(item)) for i, item in enumerate(items))
        return
    left, lost = dict(enumerate(items)), 0
    while left:
        try:
            with _unordered(function, left, jobs) as results:
                for i, result in results:
                    del left[i]
                    lost = 0
                    yield i, result
        except BrokenProcessPool as error:
            lost += 1
            if lost > ATTEMPTS:
                raise lost_too_often(len(left)) from error


def lost_too_often(count: int | None = None) -> WorkersLostError:
    """Returns the error of work whose workers are killed again and again."""
    left = "" if count is None else f", with {count:,} of the tasks left"
    return WorkersLostError(
        f"A worker process was killed {ATTEMPTS + 1} times in a row{left}. Mostly "
        "memory has run out: take fewer --jobs, or smaller scenarios."
    )


@contextmanager
def _unordered(
    function: Callable[[Any], Any], left: dict[int, Any], jobs: int
) -> Iterator[Iterator[tuple[int, Any]]]:
    """Begins the work, and ends it if who asked for it takes no more results."""
    from joblib import Parallel, delayed
    from joblib._parallel_backends import LokyBackend
    from joblib.parallel import get_active_backend

    own: dict[str, Any] = {}
    if isinstance(get_active_backend()[0], LokyBackend):
        _begin_workers_our_way()
        # So that they are no workers which somebody's own loop has begun before.
        own = {"initializer": _leave_interrupts}
    # Tasks take long, so one of them is sent at a time; nor are arrays put into files
    # that workers would share, and that the next one cannot write.
    parallel = Parallel(
        jobs, return_as="generator_unordered", batch_size=1, max_nbytes=None, **own
    )
    call = delayed(_numbered)
    with ExitStack() as stack:
        with _interrupts_later():
            answers = parallel(call(function, i, item) for i, item in [*left.items()])
            stack.callback(_close, answers)
        yield answers


def _close(results: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* tasks? which", UserWarning)
        results.close()


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Lets Ctrl-C take effect at the end, as joblib cannot be interrupted at its start.

    Half begun, it would show tracebacks of its own.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)


def _numbered(function: Callable[[Any], Any], i: int, item: Any) -> tuple[int, Any]:
    """Calls the function in a worker process."""
    return i, function(item)


def _begin_workers_our_way() -> None:
    """Has joblib begin local processes by way of `dashf.common.worker`, from now on.

    Ctrl-C is blocked in them, too: it reaches all processes of a terminal, and is for
    their parent alone. joblib has no place for any of that, so a function of it is
    replaced. On Windows it begins processes in another way, and they may outlive
    this one.
    """
    from joblib.externals.loky.backend import fork_exec as module

    begin = getattr(module.fork_exec, "__wrapped__", module.fork_exec)

    @wraps(begin)
    def begin_ours(words: list[str], descriptors: Any, env: Any = None) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            number: int = begin(worker.command(words), descriptors, env)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return number

    module.fork_exec = begin_ours


def _leave_interrupts() -> None:
    """Ignores Ctrl-C in a local worker, where it is not blocked."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
