"""The first Ctrl-C waits for the next boundary; the second one acts at once."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_HANGUP = getattr(signal, "SIGHUP", None)  # the terminal was closed; `nohup` ignores it


class TrainingInterrupted(Exception):  # noqa: N818 - it is no error
    """Training has stopped at a checkpoint because the user asked for it."""


class InterruptFlag:
    """While entered, the first SIGINT, SIGTERM or SIGHUP sets `raised`.

    The second one has its usual effect.
    """

    def __init__(self) -> None:
        self.raised = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        heard = [*_SIGNALS]
        if _HANGUP is not None and signal.getsignal(_HANGUP) != signal.SIG_IGN:
            heard.append(_HANGUP)
        for number in heard:
            self._previous[number] = signal.signal(number, self._raise)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.raised = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
