"""The agents of a figure: solvers, and trained policies by run folder or name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import dashf
from agents.evaluation.selection import run_label
from agents.registry import (
    MOBILE_ONLY,
    make_agent,
    pretrained_names,
    run_config,
    run_folder,
)
from mec_llm_env import ScenarioConfig
from mec_llm_env.task import Task

#: In the order of the legends.
DEFAULT_AGENTS = (
    *("dashf", "dual", "gucro", "edge", "aauco", "gucaa", "rucaa", "local", "random"),
)

#: What solvers are called in figures, if not by their ids.
_LABELS = {name: name.upper() for name in ("dashf", "gucro", "aauco", "gucaa", "rucaa")}


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnAgent:
    """A curve: an agent, or training runs that differ in their seed alone."""

    label: str  # in figures and tables
    given: tuple[str, ...]  # as `make_agent` takes them
    is_trained: bool


def drawn_agents(names: Sequence[str]) -> tuple[DrawnAgent, ...]:
    """Groups the names into curves, in their order.

    Raises:
        ValueError: a name is unknown or stands twice, or a run cannot be read.
    """
    curves: dict[str, DrawnAgent] = {}
    seen: set[str] = set()
    for name in names:
        path = os.path.realpath(run_folder(name))
        if path in seen:
            raise ValueError(f"--agents names {name!r} twice; keep one.")
        seen.add(path)
        key, label, is_trained = _described(name)
        same = curves[key].given if key in curves else ()
        curves[key] = DrawnAgent(
            label=label, given=(*same, name), is_trained=is_trained
        )
    return _with_unique_labels(list(curves.values()))


def check_sizes(
    agents: Sequence[DrawnAgent], configs: Sequence[ScenarioConfig]
) -> None:
    """Checks that every trained agent can decide every configuration.

    Raises:
        ValueError: one cannot; the text says which, why, and the remedy.
    """
    names = [name for agent in agents if agent.is_trained for name in agent.given]
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


def _described(name: str) -> tuple[str, str, bool]:
    """Returns what is equal for runs of one curve, the label, and whether it is one."""
    if name in dashf.SOLVERS:
        return name, _LABELS.get(name, name), False
    if name in MOBILE_ONLY:
        raise ValueError(
            f"{name!r} decides whole episodes, and this figure is of single scenarios. "
            "Leave it out; experiments.migrations draws it."
        )
    config = run_config(name)
    if config is None:
        make_agent(name)  # says what is wrong
        raise AssertionError(f"{name!r} is an agent without settings")
    key = repr({**config.to_dict(), "seed": None})
    return key, name if name in pretrained_names() else run_label(config), True


def _with_unique_labels(agents: list[DrawnAgent]) -> tuple[DrawnAgent, ...]:
    """Adds the run's name to labels that are not unique."""
    labels = [agent.label for agent in agents]
    return tuple(
        agent
        if labels.count(agent.label) == 1
        else DrawnAgent(
            label=f"{agent.label} {agent.given[0]}",
            given=agent.given,
            is_trained=agent.is_trained,
        )
        for agent in agents
    )
