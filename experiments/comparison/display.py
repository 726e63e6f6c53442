"""What a comparison shows while it works: a bar on a terminal, else lines."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Display:
    """Shows one stage at a time.

    Args:
        stage: what is being done.
        total: units of work.
    """

    def __init__(self, stage: str, total: float) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(),
            disable=not sys.stdout.isatty(),
        )
        self._task = self._progress.add_task(stage, total=total, left="")
        self._left = ""
        if not sys.stdout.isatty():
            print(stage, flush=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, done: float, seconds_left: float | None = None) -> None:
        """Shows how much is done, and about how long the rest takes."""
        if seconds_left:
            self._left = f"about {_minutes(seconds_left)} left"
        self._progress.update(self._task, completed=done, left=self._left)

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        if self._progress.disable:
            print(text + (f"; {self._left}" if self._left else ""), flush=True)
        else:
            self._progress.console.print(text, highlight=False, markup=False)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
