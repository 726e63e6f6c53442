#!/usr/bin/env python
"""Memory, descriptors and threads of a long training run, as a Markdown table.

    python benchmarks/soak.py --minutes 60 --eval-freq 360_000

Trains PPO on paper-10x2 with one thread, evaluates and saves a checkpoint after every
`--eval-freq` decisions, reads the process's own entry in /proc every `--interval`
seconds, and ends the run as Ctrl-C does. Linux only.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
INTERRUPTED = 130  # the exit status of a run that Ctrl-C has ended at a checkpoint


class Sample(NamedTuple):
    """What /proc says of the process at a moment."""

    elapsed_s: float
    resident_kib: int
    descriptors: int
    threads: int
    cpu_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, samples and prints; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=10.0, help="minutes (10)")
    parser.add_argument("--interval", type=float, default=30.0, help="seconds (30)")
    parser.add_argument("--eval-freq", default="360_000", help="decisions (360_000)")
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"))
    options = parser.parse_args(arguments)
    if not Path("/proc/self/status").exists():
        parser.error("needs /proc, so it runs on Linux only")
    if not options.warm_up < options.minutes:
        parser.error("--warm-up must be shorter than --minutes")

    with tempfile.TemporaryDirectory() as folder:
        process = begin(folder, options.eval_freq)
        try:
            samples = watch(
                process, options.minutes * 60.0, options.interval, options.csv
            )
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate()
        finally:
            process.kill()
    lines = output.strip().splitlines()
    if process.returncode != INTERRUPTED:
        print(output, file=sys.stderr)
        print(f"train.py ended with {process.returncode}.", file=sys.stderr)
        return 1
    evaluations = [line for line in lines if " decisions " in line]
    print(
        f"{len(evaluations)} evaluations; the last: {' '.join(evaluations[-1].split())}"
    )
    print(table(samples, options.warm_up * 60.0))
    return 0


def begin(folder: str, eval_freq: str) -> subprocess.Popen[str]:
    """Starts the training, with one thread and without an end in sight."""
    command = [sys.executable, str(ROOT / "train.py"), "--agent", "ppo"]
    command += ["--timesteps", "1e11", "--eval-freq", eval_freq, "--no-progress"]
    command += ["--output", folder]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        env=os.environ | threads,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def watch(
    process: subprocess.Popen[str], duration_s: float, interval_s: float, path: Path
) -> list[Sample]:
    """Samples until the duration is over or the process has ended; writes a CSV."""
    begun = time.monotonic()
    samples: list[Sample] = []
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Sample._fields)
        while process.poll() is None and time.monotonic() - begun < duration_s:
            samples.append(sample(process.pid, time.monotonic() - begun))
            writer.writerow(samples[-1])
            file.flush()
            time.sleep(min(interval_s, duration_s))
    return samples


def sample(pid: int, elapsed_s: float) -> Sample:
    """Returns what /proc says of a running process."""
    folder = Path("/proc", str(pid))
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines()
    )
    # The name stands in brackets and may hold blanks; utime and stime follow.
    times = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
    return Sample(
        elapsed_s=round(elapsed_s, 1),
        resident_kib=int(status["VmRSS"].split()[0]),
        descriptors=len(os.listdir(folder / "fd")),
        threads=int(status["Threads"]),
        cpu_s=sum(map(int, times)) / os.sysconf("SC_CLK_TCK"),
    )


def table(samples: Sequence[Sample], warm_up_s: float) -> str:
    """Returns the figures after the warm-up as a Markdown table."""
    values = np.array([s for s in samples if s.elapsed_s >= warm_up_s])
    elapsed, resident, descriptors, threads, cpu = values.T
    resident = resident / 1024.0
    slope = np.polyfit(elapsed / 3600.0, resident, 1)[0] if len(values) > 1 else 0.0
    rows = [
        "| after warm-up | first | last | least | most |",
        "|---|--:|--:|--:|--:|",
        row("resident memory, MiB", resident, ".1f"),
        row("open descriptors", descriptors, ".0f"),
        row("threads", threads, ".0f"),
        "",
        f"{len(values)} samples over {(elapsed[-1] - elapsed[0]) / 60:.0f} minutes, "
        f"{cpu[-1] - cpu[0]:.0f} s of processor time; a straight line through the "
        f"memory rises by {slope:+.1f} MiB an hour.",
    ]
    return "\n".join(rows)


def row(name: str, values: np.ndarray, form: str) -> str:
    """Returns a row of the table."""
    figures = (values[0], values[-1], values.min(), values.max())
    return f"| {name} | " + " | ".join(format(x, form) for x in figures) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
