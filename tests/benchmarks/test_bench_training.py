"""The benchmark of training times every part and reports what it was asked for."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("stable_baselines3")

from benchmarks import bench_training
from benchmarks.bench_training import PARTS, POLICIES


def test_every_part_has_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    bench_training.main(["--preset", "tiny-4x2", "--rollouts", "1"])
    header, _, *lines = capsys.readouterr().out.splitlines()
    assert header.endswith(" | ".join(("decision", *POLICIES)) + " |")
    found = dict(re.findall(r"^\| (.+?) \| (.+) \|$", line)[0] for line in lines)
    table = {
        name: [float(cell.replace(",", "")) for cell in row.split(" | ")]
        for name, row in found.items()
    }
    parts = [*PARTS, "rest of Stable-Baselines3"]
    totals = ["all", "decisions a second", "of the network alone"]
    assert list(table) == [*parts, *totals]
    for k in range(len(POLICIES)):
        columns = {name: row[k] for name, row in table.items()}
        assert min(columns[name] for name in PARTS) > 0
        # Cells are rounded: 0.05 each below a thousand, else 0.5.
        near = sum(columns[part] for part in parts)
        assert columns["all"] == pytest.approx(near, rel=1e-3, abs=0.5)
        rate = 1e6 / columns["all"]
        assert columns["decisions a second"] == pytest.approx(rate, rel=0.01)
        network = sum(columns[part] for part, is_its in PARTS.items() if is_its)
        alone = 1e6 / network
        assert columns["of the network alone"] == pytest.approx(alone, rel=0.01)
        assert columns["of the network alone"] > columns["decisions a second"]
