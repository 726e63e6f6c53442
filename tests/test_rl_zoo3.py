"""The files of `hyperparams/` are rl-zoo3's: its own script trains with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from agents.algorithms import ALGORITHMS

ROOT = Path(__file__).parents[1]

# rl-zoo3's name, where it is another one.
NAMES = {"recurrent_ppo": "ppo_lstm"}

# `python -m rl_zoo3.train` with the words of each line, but in one process, as it takes
# seconds to import.
SCRIPT = """
import runpy, sys, traceback
for line in sys.stdin:
    sys.argv = ["train.py", *line.split()]
    try:
        runpy.run_module("rl_zoo3.train", run_name="__main__", alter_sys=True)
    except BaseException:
        traceback.print_exc()
"""


def test_every_file_trains_with_rl_zoo3(tmp_path: Path) -> None:
    algorithms = {
        name: NAMES.get(name, name)
        for name, algorithm in ALGORITHMS.items()
        if algorithm.trainer.endswith(".SB3Trainer")
    }
    lines = []
    for name, zoo_name in algorithms.items():
        file = ROOT / "hyperparams" / f"{name}.yml"
        # Shorter, and smaller than the files say but for ppo, which is as it is.
        small = ["n_envs:8"] if name != "ppo" else []
        small += ["learning_starts:16"] if "learning_starts" in file.read_text() else []
        lines.append(
            f"--algo {zoo_name} --env MecLlm-v0 --gym-packages mec_llm_env --conf-file "
            f"{file} --n-timesteps 64 --log-folder {tmp_path} --seed 1 "
            f"{' '.join(['--hyperparams', *small] if small else [])}"
        )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input="\n".join(lines),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0
    for name, zoo_name in algorithms.items():
        path = tmp_path / zoo_name / "MecLlm-v0_1" / "MecLlm-v0.zip"
        assert path.is_file(), f"{name}:\n{done.stderr}"
        model = ALGORITHMS[name].load_class().load(path, device="cpu")
        assert model.num_timesteps >= 64, name
        assert model._n_updates > 0, name
