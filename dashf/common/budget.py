"""What a call of DASHF or a baseline may use, and what it has used."""

from __future__ import annotations

from dashf.common.clock import Clock


class Budget:
    """The time of a call, and the convex programs that it solved.

    Args:
        time_limit_s: from now on, s; None for no limit.

    Raises:
        ValueError: the limit is not positive.
    """

    def __init__(self, time_limit_s: float | None = None) -> None:
        self.clock = Clock.limited(time_limit_s)
        self.programs = 0  # given to a convex solver, whatever came of it

    def spent(self) -> bool:
        """Returns whether no time is left."""
        return self.clock.left_s <= 0

    def for_a_program(self) -> float | None:
        """Counts a convex program; returns the time that it may take, s."""
        self.programs += 1
        return self.clock.left_s if self.clock.limits else None
