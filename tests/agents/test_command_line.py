"""Command-line plumbing."""

from __future__ import annotations

import argparse

import pytest

from agents.command_line import one_line_errors, parse_overrides, positive_integer


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
