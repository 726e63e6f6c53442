"""Solved scenarios, cached on disk, so that an interrupted sweep is resumed.

A point is one scenario with the results of several solvers. Its file is named by the
hash of configuration, seed, solvers and source code.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import dashf
import mec_llm_env
from agents.cache import source_hash
from agents.work import HERE, Workers
from mec_llm_env import ScenarioConfig, evaluate, sample_scenario
from mec_llm_env.files import write_whole

CACHE = Path(".cache/experiments")
FIRST_SEED = 20_000_000  # test scenarios

#: In the order of the legends.
NAMES = ("dashf", "gucro", "edge", "aauco", "gucaa", "rucaa", "local", "random")


def solved_point(
    config: ScenarioConfig, number: int, names: tuple[str, ...] = NAMES
) -> dict[str, dict[str, Any]]:
    """Returns the results of every solver on a test scenario, cached.

    Args:
        config: what the scenario is drawn from.
        number: of the test scenario.
        names: solvers.

    Returns:
        By solver: `scr`, means over users `delay_s` and `energy_j`, and `history`: the
        SCR, the convex programs solved and the seconds passed at the start and after
        each iteration. Compiling the programs of a size is not counted in.
    """
    return solved_points([(config, number)], names)[0]


def solved_points(
    wanted: Sequence[tuple[ScenarioConfig, int]],
    names: tuple[str, ...] = NAMES,
    *,
    workers: Workers = HERE,
    advance: Callable[[int], None] = lambda done: None,
) -> list[dict[str, dict[str, Any]]]:
    """Returns what `solved_point` does, of many, in their order.

    The files of the cache are written here, wherever points are solved.

    Args:
        wanted: configurations and numbers of test scenarios.
        names: solvers.
        workers: where points are solved.
        advance: called with the number of points that are there.

    Raises:
        dashf.common.parallel.WorkersLostError: workers were killed again and again.
    """
    paths = [_path(config, number, names) for config, number in wanted]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    advance(done := len(paths) - len(missing))
    CACHE.mkdir(parents=True, exist_ok=True)
    solve = functools.partial(_solve, names)
    for k, point in workers.completed(solve, [wanted[i] for i in missing]):
        write_whole(paths[missing[k]], json.dumps(point))
        advance(done := done + 1)
    return [dict(json.loads(path.read_text())) for path in paths]


def _path(config: ScenarioConfig, number: int, names: tuple[str, ...]) -> Path:
    key = json.dumps([config.to_dict(), number, names, _source()], sort_keys=True)
    return CACHE / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"


def _solve(
    names: tuple[str, ...], wanted: tuple[ScenarioConfig, int]
) -> dict[str, dict[str, Any]]:
    """Solves one point."""
    config, number = wanted
    rng = np.random.default_rng(FIRST_SEED + number)
    scenario = sample_scenario(config, rng)
    point = {}
    for name in names:
        _warm_up(name, scenario.n_users, scenario.n_servers)
        options = {"seed": rng} if name in ("random", "rucaa") else {}
        result = dashf.solve(scenario, config.objective, solver=name, **options)
        outcome = evaluate(scenario, result.allocation, config.objective)
        point[name] = {
            "scr": result.scr,
            "delay_s": float(outcome.delay_s.mean()),
            "energy_j": float(outcome.energy_j.mean()),
            "history": [[row.scr, row.programs, row.time_s] for row in result.history],
        }
    return point


@functools.cache
def _warm_up(name: str, users: int, servers: int) -> None:
    """Compiles the programs of a size, so that times do not include it."""
    config = ScenarioConfig(users=users, servers=servers)
    dashf.solve(sample_scenario(config, np.random.default_rng(0)), solver=name)


@functools.cache
def _source() -> str:
    return source_hash(dashf, mec_llm_env)
