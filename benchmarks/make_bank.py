"""Makes the instance bank: solves the test instances of the presets, once.

    python benchmarks/make_bank.py tiny-4x2 mobile-10x2 --work bank_work

Resumable: each solved instance is a file in the work folder and is not solved again.
When the last one is there the bank is written into the package. With --jobs, or on a
Ray cluster, several are solved at once; where branch and bound meets its time limit,
faster processors find tighter bounds.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import dashf
from agents.console.command_line import (
    OneLineParser,
    add_worker_options,
    one_line_errors,
    positive_integer,
    workers_from,
)
from agents.console.display import Display
from agents.console.terminal import run_script
from agents.storage.cache import stored_arrays
from agents.storage.folders import check_writable
from agents.work import Workers
from mec_llm_env import (
    MOBILE_PRESETS,
    Allocation,
    MobileConfig,
    ScenarioConfig,
    evaluate,
    sample_scenario,
    sample_trajectory,
)
from mec_llm_env.bank import FIRST_SEED, save_bank
from mec_llm_env.files import Arrays, read_arrays, write_arrays
from mec_llm_env.held_out import MOST_HELD_OUT
from mec_llm_env.mobile.bank import save_trajectory_bank

PACKAGE = Path(__file__).parents[1] / "mec_llm_env" / "bank"

#: Instances, relative gap, and time limit of branch and bound in s (None: dual alone).
PLAN: dict[str, tuple[int, float, float | None]] = {
    "tiny-4x2": (100, 1e-3, 120.0),
    "paper-10x2": (100, 1e-3, 120.0),
    "medium-50x10": (100, 1e-3, 4.0),
    "large-1000x50": (8, 1e-3, None),
    "6g-umi-10x2": (100, 1e-3, 120.0),
    "6g-subthz-10x2": (100, 1e-3, 120.0),
}
#: Episodes.
EPISODES = {
    "mobile-10x2": 100,
    "mobile-10x2-pedestrian": 100,
    "mobile-10x2-vehicular": 100,
}

#: A line about an instance, and the arrays of its file.
Solved = tuple[str, dict[str, Any]]


def solve(preset: str, gap: float, limit_s: float | None, seed: int) -> Solved:
    """Solves one instance."""
    config = ScenarioConfig.preset(preset)
    scenario = sample_scenario(config, np.random.default_rng(seed))
    start = time.perf_counter()
    if limit_s is None:
        result = dashf.solve(scenario, config.objective, solver="dual")
    else:
        result = dashf.solve(
            scenario, config.objective, solver="exact", gap=gap, time_limit_s=limit_s
        )
    bound = result.bound
    assert bound is not None
    line = (
        f"{preset} {seed} scr {result.scr:.6f} "
        f"gap {100 * (bound.value / result.scr - 1):.3f} % "
        f"{time.perf_counter() - start:.2f} s {bound.status.value}"
    )
    return line, {"bound": bound.value, **result.allocation.to_dict()}


def assemble(preset: str, paths: list[Path], output: Path) -> str:
    """Writes the bank of solved instances and returns a line about it."""
    seeds = np.array([int(path.stem) for path in paths])
    found = [solved_arrays(path) for path in paths]
    bound = np.array([float(fields.pop("bound")) for fields in found])
    allocation = Allocation.stack([Allocation(**fields) for fields in found])
    config = ScenarioConfig.preset(preset)
    scr = np.array(
        [
            evaluate(
                sample_scenario(config, np.random.default_rng(int(seed))),
                allocation[i],
                config.objective,
            ).scr
            for i, seed in enumerate(seeds)
        ]
    )
    path = output / f"{preset}.npz"
    sha256 = save_bank(
        path,
        preset,
        seed=seeds,
        bound=bound,
        scr=scr,
        allocation=allocation,
        with_scenarios=preset != "large-1000x50",
    )
    gaps = 100 * (bound / scr - 1)
    return (
        f"{path.name}: {len(seeds)} instances, gap mean {gaps.mean():.3f} %, worst "
        f"{gaps.max():.3f} %, {path.stat().st_size / 1e3:.0f} kB, {sha256}"
    )


def plan(preset: str, seed: int) -> Solved:
    """Plans one episode."""
    config = MobileConfig.preset(preset)
    trajectory = sample_trajectory(config, np.random.default_rng(seed))
    found = dashf.plan(trajectory, config.objective)
    line = (
        f"{preset} {seed} scr {found.scr:.6f} gap {100 * found.gap:.3f} % "
        f"{found.time_s:.2f} s {found.status.value}"
    )
    arrays = {
        "bound": found.bound.value,
        "scr": found.scr,
        "server": found.allocation.server,
    }
    return line, arrays


def assemble_plans(preset: str, paths: list[Path], output: Path) -> str:
    """Writes the bank of planned episodes and returns a line about it."""
    found: dict[str, list[np.ndarray]] = {"bound": [], "scr": [], "server": []}
    for path in paths:
        arrays = solved_arrays(path)
        for name, values in found.items():
            values.append(arrays[name])
    stacked = {name: np.stack(values) for name, values in found.items()}
    path = output / f"{preset}.npz"
    seeds = np.array([int(path.stem) for path in paths])
    sha256 = save_trajectory_bank(path, preset, seed=seeds, **stacked)
    share = stacked["scr"] / stacked["bound"]
    return (
        f"{path.name}: {len(seeds)} episodes, plan over bound mean {share.mean():.5f}, "
        f"worst {share.min():.5f}, {sha256}"
    )


def solved_arrays(path: Path) -> Arrays:
    """Returns what `make_instances` has written of an instance."""
    return read_arrays(path, signed=True)


def main(arguments: list[str] | None = None) -> int:
    """Solves what is missing and writes the banks; returns the exit status."""
    parser = OneLineParser(
        prog="make_bank.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = (*PLAN, *EPISODES)
    add = parser.add_argument
    add("presets", nargs="*", default=list(PLAN), metavar="PRESET")
    add("--work", type=Path, default=Path("bank_work"), help="(%(default)s)")
    add("--output", type=Path, default=PACKAGE, help="of the banks (the package)")
    add("--instances", type=positive_integer, metavar="I", help="of each (its own)")
    add_worker_options(parser)
    options = parser.parse_args(arguments)
    for preset in options.presets:
        if preset not in known:
            parser.error(f"{preset!r} is not one of {', '.join(known)}")
    with one_line_errors(parser.prog):
        if (options.instances or 1) > MOST_HELD_OUT:
            raise ValueError(
                f"--instances must be at most {MOST_HELD_OUT:,}, as many as there are; "
                f"got {options.instances:,}."
            )
        workers = workers_from(options)
        folders = options.output, options.work
        for folder in folders:
            check_writable(folder)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    for preset in options.presets:
        paths = make_instances(preset, options.instances, options.work, workers)
        finish = assemble_plans if preset in MOBILE_PRESETS else assemble
        print(finish(preset, paths, options.output), flush=True)
    return 0


def make_instances(
    preset: str, count: int | None, work: Path, workers: Workers
) -> list[Path]:
    """Solves the instances of a preset that have no file yet; returns all files."""
    make: Callable[[int], Solved]
    if preset in MOBILE_PRESETS:
        planned, make = EPISODES[preset], functools.partial(plan, preset)
    else:
        planned, gap, limit_s = PLAN[preset]
        make = functools.partial(solve, preset, gap, limit_s)
    folder = work / preset
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{FIRST_SEED + i}.npz" for i in range(count or planned)]
    missing = [path for path in paths if stored_arrays(path) is None]
    done = len(paths) - len(missing)
    with Display(preset, len(paths)) as display:
        display.update(done)
        seeds = [int(path.stem) for path in missing]
        for k, (line, arrays) in workers.completed(make, seeds):
            write_arrays(missing[k], arrays)
            done += 1
            display.say(line)
            display.update(done)
    return paths


if __name__ == "__main__":
    raise SystemExit(run_script(main, "make_bank.py"))
