"""What a call of a solver may use, and what it has used."""

from __future__ import annotations

import math
import time

import numpy as np


class Budget:
    """What a call may use and has used: its time, and the convex programs it solved.

    Args:
        time_limit_s: from now on; None for no limit.
    """

    def __init__(self, time_limit_s: float | None = None) -> None:
        check_time_limit(time_limit_s)
        self.begin = time.perf_counter()
        self.programs = 0  # given to a convex solver, whatever came of it
        self._time_limit_s = time_limit_s

    def used_s(self) -> float:
        """Returns the time since the call."""
        return time.perf_counter() - self.begin

    def left_s(self) -> float:
        """Returns the time that is left, infinite without a limit."""
        limit = self._time_limit_s
        return math.inf if limit is None else limit - self.used_s()

    def spent(self) -> bool:
        """Returns whether no time is left."""
        return self.left_s() <= 0

    def for_a_program(self) -> float | None:
        """Counts a convex program; returns the time that it may take."""
        self.programs += 1
        left = self.left_s()
        return None if left == math.inf else left


def check_time_limit(time_limit_s: float | None) -> None:
    """Raises a ValueError unless a time limit is None or positive."""
    if time_limit_s is None:
        return
    number = isinstance(time_limit_s, int | float | np.integer | np.floating)
    if not number or isinstance(time_limit_s, bool) or not time_limit_s > 0:
        raise ValueError(
            f"`time_limit_s` must be positive; got {time_limit_s!r}. None is no limit."
        )
