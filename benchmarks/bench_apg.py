#!/usr/bin/env python
"""Times decisions of a trained policy, from the scenario to the feasible allocation.

`python -m benchmarks.bench_apg` takes one scenario at a time on one thread, then many
at once on one and on two threads, and says how good the decisions are.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from agents import make_agent
from agents.problems.bounds import certified_bounds
from agents.problems.instances import held_out_instances
from mec_llm_env import evaluate, sample_scenario
from mec_llm_env.task import Task

PRESET = "paper-10x2"
INSTANCES = 100  # of the bank


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints a table in Markdown."""
    parser = argparse.ArgumentParser(description="Times decisions of a policy.")
    parser.add_argument("--agent", default="apg:pretrained")
    parser.add_argument("--batch", type=int, default=1024, help="scenarios at once")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args(arguments)

    task = Task(preset=PRESET)
    agent = make_agent(options.agent, task)
    scenario = held_out_instances(task.config, INSTANCES)
    singles = [scenario[i] for i in range(INSTANCES)]
    rng = np.random.default_rng(0)
    many = sample_scenario(task.config, rng, (options.batch,))

    begun = time.perf_counter()
    agent.decide(singles[0])
    first_s = time.perf_counter() - begun
    one: list[tuple[float, float]] = []
    batches: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(options.rounds):  # in turn, so that other work meets all alike
        with threads(1):
            one += [
                timed(functools.partial(agent.decide, single)) for single in singles
            ]
        for count, times in batches.items():
            with threads(count):
                times.append(timed(lambda: agent.decide(many)))

    scr = evaluate(scenario, agent.decide(scenario)).scr
    share = scr / certified_bounds(scenario, task.config.objective, PRESET).value
    print(f"First decision in the process: {first_s:.2f} s.\n")
    print("| decision | threads | median | 95 % | CPU, median |")
    print("|---|--:|--:|--:|--:|")
    print(row("one scenario, ms", 1, np.array(one) * 1e3))
    for count, times in batches.items():
        name = f"a scenario of {options.batch}, µs"
        print(row(name, count, np.array(times) / options.batch * 1e6))
    print(
        f"\nShare of the certified bound: {share.mean():.4f}, worst {share.min():.3f}"
    )


def threads(count: int) -> ExitStack:
    """Returns a context with so many threads for BLAS, OpenMP and PyTorch."""
    stack = ExitStack()
    stack.enter_context(threadpool_limits(count))
    stack.callback(torch.set_num_threads, torch.get_num_threads())
    torch.set_num_threads(count)
    return stack


def timed(decide: Callable[[], object]) -> tuple[float, float]:
    """Returns the wall and the processor time of a call, in s."""
    wall, cpu = time.perf_counter(), time.process_time()
    decide()
    return time.perf_counter() - wall, time.process_time() - cpu


def row(name: str, n_threads: int, times: np.ndarray) -> str:
    """Returns a row of the table; `times` [K, 2] are wall and processor times."""
    wall, cpu = times.T
    return (
        f"| {name} | {n_threads} | {np.median(wall):.3g} | "
        f"{np.percentile(wall, 95):.3g} | {np.median(cpu):.3g} |"
    )


if __name__ == "__main__":
    main()
