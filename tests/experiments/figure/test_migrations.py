"""When agents migrate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import migrations
from tests.experiments.figure.drawing import check_pdf, drawn, rows


def test_migrations_are_drawn(folder: Path, capsys: Any) -> None:
    words = ["--instances", "2", "--override", "mobility.slots=6", "--format", "pdf"]
    words += ["--override", "users=4", "--agents", "dual", "gucaa"]
    assert drawn(migrations, *words) == 0
    check_pdf((folder / "migrations.pdf").read_bytes(), width_pt=252)
    found = rows(folder / "migrations.csv")
    assert [row["value"] for row in found[:3]] == ["still", "pedestrian", "vehicular"]
    capsys.readouterr()
    for more, text in (
        (["--instances", "1"], "--instances must be at least 2"),
        (["--labels", "x"], "--labels must be as many as --agents, 2; got 1"),
        (["--override", "mobility.job_end_probability=2"], "job_end_probability"),
        (["--preset", "tiny-4x2"], "is one of MecLlm-v0"),
        (["--agents", "apg:pretrained"], "was trained in MecLlm-v0"),
        (["--values", "2"], "--values must be slots from 3 to 4, as 5 are averaged"),
        (["--config", "own.json", "--preset", "x"], "not allowed with argument"),
    ):
        assert drawn(migrations, *words, *more) == 2, more
        (line,) = capsys.readouterr().err.splitlines()
        assert text in line


def test_migrations_of_an_own_system_in_some_slots(folder: Path, capsys: Any) -> None:
    Path("own.json").write_text(json.dumps({"users": 3, "mobility.slots": 9}))
    words = ["--config", "own.json", "--instances", "2", "--agents", "gucaa"]
    assert drawn(migrations, *words) == 0
    whole = rows(folder / "migrations.csv")
    assert [row["value"] for row in whole[3:]] == ["3", "4", "5", "6", "7"]
    assert drawn(migrations, *words, "--values", "6", "4", "--overwrite") == 0
    assert rows(folder / "migrations.csv") == [*whole[:3], whole[4], whole[6]]
    assert "test episodes of own.json, with" in capsys.readouterr().out


def test_the_rate_of_migrations_by_hand() -> None:
    # Two episodes of one slot; of 3 users counted in the first one 1 moves, of 1 in the
    # second one 1: 2 of 4, and not the mean of 1/3 and 1.
    counted = np.array([[[1, 1, 1]], [[1, 0, 0]]], dtype=bool)
    moved = np.array([[[1, 0, 0]], [[1, 1, 0]]], dtype=bool)
    found = migrations.rate(moved, counted)
    assert found.mean() == pytest.approx(50)
    # 50 + 100 (1 − 0.5 · 3) / 2 and 50 + 100 (1 − 0.5 · 1) / 2
    assert found.tolist() == pytest.approx([25, 75])
