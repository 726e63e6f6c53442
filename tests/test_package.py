"""The wheel, installed into a fresh environment and used from another folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

USE = """
import gymnasium as gym
import dashf, mec_llm_env
from importlib import resources

assert "site-packages" in mec_llm_env.__file__
for package in ("mec_llm_env", "dashf"):
    assert resources.files(package).joinpath("py.typed").is_file()
env = gym.make("mec_llm_env:MecLlm-v0")
env.reset(seed=0)
print(env.step(env.action_space.sample())[1])
envs = gym.make_vec("MecLlm-v0", 3, preset="tiny-4x2")
envs.reset(seed=0)
print(envs.step(envs.action_space.sample())[1].shape)
from mec_llm_env.bank import load_bank
bank = load_bank("tiny-4x2")
print(len(bank), bank.scenario.batch_shape, (bank.scr <= bank.bound).all())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # From a copy: building in place would leave files in the checkout.
    folder = tmp_path_factory.mktemp("build")
    for name in ("mec_llm_env", "dashf", "agents"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "train.py"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist"]
    subprocess.run([*command, folder], check=True, capture_output=True)
    return next((folder / "dist").glob("*.whl"))


def test_top_level_is_the_library_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    tops = {top for top in tops if not top.endswith(".dist-info")}
    assert tops == {"mec_llm_env", "dashf"}
    banks = sorted(name for name in names if name.startswith("mec_llm_env/bank/"))
    presets = ("large-1000x50", "medium-50x10", "paper-10x2", "tiny-4x2")
    files = ("__init__.py", *(f"{preset}.npz" for preset in presets))
    assert banks == [f"mec_llm_env/bank/{file}" for file in files]


def test_installed_and_used_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", wheel]
    subprocess.run([*install, "--constraint", ROOT / "constraints.txt"], check=True)
    used = subprocess.run(
        [python, "-W", "error", "-c", USE],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    reward, shape, bank = used.stdout.splitlines()
    assert float(reward) > 0
    assert shape == "(3,)"
    assert bank == "100 (100,) True"
    # The library brings no learning libraries along.
    listed = subprocess.run(
        [python, "-m", "pip", "list"], check=True, capture_output=True, text=True
    )
    assert "torch" not in listed.stdout
    assert "stable_baselines3" not in listed.stdout
