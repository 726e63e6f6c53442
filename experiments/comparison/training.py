"""Trains the runs of a comparison in parallel, and resumes interrupted ones.

Each run is `python train.py` in a process of its own, on one thread. It has its own
process group, so that Ctrl-C reaches it once, through `train_all`: a second signal
would stop it without a checkpoint.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.display import Display
from agents.training.interrupt import InterruptFlag
from experiments.comparison.plan import ROOT
from experiments.comparison.runs import Run

#: Intervals of polling the processes and the progress of the runs, s.
_POLL_S, _LOOK_S = 0.2, 10.0

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


class ComparisonInterrupted(Exception):  # noqa: N818 - it is no error
    """The user has interrupted the comparison."""


@dataclass(frozen=True, kw_only=True)
class _Process:
    run: Run
    child: subprocess.Popen[bytes]
    log: Path


def train_all(
    runs: Sequence[Run], output: Path, jobs: int, display: Display, lock: int
) -> None:
    """Trains all runs that are not finished.

    The first seed of all entries comes before the second; within a seed the longest
    runs come first, as estimated from other runs.

    Args:
        runs: of the comparison.
        output: its folder.
        jobs: runs at once.
        display: shows how far it is.
        lock: file descriptor that the processes keep open, so that the folder is in use
            until the last one of them has ended.

    Raises:
        ComparisonInterrupted: the user stopped it; every run is at a checkpoint.
        ValueError: runs failed, after all others were trained; the text says where
            their logs are.
    """
    pace = Pace(runs)
    waiting = [run for run in runs if not pace.is_done(run)]
    failed: list[_Process] = []
    active: list[_Process] = []
    looked_at, note = -_LOOK_S, ""
    with InterruptFlag() as flag:
        try:
            while waiting or active:
                if flag.raised:
                    raise ComparisonInterrupted
                ended = [p for p in active if p.child.poll() is not None]
                for process in ended:
                    active.remove(process)
                    pace.look_at(process.run)
                    if not pace.is_done(process.run):
                        failed.append(process)
                    display.say(_outcome(process.run) + note)
                if ended or time.monotonic() - looked_at > _LOOK_S:
                    looked_at = time.monotonic()
                    for process in active:
                        pace.look_at(process.run)
                    going = [*waiting, *(process.run for process in active)]
                    left = sum(pace.seconds_left(run) for run in going)
                    note = f"; about {_minutes(left / jobs)} left" if left else ""
                    display.update(pace.done, note.removeprefix("; "))
                    waiting.sort(key=lambda r: (r.seed, -pace.seconds_left(r)))
                while waiting and len(active) < jobs:
                    active.append(_begin(waiting.pop(0), output, lock))
                time.sleep(_POLL_S)
        finally:
            _stop([process.child for process in active])
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(runs)} runs failed, first "
            f"{failed[0].run.name}: {_last_line(failed[0].log)} Its log is "
            f"{os.path.relpath(failed[0].log)}. The others are kept."
        )


class Pace:
    """Progress and estimated duration of the runs, from their evaluations so far."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._share: dict[str, float] = {}  # of the decisions, by run
        self._seconds: dict[str, dict[str, float]] = {}  # a whole run, by entry and run
        for run in runs:
            self.look_at(run)

    def look_at(self, run: Run) -> None:
        """Reads the progress of a run."""
        evaluations, share = run.evaluations(), 0.0
        if evaluations is not None and len(evaluations["timesteps"]):
            share = float(evaluations["timesteps"][-1]) / run.config.timesteps
        if evaluations is not None and share > 0:
            seconds = float(evaluations["training_s"][-1]) / share
            self._seconds.setdefault(run.entry.label, {})[run.name] = seconds
        self._share[run.name] = 1.0 if run.finished else min(share, 0.99)

    def is_done(self, run: Run) -> bool:
        """Returns whether a run was finished when it was last read."""
        return self._share[run.name] == 1

    @property
    def done(self) -> float:
        """Number of runs that are done; unfinished ones count by their share."""
        return sum(self._share.values())

    def seconds_left(self, run: Run) -> float:
        """Remaining training time of a run, s; the mean of the others if unknown."""
        means = {k: sum(v.values()) / len(v) for k, v in self._seconds.items()}
        mean = sum(means.values()) / len(means) if means else 0.0
        return means.get(run.entry.label, mean) * (1 - self._share[run.name])


def _begin(run: Run, output: Path, lock: int) -> _Process:
    """Starts or resumes a run."""
    folder = run.folder
    if folder is None:
        run.parent.mkdir(parents=True, exist_ok=True)
        words = [*run.entry.arguments, "--seed", str(run.seed)]
        words += ["--output", os.fspath(run.parent)]
    else:
        words = ["--resume", os.fspath(folder)]
    words += ["--no-progress", "--stop-with-parent", str(os.getpid())]
    logs = output / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{run.entry.folder}_{run.seed}.log"
    with log.open("ab") as file:
        child = subprocess.Popen(
            [sys.executable, os.fspath(ROOT / "train.py"), *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | _ONE_THREAD,
            pass_fds=(lock,),
            start_new_session=True,
        )
    return _Process(run=run, child=child, log=log)


def _stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stops processes at their next checkpoint and waits; Ctrl-C kills them."""
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
    try:
        for child in children:
            child.wait()
    except KeyboardInterrupt:
        for child in children:
            child.kill()
            child.wait()
        raise ComparisonInterrupted from None


def _outcome(run: Run) -> str:
    evaluations = run.evaluations()
    if not run.finished or evaluations is None:
        return f"{run.name}: failed"
    seconds = float(evaluations["training_s"][-1])
    return f"{run.name}: trained in {seconds:.0f} s"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was printed."
