"""Terminals, pipes, signals and disks that fail cost a script none of its work."""

from __future__ import annotations

import os
import random
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.console.terminal import run_script
from dashf.common.parallel import lost_too_often
from tests.test_scripts import ROOT, SMALL, SMALL_EPISODES, run

WORDS = ["--agent", "ppo", *SMALL["ppo"], "--timesteps", "8192", "--eval-freq", "1024"]
WORDS += ["--hyperparameter", 'policy_kwargs={"net_arch":[8]}']
RUN = Path("runs/ppo/MecLlm-v0_1")


def start(folder: Path, *words: Any, **options: Any) -> subprocess.Popen[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    command = [sys.executable, "-W", "error", ROOT / words[0], *words[1:]]
    return subprocess.Popen(command, cwd=folder, text=True, **options)


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    with open("/dev/full", "w") as full:
        process = start(tmp_path, "train.py", *WORDS, stdout=full, env=ascii_only)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 0
    (line,) = errors.splitlines()
    assert "standard output cannot be written ([Errno 28]" in line
    assert (tmp_path / RUN / "model.zip").is_file()


@pytest.mark.slow
def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    with start(tmp_path, "train.py", *WORDS) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        (line,) = process.stderr.read().splitlines()
    assert "standard output cannot be written ([Errno 32]" in line
    assert process.returncode == 0
    assert (tmp_path / RUN / "model.zip").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(closed: str, tmp_path: Path) -> None:
    command = f"exec {sys.executable} {ROOT / 'train.py'} {shlex.join(WORDS)} {closed}"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path).returncode == 0
    assert (tmp_path / RUN / "model.zip").is_file()
    for path in (tmp_path / RUN).rglob("*.csv"):
        assert "decisions" not in path.read_text()


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_help_on_a_terminal_without_unicode(script: str, tmp_path: Path) -> None:
    process = start(
        *(tmp_path, script, "--help"), env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "usage" in printed


def test_interrupted_while_libraries_are_imported(tmp_path: Path) -> None:
    for seconds in (0.3, 0.7, 1.0, 1.4, 2.0):
        process = start(tmp_path, "train.py", *WORDS)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGINT, 130)
        assert len(errors.splitlines()) <= 1


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path) -> None:
    def limit() -> None:  # as if the disk were full once a file is so long
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    process = start(tmp_path, "train.py", *WORDS, preexec_fn=limit)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    (line,) = errors.splitlines()
    assert "What the last checkpoint has is kept; go on with: python train.py" in line
    assert list((tmp_path / RUN).glob("checkpoints/step_*"))
    assert [path.name for path in (tmp_path / RUN).rglob(".*")] == [".lock"]
    done = run(tmp_path, "train.py", "--resume", os.fspath(RUN))
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / RUN / "monitor.csv").read_text().splitlines()) == 2 + 8192


def descendants(parent: int) -> Iterator[int]:
    """Yields the processes below one, with all below them."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            yield int(path.parent.name)
            yield from descendants(int(path.parent.name))


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2][1] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_no_worker_outlives_its_parent(number: int, tmp_path: Path) -> None:
    words = ("--agents", "dashf", "gucro", "--instances", "100", "--no-bound")
    process = start(tmp_path, "evaluate.py", *words, "--jobs", "2")
    workers: set[int] = set()
    while len(workers) < 3:  # two, and the resource tracker
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
        workers = set(descendants(process.pid))
    time.sleep(3)  # at work
    assert_nothing_is_left(process, number, workers)
    # Nothing is seen of a comparison that was not finished.
    assert {path.name for path in tmp_path.glob("results/*")} <= {".lock"}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("block", range(4))
def test_no_worker_outlives_its_parent_whenever_that_ends(
    block: int, number: int, tmp_path: Path
) -> None:
    """While libraries load, workers start, or all is at work."""
    rng, most = random.Random(4 * number + block), 0
    for kill in range(5):
        words = ("--agents", "dashf", "gucro", "--instances", "100", "--no-bound")
        process = start(tmp_path, "evaluate.py", *words, "--jobs", "2")
        workers: set[int] = set()
        begin, after_s = time.monotonic(), rng.uniform(0, 8 if kill else 3)
        while process.poll() is None and time.monotonic() < begin + after_s:
            workers |= set(descendants(process.pid))
            if kill and not workers:  # libraries take their time to load
                begin = time.monotonic()
            time.sleep(0.05)
        assert_nothing_is_left(process, number, workers)
        most = max(most, len(workers))
    assert most >= 3


def assert_nothing_is_left(
    process: subprocess.Popen[str], number: int, workers: set[int]
) -> None:
    """Sends a signal to a process; no worker may be there 5 s after its end."""
    process.send_signal(number)
    process.wait()
    until = time.monotonic() + 5
    while any(alive(worker) for worker in workers) and time.monotonic() < until:
        time.sleep(0.1)
    left = [worker for worker in workers if alive(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    process.communicate()
    assert not left


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("count", [2, pytest.param(40, marks=pytest.mark.slow)])
def test_interrupted_while_workers_start(count: int, tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of a terminal; one of them tells of it."""
    rng = random.Random(1)
    words = ("--agents", "dashf", "gucro", "--instances", "100", "--no-bound")
    for _ in range(count):
        process = start(
            *(tmp_path, "evaluate.py", *words, "--jobs", "2"), start_new_session=True
        )
        while not set(descendants(process.pid)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(rng.choice([0, rng.uniform(0, 0.6), rng.uniform(0, 5)]))
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, "evaluate.py: interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize("episodes", [False, True])
@pytest.mark.parametrize("block", range(4))
def test_of_two_that_resume_a_run_one_goes_on(
    block: int, episodes: bool, tmp_path: Path
) -> None:
    words, name, rows = WORDS, RUN, 8192
    if episodes:
        words = [*WORDS, "--preset", "mobile-10x2", *SMALL_EPISODES]
        name, rows = RUN.with_name("MecLlmMobile-v0_1"), 8192 // 2
    for pair in range(5 * block, 5 * block + 5):
        folder = tmp_path / str(pair)
        folder.mkdir()
        process = start(folder, "train.py", *words)
        while not list((folder / name).glob("checkpoints/step_*")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        if pair % 2:  # else it is alive while others resume it
            process.kill()
        both = [start(folder, "train.py", "--resume", name) for _ in range(2)]
        ended = [each.communicate(timeout=300) for each in both]
        refused = [errors for _, errors in ended if errors]
        assert len(refused) == 2 - pair % 2
        for errors in refused:
            (line,) = errors.splitlines()
            assert "is in use by another process" in line or "nothing left" in line
        process.communicate()
        assert (folder / name / "model.zip").is_file()
        lines = (folder / name / "monitor.csv").read_text().splitlines()[2:]
        assert len(lines) == rows
        assert all(len(line.split(",")) == 3 and "\0" not in line for line in lines)


def test_memory_that_runs_out_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise MemoryError("Unable to allocate 8 TiB")

    assert run_script(main, "evaluate.py") == 1
    text = "evaluate.py: error: not enough memory. Unable to allocate 8 TiB\n"
    assert capsys.readouterr().err == text


def test_workers_that_are_lost_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise lost_too_often(3)

    assert run_script(main, "evaluate.py") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("evaluate.py: error: A worker process was killed 4 times")
    assert "with 3 of the tasks left" in line
