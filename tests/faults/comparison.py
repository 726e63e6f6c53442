"""Crashes a comparison of agents at its file operations, and goes on with it.

    python -m tests.faults.comparison FOLDER --first 0 --step 1

What is wrong is printed, a line each, and the last line counts the crashes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from experiments import compare_agents
from tests.faults.injection import CRASHED, DONE, run_apart

WORDS = ["--agents", "apg", "--quick", "--seeds", "1", "--preset", "tiny-4x2"]
WORDS += ["--timesteps", "512", "--jobs", "1"]
WRITTEN = {"results.md", "comparison.csv", "instances.csv", "efficiency.csv"}


def compare(output: Path) -> Callable[[], None]:
    """Returns what begins a comparison, or goes on with it."""

    def action() -> None:
        until = time.monotonic() + 60
        while True:
            try:
                assert compare_agents.main([*WORDS, "--output", str(output)]) == 0
                return
            except SystemExit:  # a run that was left behind has not ended yet
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    return action


def main() -> int:
    """Crashes; returns 1 if something was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    options = parser.parse_args()
    wrong, count, at, trained = [], 0, options.first, options.folder / "trained"
    while True:
        output = options.folder / "crashed"
        shutil.rmtree(output, ignore_errors=True)
        if trained.exists():  # once is enough
            shutil.copytree(trained, output, symlinks=True)
        else:
            output.mkdir(parents=True)
        action = compare(output)
        status = run_apart(action, output, at)
        if status == DONE:
            break
        if not trained.exists() and list(output.glob("runs/*/*/*/model.*")):
            shutil.copytree(output, trained, symlinks=True)
            shutil.rmtree(trained / "measurements", ignore_errors=True)
        count += status == CRASHED
        if status != CRASHED or run_apart(action, output, None) != DONE:
            wrong.append(f"operation {at}: not finished")
        elif not {path.name for path in output.iterdir()} >= WRITTEN:
            wrong.append(f"operation {at}: files are missing")
        at += options.step
    print("\n".join([*wrong, f"{count} crashes"]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
