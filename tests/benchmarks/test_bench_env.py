"""The benchmark runs and reports what it was asked for."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bench_env.py"


def test_report_from_another_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", SCRIPT]
    command += ["--rounds", "1", "--seconds", "0.01"]
    command += ["--presets", "tiny-4x2", "--batches", "1", "8"]
    ran = subprocess.run(
        command, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    rows = dict(re.findall(r"^\| (.+?) \| ([\d,]+) \(.*\) \|$", ran.stdout, re.M))
    plain = ["scalar", "batched, 1", "batched, 8"]
    mobile = [f"mobile, {name}" for name in plain]
    on_jax = [name for name in rows if name.startswith("JAX")]
    assert bool(on_jax) == (importlib.util.find_spec("jax") is not None)
    assert list(rows) == [*plain, *on_jax, *mobile, "PPO training, 256"]
    pattern = r"^\| (mobile, .+?) \| (\d+\.\d\d) \(.*\) \|$"
    ratios = dict(re.findall(pattern, ran.stdout, re.M))
    assert list(ratios) == mobile
    rates = {name: int(rate.replace(",", "")) for name, rate in rows.items()}
    assert min(rates.values()) > 0  # how fast, a busy machine cannot say
    memory = re.search(r"Peak memory of 16 × 1000×50: (\d\.\d\d) GiB", ran.stdout)
    assert memory is not None
    assert 0 < float(memory[1]) < 2  # what is promised
    assert not list(tmp_path.iterdir())
