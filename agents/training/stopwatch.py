"""The time spent in training, without evaluations and checkpoints."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Stopwatch:
    """Measures wall time while it runs; it is stopped at first."""

    def __init__(self) -> None:
        self._stopped_at = 0.0
        self._begun: float | None = None

    @property
    def seconds(self) -> float:
        """Wall time so far, s."""
        if self._begun is None:
            return self._stopped_at
        return self._stopped_at + time.perf_counter() - self._begun

    def start(self) -> None:
        """Starts or continues."""
        self._begun = time.perf_counter()

    def stop(self) -> None:
        """Stops."""
        self._stopped_at, self._begun = self.seconds, None

    def set(self, seconds: float) -> None:
        """Stops and sets the time, s."""
        self._stopped_at, self._begun = seconds, None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Is stopped while entered."""
        self.stop()
        try:
            yield
        finally:
            self.start()
