"""A backend of joblib that sends every batch of work to a Ray cluster as a task.

Ray's own backend (`ray.util.joblib`) keeps a pool of actors, of which a dead one is an
error of the whole loop. Tasks are begun again by Ray itself, on another node if theirs
is gone, and the others go on.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import ray
from joblib.parallel import ParallelBackendBase

from dashf.common.parallel import ATTEMPTS, lost_too_often

ROOT = Path(__file__).parents[2]

#: What is not sent of this checkout; the rest goes to each node once.
LEFT_OUT = (".*", "__pycache__", "docs", "tests", "runs", "results", "bank_work")

ANSWER_S = 10.0  # how long an address may take

#: Errors of Ray that are none of the work's own.
LOST = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.LocalRayletDiedError,
)


def connect(address: str | None = None) -> None:
    """Connects this process to a cluster, once.

    Args:
        address: host and port of its head; None: that of RAY_ADDRESS, or of a cluster
            that runs here, or else a cluster of this machine alone, which is started.

    Raises:
        OSError: nothing answers at the address.
    """
    if ray.is_initialized():
        return
    _check_that_it_answers(address or os.environ.get("RAY_ADDRESS", ""))
    logging.getLogger("ray.rllib").setLevel(logging.ERROR)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tells nobody
    try:
        ray.init(
            address,
            runtime_env={"working_dir": os.fspath(ROOT), "excludes": list(LEFT_OUT)},
            logging_level="ERROR",
            log_to_driver=False,
        )
    except ValueError as error:  # no address
        raise ValueError(f"--ray-address {address}: {error}") from None
    except (ConnectionError, RuntimeError) as error:
        raise OSError(f"no Ray cluster answers at {address}: {error}") from None


def _check_that_it_answers(address: str) -> None:
    """Refuses an address that nobody listens at, for which Ray waits many minutes.

    Raises:
        OSError: nobody listens at its host and port.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or "/" in host:
        return  # "auto", "local", a client's ray://…: Ray knows what they are
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise OSError(f"no Ray cluster answers at {address}: {error}") from None


class RayTasks(ParallelBackendBase):  # type: ignore[misc]  # untyped
    """Sends work to the cluster that this process is connected to."""

    supports_retrieve_callback = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"nesting_level": 0, **options})
        self._pending: set[Any] = set()

    def __reduce__(self) -> Any:
        return RayTasks, ()

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        """Begins a loop; returns how many tasks are sent at once."""
        self.parallel = parallel
        # `task_oom_retries` is not limited by default.
        self._task = ray.remote(max_retries=ATTEMPTS)(_call)
        return self.effective_n_jobs(n_jobs)

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Returns the number of tasks at once; joblib does a single one by itself."""
        if n_jobs is not None and n_jobs > 0:
            return n_jobs
        return max(2, int(ray.cluster_resources().get("CPU", 1)))

    def submit(
        self, func: Callable[[], Any], callback: Callable[[Any], Any] | None = None
    ) -> Future[Any]:
        """Sends a batch of work; `callback` is called when it has ended."""
        task = self._task.remote(func)
        self._pending.add(task)
        future: Future[Any] = task.future()
        future.add_done_callback(lambda _: self._pending.discard(task))
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """Returns the results of a batch.

        Raises:
            dashf.common.parallel.WorkersLostError: Ray has given it up.
            Exception: the work's own.
        """
        try:
            return out.result()
        except LOST as error:
            raise lost_too_often() from error
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancels what is at work."""
        for task in list(self._pending):
            ray.cancel(task, force=True)
        self._pending.clear()


def _call(batch: Callable[[], Any]) -> Any:
    """Does a batch of work, on a node of the cluster."""
    return batch()
