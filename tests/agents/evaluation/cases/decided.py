"""Small cases, and what agents decide on them."""

from __future__ import annotations

from typing import Any

import numpy as np

import dashf
from agents.evaluation.cases.deciding import (
    Deciders,
    Decision,
    decide_all,
    results_of,
)
from agents.evaluation.cases.reading import Case
from mec_llm_env import (
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    sample_scenario,
)

OBJECTIVE = ObjectiveConfig()


def case(name: str, users: int, servers: int, seed: int = 0) -> Case:
    config = ScenarioConfig(users=users, servers=servers)
    scenario = sample_scenario(config, np.random.default_rng(seed))
    return Case(name=name, scenario=scenario, objective=OBJECTIVE, source=f"{name}.npz")


CASES = [case("small", 4, 2), case("alone", 1, 1), case("many", 6, 3)]


def decided(
    names: list[str], cases: list[Case], bounds: list[dashf.Bound] | None = None
) -> Any:
    deciders = Deciders(cases)
    chosen, _ = deciders.able(names)
    rows = deciders.rows(chosen)
    found = decide_all(deciders, rows, bounds)
    return rows, found, results_of(rows, found, bounds, 0)


def best_of(scenario: Scenario, objective: ObjectiveConfig = OBJECTIVE) -> Decision:
    own = Case(name="one", scenario=scenario, objective=objective, source="one.npz")
    return decided(["dual"], [own])[1][0][0][0]
