from __future__ import annotations

import numpy as np
import pytest

from mec_llm_env import (
    MobileConfig,
    Scenario,
    ScenarioConfig,
    sample_scenario,
    sample_trajectory,
)
from mec_llm_env.record import as_numbers


@pytest.mark.parametrize("seed", range(8))
def test_a_changed_record_differs_in_what_is_given_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = {"users": int(rng.integers(1, 9)), "servers": int(rng.integers(1, 5))}
    split = str(rng.choice(["continuous", "whole_layers"]))
    config = ScenarioConfig().with_overrides({**sizes, "workload.split": split})
    scenario = sample_scenario(config, rng, (2,))
    before = {k: v.copy() for k, v in scenario.to_dict().items()}
    name = str(rng.choice(list(before)))
    value = 2 * before[name]
    changed = scenario.changed(**{name: value}, serving=None)
    assert getattr(changed, name) is value
    for other in Scenario.field_names():
        if other not in (name, "serving"):
            assert getattr(changed, other) is getattr(scenario, other)
    assert changed.serving is None
    for other, old in before.items():  # the old one is as it was
        np.testing.assert_array_equal(getattr(scenario, other), old)


def test_records_within_records_are_changed_too() -> None:
    trajectory = sample_trajectory(
        MobileConfig().with_overrides({"mobility.slots": 3}), np.random.default_rng(0)
    )
    layers = np.full(trajectory.joined.shape, 16.0)
    scenario = trajectory.scenario.changed(layers=layers)
    changed = trajectory.changed(scenario=scenario)
    assert changed.slot(1).layers is not None
    assert trajectory.scenario.layers is None
    assert changed.joined is trajectory.joined


@pytest.mark.parametrize("value", [None, "a", [[1.0], [1.0, 2.0]], 1j, {}, object()])
def test_what_is_no_array_of_numbers_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="`x` must be an array of real numbers; got "):
        as_numbers(value, "x")
    assert as_numbers([True, False], "x").dtype == np.bool_
    with pytest.raises(ValueError, match=r"`x` must be .*; got \[True, False\]"):
        as_numbers([True, False], "x", "iuf")
