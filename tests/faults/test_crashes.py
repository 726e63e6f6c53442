"""No crash loses a run, or changes what becomes of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.crashes import KINDS

ROOT = Path(__file__).parents[2]


def crash(tmp_path: Path, *words: str) -> int:
    """Returns how many crashes there were, after none of which anything was wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.crashes", *words, tmp_path / "runs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.split()[-2])


def test_a_crash_in_training(tmp_path: Path) -> None:
    assert crash(tmp_path, "ppo", "--first", "11", "--step", "23") >= 4


def test_a_crash_in_resuming(tmp_path: Path) -> None:
    words = ("--resume-at", "60", "--first", "2", "--step", "13")
    assert crash(tmp_path, "ppo", *words) >= 3


def test_a_crash_in_training_in_episodes(tmp_path: Path) -> None:
    assert crash(tmp_path, "mobile-warm", "--first", "60", "--step", "999") == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random_moments(kind: str, tmp_path: Path) -> None:
    assert crash(tmp_path, kind, "--kills", "20") >= 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_at_every_operation(kind: str, tmp_path: Path) -> None:
    assert crash(tmp_path, kind) > 80


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [40, 60, 80])
def test_a_crash_at_every_operation_of_resuming(
    kind: str, at: int, tmp_path: Path
) -> None:
    assert crash(tmp_path, kind, "--resume-at", str(at)) > 20


@pytest.mark.slow
def test_a_comparison_crashed_at_every_operation(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.comparison", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-2]) > 50
