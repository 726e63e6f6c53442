"""The benchmark of costs measures what its table says."""

from __future__ import annotations

import pytest

pytest.importorskip("stable_baselines3")

from benchmarks.bench_costs import BYTES, PROGRAMS, _rounded, costs, table


def test_costs_of_a_preset() -> None:
    found = costs("tiny-4x2", 0.01)
    rows = {"drawing", "gucaa", "ppo:pretrained", "bound", "dual", *PROGRAMS, *BYTES}
    assert set(found) == rows
    assert min(found.values()) > 0
    assert found["gucaa"] < found["dual"] < found["dashf"]
    assert 300 < found[BYTES[0]] < 1000
    text = table(["tiny-4x2", "paper-10x2"], {"tiny-4x2": found, "paper-10x2": {}})
    for name in rows:
        assert f"| {name} | {_rounded(found[name])} |  |" in text
    assert "lookahead" not in text  # of episodes


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.031234, "0.031"), (6.04, "6"), (46.7, "47"), (1043.2, "1,040"), (100, "100")],
)
def test_two_digits_or_three(value: float, text: str) -> None:
    assert _rounded(value) == text
