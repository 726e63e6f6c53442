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
from contextlib import contextmanager
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
            with _closing(_unordered(function, left, jobs)) as results:
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


def _unordered(
    function: Callable[[Any], Any], left: dict[int, Any], jobs: int
) -> Iterator[tuple[int, Any]]:
    from joblib import Parallel, delayed
    from joblib._parallel_backends import LokyBackend
    from joblib.parallel import get_active_backend

    own: dict[str, Any] = {}
    if isinstance(get_active_backend()[0], LokyBackend):
        _end_workers_with_this_process()
        own = {"initializer": _leave_interrupts}
    # Tasks take long, so one of them is sent at a time; nor are arrays put into files
    # that workers would share, and that the next one cannot write.
    parallel = Parallel(
        jobs, return_as="generator_unordered", batch_size=1, max_nbytes=None, **own
    )
    call = delayed(_numbered)
    answers: Iterator[tuple[int, Any]] = parallel(
        call(function, i, item) for i, item in list(left.items())
    )
    return answers


@contextmanager
def _closing(results: Any) -> Iterator[Iterator[Any]]:
    """Ends the work if who asked for it takes no more results."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* tasks? which", UserWarning)
            results.close()


def _numbered(function: Callable[[Any], Any], i: int, item: Any) -> tuple[int, Any]:
    """Calls the function in a worker process."""
    return i, function(item)


def _end_workers_with_this_process() -> None:
    """Has joblib begin local processes by way of `dashf.common.worker`, from now on.

    It has no place for that, so a function of it is replaced. On Windows joblib begins
    processes in another way, and they may outlive this one.
    """
    from joblib.externals.loky.backend import fork_exec as module

    begin = getattr(module.fork_exec, "__wrapped__", module.fork_exec)

    @wraps(begin)
    def begin_ours(words: list[str], descriptors: Any, env: Any = None) -> int:
        number: int = begin(worker.command(words), descriptors, env)
        return number

    module.fork_exec = begin_ours


def _leave_interrupts() -> None:
    """Ignores Ctrl-C, which reaches all processes of a terminal, in a local worker."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
