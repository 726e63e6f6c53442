"""Trains the runs of a comparison in parallel, and resumes interrupted ones.

Each run is `python train.py` in a process of its own, on one thread. Here it has its
own process group, so that Ctrl-C reaches it once, through `train_all`: a second signal
would stop it without a checkpoint. On a cluster a run is trained in a temporary folder
of a node and its files come back when it is finished; one that was begun here begins
anew there, and so does one whose node is lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from joblib import parallel_config

from agents.console.display import Display
from agents.storage.folders import new_folder
from agents.training.interrupt import InterruptFlag
from agents.work import RAY, Workers
from dashf.common.parallel import completed
from experiments.comparison.plan import ROOT
from experiments.comparison.runs import Run
from mec_llm_env.files import write_whole

#: Intervals of polling a process and the progress of its run, s.
_POLL_S, _LOOK_S = 0.2, 10.0

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
_NOT_RETURNED = ("checkpoints", "tensorboard")  # of a run on a cluster


class ComparisonInterrupted(Exception):  # noqa: N818 - it is no error
    """The user has interrupted the comparison."""


def train_all(
    runs: Sequence[Run], output: Path, workers: Workers, display: Display, lock: int
) -> None:
    """Trains all runs that are not finished.

    The first seed of all entries comes before the second; within a seed the longest
    runs come first, as estimated from other runs.

    Args:
        runs: of the comparison.
        output: its folder.
        workers: where they are trained.
        display: shows how far it is.
        lock: file descriptor that the processes keep open, so that the folder is in use
            until the last one of them has ended.

    Raises:
        ComparisonInterrupted: the user stopped it; every run here is at a checkpoint.
        ValueError: runs failed, after all others were trained; the text says where
            their logs are.
    """
    pace = Pace(runs)
    waiting = [run for run in runs if not pace.is_done(run)]
    logs = output / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    if workers.backend == RAY:
        _train_far(waiting, logs, pace, workers, display)
    else:
        jobs = workers.jobs or 1
        _Here(waiting, logs, pace, jobs, display, lock).train()
    failed = [run for run in waiting if not pace.is_done(run)]
    if failed:
        log = _log_of(logs, failed[0])
        raise ValueError(
            f"{len(failed)} of {len(runs)} runs failed, first "
            f"{failed[0].name}: {_last_line(log)} Its log is "
            f"{os.path.relpath(log)}. The others are kept."
        )


@dataclass(kw_only=True)
class _Signals:
    """What the threads that wait for training processes are told."""

    stop: threading.Event = field(default_factory=threading.Event)  # at a checkpoint
    kill: threading.Event = field(default_factory=threading.Event)  # at once


class _Here:
    """Trains runs on this machine; joblib's threads wait for the processes."""

    def __init__(
        self,
        waiting: Sequence[Run],
        logs: Path,
        pace: Pace,
        jobs: int,
        display: Display,
        lock: int,
    ) -> None:
        self._waiting, self._active = list(waiting), list[Run]()
        self._logs, self._pace, self._jobs = logs, pace, jobs
        self._display, self._folder_lock = display, lock
        self._signals, self._choosing = _Signals(), threading.Lock()
        self._looked_at = 0.0

    def train(self) -> None:
        """Trains them.

        Raises:
            ComparisonInterrupted: the user stopped it.
        """
        numbers = range(len(self._waiting))
        with InterruptFlag() as flag:
            one = partial(self._one, lambda: flag.raised)
            try:
                with parallel_config(backend="threading"):
                    for _ in completed(one, numbers, self._jobs):
                        pass
            except KeyboardInterrupt:  # the second one
                self._signals.kill.set()
            finally:
                self._signals.stop.set()
                while self._active:
                    time.sleep(_POLL_S)
            if flag.raised:
                raise ComparisonInterrupted

    def _one(self, interrupted: Callable[[], bool], number: int) -> None:
        """Trains the longest of the runs that wait."""
        with self._choosing:
            self._waiting.sort(key=lambda r: (r.seed, -self._pace.seconds_left(r)))
            run = self._waiting.pop(0)
            self._active.append(run)
        try:
            if interrupted() or self._signals.stop.is_set():
                return
            self._wait_for(run, self._begin(run), interrupted)
            self._pace.look_at(run)
            if interrupted() or self._signals.stop.is_set():
                return
            self._display.say(_outcome(run) + self._left())
            self._display.update(self._pace.done)
        finally:
            self._active.remove(run)

    def _begin(self, run: Run) -> subprocess.Popen[bytes]:
        """Starts or resumes a run."""
        folder = run.folder
        if folder is None:
            run.parent.mkdir(parents=True, exist_ok=True)
            words = [*run.entry.arguments, "--seed", str(run.seed)]
            words += ["--output", os.fspath(run.parent)]
        else:
            words = ["--resume", os.fspath(folder)]
        words += ["--no-progress", "--stop-with-parent", str(os.getpid())]
        with _log_of(self._logs, run).open("ab") as file:
            return subprocess.Popen(
                [sys.executable, os.fspath(ROOT / "train.py"), *words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | _ONE_THREAD,
                pass_fds=(self._folder_lock,),
                start_new_session=True,
            )

    def _wait_for(
        self,
        run: Run,
        child: subprocess.Popen[bytes],
        interrupted: Callable[[], bool],
    ) -> None:
        """Waits until a run has ended; stops it at its next checkpoint if need be."""
        told = False
        while child.poll() is None:
            if self._signals.kill.is_set():
                child.kill()
            elif not told and (interrupted() or self._signals.stop.is_set()):
                child.send_signal(signal.SIGINT)
                told = True
            elif time.monotonic() - self._looked_at > _LOOK_S:
                self._looked_at = time.monotonic()
                for other in list(self._active):
                    self._pace.look_at(other)
                self._display.update(self._pace.done, self._left().removeprefix("; "))
            time.sleep(_POLL_S)

    def _left(self) -> str:
        """Returns about how long the rest takes, for the end of a line."""
        going = [*self._waiting, *self._active]
        seconds = sum(self._pace.seconds_left(run) for run in going) / self._jobs
        return f"; about {_minutes(seconds)} left" if seconds else ""


def _train_far(
    waiting: Sequence[Run], logs: Path, pace: Pace, workers: Workers, display: Display
) -> None:
    """Trains runs on a cluster, and writes their folders here."""
    work = [(*run.entry.arguments, "--seed", str(run.seed)) for run in waiting]
    for i, (text, files) in workers.completed(_trained, work):
        run = waiting[i]
        write_whole(_log_of(logs, run), text)
        if files:
            config = run.config
            fill = partial(_write_all, files)
            new_folder(run.parent / config.agent, config.env_id, fill)
        pace.look_at(run)
        display.say(_outcome(run))
        display.update(pace.done)


def _trained(words: Sequence[str]) -> tuple[str, dict[str, bytes]]:
    """Trains a run in a temporary folder; returns what it printed, and its files.

    There are no files if training failed.
    """
    with tempfile.TemporaryDirectory(prefix="mec-llm-train-") as folder:
        command = [sys.executable, os.fspath(ROOT / "train.py"), *words]
        command += ["--output", folder, "--no-progress"]
        command += ["--stop-with-parent", str(os.getpid())]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=os.environ | _ONE_THREAD,
        )
        if done.returncode:
            return done.stdout, {}
        (config,) = Path(folder).glob("*/*_1/config.json")
        run = config.parent
        files = {
            os.fspath(path.relative_to(run)): path.read_bytes()
            for path in run.rglob("*")
            if path.is_file() and path.relative_to(run).parts[0] not in _NOT_RETURNED
        }
        return done.stdout, files


def _write_all(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content)


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


def _outcome(run: Run) -> str:
    evaluations = run.evaluations()
    if not run.finished or evaluations is None:
        return f"{run.name}: failed"
    seconds = float(evaluations["training_s"][-1])
    return f"{run.name}: trained in {seconds:.0f} s"


def _log_of(logs: Path, run: Run) -> Path:
    return logs / f"{run.entry.folder}_{run.seed}.log"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was printed."
