"""Bounds are tight, or say that they are not: cases with a proven optimum, and fuzz."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashf.pricing.dual import solve_dual, upper_bound
from dashf.result import Status
from mec_llm_env import ObjectiveConfig, Scenario, ScenarioConfig, sample_scenario

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "tightness.json").read_text())


def case(fields: dict[str, Any]) -> tuple[Scenario, ObjectiveConfig]:
    if fields["case"] != "sampled":
        text = (GOLDEN / fields["case"]).read_text()
        return Scenario.from_json(text), ObjectiveConfig()
    config = ScenarioConfig().with_overrides(fields["overrides"])
    rng = np.random.default_rng(fields["seed"])
    return sample_scenario(config, rng), config.objective


@pytest.mark.parametrize("fields", CASES, ids=lambda f: f"{f['case']}-{f['seed']}")
def test_handed_cases_with_a_proven_optimum(fields: dict[str, Any]) -> None:
    s, objective = case(fields)
    result = solve_dual(s, objective)
    bound = result.bound
    best, proven = fields["best_scr"], fields["proven_at_most"]
    assert bound.status is Status.CONVERGED
    assert bound.value >= best
    assert bound.value <= proven * 1.003
    assert result.scr >= best * (1 - 1e-4)
    assert result.scr <= proven
    # The prices alone are as good: what branching lowered was not their fault.
    assert upper_bound(s, objective, nodes=0).looseness < 1e-4
