"""The agents of a figure: solvers, and trained policies by run folder or name."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from agents.evaluation.selection import Entry, grouped
from agents.registry import MOBILE_ONLY, make_agent, run_config
from mec_llm_env import ScenarioConfig
from mec_llm_env.task import Task

#: In the order of the legends.
DEFAULT_AGENTS = (
    *("dashf", "dual", "gucro", "edge", "aauco", "gucaa", "rucaa", "local", "random"),
)

#: What figures write in capitals, as the paper does.
_CAPITALS = ("dashf", "gucro", "aauco", "gucaa", "rucaa")


def drawn_agents(names: Sequence[str]) -> tuple[Entry, ...]:
    """Groups the names into curves, in their order.

    Raises:
        ValueError: a name is unknown or stands twice, or a run cannot be read.
    """
    for name in names:
        if name in MOBILE_ONLY:
            raise ValueError(
                f"{name!r} decides whole episodes, and this figure is of single "
                "scenarios. Leave it out; experiments.migrations draws it."
            )
        if run_config(name) is None:
            make_agent(name)  # says what is wrong, if anything is
    return tuple(
        dataclasses.replace(agent, label=agent.label.upper())
        if agent.label in _CAPITALS
        else agent
        for agent in grouped(names)
    )


def check_sizes(agents: Sequence[Entry], configs: Sequence[ScenarioConfig]) -> None:
    """Checks that every trained agent can decide every configuration.

    Raises:
        ValueError: one cannot; the text says which, why, and the remedy.
    """
    names = [name for agent in agents if agent.is_trained for name in agent.names]
    if not names:
        return
    tasks = {repr(config): task_of(config) for config in configs}
    for name in names:
        for task in tasks.values():
            make_agent(name, task)


def task_of(config: ScenarioConfig) -> Task:
    """Returns the task of an environment that has the configuration.

    Raises:
        ValueError: an observation cannot hold what it draws.
    """
    return Task(overrides=config.to_dict())
