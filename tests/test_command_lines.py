"""Whatever is typed: status 0, or 2 with one line; no traceback, nothing written."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evaluate
import train
from agents.training import start
from agents.training.trainer import Trainer
from mec_llm_env import command
from tests.command_lines import (
    EVALUATE,
    RARE,
    TRAIN,
    evaluate_words,
    own_words,
    shown,
    train_words,
    write_own_files,
)

_SPARE_BYTES = 4 * 2**30  # beyond what the process has; more is a MemoryError
_SHORT, _WHOLE = 30, 1_000  # command lines of each script
_BLOCKS = 10


@pytest.fixture(autouse=True)
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with files in it, a limit of memory, and no training."""

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("a dry run must not train")

    monkeypatch.chdir(tmp_path)
    write_own_files(tmp_path)
    monkeypatch.setattr(Trainer, "train", refuse)
    monkeypatch.setattr(start, "begin", refuse)
    monkeypatch.setattr(train, "stop_with_parent", lambda parent: None)
    before = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + _SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def run(main: Any, words: list[str], capsys: Any) -> tuple[int, str, str]:
    """Returns the status of a command line, and what it has printed."""
    try:
        status = main(words)
    except SystemExit as ended:
        status = ended.code
    except BaseException as error:
        raise AssertionError(
            f"{type(error).__name__}: {error}: {shown(words)}"
        ) from error
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def check_mistake(program: str, words: list[str], out: str, err: str) -> None:
    lines = err.splitlines()
    assert len(lines) == 1, (shown(words), err)
    assert lines[0].startswith(f"{program}: error: "), (shown(words), err)
    assert len(lines[0]) < 2_000, (shown(words), err)
    assert out == "", shown(words)


def check_train(seed: int, capsys: Any) -> int:
    words, before = train_words(np.random.default_rng(seed)), set(os.listdir())
    status, out, err = run(train.main, words, capsys)
    if status == 0:
        assert err == "", shown(words)
        assert out.startswith("usage: ") or json.loads(out)["agent"], shown(words)
    else:
        assert status == 2, shown(words)
        check_mistake("train.py", words, out, err)
    assert set(os.listdir()) == before, shown(words)
    return status


def check_evaluate(seed: int, capsys: Any) -> int:
    words = evaluate_words(np.random.default_rng(seed))
    before = set(Path().rglob("*"))
    status, out, err = run(evaluate.main, words, capsys)
    if status == 0:
        assert err == "", shown(words)
        assert out.startswith("usage: ") or "\nReport: " in out, shown(words)
    else:
        assert status == 2, shown(words)
        check_mistake("evaluate.py", words, out, err)
        assert set(Path().rglob("*")) == before, shown(words)
    return status


def check_own(seed: int, capsys: Any) -> int:
    words = own_words(np.random.default_rng(seed))
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    status, out, err = run(command.main, words, capsys)
    after = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    new = {path for path in after if path not in before}
    assert before.items() <= after.items(), shown(words)
    if status == 0:
        assert err == "", shown(words)
        assert out.startswith("usage: ") or len(new) == ("init" in words), shown(words)
    else:
        assert status == 2, shown(words)
        assert (out, new) == ("", set()), shown(words)
        for line in err.splitlines():  # `check` tells all that is wrong
            assert line.startswith("mec_llm_env: error: "), (shown(words), err)
        assert err, shown(words)
    for path in new:
        path.unlink()
    return status


def test_every_option_is_among_them() -> None:
    """What is added to a script is added here too."""
    for parser, options in (
        (train.build_parser(), {**TRAIN, **RARE, "--dry-run": None}),
        (evaluate.build_parser(), EVALUATE),
    ):
        names = {name for action in parser._actions for name in action.option_strings}
        long = {name for name in names if name.startswith("--")}
        assert long - {"--help"} <= set(options)


def test_some_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    trained = [check_train(seed, capsys) for seed in range(_SHORT)]
    evaluated = [check_evaluate(seed, capsys) for seed in range(_SHORT)]
    own = [check_own(seed, capsys) for seed in range(4 * _SHORT)]
    assert {0, 2} == set(trained) == set(evaluated) == set(own)  # not all refused


@pytest.mark.slow
@pytest.mark.parametrize("block", range(_BLOCKS))
@pytest.mark.parametrize("check", [check_train, check_evaluate, check_own])
def test_three_thousand_command_lines(check: Any, block: int, capsys: Any) -> None:
    count = _WHOLE // _BLOCKS
    wrong = []
    statuses = []
    for seed in range(10_000 + block * count, 10_000 + (block + 1) * count):
        try:
            statuses.append(check(seed, capsys))
        except AssertionError as error:
            capsys.readouterr()
            wrong.append(f"{seed}: {error}")
    print(f"{statuses.count(0)} were valid, {statuses.count(2)} refused")
    assert not wrong, "\n".join(wrong)
