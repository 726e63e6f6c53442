"""Independent work, on the processors of this machine or of a Ray cluster.

What `dashf.common.parallel.completed` does, with the processes that a command line asks
for: `--jobs`, `--backend`, `--ray-address`.
"""

from __future__ import annotations

import importlib.util
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits

from dashf.common.parallel import completed

PROCESSES, RAY = "processes", "ray"
BACKENDS = (PROCESSES, RAY)

#: Local processes for each processor, at most; more would only take memory.
JOBS_A_PROCESSOR = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Workers:
    """Where independent work is done.

    Raises:
        ValueError: a field is not valid, or Ray is not installed.
    """

    jobs: int | None = None  # tasks at once; None: 1 here, all processors of a cluster
    backend: str = PROCESSES  # one of BACKENDS
    ray_address: str | None = None  # of a cluster's head; None: Ray's own choice

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(
                f"--backend must be one of {', '.join(BACKENDS)}; got {self.backend!r}."
            )
        if self.backend != RAY and self.ray_address is not None:
            raise ValueError("--ray-address needs --backend ray.")
        if self.backend == RAY and importlib.util.find_spec("ray") is None:
            raise ValueError(
                "--backend ray needs Ray, which is not installed: pip install '.[ray]'."
            )
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"--jobs must be at least 1; got {self.jobs}.")

    @property
    def are_several(self) -> bool:
        """Whether tasks may be done at the same time, beside each other."""
        return self.backend == RAY or (self.jobs or 1) > 1

    def connect(self) -> None:
        """Connects to the cluster, where there is one; else does nothing.

        Raises:
            OSError: nothing answers at the address.
        """
        if self.backend == RAY:
            from agents.work.ray_tasks import connect

            connect(self.ray_address)

    def completed(
        self, function: Callable[[Any], Any], items: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        """Yields `(i, function(items[i]))` as they are done, each on one thread.

        The results are the same with any backend and number of workers.

        Raises:
            dashf.common.parallel.WorkersLostError: workers were killed again and again.
        """
        call = partial(on_one_thread, function)
        if self.backend == PROCESSES:
            most = JOBS_A_PROCESSOR * (os.cpu_count() or 1)
            yield from completed(call, items, min(self.jobs or 1, most))
            return
        from joblib import parallel_config

        from agents.work.ray_tasks import RayTasks

        self.connect()
        with ExitStack() as stack:
            stack.enter_context(parallel_config(backend=RayTasks()))
            yield from completed(call, items, self.jobs or -1)

    @contextmanager
    def prepared(
        self, make: Callable[[Any], Work], value: Any, here: Work
    ) -> Iterator[Prepared]:
        """Yields a function of items that every process makes once.

        Args:
            make: makes it of `value`, in another process.
            value: sent to a node of a cluster once.
            here: what it is in this process.
        """
        if self.backend == RAY:
            import ray

            self.connect()
            value = ray.put(value)
        prepared = Prepared(make, value, self.backend, uuid.uuid4().hex)
        _made[prepared.token] = here
        try:
            yield prepared
        finally:
            del _made[prepared.token]


#: Does the work of an item.
Work = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Work that needs what takes long to make, such as agents that are loaded."""

    make: Callable[[Any], Work]
    value: Any  # what it is made of, or where a cluster has it
    backend: str  # one of BACKENDS
    token: str

    def __call__(self, item: Any) -> Any:
        """Does the work of an item, in any process."""
        if self.token not in _made:
            value = self.value
            if self.backend == RAY:
                import ray

                value = ray.get(value)
            _made.clear()
            _made[self.token] = self.make(value)
        return _made[self.token](item)


#: What this process has made, by token; a worker keeps the newest alone.
_made: dict[str, Work] = {}


def on_one_thread(function: Callable[[Any], Any], item: Any) -> Any:
    """Calls a function with BLAS and OpenMP on one thread.

    Numbers of threads change the last bits of sums.
    """
    with threadpool_limits(1):
        return function(item)


#: This process alone.
HERE = Workers()
