"""The scenarios that agents are validated, tested and cloned on."""

from __future__ import annotations

import numpy as np

from agents.base import Agent
from mec_llm_env import Scenario, ScenarioConfig, evaluate, sample_scenario
from mec_llm_env.bank import FIRST_SEED
from mec_llm_env.task import Task

VALIDATION_SEED = 10_000_000  # + i is the seed of validation scenario i
TEST_SEED = FIRST_SEED  # + i is the seed of test scenario i
DEMONSTRATION_SEED = 30_000_000  # + i is the seed of demonstration scenario i
_MOST = VALIDATION_SEED  # scenarios of a kind, so that their seeds do not overlap


def validation_instances(config: ScenarioConfig, count: int = 100) -> Scenario:
    """Returns the scenarios [count] that policies are validated on during training."""
    return _scenarios(config, VALIDATION_SEED, count)


def held_out_instances(config: ScenarioConfig, count: int = 100) -> Scenario:
    """Returns the test scenarios [count], on which agents are compared."""
    return _scenarios(config, TEST_SEED, count)


def mean_scr(agent: Agent, task: Task, count: int) -> float:
    """Returns the mean SCR of an agent on the first `count` test scenarios."""
    scenario = held_out_instances(task.config, count)
    outcome = evaluate(scenario, agent.decide(scenario), task.config.objective)
    return float(outcome.scr.mean())


def demonstration_instances(config: ScenarioConfig, first: int, count: int) -> Scenario:
    """Returns the demonstration scenarios `first` … `first + count − 1`, [count].

    They are the scenarios of behaviour cloning, and used for nothing else.
    """
    return _scenarios(config, DEMONSTRATION_SEED + first, count)


def _scenarios(config: ScenarioConfig, first_seed: int, count: int) -> Scenario:
    if not 1 <= count <= _MOST:
        raise ValueError(f"`instances` must lie in 1 … {_MOST}; got {count}.")
    return Scenario.stack(
        [
            sample_scenario(config, np.random.default_rng(first_seed + i))
            for i in range(count)
        ]
    )
