"""Scripts survive closed terminals, broken pipes, full disks and signals."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from dashf.common.parallel import WorkersLostError

#: Exit status of a script that Ctrl-C has ended, as a shell has it.
INTERRUPTED = 130


class _TolerantStream:
    """A text stream that tolerates a closed pipe or a full disk.

    Args:
        stream: what is written to.
        name: "standard output", for the one line that reports it.
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
            # The buffer cannot be written, not even at exit.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
            if self._name != "standard error":
                print(
                    f"{self._name} cannot be written ({error}); the work continues.",
                    file=sys.stderr,
                )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def tolerant_streams() -> Any:
    """Suppresses errors of standard output and error while entered.

    Characters that the terminal cannot encode are written as escapes.
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
            setattr(sys, attribute, _TolerantStream(stream, name))
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        sys.stdout, sys.stderr = before


def run_script(main: Callable[[], int], program: str) -> int:
    """Runs a script's `main` without tracebacks of terminals, pipes or signals.

    While a script imports libraries, SIGINT ends it at once; from here on it raises
    `KeyboardInterrupt`.
    """
    _hold_descriptors()
    with tolerant_streams():
        try:
            if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
                signal.signal(signal.SIGINT, _interrupt)
            return main()
        except KeyboardInterrupt:
            print(f"{program}: interrupted", file=sys.stderr)
            return INTERRUPTED
        except MemoryError as error:
            print(f"{program}: error: not enough memory. {error}", file=sys.stderr)
            return 1
        except WorkersLostError as error:
            print(f"{program}: error: {error}", file=sys.stderr)
            return 1


def _interrupt(number: int, frame: Any) -> None:
    """Python's own handler of SIGINT; by this name it is known as a script's."""
    signal.default_int_handler(number, frame)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Has SIGINT end a script at once while entered, as nothing is written yet.

    Libraries that are interrupted while they load show tracebacks of their own.
    """
    if signal.getsignal(signal.SIGINT) is not _interrupt:  # not a script's
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _interrupt)


def stop_with_parent(parent: int) -> None:
    """Sends this process SIGTERM once its parent process has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _hold_descriptors() -> None:
    """Occupies the descriptors of closed standard streams; no file gets them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
