"""The time that training itself takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Stopwatch:
    """Sums wall time while it runs; stands still at first.

    Args:
        seconds: s to begin with, such as a checkpoint's.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._stopped_at = seconds
        self._begun: float | None = None

    @property
    def seconds(self) -> float:
        """Wall time so far, s."""
        if self._begun is None:
            return self._stopped_at
        return self._stopped_at + time.perf_counter() - self._begun

    def start(self) -> None:
        """Runs on."""
        self._begun = time.perf_counter()

    def stop(self) -> None:
        """Stands still."""
        self._stopped_at, self._begun = self.seconds, None

    def set(self, seconds: float) -> None:
        """Stands still at so many seconds."""
        self._stopped_at, self._begun = seconds, None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stands still while entered, and then runs on."""
        self.stop()
        try:
            yield
        finally:
            self.start()
