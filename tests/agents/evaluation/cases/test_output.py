"""Decisions on cases of one's own: who decides, what is written, what is said."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashf
from agents.evaluation.cases.deciding import (
    ALL,
    Deciders,
    Decision,
    decide_all,
    results_of,
)
from agents.evaluation.cases.files import (
    allocation_csv,
    decision_json,
    file_names,
    picture,
)
from agents.evaluation.cases.output import by_case, write_cases
from agents.evaluation.cases.reading import Case, read_cases
from agents.evaluation.cases.report import agent_table
from agents.evaluation.cases.words import (
    phase_costs,
    what_binds,
    what_more_gives,
    where_it_stands,
    who_costs_most,
)
from agents.problems import bounds as bounds_module
from agents.problems.bounds import loose_bounds, priced_bounds
from agents.registry import pretrained_names
from agents.work import Workers
from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
)
from tests.dashf.extremes import random_objective, random_scenario, with_serving

OBJECTIVE = ObjectiveConfig()


def case(name: str, users: int, servers: int, seed: int = 0) -> Case:
    config = ScenarioConfig(users=users, servers=servers)
    scenario = sample_scenario(config, np.random.default_rng(seed))
    return Case(name=name, scenario=scenario, objective=OBJECTIVE, source=f"{name}.npz")


CASES = [case("small", 4, 2), case("alone", 1, 1), case("many", 6, 3)]


@pytest.fixture(scope="module")
def bounds(tmp_path_factory: pytest.TempPathFactory) -> list[dashf.Bound]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds_module, "CACHE", tmp_path_factory.mktemp("cache"))
        return priced_bounds([(c.scenario, c.objective) for c in CASES])


def decided(
    names: list[str], cases: list[Case], bounds: list[dashf.Bound] | None = None
) -> Any:
    deciders = Deciders(cases)
    chosen, _ = deciders.able(names)
    rows = deciders.rows(chosen)
    found = decide_all(deciders, rows, bounds)
    return rows, found, results_of(rows, found, bounds, 0)


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


def best_of(scenario: Scenario, objective: ObjectiveConfig = OBJECTIVE) -> Decision:
    own = Case(name="one", scenario=scenario, objective=objective, source="one.npz")
    return decided(["dual"], [own])[1][0][0][0]


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


def test_phases_make_up_the_cost() -> None:
    for seed in range(10):
        rng = np.random.default_rng([21, seed])
        s = random_scenario(rng)
        if seed % 2:
            s = with_serving(s, rng)
        decision = best_of(s, random_objective(rng))
        costs = phase_costs(decision)
        assert ("migration" in costs) == (seed % 2 == 1)
        total = np.sum(list(costs.values()), axis=0)
        np.testing.assert_allclose(total, decision.outcome.cost, rtol=1e-12)


def by_hand() -> Decision:
    """Four users, of whom three are at the first of two servers; half of it idle."""
    s = CASES[0].scenario
    server = np.array([0, 0, 0, 1])
    z = Allocation.from_server(
        server,
        2,
        local_fraction=np.array([1 / 16, 0.5, 0.5, 15 / 16]),
        transmit_power_w=s.transmit_power_max_w * np.array([1, 1, 0.5, 0.5]),
        bandwidth_hz=np.array([2e6, 2e6, 6e6, 1e7]),
        user_frequency_hz=s.user_frequency_max_hz * np.array([0.5, 0.5, 0.5, 1]),
        server_frequency_hz=s.server_frequency_max_hz[server]
        * np.array([0.1, 0.2, 0.2, 1]),
    )
    return dataclasses.replace(
        best_of(s),
        label="mine",
        allocation=z,
        outcome=evaluate(s, z),
        explanation=dashf.explain(s, z),
    )


def test_what_binds_is_said() -> None:
    text = " ".join(what_binds(by_hand()))
    assert "Bandwidth binds at all servers." in text
    assert "is partly idle at S0 (50 % used)." in text
    assert "2 of 4 users at full transmit power, 1 with the own GPU" in text
    assert "1 with as few layers of their own as they may have, 1 with as many" in text
    everyone = dataclasses.replace(CASES[0].scenario, max_users=np.array([4.0, 0]))
    text = " ".join(what_binds(best_of(everyone)))
    assert "Nobody is served at S1." in text
    assert "All slots are taken at S1." in text
    halves = dataclasses.replace(CASES[0].scenario, max_users=np.array([2.0, 2]))
    assert "All slots are taken at all servers." in " ".join(
        what_binds(best_of(halves))
    )


def test_who_costs_most_is_said() -> None:
    decision = by_hand()
    share = decision.explanation.cost_share
    text = who_costs_most(decision, 2)
    top = share.argsort()[::-1][:2]
    named = ", ".join(f"{n} ({100 * share[n]:.0f} %)" for n in top)
    assert text.startswith(f"Most cost: users {named}. ")
    assert "user 0 (100 %)" in who_costs_most(best_of(CASES[1].scenario))


def test_what_more_gives_is_said() -> None:
    decision = by_hand()
    e = decision.explanation
    band = int(e.price_per_mhz.argmax())
    text = " ".join(what_more_gives(decision))
    assert f"One more MHz pays most at S{band}: to share, " in text
    assert f"{e.price_per_mhz[band]:+.3g} of SCR" in text
    nothing = dataclasses.replace(
        decision,
        explanation=dataclasses.replace(
            e, price_per_ghz=0 * e.price_per_ghz, scr_per_ghz=np.array([-1.0, 0])
        ),
    )
    text = " ".join(what_more_gives(nothing))
    assert "One more GHz to share would give nothing anywhere." in text
    assert "A larger GPU frequency would lower the SCR at S0" in text


def test_how_far_from_the_bound_is_said_and_never_rounded_up(
    bounds: list[dashf.Bound],
) -> None:
    decision = best_of(CASES[0].scenario)
    bound = dataclasses.replace(bounds[0], value=decision.scr / 0.99999)
    text = where_it_stands([decision], bound)
    assert "at least 99.99 % of the best" in text
    other = dataclasses.replace(by_hand(), label="other")
    last = dataclasses.replace(by_hand(), label="last")
    text = where_it_stands([decision, other, last], None)
    assert f"other reaches {other.scr:.5g}, last, the last, " in text
    assert "bound" not in text


def test_the_certificate_of_a_solver_is_told_where_it_is_the_lower_one(
    bounds: list[dashf.Bound],
) -> None:
    (exact,) = decided(["exact"], CASES[:1])[1][0][0]
    found = dashf.solve(exact.case.scenario, OBJECTIVE, solver="exact").bound
    assert found is not None
    assert exact.own_bound == pytest.approx(float(found.value), rel=1e-12)
    content = json.loads(decision_json(exact, bounds[0]))
    assert content["own_upper_bound"] == exact.own_bound >= exact.scr * (1 - 1e-9)
    loose = dataclasses.replace(bounds[0], value=1.02 * exact.own_bound)
    words = f"exact itself certifies {exact.own_bound:.5g}, of which that is "
    assert words in where_it_stands([exact], loose)
    tight = dataclasses.replace(bounds[0], value=exact.own_bound)
    for bound in (tight, None):
        assert "itself" not in where_it_stands([exact], bound)
    (rule,) = decided(["gucaa"], CASES[:1])[1][0][0]
    assert rule.own_bound is None


def test_any_decision_can_be_told_and_drawn() -> None:
    for seed in range(8):
        rng = np.random.default_rng([22, seed])
        s = random_scenario(rng)
        own = Case(
            name="odd", scenario=s, objective=random_objective(rng), source="odd.npz"
        )
        for row in decided(["random", "dual"], [own])[1]:
            decision = row[0][0]
            sentences = [
                *(where_it_stands([decision], None), who_costs_most(decision)),
                *what_binds(decision),
                *what_more_gives(decision),
            ]
            assert all(text.endswith(".") for text in sentences)
            assert "nan" not in " ".join(sentences)
            json.loads(decision_json(decision, None))
    assert picture(decision).startswith(b"\x89PNG")


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
