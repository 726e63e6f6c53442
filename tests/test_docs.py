"""The reference has every public name; the pages' blocks run; numbers agree."""

from __future__ import annotations

import importlib
import inspect
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

import dashf
import mec_llm_env

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = {
    name: "\n".join(
        path.read_text() for path in sorted((DOCS / "reference").glob(f"{name}*/*.md"))
    )
    for name in ("mec_llm_env", "dashf")
}
PUBLIC = [
    (package.__name__, name)
    for package in (mec_llm_env, dashf)
    for name in package.__all__
]


def entries(package: str) -> list[str]:
    return re.findall(r"(?m)^::: (\S+)$", REFERENCE[package])


def resolve(path: str) -> Any:
    """Returns what a dotted path names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_public_names_have_an_entry_and_a_docstring(package: str, name: str) -> None:
    assert f"{package}.{name}" in entries(package), "add it to docs/reference"
    value = resolve(f"{package}.{name}")
    if inspect.isclass(value) or inspect.isfunction(value):
        text = inspect.getdoc(value) or ""
        assert len(text) > 20
        assert not text.startswith(f"{name}("), "made by dataclass, not written"
        if inspect.isfunction(value):
            assert "Raises:" in text
    else:  # a constant: `#:` comment where it is defined
        sources = (ROOT / package).rglob("*.py")
        pattern = rf"(?m)^#: .*\n{name}\b"
        assert any(re.search(pattern, path.read_text()) for path in sources)


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_public_methods_have_docstrings(package: str, name: str) -> None:
    value = resolve(f"{package}.{name}")
    if inspect.isclass(value):
        for member, function in vars(value).items():
            documented = inspect.isfunction(function) or isinstance(
                function, property | classmethod | staticmethod
            )
            if documented and not member.startswith("_"):
                assert inspect.getdoc(getattr(value, member)), f"{name}.{member}"


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_fields_of_records_are_described(package: str, name: str) -> None:
    # In the docstring, or by a comment that docs/extensions/field_comments.py shows.
    value = resolve(f"{package}.{name}")
    if not hasattr(value, "__dataclass_fields__"):
        return
    lines = inspect.getsource(value).splitlines()
    described = re.findall(r"(?m)^ +(\w+): ", inspect.getdoc(value) or "")
    own = {field for field in value.__dataclass_fields__ if field in vars(value)}
    for field in own - set(described):
        (i,) = (i for i, s in enumerate(lines) if s.startswith(f"    {field}: "))
        above = lines[i - 1].strip()
        nested = f"{field.title()}Config" in lines[i]  # described by its own class
        assert "#" in lines[i] or above.startswith("#") or nested, field


@pytest.mark.parametrize("package", REFERENCE)
def test_entries_exist(package: str) -> None:
    assert len(entries(package)) == len(set(entries(package)))
    for path in entries(package):
        # They need Stable-Baselines3, PettingZoo and JAX.
        optional = ("SB3VecEnv", "MecLlmParallelEnv", "JaxEnv", "JaxState", "vmap_last")
        if not path.endswith(optional):
            resolve(path)


def test_all_pages_are_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r"(?m)^ +- (?:[^:\n]+: )?(\S+\.md)$", text))
    assert listed == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert yaml.safe_load(text.split("\nnav:")[0])["site_name"] == "mec-llm-env"


@pytest.mark.parametrize(
    "page", ["quickstart", "environment", "llms", "mobile", "solvers", "figures"]
)
def test_python_blocks_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / f"{page}.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        optional = re.findall(r"(?m)^(?:from|import) (stable_baselines3|jax)\b", block)
        if all(map(find_spec, optional)):
            exec(compile(block, f"{page}.md", "exec"), names)


def test_the_speed_of_dashf_is_stated_once() -> None:
    table = (DOCS / "performance.md").read_text()
    (stated,) = re.findall(r"(?m)^\| `dashf` \| (\d+) \| [\d.]+ \|$", table)
    (quoted,) = re.findall(
        r"DASHF decides in about (\d+) ms", (ROOT / "README.md").read_text()
    )
    assert quoted == stated


def test_the_citation_has_version_and_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == mec_llm_env.__version__
    (paper,) = citation["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2310.17872"
