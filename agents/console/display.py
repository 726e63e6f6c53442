"""Progress of long computations, a bar on a terminal and else only lines; tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table


class Display:
    """Shows the progress of one stage.

    Args:
        stage: what is being done.
        total: units of work.
        bar: show a progress bar; None: only on a terminal.

    Attributes:
        has_bar: whether there is a progress bar.
    """

    def __init__(self, stage: str, total: float, bar: bool | None = None) -> None:
        self.has_bar = sys.stdout.isatty() if bar is None else bar
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(force_terminal=True if self.has_bar else None),
            disable=not self.has_bar,
        )
        self._task = self._progress.add_task(stage, total=total, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def update(self, done: float, note: str | None = None) -> None:
        """Shows how much of the total is done, and a note beside the bar."""
        fields: dict[str, Any] = {} if note is None else {"note": note}
        self._progress.update(self._task, completed=done, **fields)

    def say(self, text: str) -> None:
        """Prints a line, above the bar if there is one."""
        if self.has_bar:
            self._progress.console.print(text, highlight=False, markup=False)
        else:
            print(text, flush=True)


def print_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table; where nobody reads it on a terminal, in lines of any length."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    shown = Table(*heading, box=SIMPLE_HEAD)
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
