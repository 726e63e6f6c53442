"""The agents that the command line names, and the task to compare them on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.algorithms import ALGORITHMS
from agents.clairvoyant import CLAIRVOYANT
from agents.problems.tasks import DEFAULT_ENV, AnyTask, whole_arguments
from agents.registry import make_agent, pretrained_names, run_config, run_folder
from agents.run.config import TrainingConfig
from mec_llm_env.ranges import shorten

#: What an agent is called wherever it is shown, if not by its name.
_LABELS = {CLAIRVOYANT: f"{CLAIRVOYANT} (knows the future)"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A row of the comparison: an agent, or training runs that differ in seed alone."""

    label: str
    names: tuple[str, ...]  # as `make_agent` takes them
    is_trained: bool


def common_environment(
    names: Sequence[str], env_id: str | None, given: dict[str, Any] | None
) -> tuple[str, dict[str, Any]]:
    """Returns the environment to compare in, and its arguments, `preset` among them.

    Args:
        names: agents and run folders.
        env_id: from the command line; None: that of the runs, or the default one.
        given: environment arguments from the command line; None: those of the runs,
            or the defaults where there is no run.

    Raises:
        ValueError: the runs were trained in different environments, or on different
            scenarios, and nothing is given.
    """
    runs = [(name, config) for name in names if (config := run_config(name))]
    if env_id is None:
        ids = {config.env_id: name for name, config in runs}
        if len(ids) > 1:
            (ours, first), (theirs, second), *_ = ids.items()
            raise ValueError(
                f"The runs were trained in different environments, {first!r} in {ours} "
                f"and {second!r} in {theirs}. Compare those of one at a time."
            )
        env_id = next(iter(ids), DEFAULT_ENV)
    if given is not None:
        return env_id, whole_arguments(env_id, given)
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, config in runs:
        if config.env_id == env_id:
            names_of_task = ("preset", "config", "overrides")
            kwargs = {k: config.env_kwargs.get(k) for k in names_of_task}
            kwargs = {k: v for k, v in kwargs.items() if v is not None}
            found.setdefault(repr(kwargs), (name, kwargs))
    if len(found) > 1:
        (first, mine), (second, others), *_ = found.values()
        raise ValueError(
            f"The runs were trained on different scenarios, {first!r} on "
            f"{shorten(mine, 200)} and {second!r} on {shorten(others, 200)}. Say which "
            "to compare on, with --preset or --config, and --override."
        )
    kwargs = next(iter(found.values()))[1] if found else {}
    return env_id, whole_arguments(env_id, kwargs)


def run_label(config: TrainingConfig) -> str:
    """Returns the label of a run, such as "ppo set".

    It has the algorithm, the policy, the action encoding and the engine if they are not
    the default ones, and "warm" after a warm start.
    """
    words = [config.agent]
    if config.policy != next(iter(ALGORITHMS[config.agent].policies)):
        words.append(config.policy)
    encoding = config.env_kwargs.get("action_encoding", "box")
    if encoding != "box":
        words.append(encoding)
    if config.engine is not None:
        words.append(config.engine)
    if config.warm_start:
        words.append("warm")
    return " ".join(words)


def select(names: Sequence[str], task: AnyTask) -> list[Entry]:
    """Groups the names into rows, and checks that every agent can be made.

    Raises:
        ValueError: an agent is unknown, named twice or cannot decide this task.
    """
    for name in names:
        make_agent(name, task)
    return grouped(names)


def grouped(names: Sequence[str]) -> list[Entry]:
    """Groups the names of agents into rows: runs that differ in seed alone are one.

    Raises:
        ValueError: one is named twice, or the settings of a run cannot be read.
    """
    groups: dict[str, Entry] = {}
    for name in names:
        config = run_config(name)
        if config is None:
            key = path = name
            label = _LABELS.get(name, name)
        else:
            key = repr({**config.to_dict(), "seed": None})
            label = name if name in pretrained_names() else run_label(config)
            path = os.path.realpath(run_folder(name))
        group = groups.get(
            key, Entry(label=label, names=(), is_trained=config is not None)
        )
        if path in group.names:
            raise ValueError(f"--agents names {name!r} twice; keep one.")
        groups[key] = dataclasses.replace(group, names=(*group.names, path))
    return _with_unique_labels(list(groups.values()))


def _with_unique_labels(entries: list[Entry]) -> list[Entry]:
    """Adds the run's folder to labels that are not unique."""
    labels = [entry.label for entry in entries]
    return [
        entry
        if labels.count(entry.label) == 1
        else dataclasses.replace(
            entry, label=f"{entry.label} {os.path.basename(entry.names[0])}"
        )
        for entry in entries
    ]
