"""The wheel, installed into a fresh environment and used from another folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dashf import SOLVERS
from mec_llm_env.bank import bank_presets
from mec_llm_env.mobile.bank import trajectory_bank_presets

ROOT = Path(__file__).parents[1]

USE = """
import gymnasium as gym
import numpy as np
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
mobile = gym.make_vec("MecLlmMobile-v0", 2, overrides={"mobility.slots": 3})
mobile.reset(seed=0)
total = sum(mobile.step(mobile.action_space.sample())[1] for _ in range(2))
_, reward, *_, infos = mobile.step(mobile.action_space.sample())
print(abs(total + reward - infos["final_info"]["episode_scr"]).max() < 1e-9)
config = mec_llm_env.MobileConfig(users=1, servers=1)
with open("traces.csv", "w") as file:
    file.write("slot,user,x_m,y_m\\n0,0,1,2\\n1,0,3,4\\n")
rng = np.random.default_rng(0)
print(mec_llm_env.read_traces("traces.csv", config, rng).n_slots)
from mec_llm_env.bank import load_bank
bank = load_bank("tiny-4x2")
print(len(bank), bank.scenario.batch_shape, (bank.scr <= bank.bound).all())
"""

SOLVE = """
import numpy as np
import dashf
from mec_llm_env import evaluate
from mec_llm_env.bank import load_bank

assert "site-packages" in dashf.__file__
bank = load_bank("tiny-4x2")
two, one = bank.scenario[:2], bank.scenario[0]
bound = dashf.upper_bound(two)
for name in dashf.SOLVERS:
    options = {"gap": 5e-4} if name == "exact" else {}
    result = dashf.solve(one, solver=name, bound=True, **options)
    batch = dashf.solve_batch(two, solver=name, bound=True, **options)
    assert batch.scr.shape == batch.gap.shape == batch.status.shape == (2,)
    if name not in ("random", "rucaa"):  # a batch draws other numbers
        assert np.isclose(batch.scr[0], result.scr, rtol=1e-6), name
    assert (0 < batch.scr).all() and (batch.scr <= bound.value * (1 + 1e-9)).all(), name
    assert np.isclose(evaluate(one, result.allocation).scr, result.scr), name
    assert result.max_violation() < 1e-6 and batch.max_violation().max() < 1e-6, name
    assert -1e-9 <= result.gap == result.bound.value / result.scr - 1, name
    assert (dashf.gap(two, batch.allocation, bound=bound) >= -1e-9).all(), name
    if name == "exact":
        assert result.gap <= 1e-3 and abs(result.scr / bank.scr[0] - 1) < 2e-3
    print(name)
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
    presets = [*bank_presets(), *trajectory_bank_presets()]
    files = {"__init__.py", *(f"{preset}.npz" for preset in presets)}
    assert set(banks) == {f"mec_llm_env/bank/{file}" for file in files}


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment that has the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", wheel]
    subprocess.run([*install, "--constraint", ROOT / "constraints.txt"], check=True)
    return python


def lines(python: Path, script: str, folder: Path) -> list[str]:
    """Returns what a script prints, run elsewhere and with warnings as errors."""
    done = subprocess.run(
        [python, "-I", "-W", "error", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_every_solver_works_where_it_is_installed(python: Path, tmp_path: Path) -> None:
    assert lines(python, SOLVE, tmp_path) == list(SOLVERS)
    assert not list(tmp_path.iterdir())


def test_installed_and_used_from_another_folder(python: Path, tmp_path: Path) -> None:
    reward, shape, returns, slots, bank = lines(python, USE, tmp_path)
    assert float(reward) > 0
    assert shape == "(3,)"
    assert returns == "True"
    assert slots == "2"
    assert bank == "100 (100,) True"
    # The library brings no learning libraries along.
    listed = subprocess.run(
        [python, "-m", "pip", "list"], check=True, capture_output=True, text=True
    )
    assert "torch" not in listed.stdout
    assert "stable_baselines3" not in listed.stdout
