"""Tables, files and figures of a comparison."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from agents.evaluation.comparison import Measurement
from agents.evaluation.output import write_results
from agents.evaluation.results import (
    AgentResult,
    instance_rows,
    table,
    to_csv,
    to_json,
)

ABOUT = {"preset": "tiny-4x2", "instances": 4, "command": "a <b> & c"}


def measurement(scr: list[float]) -> Measurement:
    figures = {
        name: np.full(4, 2.0) for name in ("score", "delay_s", "energy_j", "cost")
    }
    return Measurement(
        scr=np.array(scr),
        violation=np.array([0, 0, 1e-9, 0]),
        single_time_s=np.array([1e-3, 2e-3, 3e-3]),
        batch_time_s=1e-4,
        batch_size=3,
        **figures,
    )


def results(bound: bool = True) -> list[AgentResult]:
    upper = np.array([10.0, 20, 30, 40]) if bound else None
    worse = AgentResult(
        label="rucaa",
        runs=("",),
        measurements=(measurement([1, 2, 3, 4]),),
        bound=upper,
        seed=0,
    )
    better = AgentResult(
        label="ppo",
        runs=("runs/a", "runs/b"),
        measurements=(measurement([5, 10, 15, 20]), measurement([10, 20, 30, 40])),
        bound=upper,
        seed=0,
    )
    return [worse, better]


def test_summary_by_hand() -> None:
    better = results()[1].summary
    assert better["scr_mean"] == 18.75  # (5 + 10 + 15 + 20 + 10 + 20 + 30 + 40) / 8
    assert better["scr_worst"] == 5
    assert better["optimality_mean"] == 0.75  # 0.5 and 1 on every instance
    assert better["optimality_iqm"] == 0.75
    assert better["optimality_worst"] == 0.5
    assert better["gap_mean"] == 0.5  # bound / scr − 1: 1 and 0
    assert better["decision_time_s_median"] == 2e-3
    assert better["violation_max"] == 1e-9
    assert better["delay_s_mean"] == 2


def test_table_has_the_best_agent_first() -> None:
    heading, rows = table(results())
    assert [row[0] for row in rows] == ["ppo (2 runs)", "rucaa"]
    assert all(len(row) == len(heading) for row in rows)
    heading, rows = table(results(bound=False))
    assert "gap" not in heading
    assert all(len(row) == len(heading) for row in rows)


def test_csv_keeps_every_digit() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(instance_rows(results())))))
    assert len(rows) == 3 * 4
    assert rows[0]["agent"] == "ppo"
    assert rows[5]["run"] == "runs/b"
    assert float(rows[5]["scr"]) == 20
    assert float(rows[5]["scr_upper_bound"]) == 20


def test_json_says_what_was_compared() -> None:
    content = json.loads(to_json(results(), ABOUT))
    assert content["preset"] == "tiny-4x2"
    assert [agent["agent"] for agent in content["agents"]] == ["ppo", "rucaa"]


@pytest.mark.parametrize("bound", [True, False])
def test_the_report_is_one_file(tmp_path: Path, bound: bool) -> None:
    report = write_results(tmp_path, "tiny", results(bound), ABOUT)
    folder = tmp_path / "tiny_1"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("results.csv", "results.json", "report.html"),
        *("scr.png", "profile.png", "latency.png"),
    }
    page = report.read_text()
    assert "a &lt;b&gt; &amp; c" in page
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r'(src|href)="(?!data:)', page)
    for name in names:
        if name.endswith(".png"):
            assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_folders_are_new_each_time(tmp_path: Path) -> None:
    paths = [write_results(tmp_path, "tiny", results(), ABOUT) for _ in range(2)]
    assert [path.parent.name for path in paths] == ["tiny_1", "tiny_2"]


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_figures_for_papers_lie_beside_the_report(tmp_path: Path, kind: str) -> None:
    report = write_results(
        tmp_path, "tiny", results(), ABOUT, kind=kind, width=3.5
    ).read_text()
    folder = tmp_path / "tiny_1"
    for name in ("scr", "profile", "latency"):
        content = (folder / f"{name}.{kind}").read_bytes()
        if kind == "pdf":
            (box,) = re.findall(rb"/MediaBox \[ ?([\d. ]+) ?\]", content)
            assert float(box.split()[2]) == pytest.approx(252)
        else:
            assert b'width="252pt"' in content
        assert not (folder / f"{name}.png").exists()
    assert report.count("data:image/png;base64,") == 3  # it keeps showing them
