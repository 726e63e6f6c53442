"""Caches, and other files that can be made again."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from agents import clairvoyant
from agents.problems import bounds
from agents.problems.instances import held_out_instances
from agents.problems.tasks import make_task
from agents.training import demonstrations
from agents.work import HERE
from dashf.pair.jit import compile_function
from experiments.comparison import measuring
from experiments.figure import points
from mec_llm_env import MobileConfig, ScenarioConfig, sample_trajectory
from mec_llm_env.mobile.task import MobileTask
from tests.faults.kinds import Kind, digest

Made = tuple[Path, Callable[[], Any]]
SMALL = {"users": 2, "servers": 1}

_SOURCE = """
def weighted(values, k):
    total = 0.0
    for i in range(len(values)):
        total += k * i * values[i]
    return total
"""


def _only(folder: Path, pattern: str = "*") -> Path:
    (file,) = (path for path in folder.rglob(pattern) if path.is_file())
    return file


def bounds_npz(folder: Path, stack: ExitStack) -> Made:
    stack.enter_context(mock.patch.object(bounds, "CACHE", folder))
    config = ScenarioConfig(**SMALL)
    scenario = held_out_instances(config, 1)

    def read() -> str:
        found = bounds.certified_bounds(scenario, config.objective)
        return digest(dataclasses.asdict(found))

    read()
    return _only(folder), read


def prices_npz(folder: Path, stack: ExitStack) -> Made:
    stack.enter_context(mock.patch.object(bounds, "CACHE", folder))
    config = ScenarioConfig(**SMALL)
    scenario = held_out_instances(config, 1)[0]

    def read() -> str:
        found = dataclasses.asdict(bounds.certified_bound(scenario, config.objective))
        return digest({k: v for k, v in found.items() if k != "time_s"})

    read()
    return _only(folder), read


def plans_npz(folder: Path, stack: ExitStack) -> Made:
    stack.enter_context(mock.patch.object(clairvoyant, "PLANS", folder))
    config = MobileConfig(**SMALL).with_overrides({"mobility.slots": 2})
    trajectory = sample_trajectory(config, np.random.default_rng(0))
    agent = clairvoyant.Clairvoyant(MobileTask(overrides=config.to_dict()))

    def read() -> bytes:
        return agent.servers(trajectory).tobytes()

    read()
    return _only(folder), read


def demonstrations_npz(folder: Path, stack: ExitStack) -> Made:
    stack.enter_context(mock.patch.object(demonstrations, "CACHE", folder))
    stack.enter_context(mock.patch.object(demonstrations, "CHUNK", 2))
    task = make_task("MecLlm-v0", overrides=SMALL)

    def read() -> str:
        return digest(dataclasses.asdict(demonstrations.demonstrate(task, "gucaa", 2)))

    read()
    return _only(folder), read


def points_json(folder: Path, stack: ExitStack) -> Made:
    stack.enter_context(mock.patch.object(points, "CACHE", folder))
    config = ScenarioConfig(**SMALL)

    def read() -> str:
        point = points.solved_point(config, 0, "gucaa")
        return repr([point[k] for k in ("scr", "delay_s", "energy_j")])  # but for times

    read()
    return _only(folder), read


def measurements_npz(folder: Path, stack: ExitStack) -> Made:
    path = folder / "gucaa.npz"
    task = make_task("MecLlm-v0", overrides=SMALL)
    scenario = held_out_instances(task.config, 1)

    def read() -> str:
        found = measuring._measured(path, "gucaa", task, scenario, HERE)
        return digest({"scr": found.scr, "delay_s": found.delay_s})

    read()
    return path, read


def _numba(suffix: str) -> Callable[[Path, ExitStack], Made]:
    def make(folder: Path, stack: ExitStack) -> Made:
        from numba.core import config

        source = folder / "source.py"
        source.write_text(_SOURCE)
        cache = os.fspath(folder / "cache")
        stack.enter_context(mock.patch.object(config, "CACHE_DIR", cache))

        def read() -> float:
            spec = importlib.util.spec_from_file_location("source", source)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            compiled = compile_function(module.weighted, nogil=True)
            return float(compiled(np.array([3.0, 5.0, 7.0]), 2))

        read()
        return _only(folder, f"*.{suffix}"), read

    return make


CACHES = [
    Kind("cache of bounds", bounds_npz, is_cache=True),
    Kind("cache of prices", prices_npz, is_cache=True),
    Kind("cache of plans", plans_npz, is_cache=True),
    Kind("cache of demonstrations", demonstrations_npz, is_cache=True),
    Kind("cache of points", points_json, is_cache=True),
    Kind("cache of measurements", measurements_npz, is_cache=True),
    Kind("numba's index", _numba("nbi"), is_cache=True),
    Kind("numba's code", _numba("nbc"), is_cache=True),
]
