"""Times and gaps of the dual solver by size, as a Markdown table.

    python benchmarks/bench_bounds.py [--large] [--huge]

Medians over the instances, of wall time and of the process's CPU time; the compiled
kernels use two threads where there are many rows, unless OMP_NUM_THREADS is 1.
Compilation is timed apart, in a fresh cache.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

import dashf
from mec_llm_env import Scenario, ScenarioConfig, sample_scenario
from mec_llm_env.bank import FIRST_SEED

COMPILE = """
import time, numpy as np
from dashf import solve
from mec_llm_env import ScenarioConfig, sample_scenario
s = sample_scenario(ScenarioConfig(), np.random.default_rng(0))
start = time.process_time()
solve(s, solver="dual")
print(time.process_time() - start)
"""


def scenarios(preset: str, count: int) -> Scenario:
    """Returns the first test scenarios of a preset."""
    config = ScenarioConfig.preset(preset)
    return Scenario.stack(
        [
            sample_scenario(config, np.random.default_rng(FIRST_SEED + i))
            for i in range(count)
        ]
    )


def compile_time_s() -> float:
    """Returns CPU time of the first call with nothing compiled yet, s."""
    with tempfile.TemporaryDirectory() as folder:
        answer = subprocess.run(
            [sys.executable, "-c", COMPILE],
            env=os.environ | {"NUMBA_CACHE_DIR": folder},
            check=True,
            capture_output=True,
            text=True,
        )
    return float(answer.stdout)


def row(preset: str, count: int, mode: str) -> str:
    """Measures and returns a row of the table."""
    s = scenarios(preset, count)
    gaps: list[Any] = []
    walls, cpus = [], []
    if mode == "batch":
        wall, cpu = time.perf_counter(), time.process_time()
        result = dashf.solve_batch(s, solver="dual")
        walls = [(time.perf_counter() - wall) / count]
        cpus = [(time.process_time() - cpu) / count]
        assert result.gap is not None  # `dual` comes with a bound
        gaps += result.gap.tolist()
    else:
        for i in range(count):
            wall, cpu = time.perf_counter(), time.process_time()
            gap = dashf.solve(s[i], solver="dual").gap
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
            gaps.append(gap)
    times = f"{1e3 * np.median(walls):.1f} | {1e3 * np.median(cpus):.1f}"
    return (
        f"| {preset} | {mode} | {count} | {times} | "
        f"{100 * np.mean(gaps):.3f} | {100 * np.max(gaps):.3f} |"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="large-1000x50 too")
    parser.add_argument("--huge", action="store_true", help="huge-10000x200 too")
    arguments = parser.parse_args()
    dashf.solve(scenarios("tiny-4x2", 1)[0], solver="dual")
    print(f"{platform.machine()}, {os.cpu_count()} processors. ", end="")
    print(f"Compilation, once a machine: {compile_time_s():.0f} s of CPU time.\n")
    print("| preset | mode | instances | ms a scenario | CPU ms | ", end="")
    print("mean gap % | worst gap % |")
    print("|---|---|--:|--:|--:|--:|--:|")
    plan = [
        ("tiny-4x2", 20, "single"),
        ("paper-10x2", 100, "single"),
        ("paper-10x2", 100, "batch"),
        ("medium-50x10", 10, "single"),
    ]
    if arguments.large:
        plan.append(("large-1000x50", 1, "single"))
    if arguments.huge:
        plan.append(("huge-10000x200", 1, "single"))
    for preset, count, mode in plan:
        print(row(preset, count, mode), flush=True)
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nPeak memory of the process: {peak_gib:.2f} GiB.")


if __name__ == "__main__":
    main()
