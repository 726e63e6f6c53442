"""Every script of `examples/` runs by itself, and prints what it says it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dashf

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def output_of(name: str, folder: Path) -> str:
    """Returns what an example prints, run in a folder with warnings as errors."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(pattern: str, text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in re.findall(pattern, text)]


def test_all_are_tested_and_listed() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    source = Path(__file__).read_text()
    page = (ROOT / "docs" / "examples.md").read_text()
    for name in names:
        assert f'"{name}"' in source, name
        assert f"examples/{name}.py" in page, name


def test_they_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 45, path.name


def test_solve_and_bound(tmp_path: Path) -> None:
    text = output_of("solve_and_bound", tmp_path)
    (bound,) = numbers(r"certified upper bound: SCR ([\d.]+)", text)
    for name in dashf.SOLVERS:
        (scr,) = numbers(rf"(?m)^{name} +SCR +([\d.]+)", text)
        assert 0 < scr <= bound, name
        if name in ("dashf", "dual", "exact"):
            assert scr > 0.99 * bound, name
    (violation,) = numbers(r"violation of a constraint: (\S+)", text)
    assert violation <= 1e-6


def test_own_data(tmp_path: Path) -> None:
    text = output_of("own_data", tmp_path)
    (gap,) = numbers(r"within ([\d.]+)% of the optimum", text)
    assert gap < 2
    servers = re.findall(r"(?m)^user \d: server (\d)", text)
    assert len(servers) == 6
    assert servers.count("0") <= 3  # its `max_users`


def test_own_traces(tmp_path: Path) -> None:
    text = output_of("own_traces", tmp_path)
    assert "20 slots, 4 users" in text
    assert "join after the first slot: 1" in text
    strongest, best = numbers(r"episode SCR +([\d.]+), ", text)
    assert best > 1.1 * strongest
    moved, stayed = numbers(r"(\d+) migrations", text)
    assert moved > stayed


def test_gymnasium_loop(tmp_path: Path) -> None:
    text = output_of("gymnasium_loop", tmp_path)
    (random,) = numbers(r"random mean SCR +([\d.]+)", text)
    (dual,) = numbers(r"dual +mean SCR +([\d.]+)", text)
    assert dual > 5 * random
    assert "Box(-10.0, 10.0, (124,), float32)" in text


def test_batched_environment(tmp_path: Path) -> None:
    text = output_of("batched_environment", tmp_path)
    assert "observations (1024, 124), rewards (1024,)" in text
    assert numbers(r"([\d,]+) decisions a second", text)[0] > 1000
    assert numbers(r"largest gap ([\d.]+)%", text)[0] < 2


def test_differentiate(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    text = output_of("differentiate", tmp_path)
    rising = numbers(r"step +\d+: SCR ([\d.]+)", text)
    assert len(rising) == 5
    assert rising == sorted(rising)
    assert rising[-1] > 1.05 * rising[0]


def test_sweep(tmp_path: Path) -> None:
    text = output_of("sweep", tmp_path)
    rows = [[float(x) for x in line.split()] for line in text.splitlines()[1:]]
    assert [row[0] for row in rows] == [2, 5, 10, 20, 40]
    for *solved, bound in (row[1:] for row in rows):
        assert max(solved) <= bound
    for column in zip(*(row[1:] for row in rows), strict=True):
        assert list(column) == sorted(column)  # more bandwidth never hurts


def test_training_and_evaluation(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    text = output_of("train_with_sb3", tmp_path)
    (before,) = numbers(r"before training ([\d.]+)", text)
    (after,) = numbers(r"40,000 decisions ([\d.]+)", text)
    assert after > 2 * before
    assert (tmp_path / "ppo_mec_llm.zip").exists()

    text = output_of("evaluate_policy", tmp_path)
    (trained,) = numbers(r"trained policy +([\d.]+) of the bound", text)
    (solved,) = numbers(r"DASHF +([\d.]+) of the bound", text)
    assert 0.3 < trained < solved <= 1
    assert solved > 0.99


def test_jax_environment(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    text = output_of("jax_environment", tmp_path)
    (before,) = numbers(r"before training: ([\d.]+)", text)
    (after,) = numbers(r"after training: ([\d.]+)", text)
    assert before < 0.5
    assert 0.8 < after < 1
