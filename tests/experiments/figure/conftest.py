"""Where figures of tests are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.figure import points


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing is in the folder that figures are written to, nor in the cache."""
    monkeypatch.setattr(points, "CACHE", tmp_path / "cache")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Path("results/figures")
