"""What terminals, pipes and signals do to a script, which must not cost its work."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

#: Exit status of a script that Ctrl-C has ended, as a shell has it.
INTERRUPTED = 130


class _Forgiving:
    """A text stream whose reader may go away, or whose disk may fill up.

    Args:
        stream: what is written to.
        name: "standard output", for the one line that tells of it.
    """

    def __init__(self, stream: Any, name: str) -> None:
        self._stream, self._name, self._broken = stream, name, False

    def write(self, text: str) -> int:
        """Writes, or, after the first failure, does nothing."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flushes, or, after the first failure, does nothing."""
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], Any]) -> None:
        if self._broken:
            return
        try:
            action()
        except (OSError, ValueError) as error:  # ValueError: it is closed
            self._broken = True
            # What is buffered cannot be written, at exit either.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
            if self._name != "standard error":
                print(
                    f"{self._name} cannot be written ({error}); the work goes on.",
                    file=sys.stderr,
                )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def forgiving_streams() -> Any:
    """Lets standard output and error fail without an exception while entered.

    A character that the terminal cannot show is shown as its code.
    """
    before = sys.stdout, sys.stderr
    try:
        for attribute, name in (
            *(("stderr", "standard error"), ("stdout", "standard output")),
        ):
            stream: Any = getattr(sys, attribute)
            if stream is None:  # it was closed before Python began
                stream = open(os.devnull, "w")  # noqa: SIM115 - for the whole process
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
            setattr(sys, attribute, _Forgiving(stream, name))
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        sys.stdout, sys.stderr = before


def run_script(main: Callable[[], int], program: str) -> int:
    """Runs a script's `main` so that no terminal, pipe or signal leaves a traceback.

    A script lets SIGINT end it at once while it imports libraries; from here on it
    is a `KeyboardInterrupt`.
    """
    _hold_descriptors()
    with forgiving_streams():
        try:
            if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            return main()
        except KeyboardInterrupt:
            print(f"{program}: interrupted", file=sys.stderr)
            return INTERRUPTED
        except MemoryError as error:
            print(f"{program}: error: not enough memory. {error}", file=sys.stderr)
            return 1


def stop_with_parent(parent: int) -> None:
    """Sends this process SIGTERM when `parent`, which has started it, has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _hold_descriptors() -> None:
    """Lets no file that is opened later be taken for a stream that was closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
