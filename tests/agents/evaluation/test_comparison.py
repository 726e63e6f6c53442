"""Comparison of agents."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from agents.evaluation import comparison
from agents.evaluation.comparison import compare
from agents.evaluation.instances import held_out_instances, validation_instances
from agents.registry import make_agent
from mec_llm_env import ScenarioConfig, evaluate, sample_scenario
from mec_llm_env.task import Task

TASK = Task(preset="tiny-4x2")


def test_figures_are_those_of_the_model() -> None:
    scenario = held_out_instances(TASK.config, 30)
    (measured,) = compare(["gucaa"], TASK, scenario)
    outcome = evaluate(scenario, make_agent("gucaa", TASK).decide(scenario))
    np.testing.assert_array_equal(measured.scr, outcome.scr)
    np.testing.assert_allclose(measured.delay_s, outcome.delay_s.mean(axis=-1))
    assert (measured.violation <= 1e-9).all()
    assert len(measured.single_time_s) == measured.batch_size == 30
    assert (measured.single_time_s > 0).all()
    assert measured.batch_time_s > 0


def test_jobs_change_nothing_but_the_time() -> None:
    scenario = held_out_instances(TASK.config, 60)
    names = ["rucaa", "gucaa", "random"]
    serial = compare(names, TASK, scenario, seed=3)
    parallel = compare(names, TASK, scenario, seed=3, jobs=2)
    for one, other in zip(serial, parallel, strict=True):
        for name in ("scr", "score", "delay_s", "energy_j", "cost", "violation"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    (other_seed,) = compare(["rucaa"], TASK, scenario, seed=4)
    assert (other_seed.scr != serial[0].scr).any()


def test_slow_agents_are_timed_on_fewer_instances(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "TIMING_BUDGET_S", 1e-9)
    (measured,) = compare(["gucaa"], TASK, held_out_instances(TASK.config, 5))
    assert len(measured.single_time_s) == measured.batch_size == 1
    assert len(measured.scr) == 5


def test_instances_are_those_of_their_seeds() -> None:
    config = ScenarioConfig()
    held_out, validation = (
        held_out_instances(config, 3),
        validation_instances(config, 3),
    )
    for got, first in ((held_out, 20_000_000), (validation, 10_000_000)):
        for i in range(3):
            wanted = sample_scenario(config, np.random.default_rng(first + i))
            for name, value in dataclasses.asdict(wanted).items():
                np.testing.assert_array_equal(getattr(got, name)[i], value)
    with pytest.raises(ValueError, match="`instances` must lie in 1 … 10000000; got 0"):
        held_out_instances(config, 0)
