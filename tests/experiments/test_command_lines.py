"""Whatever is typed, a figure ends with status 0, or 2 with one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import convergence, sweep, tradeoff
from experiments.figure import points
from tests.command_lines import figure_words, shown

_KEYS = ("users", "radio.bandwidth_mhz", "workload.tokens", "server.cores", "radio", "")

MAINS: tuple[Callable[[list[str]], int], ...] = (
    lambda words: sweep.main(["bandwidth", *words]),
    lambda words: sweep.main(["users", *words]),
    convergence.main,
    tradeoff.main,
    lambda words: sweep.main([_KEYS[len(words) % len(_KEYS)], *words]),
)


def check(seed: int, capsys: Any) -> int:
    rng = np.random.default_rng(seed)
    words, before = figure_words(rng), set(Path().rglob("*"))
    try:
        status = MAINS[seed % len(MAINS)](words)
    except SystemExit as ended:
        status = int(ended.code or 0)
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__}: {shown(words)}") from error
    printed = capsys.readouterr()
    if status == 0:
        assert printed.err == "", shown(words)
        is_help = printed.out.startswith("usage: ")
        assert is_help or " written.\n" in printed.out, shown(words)
    else:
        assert status == 2, shown(words)
        (line,) = printed.err.splitlines()
        assert line.startswith("python -m experiments."), shown(words)
        assert ": error: " in line, shown(words)
        assert printed.out == "", shown(words)
        assert set(Path().rglob("*")) == before, shown(words)
    return status


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder with a configuration in it; what is decided is kept elsewhere."""
    monkeypatch.setattr(points, "CACHE", tmp_path / "cache")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("own.json").write_text(json.dumps({"users": 2, "servers": 1}))


def test_some_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert {check(seed, capsys) for seed in range(40)} == {0, 2}


@pytest.mark.slow
def test_a_thousand_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(1_000, 2_000):
        check(seed, capsys)
