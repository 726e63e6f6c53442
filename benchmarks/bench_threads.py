"""What a second thread in one process gains `dual`, as a Markdown table.

    OMP_NUM_THREADS=1 python benchmarks/bench_threads.py

Compiled kernels release the GIL; the Python around them does not. The processor times
of both are recorded in turn in one thread. From them follows what two threads on two
free cores would reach if a thread that wants the GIL waits until the other one enters a
kernel. What they do reach is measured beside it; other work on the machine disturbs it.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # kernels have one thread each

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import numpy as np

import dashf
from dashf.pair import jit
from mec_llm_env import Scenario, ScenarioConfig, sample_scenario
from mec_llm_env.bank import FIRST_SEED

PLAN = (("paper-10x2", 1), ("paper-10x2", 25), ("medium-50x10", 1))


class Recorder:
    """Processor times of one thread, s: outside a kernel, then in it, and so on."""

    def __init__(self) -> None:
        self.parts: list[tuple[float, float]] = []
        self._since = time.thread_time()

    def timed(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the kernel, which now leaves its time here."""

        def call(*arguments: Any) -> Any:
            begin = time.thread_time()
            answer = kernel(*arguments)
            end = time.thread_time()
            self.parts.append((begin - self._since, end - begin))
            self._since = end
            return answer

        return call

    def stop(self) -> None:
        """Counts what came after the last kernel."""
        self.parts.append((time.thread_time() - self._since, 0.0))


def recorded(work: Callable[[], Any]) -> list[tuple[float, float]]:
    """Returns the parts of some work that is done now."""
    plain, recorder = jit._compiled, Recorder()

    def compiled(loop: Callable[..., Any], nogil: bool) -> Callable[..., Any]:
        kernel: Callable[..., Any] = plain(loop, nogil)
        return recorder.timed(kernel) if nogil else kernel

    with patch.object(jit, "_compiled", compiled):
        work()
    recorder.stop()
    return recorder.parts


def two_threads(parts: list[tuple[float, float]]) -> float:
    """Returns the throughput of two threads with these parts over that of one."""
    ready, done, free_s = [0.0, 0.0], [0, 0], 0.0
    while min(done) < len(parts):
        left = [i for i in (0, 1) if done[i] < len(parts)]
        one = min(left, key=lambda i: ready[i])
        outside, inside = parts[done[one]]
        free_s = max(ready[one], free_s) + outside  # of the GIL, from then on
        ready[one], done[one] = free_s + inside, done[one] + 1
    return 2 * sum(map(sum, parts)) / max(ready)


def measured(work: Callable[[], Any]) -> float:
    """Returns that ratio as the clock on the wall has it: the median of five."""
    ratios = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        middle = time.perf_counter()
        with ThreadPoolExecutor(2) as threads:
            for answer in [threads.submit(work) for _ in range(2)]:
                answer.result()
        ratios.append(2 * (middle - begin) / (time.perf_counter() - middle))
    return statistics.median(ratios)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=50, help="scenarios of 10x2")
    count = parser.parse_args().count
    print("| size | scenarios at once | CPU ms per scenario | share outside ", end="")
    print("the kernels | two threads, computed | measured |\n|---|--:|--:|--:|--:|--:|")
    for preset, at_once in PLAN:
        config, many = ScenarioConfig.preset(preset), count
        many = max(count // 10, 1) if config.users > 10 else count
        rngs = (np.random.default_rng(FIRST_SEED + i) for i in range(many))
        drawn = [sample_scenario(config, rng) for rng in rngs]
        groups = [drawn[i : i + at_once] for i in range(0, many, at_once)]

        def work(groups: list[list[Scenario]] = groups) -> None:
            for group in groups:
                if len(group) == 1:
                    dashf.solve(group[0], solver="dual")
                else:
                    dashf.solve_batch(Scenario.stack(group), solver="dual")

        work()
        parts = recorded(work)
        outside, inside = map(sum, zip(*parts, strict=True))
        print(
            f"| {preset} | {at_once} | {1e3 * (outside + inside) / many:.2f} | "
            f"{outside / (outside + inside):.2f} | {two_threads(parts):.2f} | "
            f"{measured(work):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
