"""Solvers as agents."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import dashf
from agents import agent_names, make_agent
from mec_llm_env import ScenarioConfig, evaluate, sample_scenario
from mec_llm_env.task import Task

TINY = Task(preset="tiny-4x2")


@pytest.mark.parametrize("name", dashf.SOLVERS)
def test_decides_as_the_solver_does(name: str) -> None:
    scenario = sample_scenario(TINY.config, np.random.default_rng(0), (2,))
    allocation = make_agent(name, TINY).decide(scenario)
    wanted = dashf.solve_batch(scenario, solver=name).allocation
    np.testing.assert_array_equal(allocation.association, wanted.association)
    np.testing.assert_allclose(
        evaluate(scenario, allocation).scr, evaluate(scenario, wanted).scr, rtol=1e-9
    )


def test_all_solvers_are_agents() -> None:
    baselines = {"random", "rucaa", "gucaa", "aauco", "gucro", "local", "edge"}
    assert baselines | {"dashf"} <= set(agent_names())


def test_acts_from_observations_alone() -> None:
    env = gym.make("MecLlm-v0", preset="tiny-4x2")
    observation, _ = env.reset(seed=1)
    action, _ = make_agent("dashf", TINY).predict(observation)
    reward = env.step(action)[1]
    scenario = sample_scenario(
        ScenarioConfig.preset("tiny-4x2"), np.random.default_rng(1)
    )
    solved = dashf.solve(scenario)
    # The action clips power and frequencies to at least 1 % of their maximum.
    assert reward == pytest.approx(solved.scr, rel=2e-2)
