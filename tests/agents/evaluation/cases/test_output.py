"""Files of decisions on cases of one's own."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np

import dashf
from agents.evaluation.cases.files import (
    allocation_csv,
    decision_json,
    file_names,
)
from agents.evaluation.cases.output import by_case, write_cases
from agents.evaluation.cases.report import agent_table
from mec_llm_env import (
    Allocation,
    evaluate,
)
from tests.agents.evaluation.cases.decided import (
    CASES,
    best_of,
    decided,
)


def test_the_table_has_the_best_agent_first(bounds: list[dashf.Bound]) -> None:
    for upper in (bounds, None):
        for cases in (CASES, CASES[:1]):
            own = None if upper is None else upper[: len(cases)]
            heading, rows = agent_table(decided(["random", "dual"], cases, own)[2])
            assert [row[0] for row in rows] == ["dual", "random"]
            assert all(len(row) == len(heading) for row in rows)
            assert ("of the bound" in heading) == (upper is not None)
            assert ("worst" in heading) == (len(cases) > 1)


def test_an_allocation_comes_back_from_its_files() -> None:
    decision = best_of(CASES[2].scenario)
    content = json.loads(decision_json(decision, None))
    z = Allocation.from_server(**content["allocation"])
    assert float(evaluate(CASES[2].scenario, z).scr) == decision.scr == content["scr"]
    assert content["certificate"] is None
    assert content["explanation"]["load"] == z.association.sum(axis=0).tolist()
    rows = list(csv.DictReader(io.StringIO(allocation_csv(decision))))
    assert [row["user"] for row in rows] == [str(n) for n in range(6)]
    for name in ("local_fraction", "bandwidth_hz", "transmit_power_w"):
        column = [float(row[name]) for row in rows]
        assert column == getattr(z, name).tolist()
    assert np.isclose(sum(float(row["cost_share"]) for row in rows), 1)


def test_files_have_names_of_their_own() -> None:
    one = best_of(CASES[1].scenario)
    several = [
        dataclasses.replace(one, label=label)
        for label in ("ppo:pretrained", "ppo", "ppo", "ppo pretrained", "dual")
    ]
    names = file_names(several)
    assert len(set(names)) == 5
    assert names[-1] == "dual"
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)


def test_everything_is_written(tmp_path: Path, bounds: list[dashf.Bound]) -> None:
    _, found, results = decided(["dual", "gucaa"], CASES, bounds)
    about = {"scenario": ["a <b>"], "cases": 3}
    done: list[int] = []
    report = write_cases(
        tmp_path, "mine", by_case(found), bounds, results, about, done.append
    )
    folder = tmp_path / "mine_1"
    assert done == [2, 4, 6]
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {
        *("report.html", "results.csv", "results.json", "quality.png", "time.png"),
        *(
            f"cases/{own.name}/{agent}.{kind}"
            for own in CASES
            for agent in ("dual", "gucaa")
            for kind in ("csv", "json", "png")
        ),
    }
    page = report.read_text()
    assert "a &lt;b&gt;" in page
    assert page.count("data:image/png;base64,") == 3 + 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("<table>") == 1 + 2 * 3 + 2
    assert page.count("<ul>") == page.count("</ul>") == 3
    content = json.loads((folder / "results.json").read_text())
    assert [row["case"] for row in content["results"]] == ["small", "alone", "many"]
    assert {row["agent"] for row in content["agents"]} == {"dual", "gucaa"}
    certificate = content["results"][0]["certificate"]
    assert certificate["bandwidth_price"] == bounds[0].bandwidth_price.tolist()
    with (folder / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for row in rows:
        assert float(row["scr"]) <= float(row["scr_upper_bound"]) * (1 + 1e-9)


def test_without_a_bound_nothing_is_said_of_one(tmp_path: Path) -> None:
    _, found, results = decided(["dual"], CASES[:1])
    page = write_cases(tmp_path, "a", by_case(found), None, results, {}).read_text()
    assert "at this decision" in page
    assert "certified bound" not in page.replace("exceed the certified bound", "")
