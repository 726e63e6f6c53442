"""The scenarios, or trajectories, that agents are validated, tested and cloned on."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.problems.episodes import MEANS, Array, play
from agents.problems.tasks import AnyTask
from mec_llm_env import (
    MobileConfig,
    Scenario,
    ScenarioConfig,
    Trajectory,
    evaluate,
    sample_scenario,
    sample_trajectory,
    violations,
)
from mec_llm_env.held_out import MOST_HELD_OUT, SPLITS
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.sampling import is_fixed

#: What agents are compared on, in a batch [I].
Instances = Scenario | Trajectory

INSTANCES = 100  # unless the command line says
VALIDATION_SEED = SPLITS["validation"]  # + i is the seed of validation instance i
TEST_SEED = SPLITS["test"]  # + i is the seed of test instance i
DEMONSTRATION_SEED = 30_000_000  # + i is the seed of demonstration scenario i


def validation_instances(config: ScenarioConfig, count: int = 100) -> Any:
    """Returns the instances [count] that policies are validated on during training."""
    return _instances(config, VALIDATION_SEED, count)


def held_out_instances(config: ScenarioConfig, count: int = 100) -> Any:
    """Returns the test instances [count], on which agents are compared.

    They are a `Scenario`, or a `Trajectory` of episodes, as the configuration says.
    """
    return _instances(config, TEST_SEED, count)


def default_count(task: AnyTask) -> int:
    """Returns how many test instances agents are compared on: 1 if all are the same."""
    fixed = not isinstance(task, MobileTask) and is_fixed(task.config)
    return 1 if fixed else INSTANCES


def figures_of(agent: Any, task: AnyTask, instances: Instances) -> dict[str, Array]:
    """Returns what an agent's decisions on instances come to, by name, [I] each.

    `scr`, `violation`, the largest relative one of a constraint, and means over users
    and slots; in episodes `migrations` too.

    Args:
        agent: an `Agent`. In episodes a `Policy`, in the encodings of its own `task` if
            it has one; or who plans whole episodes and has `figures` of its own.
        task: what is decided.
        instances: [I] scenarios or trajectories, as the task has them.
    """
    if isinstance(instances, Trajectory):
        if hasattr(agent, "figures"):
            return dict(agent.figures(instances))
        own: Any = getattr(agent, "task", task)
        return play(agent, own, instances)
    allocation = agent.decide(instances)
    outcome = evaluate(instances, allocation, task.config.objective)
    excess = list(violations(instances, allocation).values())
    return {
        "scr": outcome.scr,
        **{name: getattr(outcome, name).mean(axis=-1) for name in MEANS},
        "violation": np.max(np.stack(excess), axis=0),
    }


def mean_scr(agent: Any, task: AnyTask, count: int) -> float:
    """Returns the mean SCR of an agent on the first `count` test instances."""
    instances = held_out_instances(task.config, count)
    return float(figures_of(agent, task, instances)["scr"].mean())


def demonstration_instances(config: ScenarioConfig, first: int, count: int) -> Any:
    """Returns the demonstration instances `first` … `first + count − 1`, [count].

    They are those of behaviour cloning, and used for nothing else.
    """
    return _instances(config, DEMONSTRATION_SEED + first, count)


def _instances(config: ScenarioConfig, first_seed: int, count: int) -> Instances:
    if not 1 <= count <= MOST_HELD_OUT:
        raise ValueError(f"`instances` must lie in 1 … {MOST_HELD_OUT}; got {count}.")
    rngs = [np.random.default_rng(first_seed + i) for i in range(count)]
    if isinstance(config, MobileConfig):
        return Trajectory.stack([sample_trajectory(config, rng) for rng in rngs])
    return Scenario.stack([sample_scenario(config, rng) for rng in rngs])
