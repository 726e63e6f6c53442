"""The architecture: which module may import which, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What a package may import of this project, and what it must not import at all.
ALLOWED = {
    "mec_llm_env": {"mec_llm_env"},
    "dashf": {"mec_llm_env", "dashf"},
    "agents": {"mec_llm_env", "dashf", "agents"},
}
FORBIDDEN = {
    "mec_llm_env": {"cvxpy"},
    "dashf": {"gymnasium", "stable_baselines3", "torch"},
    "agents": set(),
}
OURS = {"mec_llm_env", "dashf", "agents", "train", "evaluate", "tests"}

# The modules of mec_llm_env that make up the system model know no Gymnasium, and none
# of them knows what is built on it. Their order is the order of the data.
MODEL = [
    *("_array", "names", "ranges", "files", "record", "config", "channel", "workload"),
    *("scenario", "sampling", "allocation", "objective", "assignment"),
]
# The solver's modules in the order in which they build on one another.
SOLVER = [
    *("checks", "clock", "budget", "result", "kernels", "loops", "jit", "compiled"),
    *("pairs", "prices"),
    *("options", "interior_point", "column_generation", "price_search", "clearing"),
    *("convex", "dinkelbach", "resource_program", "resources", "split", "baselines"),
    *("fast_sharing", "bounds", "rounding", "sharing", "branch_and_bound", "dual"),
    *("exact", "neighbours", "search", "reach", "sdr", "association"),
    *("continuous", "optimised_baselines", "algorithm", "registry", "policy"),
]
# Optional libraries, imported inside the functions that need them.
OPTIONAL = {"matplotlib", "torch", "stable_baselines3", "numba", "pyscipopt"}


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


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_only_along_the_arrows(package: str) -> None:
    assert modules(package)
    for path in modules(package):
        for name in imports(path):
            top = name.split(".")[0]
            assert top not in FORBIDDEN[package], f"{path} imports {name}"
            assert top not in OURS - ALLOWED[package], f"{path} imports {name}"


def test_the_model_knows_nothing_above_it() -> None:
    for i, module in enumerate(MODEL):
        for name in imports(ROOT / "mec_llm_env" / f"{module}.py"):
            top, *rest = name.split(".")
            assert top not in {"gymnasium", *OPTIONAL} or name == "torch", (
                f"{module} imports {name}"
            )
            if top == "mec_llm_env":
                assert rest[0] in MODEL[:i], f"{module} imports {name}"


def test_the_solver_is_built_from_its_parts_upwards() -> None:
    assert set(SOLVER) == {p.stem for p in modules("dashf")} - {"__init__"}
    for i, module in enumerate(SOLVER):
        for name in imports(ROOT / "dashf" / f"{module}.py"):
            top, *rest = name.split(".")
            if top == "dashf":
                assert rest[0] not in SOLVER[i:], f"{module} imports {name}"


@pytest.mark.parametrize("package", ["mec_llm_env", "dashf"])
def test_the_library_imports_optional_libraries_late(package: str) -> None:
    adapters = {"sb3.py"}  # imported by those who have Stable-Baselines3
    for path in modules(package):
        if path.name not in adapters:
            for name in imports(path, top_level=True):
                assert name.split(".")[0] not in OPTIONAL, f"{path} imports {name}"


def test_kernels_and_loops_are_plain_functions() -> None:
    # numba compiles them from their source: numbers in, numbers out, and NumPy.
    for module, allowed in (("kernels", set()), ("loops", {"dashf.kernels"})):
        for name in imports(ROOT / "dashf" / f"{module}.py"):
            top, _, _ = name.rpartition(".")
            known = {"numpy", "typing", "__future__"}
            assert name.split(".")[0] in known or top in allowed, name


def test_nobody_imports_the_scripts_or_the_tests() -> None:
    for package in (*ALLOWED, "benchmarks", "experiments"):
        for path in modules(package):
            tops = {name.split(".")[0] for name in imports(path)}
            assert not tops & {"train", "evaluate", "tests"}, path
