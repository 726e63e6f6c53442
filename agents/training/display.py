"""What training shows: a progress bar on a terminal, else a line an evaluation."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Display:
    """Shows how far training is and what the last evaluation gave.

    Args:
        name: of the agent.
        total: decisions in all.
        bar: show a progress bar; None: only on a terminal.
    """

    def __init__(self, name: str, total: int, bar: bool | None = None) -> None:
        self._bar = sys.stdout.isatty() if bar is None else bar
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("SCR {task.fields[scr]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(force_terminal=True if self._bar else None),
            disable=not self._bar,
        )
        self._task = self._progress.add_task(name, total=total, scr="–")

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

    def advance(self, timesteps: int) -> None:
        """Shows how many decisions have been taken."""
        self._progress.update(self._task, completed=timesteps)

    def evaluated(
        self, timesteps: int, figures: Mapping[str, float], kept: bool
    ) -> None:
        """Shows the mean SCR on validation scenarios, and its share of the bound."""
        scr = f"{figures['scr']:.2f}"
        if "optimality" in figures:
            scr += f" ({100 * figures['optimality']:.1f} % of the bound)"
        self._progress.update(self._task, completed=timesteps, scr=scr)
        if not self._bar:
            note = "" if kept else "  worse than before"
            print(
                f"{timesteps:>12,} decisions   validation SCR {scr}{note}", flush=True
            )

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self._progress.console.print(text, highlight=False, markup=False)
