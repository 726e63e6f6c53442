"""Who decides cases of one's own, and what."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

import dashf
from agents.evaluation.cases.deciding import (
    ALL,
    Deciders,
    decide_all,
)
from agents.evaluation.cases.files import (
    allocation_csv,
    decision_json,
)
from agents.evaluation.cases.reading import read_cases
from agents.evaluation.cases.words import (
    phase_costs,
)
from agents.problems import bounds as bounds_module
from agents.problems.bounds import loose_bounds, priced_bounds
from agents.registry import pretrained_names
from agents.work import Workers
from mec_llm_env import (
    evaluate,
)
from tests.agents.evaluation.cases.decided import (
    CASES,
    OBJECTIVE,
    case,
    decided,
)
from tests.dashf.extremes import with_serving


def test_decisions_and_bounds_do_not_depend_on_who_computes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bounds: list[dashf.Bound]
) -> None:
    monkeypatch.setattr(bounds_module, "CACHE", tmp_path)
    problems = [(c.scenario, c.objective) for c in CASES]
    done: list[float] = []
    far = priced_bounds(problems, advance=done.append, workers=Workers(jobs=2))
    assert done == [1, 2, 3]
    for one, other in zip(far, bounds, strict=True):
        for spec in dataclasses.fields(dashf.Bound):
            if spec.name != "time_s":
                np.testing.assert_array_equal(
                    getattr(one, spec.name), getattr(other, spec.name)
                )
    deciders = Deciders(CASES)
    rows = deciders.rows(["random", "dual", "ppo:pretrained", "apg:pretrained"])
    here = decide_all(deciders, rows, far, seed=3)
    at: list[tuple[float, str]] = []
    there = decide_all(
        *(Deciders(CASES), rows, far),
        seed=3,
        workers=Workers(jobs=2),
        advance=lambda *words: at.append(words),
    )
    assert [number for number, _ in at] == list(range(1, 13))
    assert {label for _, label in at} == {row.label for row in rows}
    for own, other in zip(here, there, strict=True):
        for one, same in zip(own[0], other[0], strict=True):
            texts = [decision_json(d, far[0]).splitlines() for d in (one, same)]
            lines = [[t for t in text if "time_s" not in t[:18]] for text in texts]
            assert lines[0] == lines[1]
            assert len(lines[0]) == len(texts[0]) - 1
            assert same.time_s > 0


def test_a_bound_is_computed_once_with_its_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds_module, "CACHE", tmp_path)
    s = CASES[0].scenario
    (first,) = priced_bounds([(s, OBJECTIVE)])
    fresh = dashf.upper_bound(s, OBJECTIVE)
    monkeypatch.setattr(dashf, "upper_bound", None)
    (again,) = priced_bounds([(s, OBJECTIVE)])
    for spec in dataclasses.fields(dashf.Bound):
        stored = getattr(again, spec.name)
        np.testing.assert_array_equal(stored, getattr(first, spec.name))
        if spec.name != "time_s":
            np.testing.assert_allclose(stored, getattr(fresh, spec.name))
    assert again.status is fresh.status
    assert loose_bounds([first]) is None
    loose = dataclasses.replace(first, gap=0.5)
    assert "loose on 1 of 2" in str(loose_bounds([first, loose]))


def test_all_are_whoever_can_decide() -> None:
    names, skipped = Deciders(CASES).able([ALL])
    assert set(names) >= set(dashf.SOLVERS)
    assert "apg:pretrained" in names
    (line,) = skipped
    assert line.startswith("Without ppo_mobile:pretrained: ")
    large = [*CASES, case("large", 21, 3)]
    names, skipped = Deciders(large).able([ALL])
    assert "exact" not in names
    assert skipped[0].startswith("Without exact: it takes long for 21 × 3 users")
    assert Deciders(large).able([ALL, "exact"])[0][0] == "exact"
    names, _ = Deciders([case("huge", 1000, 11)]).able([ALL])
    assert {"dual", "gucaa", "apg:pretrained"} <= set(names)
    assert not {"exact", "dashf", "gucro", "aauco", "local", "edge"} & set(names)


def test_policies_decide_what_they_can_observe() -> None:
    s = with_serving(CASES[0].scenario, np.random.default_rng(0))
    moved = [CASES[0], dataclasses.replace(CASES[1], scenario=s)]
    names, skipped = Deciders(moved).able([ALL])
    assert not set(names) & set(pretrained_names())
    assert any("no place for `serving`" in line for line in skipped)
    with pytest.raises(ValueError, match=r"`serving`.*\(case 'alone'\)"):
        Deciders(moved).able(["apg:pretrained"])


def test_agents_that_do_not_exist_or_stand_twice() -> None:
    deciders = Deciders(CASES)
    with pytest.raises(ValueError, match="no agent 'gucca'"):
        deciders.able(["gucca"])
    with pytest.raises(ValueError, match="decides whole episodes"):
        deciders.able(["lookahead"])
    with pytest.raises(ValueError, match="names 'dual' twice"):
        deciders.rows(["dual", "gucaa", "dual"])
    with pytest.raises(ValueError, match="names 'apg:pretrained' twice"):
        deciders.rows(["apg:pretrained", "apg:pretrained"])


def test_decisions_are_the_solvers_own(bounds: list[dashf.Bound]) -> None:
    rows, found, results = decided(["dual", "random", "apg:pretrained"], CASES, bounds)
    assert [row.label for row in rows] == ["dual", "random", "apg:pretrained"]
    for i, own in enumerate(CASES):
        solved = dashf.solve(own.scenario, solver="dual")
        assert found[0][0][i].scr == solved.scr
        assert found[0][0][i].status is solved.status
        again = dashf.solve(own.scenario, solver="random", seed=i)
        assert found[1][0][i].scr == again.scr
        for row in found:
            decision = row[0][i]
            outcome = evaluate(own.scenario, decision.allocation)
            assert decision.scr == float(outcome.scr)
            assert decision.violation <= 1e-6
            assert decision.time_s > 0
            assert decision.explanation.gap >= -1e-9
    for result, row in zip(results, found, strict=True):
        assert result.scr.tolist() == [[d.scr for d in row[0]]]
        assert (result.optimality <= 1 + 1e-9).all()
    again = decided(["dual", "random", "apg:pretrained"], CASES, bounds)[1]
    assert [d.scr for d in again[1][0]] == [d.scr for d in found[1][0]]


def test_what_is_not_observed_is_told_to_policies(tmp_path: Path) -> None:
    """Noise rise, whole layers and the energy of the download, decided and written."""
    options = {
        "users": 3,
        "server.noise_rise_db": [3.0, 0.0],
        "workload.split": "whole_layers",
        "objective.downlink_energy_share": 1.0,
        "radio.downlink_power_w": 500.0,
    }
    path = tmp_path / "own.json"
    path.write_text(json.dumps(options))
    cases = read_cases([str(path)], {}, 1)
    _, found, _ = decided(["dual", "apg:pretrained"], cases)
    assert len(found) == 2
    for decision in (row[0][0] for row in found):
        total = sum(phase_costs(decision).values())
        np.testing.assert_allclose(total, decision.outcome.cost, rtol=1e-12)
        assert decision.violation <= 1e-6
        rows = list(csv.DictReader(allocation_csv(decision).splitlines()))
        for row in rows:
            parts = [float(v) for k, v in row.items() if re.match("energy_.+_j", k)]
            assert sum(parts) == pytest.approx(float(row["energy_j"]))
        assert all(float(row["energy_downlink_j"]) > 0 for row in rows)
