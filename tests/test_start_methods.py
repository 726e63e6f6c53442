"""Processes that a user starts, by each of the ways in which Python starts them."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3")

ROOT = Path(__file__).parents[1]

SOLVERS_AND_ENVIRONMENTS = """
import multiprocessing, sys
import gymnasium as gym
import numpy as np
import dashf
from mec_llm_env import ScenarioConfig, sample_scenario

def answer(job):
    name, seed = job
    config = ScenarioConfig.preset("tiny-4x2")
    scenario = sample_scenario(config, np.random.default_rng(seed))
    result = dashf.solve(scenario, solver=name)
    z = result.allocation
    return result.scr, [getattr(z, field).tobytes() for field in z.field_names()]

SIZE = {"users": 4, "servers": 2}

def decisions(env_id, mode, **options):
    envs = gym.make_vec(f"mec_llm_env:{env_id}", 2, overrides=SIZE,
                        vectorization_mode=mode, **options)
    first, _ = envs.reset(seed=0)
    envs.action_space.seed(0)
    second, reward, *_ = envs.step(envs.action_space.sample())
    envs.close()
    return first.tobytes(), second.tobytes(), reward.tobytes()

if __name__ == "__main__":
    method = sys.argv[1]
    multiprocessing.set_start_method(method)
    jobs = [(name, seed) for name in ("dashf", "dual", "gucro") for seed in range(2)]
    serial = [answer(job) for job in jobs]
    with multiprocessing.Pool(2) as pool:
        assert pool.map(answer, jobs, chunksize=3) == serial
    for env_id in ("MecLlm-v0", "MecLlmMobile-v0"):
        one = decisions(env_id, "async", vector_kwargs={"context": method})
        assert one == decisions(env_id, "sync")
"""

EVALUATE = """
import multiprocessing, sys
sys.path.insert(0, sys.argv[2])
import evaluate

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    words = "--agents rucaa gucaa --preset tiny-4x2 --instances 30 --no-bound".split()
    raise SystemExit(evaluate.main([*words, "--jobs", "2"]))
"""


#: Python's own: joblib has some more, which only processes know that have loaded it.
METHODS = sorted(
    {"fork", "forkserver", "spawn"} & {*multiprocessing.get_all_start_methods()}
)


def run(script: str, folder: Path, *words: str) -> str:
    """Returns what a script prints, run as a file, as `spawn` needs it."""
    path = folder / "script.py"
    path.write_text(script)
    # One thread: from Python 3.12 a fork of several is a warning, rightly.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", path, *words],
        cwd=folder,
        env=os.environ | threads | {"PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("method", METHODS)
def test_solvers_and_environments(method: str, tmp_path: Path) -> None:
    run(SOLVERS_AND_ENVIRONMENTS, tmp_path, method)


@pytest.mark.parametrize("method", METHODS)
def test_evaluation(method: str, tmp_path: Path) -> None:
    printed = run(EVALUATE, tmp_path, method, os.fspath(ROOT))
    assert "Report: results/tiny-4x2_1" in printed
