"""Crashes a comparison of agents at its file operations, and goes on with it.

    python -m tests.faults.comparison FOLDER --first 0 --step 1

Until its runs are trained, every crash is one of a process. After that one comparison
is followed through all its operations, and what a crash would leave at each of them is
copied: the folder as it is then, with nothing of what the process has in its memory.
What is wrong is printed, a line each, and the last line counts the crashes.
"""

from __future__ import annotations

import argparse
import csv
import functools
import itertools
import os
import shutil
import sys
import time
from pathlib import Path

import torch

from agents.storage.folders import LOCK
from experiments import compare_agents
from experiments.comparison import plan
from tests.faults.injection import CRASHED, DONE, run_apart, run_watched

WORDS = ["--agents", "apg", "--quick", "--seeds", "1", "--preset", "tiny-4x2"]
WORDS += ["--timesteps", "512", "--jobs", "1"]
WRITTEN = {"results.md", "comparison.csv", "instances.csv", "efficiency.csv"}
#: s until a run that was left behind has loaded its libraries and stops.
_PATIENCE_S = 300


def compare(output: Path) -> None:
    """Begins a comparison, or goes on with it."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            assert compare_agents.main([*WORDS, "--output", str(output)]) == 0
            return
        except SystemExit:  # a run that was left behind has not ended yet
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def figures(output: Path) -> list[list[str]]:
    """Returns what was measured, without the names of runs: these are paths."""
    with (output / "instances.csv").open(newline="") as file:
        return [[agent, *row] for agent, _, *row in csv.reader(file)]


class Crashes:
    """Counts crashes, and what was wrong after them."""

    def __init__(self, folder: Path, step: int) -> None:
        self._folder, self._step = folder, step
        self.count = 0
        self.wrong: list[str] = []
        torch.set_num_threads(1)
        # No file operation, and seconds each time.
        plan._settings = functools.cache(plan._settings)
        compare(folder / "whole")  # here: forks have what it loads and compiles
        self._figures = figures(folder / "whole")

    def in_training(self, first: int) -> Path:
        """Crashes at every `step`-th operation until the runs are trained.

        Returns:
            A copy of what the last crash has left: trained runs, not yet measured.
        """
        output, trained = self._folder / "crashed", self._folder / "trained"
        for at in itertools.count(first, self._step):
            shutil.rmtree(output, ignore_errors=True)
            status = run_apart(lambda: compare(output), output, at)
            if status != CRASHED:
                self.wrong.append(f"operation {at}: ended with {status}")
            if any(output.glob("runs/*/*/*/model.*")):
                shutil.copytree(output, trained)
                self._finish(f"operation {at}", output)
                break
            self._finish(f"operation {at}", output)
        return trained

    def in_measuring(self, first: int, trained: Path) -> None:
        """Takes what crashes would leave at every `step`-th operation from there on."""
        states, operations = self._folder / "states", itertools.count()

        def copy(operation: str) -> None:
            at = next(operations)
            if at >= first and (at - first) % self._step == 0:
                shutil.copytree(trained, states / f"{at} {operation}")

        assert run_watched(lambda: compare(trained), trained, copy) == DONE
        for state in sorted(
            states.iterdir(), key=lambda path: int(path.name.split()[0])
        ):
            self._finish(f"trained, operation {state.name}", state)
            shutil.rmtree(state)

    def _finish(self, where: str, output: Path) -> None:
        """Goes on after a crash, and notes what is wrong then."""
        self.count += 1
        if run_apart(lambda: compare(output), output, None) != DONE:
            self.wrong.append(f"{where}: not finished")
            return
        names = {os.fspath(path.relative_to(output)) for path in output.rglob("*")}
        if not names >= WRITTEN:
            self.wrong.append(f"{where}: files are missing")
        elif figures(output) != self._figures:
            self.wrong.append(f"{where}: other results")
        hidden = {name for name in names if Path(name).name.startswith(".")}
        if any(Path(name).name != LOCK for name in hidden):
            self.wrong.append(f"{where}: left {sorted(hidden)}")


def main() -> int:
    """Crashes; returns 1 if something was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    options = parser.parse_args()
    crashes = Crashes(options.folder, options.step)
    trained = crashes.in_training(options.first)
    crashes.in_measuring(options.first, trained)
    print("\n".join([*crashes.wrong, f"{crashes.count} crashes"]))
    return int(bool(crashes.wrong))


if __name__ == "__main__":
    sys.exit(main())
