"""What the contracts in setup.cfg cannot say about imports, read from the source."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = ("mec_llm_env", "dashf", "agents")
# Optional libraries, imported inside the functions that need them.
OPTIONAL = {"matplotlib", "torch", "stable_baselines3", "numba", "pyscipopt", "jax"}
# Libraries that take long to load, so that nobody waits for them who need not.
HEAVY = OPTIONAL | {
    "cvxpy",
    "clarabel",
    "scipy.stats",
    "scipy.optimize",
    "scipy.sparse",
}
HEAVY |= {"pandas", "tensorboard"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Yields the dotted names that a file imports, of modules and of their parts."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", ["mec_llm_env", "dashf"])
def test_the_library_imports_optional_libraries_late(package: str) -> None:
    adapters = {
        "sb3.py",
        "jax_env.py",
        "jax_vmap.py",
    }  # imported by those who have them
    for path in modules(package):
        # `rendering` says that Matplotlib is needed, and is imported late itself.
        if path.name not in adapters and path.parent.name != "rendering":
            for name in imports(path, top_level=True):
                assert name.split(".")[0] not in OPTIONAL, f"{path} imports {name}"


def test_pictures_are_imported_when_they_are_drawn() -> None:
    room = ROOT / "mec_llm_env" / "rendering"
    for path in modules("mec_llm_env"):
        if path.parent != room:
            for name in imports(path, top_level=True):
                assert not name.startswith("mec_llm_env.rendering"), path


def test_kernels_and_loops_are_plain_functions() -> None:
    # numba compiles them from their source: numbers in, numbers out, and NumPy.
    kernels = {"terms", "shares", "newton", "kernels"}
    for module, allowed in (
        ("terms", set()),
        ("shares", {"dashf.pair.terms"}),
        ("newton", {f"dashf.pair.{name}" for name in ("terms", "shares")}),
        ("kernels", {f"dashf.pair.{name}" for name in kernels}),
        ("loops", {"dashf.common.arrays"} | {f"dashf.pair.{name}" for name in kernels}),
    ):
        for name in imports(ROOT / "dashf" / "pair" / f"{module}.py"):
            top, _, _ = name.rpartition(".")
            known = {"numpy", "typing", "__future__"}
            assert name.split(".")[0] in known or top in allowed, name


def test_nobody_imports_the_scripts_or_the_tests() -> None:
    for package in (*PACKAGES, "benchmarks", "experiments"):
        for path in modules(package):
            tops = {name.split(".")[0] for name in imports(path)}
            assert not tops & {"train", "evaluate", "tests"}, path


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import mec_llm_env", 0),
        ("import dashf", 0),
        ("import train; train.main(['--help'])", 0),
        ("import evaluate; evaluate.main(['--help'])", 0),
        ("import train; train.main(['--agent', 'ppp'])", 2),
        ("import train; train.main(['--resume', 'no run'])", 2),
        ("import train; train.main(['--override', 'users=0', '--agent', 'ppo'])", 2),
        ("import evaluate; evaluate.main(['--agents', 'dashff'])", 2),
        ("import evaluate; evaluate.main(['--instances', 'x'])", 2),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code: str, status: int) -> None:
    if "main" in code:
        for name in ("filelock", "rich", "threadpoolctl", "yaml"):
            pytest.importorskip(name)
    report = f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    script = f"import atexit, sys; atexit.register(lambda: {report})\n{code}"
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == status, answer.stderr
    assert answer.stderr.splitlines()[-1] == "[]"
