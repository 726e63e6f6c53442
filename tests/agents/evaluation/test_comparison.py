"""Comparison of agents."""

from __future__ import annotations

import numpy as np
import pytest

from agents.evaluation import comparison, timing
from agents.evaluation.comparison import compare
from agents.learned import LearnedAgent
from agents.problems.instances import held_out_instances
from agents.problems.tasks import make_task
from agents.registry import make_agent
from agents.work import Workers
from mec_llm_env import evaluate
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
    names = ["rucaa", "gucaa", "random", "apg:pretrained"]
    serial = compare(names, TASK, scenario, seed=3)
    parallel = compare(names, TASK, scenario, seed=3, workers=Workers(jobs=2))
    for one, other in zip(serial, parallel, strict=True):
        for name in ("scr", "score", "delay_s", "energy_j", "cost", "violation"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    (other_seed,) = compare(["rucaa"], TASK, scenario, seed=4)
    assert (other_seed.scr != serial[0].scr).any()


def test_slow_agents_are_timed_on_fewer_instances(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timing, "TIMING_BUDGET_S", 1e-9)
    (measured,) = compare(["gucaa"], TASK, held_out_instances(TASK.config, 5))
    assert len(measured.single_time_s) == measured.batch_size == 1
    assert len(measured.scr) == 5


def test_in_episodes_too() -> None:
    task = make_task("MecLlmMobile-v0", overrides={"users": 3, "mobility.slots": 2})
    episodes = held_out_instances(task.config, 3)
    names = ["gucaa", "hysteresis", "clairvoyant"]
    *decided, planned = compare(names, task, episodes)
    for measured in decided:
        assert len(measured.single_time_s) == measured.batch_size == 3
        assert 0 < measured.batch_time_s < np.inf
    assert len(planned.single_time_s) == planned.batch_size == 0
    assert np.isnan(planned.batch_time_s)
    assert (planned.scr > decided[0].scr).all()


def test_a_trained_agent_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "apg:pretrained"
    scenario = held_out_instances(TASK.config, 3 * comparison.CHUNK)
    loads: list[str] = []
    load = LearnedAgent.from_run

    def counted(run: str, task: Task) -> LearnedAgent:
        loads.append(run)
        return load(run, task)

    monkeypatch.setattr(LearnedAgent, "from_run", counted)
    (measured,) = compare([name], TASK, scenario)
    assert len(loads) == 1
    whole = make_agent(name, TASK).decide(scenario)
    np.testing.assert_array_equal(measured.scr, evaluate(scenario, whole).scr)
