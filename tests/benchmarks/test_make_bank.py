"""The bank: made in parallel, resumed, the same whoever makes it."""

import os
import re
import time
from pathlib import Path

import pytest

from benchmarks import make_bank

WORDS = ["tiny-4x2", "--instances", "4"]


def made(folder: Path, *words: str) -> bytes:
    """Returns the bank that is made in a folder that need not be there."""
    work, output = folder / "work", folder / "banks" / "new"
    where = ["--work", os.fspath(work), "--output", os.fspath(output)]
    assert make_bank.main([*WORDS, *where, *words]) == 0
    return (output / "tiny-4x2.npz").read_bytes()


def test_processes_make_the_same_bank(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = made(tmp_path / "one")
    assert made(tmp_path / "two", "--jobs", "2") == here
    printed = capsys.readouterr().out
    assert len(re.findall(r"(?m)^tiny-4x2 2000000\d scr \d", printed)) == 8
    assert len(re.findall("4 instances, gap mean", printed)) == 2


def test_what_is_solved_is_not_solved_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = made(tmp_path)
    kept = tmp_path / "work" / "tiny-4x2" / "20000001.npz"
    before = kept.stat().st_mtime_ns
    (tmp_path / "work" / "tiny-4x2" / "20000002.npz").unlink()
    time.sleep(0.01)
    capsys.readouterr()
    assert made(tmp_path) == bank
    assert kept.stat().st_mtime_ns == before
    assert capsys.readouterr().out.count(" scr ") == 1


def test_an_unknown_preset_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        make_bank.main(["tiny", "--output", os.fspath(tmp_path / "new")])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'tiny' is not one of tiny-4x2" in line
    assert not list(tmp_path.iterdir())
