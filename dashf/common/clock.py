"""Time limits: a clock that solvers ask, and what ends them when it has run out."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from dashf.common.checks import check_number
from mec_llm_env.ranges import shorten

#: Shorter limits count as this one, s: enough for a small scenario's first bound.
LEAST_S = 0.1


class OutOfTime(Exception):  # noqa: N818 - an event, no error
    """Raised and caught inside a solver when its time limit is reached."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A deadline; without an end there is none."""

    end: float = math.inf  # s, of `time.perf_counter`
    start: float = field(default_factory=time.perf_counter)

    @classmethod
    def limited(cls, time_limit_s: float | None) -> Clock:
        """Returns a clock that runs from now on, for at least `LEAST_S`.

        Raises:
            ValueError: the limit is not positive.
        """
        start = time.perf_counter()
        if time_limit_s is None:
            return cls(math.inf, start)
        try:
            limit_s = check_number("time_limit_s", time_limit_s, 1e-9, math.inf)
        except ValueError:
            raise ValueError(
                "`time_limit_s` must be a positive number of seconds, or None for no "
                f"limit; got {shorten(time_limit_s)}."
            ) from None
        return cls(start + max(limit_s, LEAST_S), start)

    @property
    def limits(self) -> bool:
        """Whether there is an end."""
        return self.end < math.inf

    @property
    def left_s(self) -> float:
        """Time left, s; negative when it is over."""
        return self.end - time.perf_counter()

    @property
    def passed_s(self) -> float:
        """Time since the start, s."""
        return time.perf_counter() - self.start

    def check(self) -> None:
        """Raises `OutOfTime` when it is over."""
        if self.left_s <= 0:
            raise OutOfTime

    def part(self, share: float) -> Clock:
        """Returns a clock that ends after a share of the time that is left."""
        if not self.limits:
            return self
        return Clock(time.perf_counter() + share * max(self.left_s, 0.0), self.start)


#: Never ends.
ENDLESS = Clock()
