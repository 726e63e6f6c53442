"""Which agents the command line names, and on which task they can be compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.command_line import DEFAULT_PRESET
from agents.registry import make_agent, run_config, run_folder
from agents.training.runs import TrainingConfig
from mec_llm_env.task import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A row of the comparison: an agent, or training runs that differ in seed alone."""

    label: str
    names: tuple[str, ...]  # as `make_agent` takes them
    trained: bool


def common_task_arguments(
    names: Sequence[str], given: dict[str, Any] | None
) -> dict[str, Any]:
    """Returns the arguments of the `Task` to compare on, `preset` among them.

    Args:
        names: agents and run folders.
        given: environment arguments from the command line; None: those of the runs,
            or the defaults where there is no run.

    Raises:
        ValueError: the runs were trained on different scenarios and nothing is given.
    """
    if given is not None:
        return given
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for name in names:
        config = run_config(name)
        if config is not None:
            kwargs = {k: config.env_kwargs.get(k) for k in ("preset", "overrides")}
            kwargs = {k: v for k, v in kwargs.items() if v is not None}
            found.setdefault(repr(kwargs), (name, kwargs))
    if len(found) > 1:
        (first, ours), (second, theirs), *_ = found.values()
        raise ValueError(
            f"The runs were trained on different scenarios, {first!r} on {ours} and "
            f"{second!r} on {theirs}. Say which to compare on, with --preset and "
            "--override."
        )
    kwargs = next(iter(found.values()))[1] if found else {}
    return {"preset": DEFAULT_PRESET} | kwargs


def select(names: Sequence[str], task: Task) -> list[Entry]:
    """Groups the names into rows and makes every agent once, to see that it can be.

    Raises:
        ValueError: an agent is unknown, named twice or cannot decide this task.
    """
    groups: dict[str, tuple[TrainingConfig | None, list[str]]] = {}
    for name in names:
        make_agent(name, task)
        config = run_config(name)
        path = name if config is None else os.path.realpath(run_folder(name))
        key = name if config is None else repr({**config.to_dict(), "seed": None})
        members = groups.setdefault(key, (config, []))[1]
        if path in members:
            raise ValueError(f"--agents names {name!r} twice; keep one.")
        members.append(path)
    labels = _labels([(config, members) for config, members in groups.values()])
    return [
        Entry(label=label, names=tuple(members), trained=config is not None)
        for label, (config, members) in zip(labels, groups.values(), strict=True)
    ]


def _labels(groups: list[tuple[TrainingConfig | None, list[str]]]) -> list[str]:
    """Names rows by their agent, with the run's folder where that is not unique."""
    agents = [members[0] if c is None else c.agent for c, members in groups]
    return [
        agent if agents.count(agent) == 1 else f"{agent} {os.path.basename(members[0])}"
        for agent, (_, members) in zip(agents, groups, strict=True)
    ]
