"""Demonstrations: solved once, kept in chunks, verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashf
from agents.problems.instances import (
    DEMONSTRATION_SEED,
    TEST_SEED,
    VALIDATION_SEED,
    demonstration_instances,
)
from agents.run.config import ENVIRONMENTS_PER_RUN, RUNS
from agents.training import demonstrations
from agents.training.demonstrations import Demonstrations, demonstrate, describe
from mec_llm_env import sample_scenario
from mec_llm_env.task import Task

TINY = Task(preset="tiny-4x2")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demonstrations, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(demonstrations, "CHUNK", 4)
    return tmp_path / "cache"


def assert_equal(one: Demonstrations, other: Demonstrations) -> None:
    for name in Demonstrations.__slots__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_they_are_the_decisions_of_the_solver_in_scenarios_of_their_own() -> None:
    shown = demonstrate(TINY, "dual", 6)
    scenario = demonstration_instances(TINY.config, 0, 6)
    third = sample_scenario(TINY.config, np.random.default_rng(DEMONSTRATION_SEED + 2))
    np.testing.assert_array_equal(scenario.channel_gain[2], third.channel_gain)
    first, last = DEMONSTRATION_SEED, DEMONSTRATION_SEED + 10_000_000
    for other in (0, RUNS * ENVIRONMENTS_PER_RUN - 1, VALIDATION_SEED, TEST_SEED):
        assert not first <= other < last
    assert len(shown) == 6
    allocation = dashf.solve_batch(
        scenario[:4], TINY.config.objective, solver="dual"
    ).allocation
    np.testing.assert_array_equal(shown.server[:4], allocation.association.argmax(-1))
    table = np.concatenate([np.eye(2)[shown.server] * 2 - 1, shown.resources], axis=-1)
    _, outcome = TINY.decide(table.reshape(6, -1), scenario)
    np.testing.assert_allclose(outcome.scr, shown.scr, rtol=1e-6)
    observation = TINY.observation_codec.encode(scenario)
    flat = np.concatenate([shown.users.reshape(6, -1), shown.servers.reshape(6, -1)], 1)
    np.testing.assert_array_equal(flat, observation)
    assert "6 demonstrations of dual: mean SCR" in describe(shown, "dual")


def test_an_interrupted_generation_goes_on(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solved: list[int] = []
    solve = demonstrations._solve

    def counted(task: Any, solver: str, first: int) -> Any:
        solved.append(first)
        if len(solved) == 3:
            raise KeyboardInterrupt
        return solve(task, solver, first)

    monkeypatch.setattr(demonstrations, "_solve", counted)
    with pytest.raises(KeyboardInterrupt):
        demonstrate(TINY, "dual", 12)
    done: list[int] = []
    whole = demonstrate(TINY, "dual", 10, advance=done.append)
    assert solved == [0, 4, 8, 8]
    assert done == [4, 8, 10]
    assert_equal(demonstrate(TINY, "dual", 10), whole)
    assert solved == [0, 4, 8, 8]
    assert len(list(cache.rglob("*.npz"))) == 3


def test_a_damaged_chunk_is_made_anew(cache: Path) -> None:
    whole = demonstrate(TINY, "dual", 8)
    damaged, short = sorted(cache.rglob("*.npz"))
    content = bytearray(damaged.read_bytes())
    for i in range(100, len(content), 100):
        content[i] ^= 1
    damaged.write_bytes(content)
    short.write_bytes(short.read_bytes()[:100])
    assert_equal(demonstrate(TINY, "dual", 8), whole)
    assert damaged.read_bytes() != content
    assert len(short.read_bytes()) > 100


def test_what_they_depend_on_has_chunks_of_its_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demonstrate(TINY, "dual", 2)
    demonstrate(TINY, "local", 2)
    wider = Task(preset="tiny-4x2", overrides={"radio.bandwidth_mhz": 20})
    demonstrate(wider, "dual", 2)
    monkeypatch.setattr(demonstrations, "source_hash", lambda *packages: "another")
    demonstrate(TINY, "dual", 2)
    assert len(list(cache.iterdir())) == 4


def test_an_unknown_solver() -> None:
    with pytest.raises(ValueError, match=r"no solver 'dualf'\. Did you mean 'dual'"):
        demonstrate(TINY, "dualf", 2)
