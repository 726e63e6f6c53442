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
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from agents.console.display import Display
from agents.storage.folders import new_folder, write_all
from agents.training.interrupt import InterruptFlag
from agents.work import RAY, Workers
from experiments.comparison.plan import ROOT
from experiments.comparison.runs import Run
from mec_llm_env.files import write_whole

#: Intervals of polling a process and the progress of its run, s.
_POLL_S, _LOOK_S = 0.2, 10.0

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
_NOT_RETURNED = ("checkpoints", "tensorboard")  # of a run on a cluster


#: Shows how far it is; given the runs that may have changed, and one that has ended.
Show = Callable[..., None]


class ComparisonInterrupted(Exception):  # noqa: N818 - it is no error
    """The user has interrupted the comparison."""


def train_all(
    runs: Sequence[Run], output: Path, workers: Workers, display: Display, lock: int
) -> None:
    """Trains all runs that are not finished.

    The first seed of all entries comes before the second.

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
    shares = {run.name: run.share for run in runs}
    waiting = [run for run in runs if shares[run.name] < 1]

    def show(changed: Sequence[Run], ended: Run | None = None) -> None:
        shares.update({run.name: run.share for run in changed})
        if ended is not None:
            display.say(_outcome(ended))
        display.update(sum(shares.values()))

    show(())
    logs = output / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    if workers.backend == RAY:
        _train_far(waiting, logs, workers, show)
    else:
        _train_here(waiting, logs, workers.jobs or 1, show, lock)
    failed = [run for run in waiting if shares[run.name] < 1]
    if failed:
        log = _log_of(logs, failed[0])
        raise ValueError(
            f"{len(failed)} of {len(runs)} runs failed, first "
            f"{failed[0].name}: {_last_line(log)} Its log is "
            f"{os.path.relpath(log)}. The others are kept."
        )


def _train_here(
    waiting: Sequence[Run], logs: Path, jobs: int, show: Show, lock: int
) -> None:
    """Trains runs on this machine, some of them at once.

    Raises:
        ComparisonInterrupted: the user stopped it.
    """
    queue, active = list(waiting), list[tuple[Run, subprocess.Popen[bytes]]]()
    looked_at, told = time.monotonic(), False
    with InterruptFlag() as flag:
        try:
            while active or (queue and not flag.raised):
                while queue and len(active) < jobs and not flag.raised:
                    active.append((queue[0], _begun(queue.pop(0), logs, lock)))
                for run, child in list(active):
                    if child.poll() is not None:
                        active.remove((run, child))
                        show([run], None if flag.raised else run)
                if flag.raised and not told:  # each goes on to its next checkpoint
                    for _, child in active:
                        child.send_signal(signal.SIGINT)
                    told = True
                if time.monotonic() - looked_at > _LOOK_S:
                    looked_at = time.monotonic()
                    show([run for run, _ in active])
                time.sleep(_POLL_S)
        finally:
            for _, child in active:  # of a second Ctrl-C
                child.kill()
                child.wait()
    if flag.raised:
        raise ComparisonInterrupted


def _begun(run: Run, logs: Path, lock: int) -> subprocess.Popen[bytes]:
    """Starts or resumes a run."""
    folder = run.folder
    if folder is None:
        run.parent.mkdir(parents=True, exist_ok=True)
        words = [*_words_of(run), "--output", os.fspath(run.parent)]
    else:
        words = ["--resume", os.fspath(folder)]
    with _log_of(logs, run).open("ab") as file:
        return subprocess.Popen(
            _command(words),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | _ONE_THREAD,
            pass_fds=(lock,),
            start_new_session=True,
        )


def _words_of(run: Run) -> list[str]:
    return [*run.entry.arguments, "--seed", str(run.seed)]


def _command(words: Sequence[str]) -> list[str]:
    """Returns a command line of `train.py`, which ends with this process."""
    command = [sys.executable, os.fspath(ROOT / "train.py"), *words]
    return [*command, "--no-progress", "--stop-with-parent", str(os.getpid())]


def _train_far(
    waiting: Sequence[Run], logs: Path, workers: Workers, show: Show
) -> None:
    """Trains runs on a cluster, and writes their folders here."""
    work = [_words_of(run) for run in waiting]
    for i, (text, files) in workers.completed(_trained, work):
        run = waiting[i]
        write_whole(_log_of(logs, run), text)
        if files:
            config = run.config
            fill = partial(write_all, files=files)
            new_folder(run.parent / config.agent, config.env_id, fill)
        show([run], run)


def _trained(words: Sequence[str]) -> tuple[str, dict[str, str | bytes]]:
    """Trains a run in a temporary folder; returns what it printed, and its files.

    There are no files if training failed.
    """
    with tempfile.TemporaryDirectory(prefix="mec-llm-train-") as folder:
        done = subprocess.run(
            _command([*words, "--output", folder]),
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
        files: dict[str, str | bytes] = {
            os.fspath(path.relative_to(run)): path.read_bytes()
            for path in run.rglob("*")
            if path.is_file() and path.relative_to(run).parts[0] not in _NOT_RETURNED
        }
        return done.stdout, files


def _outcome(run: Run) -> str:
    evaluations = run.evaluations()
    if not run.finished or evaluations is None:
        return f"{run.name}: failed"
    seconds = float(evaluations["training_s"][-1])
    return f"{run.name}: trained in {seconds:.0f} s"


def _log_of(logs: Path, run: Run) -> Path:
    return logs / f"{run.entry.folder}_{run.seed}.log"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was printed."
