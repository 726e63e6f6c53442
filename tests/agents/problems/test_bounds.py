"""Bounds of the instances, from the bank and from the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashf
from agents.problems import bounds
from agents.problems.bounds import InstanceBounds, certified_bounds
from agents.problems.instances import held_out_instances, validation_instances
from dashf.pricing.dual import solve_dual_batch
from mec_llm_env import ObjectiveConfig, ScenarioConfig
from mec_llm_env.bank import load_bank

TINY = ScenarioConfig.preset("tiny-4x2")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bounds, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_the_bank_is_used_where_it_holds_the_instances(cache: Path) -> None:
    scenario = held_out_instances(TINY, 12)
    value = certified_bounds(scenario, TINY.objective, "tiny-4x2").value
    np.testing.assert_array_equal(value, load_bank("tiny-4x2").bound[:12])
    assert not cache.exists()


def test_what_the_bank_lacks_is_computed_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = validation_instances(TINY, 12)
    done: list[int] = []
    value = certified_bounds(scenario, TINY.objective, advance=done.append).value
    np.testing.assert_allclose(
        value, dashf.upper_bound(scenario, TINY.objective).value, rtol=1e-6
    )
    assert done == [0, 10, 12]
    assert len(list(cache.iterdir())) == 2

    def never(*arguments: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(dashf, "upper_bound", never)
    again = certified_bounds(scenario, TINY.objective)
    np.testing.assert_array_equal(again.value, value)
    with pytest.raises(AssertionError, match="computed again"):  # another objective
        certified_bounds(scenario, ObjectiveConfig(delay_reference_s=50.0))


def test_instances_beyond_the_bank() -> None:
    stored = len(load_bank("tiny-4x2"))
    scenario = held_out_instances(TINY, stored + 1)
    value = certified_bounds(scenario, TINY.objective, "tiny-4x2").value
    assert len(value) == stored + 1
    assert (value > 0).all()


def test_a_bank_of_other_scenarios_is_refused() -> None:
    with pytest.raises(ValueError, match="holds other scenarios than are sampled"):
        certified_bounds(validation_instances(TINY, 3), TINY.objective, "tiny-4x2")


def test_bounds_of_other_code_are_not_used_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = validation_instances(TINY, 2)
    certified_bounds(scenario, TINY.objective)
    monkeypatch.setattr(bounds, "_code", lambda: "changed")
    certified_bounds(scenario, TINY.objective)
    assert len(list(cache.iterdir())) == 2


def test_loose_bounds_are_told_of() -> None:
    tight = InstanceBounds(value=np.array([10.0, 20.0]), gap=np.array([0.001, 0.01]))
    assert tight.warning() is None
    loose = InstanceBounds(value=np.array([10.0, 20.0]), gap=np.array([0.001, 0.034]))
    text = loose.warning()
    assert text is not None
    assert text.startswith(
        "the certified bound may be loose on 1 of 2 instances, by at most 3.4 %"
    )


def test_gaps_are_those_to_an_allocation(cache: Path) -> None:
    scenario = validation_instances(TINY, 3)
    found = certified_bounds(scenario, TINY.objective)
    batch = solve_dual_batch(scenario, TINY.objective)
    scr, bound = batch.scr, batch.bound
    np.testing.assert_allclose(found.gap, bound.value / scr - 1, rtol=1e-9)
