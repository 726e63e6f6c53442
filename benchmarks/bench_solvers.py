"""Time and quality of every solver by size, and time of the SDR's formulations.

    python benchmarks/bench_solvers.py            # 10x2, 20x4, 50x10; some minutes
    python benchmarks/bench_solvers.py --quick    # 10x2 only
    python benchmarks/bench_solvers.py --full 20x4    # the textbook's SDR, minutes

Prints Markdown: medians and quartiles of the wall time, one thread, problems compiled
before; the median CPU time, which a busy machine disturbs less; and the SCR.
"""

# ruff: noqa: E402 — the number of threads is set before NumPy is imported
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy is imported

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dashf import SOLVERS, solve
from dashf.alternating.association import minorise, offers, relax
from dashf.pair.split import pair_terms
from dashf.rules import starting_allocation, strongest_channel
from mec_llm_env import Scenario, ScenarioConfig, evaluate, sample_scenario

FIRST_SEED = 20_000_000  # test scenarios
SIZES = {"10x2": 20, "20x4": 10, "50x10": 5}  # scenarios of each


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only 10x2, 3 scenarios")
    parser.add_argument(
        "--full", metavar="NxM", nargs="*", default=["10x2"], help="time `full` there"
    )
    parser.add_argument(
        "--solvers", nargs="*", default=[name for name in SOLVERS if name != "exact"]
    )
    arguments = parser.parse_args()
    sizes = {"10x2": 3} if arguments.quick else SIZES

    print("| size | solver | first call, s | median, s | quartiles, s | CPU, s | SCR |")
    print("|---|---|---|---|---|---|---|")
    for size, count in sizes.items():
        scenarios = draw(size, count)
        for name in arguments.solvers:
            bench_solver(size, name, scenarios)
    print("\n| size | SDR | first call, s | median, ms | quartiles, ms |")
    print("|---|---|---|---|---|")
    for size in dict.fromkeys([*sizes, *arguments.full]):
        for formulation in ("sparse", "full", "closed_form"):
            if formulation != "full" or size in arguments.full:
                bench_relaxation(size, formulation)


def draw(size: str, count: int) -> list[Scenario]:
    """Returns the first test scenarios of a size such as "10x2"."""
    users, servers = map(int, size.split("x"))
    config = ScenarioConfig(users=users, servers=servers)
    return [
        sample_scenario(config, np.random.default_rng(FIRST_SEED + i))
        for i in range(count)
    ]


def bench_solver(size: str, name: str, scenarios: list[Scenario]) -> None:
    """Prints a row: a solver on the scenarios of a size."""
    first, _, _ = timed(lambda: solve(scenarios[0], solver=name))
    rows = [timed(functools.partial(solve, s, solver=name)) for s in scenarios]
    wall, cpu, results = zip(*rows, strict=True)
    low, median, high = np.percentile(wall, [25, 50, 75])
    scr = np.mean([result.scr for result in results])
    print(
        f"| {size} | `{name}` | {first:.2f} | {median:.3f} | {low:.3f}-{high:.3f} | "
        f"{np.median(cpu):.3f} | {scr:.2f} |",
        flush=True,
    )


def bench_relaxation(size: str, formulation: str) -> None:
    """Prints a row: a formulation of the SDR on the programs of three scenarios."""
    problems = []
    for s in draw(size, 3):
        objective = ScenarioConfig().objective
        z = starting_allocation(s, strongest_channel(s), objective)
        y = float(evaluate(s, z, objective).scr)
        options = offers(s, z, objective, y)
        terms = pair_terms(s, options, z.user_frequency_hz, objective)
        problems.append(minorise(terms, s, z.local_fraction, y))
    first, _, _ = timed(lambda: relax(problems[0], formulation))
    slow = first > 20
    again = problems[1:2] if slow else problems * 3
    wall = [timed(functools.partial(relax, p, formulation))[0] for p in again]
    low, median, high = 1e3 * np.percentile(wall, [25, 50, 75])
    print(
        f"| {size} | `{formulation}` | {first:.2f} | {median:.1f} | "
        f"{low:.1f}-{high:.1f} |",
        flush=True,
    )


def timed(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """Returns wall time and CPU time in s, and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - cpu, result


if __name__ == "__main__":
    main()
