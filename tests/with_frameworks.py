"""Runs the recipes of `examples/frameworks/` with the real libraries.

    python tests/with_frameworks.py [NAME …]

Builds `.venv-framework-<name>` for each, or takes those of `--venvs FOLDER`, and prints
a table of versions and of the SCR that each reached on the 100 test scenarios of
`tiny-4x2`. It fails where a recipe does, or decides little better than at random.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
RECIPES_AT = ROOT / "examples" / "frameworks"
LEAST = 0.5  # of the bound; random decisions reach 0.10
LONGEST_S = 1800.0


class Recipe(NamedTuple):
    """A script, what it needs, and the tests that need the same."""

    script: str  # and its arguments
    packages: tuple[str, ...]  # as pip takes them
    shown: tuple[str, ...]  # whose versions are in the table
    tests: tuple[str, ...] = ()
    at: str | None = None  # another recipe, whose environment it shares


SB3 = "stable_baselines3"
#: What our own scripts need beside Ray.
TRAINING = (SB3, "filelock", "threadpoolctl", "tensorboard", "matplotlib", "rich")
RECIPES = {
    "sb3": Recipe("sb3_ppo", (SB3,), (SB3,)),
    "rllib": Recipe(
        "rllib_ppo",
        ("ray[rllib]", "pettingzoo", *TRAINING),
        ("ray",),
        (
            "tests/agents/work/test_ray_tasks.py",
            "tests/agents/training/test_rllib_trainer.py",
        ),
    ),
    "torchrl": Recipe("torchrl_ppo", ("torchrl",), ("torchrl",)),
    "cleanrl": Recipe("cleanrl_ppo", ("torch",), ("torch",)),
    "tianshou": Recipe("tianshou_ppo", ("tianshou",), ("tianshou",)),
    "skrl": Recipe("skrl_ppo", ("skrl[torch]",), ("skrl",)),
    "sbx": Recipe("sbx_sac", ("sbx-rl",), ("sbx-rl", SB3)),
    "rl_zoo3": Recipe("rl_zoo3_ppo", ("rl_zoo3", "requests"), ("rl_zoo3", SB3)),
    "minari": Recipe(
        "minari_d3rlpy",
        ("minari[create,hdf5]", "d3rlpy", "pillow"),
        ("minari", "d3rlpy"),
        ("tests/experiments/test_record.py",),
    ),
    "pettingzoo": Recipe(
        "pettingzoo_ppo",
        ("pettingzoo", "supersuit", SB3),
        ("pettingzoo", "SuperSuit", SB3),
        ("tests/mec_llm_env/test_multi_agent.py",),
    ),
    "pettingzoo_own": Recipe(
        "pettingzoo_ppo own", (), ("pettingzoo", "SuperSuit", SB3), at="pettingzoo"
    ),
}
# Who the agents are, and what each is rewarded with.
for agents in ("users", "servers"):
    for reward in ("shared", "own"):
        RECIPES[f"rllib_{agents}_{reward}"] = Recipe(
            *(f"rllib_multi_agent_ppo {agents} {reward}", (), ("ray", "pettingzoo")),
            at="rllib",
        )

VERSIONS = """
import sys
from importlib.metadata import version
print(", ".join(f"{name} {version(name)}" for name in sys.argv[1:]))
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs recipes; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--venvs", type=Path, help="folder of environments by name")
    options = parser.parse_args(arguments)
    names = options.names or list(RECIPES)
    if unknown := set(names) - set(RECIPES):
        parser.error(f"there is no recipe {unknown.pop()}; use {', '.join(RECIPES)}")
    lines = ["| client | versions | SCR | optimality |", "|---|---|---|---|"]
    failed = []
    for name in names:
        recipe = RECIPES[name]
        python = _python(name, recipe, options.venvs)
        shown = ("gymnasium", *recipe.shown)
        versions = _output([python, "-c", VERSIONS, *shown]).strip()
        begun = time.monotonic()
        figures = _run(python, recipe)
        print(f"{name}: {figures} after {time.monotonic() - begun:.0f} s", flush=True)
        scr, optimality = figures or ("failed", "")
        lines.append(f"| {name} | {versions} | {scr} | {optimality} |")
        tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *recipe.tests]
        passed = not recipe.tests or not subprocess.run(tests, cwd=ROOT).returncode
        if figures is None or float(optimality) < LEAST or not passed:
            failed.append(name)
    print("\n".join(lines))
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return bool(failed)


def _python(name: str, recipe: Recipe, venvs: Path | None) -> Path:
    """Returns the interpreter of an environment, which is built if need be."""
    if recipe.at is not None:
        return _python(recipe.at, RECIPES[recipe.at], venvs)
    if venvs is not None:
        return venvs.resolve() / name / "bin" / "python"
    folder = ROOT / f".venv-framework-{name}"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    torch = next(
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line.startswith("torch==")
    )
    # Of the others what is newest: that is what users have.
    install = [python, "-m", "pip", "install", "--quiet", "--upgrade", torch, "pytest"]
    subprocess.run([*install, "--editable", ROOT, *recipe.packages], check=True)
    return python


def _run(python: Path, recipe: Recipe) -> tuple[str, str] | None:
    """Runs a script in a folder of its own; returns SCR and optimality, or None."""
    script, *words = recipe.script.split()
    with tempfile.TemporaryDirectory() as folder:
        try:
            text = _output(
                [python, RECIPES_AT / f"{script}.py", *words],
                folder,
                MINARI_DATASETS_PATH=folder,
            )
        except subprocess.SubprocessError as error:
            print(f"{recipe.script}: {error}\n{getattr(error, 'stderr', '')}")
            return None
    found = re.findall(r"(?m)^SCR ([\d.]+), optimality ([\d.]+)$", text)
    return found[-1] if found else None


def _output(
    command: list[str | Path], folder: str | None = None, **variables: str
) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=LONGEST_S,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
