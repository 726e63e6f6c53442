"""Command-line plumbing."""

from __future__ import annotations

import argparse

import pytest

from agents.console.command_line import (
    check_memory,
    one_line_errors,
    parse_overrides,
    positive_integer,
)
from mec_llm_env import ScenarioConfig


def test_overrides_are_json_or_strings() -> None:
    items = ["radio.bandwidth_mhz=20", "radio.fading=none", "workload.tokens=[8, 16]"]
    assert parse_overrides(items, "--override") == {
        "radio.bandwidth_mhz": 20,
        "radio.fading": "none",
        "workload.tokens": [8, 16],
    }


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (["users"], "KEY=VALUE; got 'users'"),
        (["=3"], "KEY=VALUE"),
        (["users=3", "users=4"], "'users' twice"),
    ],
)
def test_bad_overrides(items: list[str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_overrides(items, "--override")


@pytest.mark.parametrize("text", ["500000", "500_000", "5e5"])
def test_whole_numbers(text: str) -> None:
    assert positive_integer(text) == 500_000


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "inf", "nan", "many"])
def test_bad_whole_numbers(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"at least 1; got '{text}'"):
        positive_integer(text)


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, one_line_errors("train.py"):
        raise ValueError("first\n  second")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "train.py: error: first second\n"


def test_defects_keep_their_traceback() -> None:
    with pytest.raises(KeyError), one_line_errors("train.py"):
        raise KeyError("defect")


def test_an_error_is_short_and_shows_what_cannot_be_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), one_line_errors("train.py"):
        raise ValueError("\x1b[2J" + "x" * 5000 + "\u2028 Choose from a, b.")
    line = capsys.readouterr().err
    assert line.startswith("train.py: error: \\x1b[2Jx")
    assert line.endswith("x Choose from a, b.\n")
    assert len(line) < 1_100


def test_memory_that_is_not_there_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended, one_line_errors("train.py"):
        raise MemoryError("Unable to allocate 8 TiB")
    assert ended.value.code == 2
    text = "train.py: error: not enough memory. Unable to allocate 8 TiB\n"
    assert capsys.readouterr().err == text


def test_scenarios_that_no_memory_holds() -> None:
    check_memory(ScenarioConfig(), 1, "scenarios")
    large = ScenarioConfig(users=10_000, servers=100)
    with pytest.raises(
        ValueError, match=r"1,000,000 scenarios of 10,000 users and 100 servers need"
    ):
        check_memory(large, 10**6, "scenarios")


def test_levels_without_end() -> None:
    with pytest.raises(ValueError, match="users has too many levels"):
        parse_overrides(["users=" + "[" * 100_000], "--override")
