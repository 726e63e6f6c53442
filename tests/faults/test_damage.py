"""No damage to a file is a traceback, and none that a check sum shows is read."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tests.faults.damage import KINDS, Damage, damaged
from tests.faults.kinds import Kind

#: Those that take no training; each kind is part of the long test.
QUICK = [
    *("scenario.npz", "trajectory.npz", "bank", "scenario.json", "configuration.toml"),
    *("gains.csv", "decoder config.json", "traces.csv", "cache of points"),
    *("solved instance", "study.log", "hyperparameters.yml"),
]


def assert_told(kind: str, count: int, folder: Path) -> None:
    damage = Damage(KINDS[kind], folder)
    damage.run(count)
    assert not damage.wrong, "\n".join(damage.wrong)
    assert sum(damage.counts.values()) == count
    told = damage.counts["harmless" if KINDS[kind].is_cache else "refused"]
    assert told > count / 2


@pytest.mark.parametrize("kind", QUICK)
def test_damage(kind: str, tmp_path: Path) -> None:
    assert_told(kind, 25, tmp_path)


def test_damage_to_a_run(tmp_path: Path) -> None:
    assert_told("checkpoint.json with --trust", 25, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_damaged_files(kind: str, tmp_path: Path) -> None:
    assert_told(kind, 1000, tmp_path)


def test_what_nobody_notices_is_noticed(tmp_path: Path) -> None:
    """A reader that takes whatever there is fails the test."""

    def make(folder: Path, stack: ExitStack) -> tuple[Path, object]:
        (folder / "a").write_bytes(b"content")
        return folder / "a", (folder / "a").read_bytes

    damage = Damage(Kind("careless", make), tmp_path)  # type: ignore[arg-type]
    damage.run(20)
    assert len(damage.wrong) == 20
    assert damage.counts["unnoticed"] == 20


def test_damage_changes_something() -> None:
    rng = np.random.default_rng(0)
    assert all(damaged(rng, b"abcabc") != b"abcabc" for _ in range(500))
