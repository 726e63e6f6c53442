"""Core-hours of a million instances of each preset, as Markdown tables.

    python -m benchmarks.bench_costs [--presets PRESET …] [--seconds S]

Processor time on one thread, in batches where a solver takes them, after a first
instance that is not counted. A cell takes about S seconds, and two instances at least
where one takes longer. Programs for every user and server of more than 10,000 pairs,
which take minutes and gigabytes, are left out.
"""

from __future__ import annotations

import argparse
import pickle
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import dashf
from agents.evaluation.timing import one_thread
from agents.problems.episodes import play
from agents.problems.instances import held_out_instances
from agents.problems.tasks import DEFAULT_ENV, MOBILE_ENV, make_task
from agents.registry import make_agent
from mec_llm_env import MOBILE_PRESETS, PRESETS

MILLION_H = 1e6 / 3600.0
MOST_PAIRS = 10_000
PROGRAMS = ("dashf", "gucro")
ROWS = (
    *("drawing", "gucaa", "ppo:pretrained", "bound", "dual", *PROGRAMS),
    *("hysteresis", "lookahead", "ppo_mobile:pretrained", "plan, with its bound"),
)
BYTES = ("to a node: an instance", "from it: an allocation", "peak memory, MB")


def costs(preset: str, seconds: float) -> dict[str, float]:
    """Returns the rows of a preset: core-hours of a million, and bytes of one."""
    mobile = preset in MOBILE_PRESETS
    task = make_task(MOBILE_ENV if mobile else DEFAULT_ENV, preset=preset)
    config = task.config
    count, drawn = 1, 0.0
    while drawn < min(seconds, 1.0) and count < 1000:
        count *= 2
        begun = time.process_time()
        instances = held_out_instances(config, count)
        drawn = time.process_time() - begun
    found = {"drawing": MILLION_H * drawn / count}
    found[BYTES[0]] = len(pickle.dumps(instances[:25])) / min(25, count)
    work: dict[str, Callable[[Any], Any]] = {}
    if mobile:
        for name in ("gucaa", "hysteresis", "lookahead", "ppo_mobile:pretrained"):
            work[name] = _player(name, task)
        work["bound"] = lambda part: dashf.trajectory_bound(part, config.objective)
        work["plan, with its bound"] = lambda part: dashf.plan(part, config.objective)
    else:
        large = config.users * config.servers > MOST_PAIRS
        for name in ("gucaa", "dual", *(() if large else PROGRAMS)):
            work[name] = _solver(name, config.objective)
        work["bound"] = lambda part: dashf.upper_bound(part, config.objective)
        agent = make_agent("ppo:pretrained", task)
        work["ppo:pretrained"] = agent.decide
        allocation = dashf.solve_batch(instances[:1], solver="gucaa").allocation
        found[BYTES[1]] = len(pickle.dumps(allocation))
    for name, function in work.items():
        found[name] = MILLION_H * _seconds_each(function, instances, seconds)
    found[BYTES[2]] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def _solver(name: str, objective: Any) -> Callable[[Any], Any]:
    return lambda part: dashf.solve_batch(part, objective, solver=name)


def _player(name: str, task: Any) -> Callable[[Any], Any]:
    agent = make_agent(name, task)
    return lambda part: play(agent, getattr(agent, "task", task), part)


def _seconds_each(work: Callable[[Any], Any], instances: Any, seconds: float) -> float:
    """Returns processor time of an instance, in batches that grow to fill the time."""
    work(instances[:1])  # compiles
    count, spent = 1, 0.0
    while True:
        begun = time.process_time()
        work(instances[:count])
        spent = time.process_time() - begun
        if spent >= seconds / 2 or count >= instances.batch_shape[0]:
            return spent / count
        enough = seconds / max(spent / count, 1e-9)
        count = int(np.clip(enough, count + 1, instances.batch_shape[0]))


def table(presets: Sequence[str], found: dict[str, dict[str, float]]) -> str:
    """Returns what was measured, in Markdown."""
    lines = []
    for title, rows in (("core-hours of 10⁶", ROWS), ("byte", BYTES)):
        lines += [
            f"| {title} | " + " | ".join(f"`{p}`" for p in presets) + " |",
            "|---|" + "--:|" * len(presets),
        ]
        for row in rows:
            cells = [found[p].get(row) for p in presets]
            texts = ["" if c is None else _rounded(c) for c in cells]
            if any(texts):
                lines.append(f"| {row} | " + " | ".join(texts) + " |")
        lines.append("")
    return "\n".join(lines)


def _rounded(value: float) -> str:
    """Returns two digits, or three of what is large."""
    digits = 2 if value < 100 else 3
    return f"{float(f'{value:.{digits}g}'):,.10g}"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = [*PRESETS, *MOBILE_PRESETS]
    parser.add_argument("--presets", nargs="+", choices=known, default=known)
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S")
    options = parser.parse_args()
    found = {}
    for preset in options.presets:
        with one_thread():
            found[preset] = costs(preset, options.seconds)
        print(preset, found[preset], flush=True)
    print(table(options.presets, found))


if __name__ == "__main__":
    main()
