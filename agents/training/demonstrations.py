"""Demonstrations: decisions of a solver, encoded as observations and actions.

The scenarios have seeds of their own (`demonstration_instances`). They are solved in
chunks, each of which is cached in `.cache/demonstrations/`, so that an interrupted
generation is resumed and a larger number reuses the chunks of a smaller one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import dashf
import mec_llm_env
from agents.cache import CACHE as ALL_CACHES
from agents.cache import cached_arrays, source_hash
from agents.instances import demonstration_instances
from dashf.registry import check_solver
from mec_llm_env import evaluate
from mec_llm_env.actions import ActionCodec
from mec_llm_env.files import Arrays
from mec_llm_env.observations import ObservationCodec
from mec_llm_env.task import Task

Array = np.ndarray[Any, Any]

CACHE = ALL_CACHES / "demonstrations"
CHUNK = 256  # scenarios solved at once; each chunk is a file of the cache

#: Default numbers of scenarios: about two minutes of a solver.
SCENARIOS = {"dual": 8192, "dashf": 512}


@dataclass(frozen=True, kw_only=True, slots=True)
class Demonstrations:
    """Decisions of a solver in K scenarios."""

    users: Array  # [K, N, M + 9] float32, tokens of the observations
    servers: Array  # [K, M, 7] float32
    server: Array  # [K, N] index of each user's server
    resources: Array  # [K, N, 5] float32 in [−1, 1], columns as `RESOURCES`
    scr: Array  # [K] of the decisions, as decoded
    projection_distance: Array  # [K] of `ActionCodec.project`

    def __len__(self) -> int:
        return len(self.scr)


def demonstrate(
    task: Task,
    solver: str,
    count: int,
    *,
    advance: Callable[[int], None] = lambda done: None,
) -> Demonstrations:
    """Returns a solver's decisions in demonstration scenarios 0 … count − 1.

    Args:
        task: what is decided, with any encodings.
        solver: one of `dashf.SOLVERS`.
        count: K.
        advance: called with the number of scenarios that are solved.

    Raises:
        ValueError: there is no such solver.
    """
    check_solver(solver)
    key = _key(task, solver)
    parts: list[Arrays] = []
    for first in range(0, count, CHUNK):
        path = CACHE / key / f"{first:07d}.npz"
        parts.append(cached_arrays(path, partial(_solve, task, solver, first)))
        advance(min(first + CHUNK, count))
    whole = {k: np.concatenate([p[k] for p in parts])[:count] for k in parts[0]}
    return Demonstrations(**whole)


def describe(demonstrations: Demonstrations, solver: str) -> str:
    """Describes the quality of demonstrations, and of their encoding as actions."""
    return (
        f"{len(demonstrations):,} demonstrations of {solver}: mean SCR "
        f"{demonstrations.scr.mean():.2f}, projected by at most "
        f"{demonstrations.projection_distance.max():.1g}."
    )


def _solve(task: Task, solver: str, first: int) -> Arrays:
    """Returns the fields of the chunk of `Demonstrations` that begins at `first`."""
    config = task.config
    size = config.users, config.servers
    scenario = demonstration_instances(config, first, CHUNK)
    layers = config.workload.whole_layers
    tokens = ObservationCodec(*size, "tokens", layers=layers).encode(scenario)
    allocation = dashf.solve_batch(scenario, config.objective, solver=solver).allocation
    codec = ActionCodec(*size, "dict")
    action, distance = codec.project(allocation, scenario)
    decoded = codec.decode(action, scenario)
    outcome = evaluate(scenario, decoded, config.objective, check=False)
    return {
        "users": tokens["users"],
        "servers": tokens["servers"],
        "server": action["association"],
        "resources": action["resources"],
        "scr": outcome.scr,
        "projection_distance": distance,
    }


def _key(task: Task, solver: str) -> str:
    """Hashes everything that demonstrations depend on, except their number."""
    source = source_hash(mec_llm_env, dashf)
    about = repr((task.config, solver, CHUNK, source))
    return hashlib.sha256(about.encode()).hexdigest()
