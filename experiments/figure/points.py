"""Decided scenarios, cached on disk, so that figures are redrawn without deciding.

A point is what one agent makes of one scenario. Its file is named by the hash of
configuration, number, agent and source code; of a trained agent its weights are part.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import agents
import dashf
import mec_llm_env
from agents.learned import find_model
from agents.registry import make_agent, run_config, run_folder
from agents.storage.cache import CACHE as ALL_CACHES
from agents.storage.cache import source_hash, store_arrays, stored_arrays
from agents.work import HERE, Workers
from dashf.registry import RANDOM
from experiments.figure.drawn import task_of
from mec_llm_env import Scenario, ScenarioConfig, evaluate, sample_scenario

CACHE = ALL_CACHES / "experiments"
_POINT = "json"  # name of the array of the text, which a check sum goes with
FIRST_SEED = 20_000_000  # test scenarios

#: A configuration, the number of a test scenario, an agent as `make_agent` takes it.
Wanted = tuple[ScenarioConfig, int, str]


def solved_point(config: ScenarioConfig, number: int, name: str) -> dict[str, Any]:
    """Returns what an agent makes of a test scenario: see `solved_points`."""
    return solved_points([(config, number, name)])[0]


def solved_points(
    wanted: Sequence[Wanted],
    *,
    workers: Workers = HERE,
    advance: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Returns what agents make of test scenarios, cached, in the order wanted.

    The files of the cache are written here, wherever points are solved.

    Args:
        wanted: the points.
        workers: where they are solved.
        advance: called with the number of points that are there.

    Returns:
        `scr`, means over users `delay_s` and `energy_j`, and `history`: the SCR, the
        convex programs solved and the seconds passed at the start and after each
        iteration, or at the end where there are none. Compiling the programs of a size
        and loading a policy are not counted in.

    Raises:
        dashf.common.parallel.WorkersLostError: workers were killed again and again.
    """
    paths = [_path(*point) for point in wanted]
    found = [_stored(path) for path in paths]
    missing = [i for i, point in enumerate(found) if point is None]
    advance(done := len(paths) - len(missing))
    for k, point in workers.completed(_decided, [wanted[i] for i in missing]):
        found[missing[k]] = point
        store_arrays(paths[missing[k]], {_POINT: np.array(json.dumps(point))})
        advance(done := done + 1)
    return [point for point in found if point is not None]


def _stored(path: Path) -> dict[str, Any] | None:
    arrays = stored_arrays(path)
    return None if arrays is None else dict(json.loads(str(arrays[_POINT])))


def _path(config: ScenarioConfig, number: int, name: str) -> Path:
    key = json.dumps([config.to_dict(), number, name, _version(name)], sort_keys=True)
    return CACHE / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


def _decided(wanted: Wanted) -> dict[str, Any]:
    config, number, name = wanted
    # The generator goes on where the scenario ends, for each agent alike.
    rng = np.random.default_rng(FIRST_SEED + number)
    scenario = sample_scenario(config, rng)
    if name in dashf.SOLVERS:
        _warm_up(name, scenario.n_users, scenario.n_servers)
        options: dict[str, Any] = {"seed": rng} if name in RANDOM else {}
        result = dashf.solve(scenario, config.objective, solver=name, **options)
        allocation = result.allocation
        history = [[row.scr, row.programs, row.time_s] for row in result.history]
    else:
        agent, start = _loaded(name, config), time.perf_counter()
        allocation = agent.decide(scenario)
        passed_s = time.perf_counter() - start
        scr = float(evaluate(scenario, allocation, config.objective).scr)
        history = [[scr, 0, passed_s]]
    outcome = evaluate(scenario, allocation, config.objective)
    return {
        "scr": float(outcome.scr),
        "delay_s": float(outcome.delay_s.mean()),
        "energy_j": float(outcome.energy_j.mean()),
        "history": history,
    }


@functools.cache
def _warm_up(name: str, users: int, servers: int) -> None:
    """Compiles the programs of a size, so that times do not include it."""
    dashf.solve(_example(ScenarioConfig(users=users, servers=servers)), solver=name)


@functools.lru_cache(maxsize=8)
def _loaded(name: str, config: ScenarioConfig) -> Any:
    """Loads a trained agent, and lets it decide once, which takes longer."""
    agent = make_agent(name, task_of(config))
    agent.decide(_example(config))
    return agent


def _example(config: ScenarioConfig) -> Scenario:
    return sample_scenario(config, np.random.default_rng(0))


@functools.cache
def _version(name: str) -> str:
    """Returns the hash of all code and weights that an agent's decisions depend on."""
    if name in dashf.SOLVERS:
        return source_hash(dashf, mec_llm_env)
    config = run_config(name)
    assert config is not None  # `drawn_agents` has read it
    weights = find_model(Path(run_folder(name)), config).read_bytes()
    parts = [source_hash(agents, dashf, mec_llm_env), repr(config.to_dict())]
    digest = hashlib.sha256("\n".join(parts).encode() + weights)
    return digest.hexdigest()
